// The overview: the numbers of the range, who needs somebody, why attempts fail, and the first steps.

import { api, register, scene, until } from '../scene.mjs';
import { looksRight, settled } from '../looks.mjs';
import { gone, holds, isAt, reads, sees } from '../waits.mjs';

const tile = (page, label) => page.locator('.tile').filter({ hasText: label });
const attention = page => page.getByRole('table', { name: 'webhooks needing attention' });
const causes = page => page.getByRole('table', { name: 'causes' });
const row = (table, text) => table.getByRole('row').filter({ hasText: text });

export async function itCountsWhatWasPublishedAndTried({ open }) {
  const page = await open('/');
  // Other tests publish too.
  await reads(tile(page, 'Events accepted'), /1[4-9]/);
  await reads(tile(page, 'Retrying'), '3');
  await reads(tile(page, 'Webhooks in trouble'), '4 failing, 1 disabled of 8');
  for (const label of ['Attempts', 'First try succeeded', 'Delivered eventually', 'latency']) {
    await reads(tile(page, label).first(), /\d/);
  }
  await tile(page, 'Retrying').click();
  await isAt(page, '/deliveries?view=retrying');
}

export async function itNamesTheWebhooksInTrouble({ open }) {
  const page = await open('/');
  await reads(row(attention(page), '/failing'), '500');
  await reads(row(attention(page), '/slow'), 'Timed out');
  await reads(row(attention(page), '/inside'), 'Refused by the egress guard');
  await reads(row(attention(page), '/gone'), 'Disabled');
  await reads(row(attention(page), '/gone'), '410');
  await gone(row(attention(page), '/shop'));
  await row(attention(page), '/failing').getByRole('link').first().click();
  await isAt(page, `/webhooks/${scene.webhooks.failing}`);
}

export async function aFailingWebhookIsPausedAndResumedFromThere({ open }) {
  const webhook = await register('/broken');
  await api('POST', '/v1/events', { type: 'own.broken', data: {} });
  const page = await open('/');
  const own = row(attention(page), '/broken');
  await sees(own);
  for (const [verb, status] of [
    ['Pause', 'paused'],
    ['Resume', 'active'],
  ]) {
    await own.getByRole('button', { name: /^Actions for/ }).click();
    await page.getByRole('menuitem', { name: verb, exact: true }).click();
    await until(`it is ${status}`, async () => {
      return (await api('GET', `/v1/webhooks/${webhook.id}`)).status === status;
    });
    await reads(own, verb === 'Pause' ? 'Paused' : /Failing|Active/);
  }
  await api('DELETE', `/v1/webhooks/${webhook.id}`);
}

export async function itSaysWhyAttemptsFailAndLeadsThere({ open }) {
  const page = await open('/');
  for (const cause of ['500', '410', 'Timed out', 'Refused by the egress guard']) {
    await sees(row(causes(page), cause));
  }
  await row(causes(page), 'Timed out').getByRole('link').click();
  await isAt(page, '/deliveries?answer=timeout&range=1h');
  await reads(page.getByRole('table', { name: 'deliveries' }), 'report.ready');
}

export async function whatAChartShowsIsInATableToo({ open }) {
  const page = await open('/');
  const chart = page.getByRole('figure', { name: 'Attempts by what came back' });
  await sees(chart.locator('canvas'));
  await chart.getByRole('button', { name: 'Show as table' }).click();
  const table = page.getByRole('region', { name: 'Attempts by what came back, as a table' });
  for (const head of ['2xx', '4xx', '5xx', 'Timed out', 'Blocked']) {
    await sees(table.getByRole('columnheader', { name: head }));
  }
  await chart.getByRole('button', { name: 'Show as chart' }).click();
  await sees(chart.locator('canvas'));
}

export async function draggingOverAChartChoosesTheRange({ open }) {
  const page = await open('/?range=6h');
  const canvas = page.getByRole('figure', { name: 'Attempts by what came back' }).locator('canvas');
  await settled(page);
  await canvas.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await canvas.boundingBox();
  await page.mouse.move(x + width * 0.4, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.8, y + height / 2, { steps: 8 });
  await page.mouse.up();
  await isAt(page, /^\/\?since=.*Z&until=.*Z$/);
  await page.goBack();
  await isAt(page, '/?range=6h');
}

export async function aNewcomerIsShownTheFirstStepsUntilAnEventComes({ open }) {
  const page = await open('/', { as: 'newcomer' });
  await sees(page.getByText('Waiting for the first event'));
  await reads(page.getByRole('main'), '/v1/webhooks/register');
  await looksRight(page);
  await api('POST', '/v1/events', { type: 'order.paid', data: {} }, scene.keys.newcomer);
  await sees(page.locator('.tile').filter({ hasText: 'Events accepted' }));
  await gone(page.getByText('Waiting for the first event'));
}

export async function aViewerChangesNothingHere({ open }) {
  const page = await open('/', { as: 'viewer' });
  await row(attention(page), '/failing')
    .getByRole('button', { name: /^Actions for/ })
    .click();
  const items = await page.getByRole('menuitem').allInnerTexts();
  holds(
    items.length > 0 && items.every(item => /^(Open|Its deliveries)$/.test(item.trim())),
    `${items}`,
  );
}

export async function aTenantSeesItsOwnNumbersOnly({ open }) {
  const page = await open('/', { as: 'tenant' });
  await reads(tile(page, 'Events accepted'), '1');
  await reads(tile(page, 'Webhooks in trouble'), '0 failing, 0 disabled of 1');
  await gone(page.getByRole('button', { name: 'All tenants' }));
}

export async function withoutAnAnswerItSaysSoAndTriesAgain({ open }) {
  const page = await open('/login', { refused: [503] });
  const problem = { code: 'store_unavailable', detail: 'The database does not answer.' };
  await page.route(/\/v1\/(stats|overview)/, route =>
    route.fulfill({ status: 503, json: problem }),
  );
  await page.goto('/dashboard/');
  await sees(page.getByText('This could not be loaded').first());
  await sees(page.getByText(problem.detail).first());
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await reads(tile(page, 'Events accepted'), /\d/);
}

export async function itLooksRight({ open }) {
  const page = await open('/');
  await sees(row(attention(page), '/failing'));
  await sees(row(causes(page), '410'));
  await looksRight(page);
}
