// The list of deliveries: views and filters in the address, what comes live, the drawer, and acting on
// one or many.

import { clearsWhatDoesNotMatch, waitsAndFailsInWords } from '../lists.mjs';
import { isAccessible, looksRight } from '../looks.mjs';
import { api, deliver, deliveryThatIs, register, scene, typeOf, until } from '../scene.mjs';
import { copied, counts, equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const table = page => page.getByRole('table', { name: 'deliveries' });
const row = (page, text) => table(page).getByRole('row').filter({ hasText: text });
const rows = page => table(page).locator('tbody tr');
const button = (where, name) => where.getByRole('button', { name, exact: true });
const view = (page, name) =>
  page.getByRole('group', { name: 'Saved views' }).getByRole('button', { name, exact: true });
const filter = (page, name) => page.getByRole('search').getByLabel(name, { exact: true });
const drawer = page => page.getByRole('complementary');
const selection = page => page.getByRole('region', { name: 'Selection' });
const menu = (page, text) => row(page, text).getByRole('button', { name: /^Actions for/ });
const item = (page, name) => page.getByRole('menuitem', { name, exact: true });
const statusOf = async id => (await api('GET', `/v1/deliveries/${id}`)).status;

export async function eachSaysWhereItStands({ open }) {
  const page = await open('/deliveries');
  for (const [type, ...words] of [
    ['order.paid', 'Delivered', '200'],
    ['invoice.sent', 'Retrying', '500', '/failing'],
    ['customer.left', 'Failed', '410'],
    ['report.ready', 'Retrying', 'Timed out'],
    ['audit.done', 'Retrying', 'Refused by the egress guard', 'intranet.test'],
    ['stock.low', 'Paused', 'Not tried yet', 'when resumed'],
    ['refund.made', 'Failed', '500'],
  ]) {
    for (const word of words) await reads(row(page, type).first(), word);
  }
}

export async function savedViewsAreInTheAddressAndBackUndoesThem({ open }) {
  const page = await open('/deliveries');
  for (const [name, shown, hidden] of [
    ['Retrying', 'invoice.sent', 'customer.left'],
    ['Failed', 'customer.left', 'invoice.sent'],
    ['Waiting', 'stock.low', 'order.paid'],
  ]) {
    await view(page, name).click();
    await isAt(page, `/deliveries?view=${name.toLowerCase()}`);
    await sees(row(page, shown).first());
    await gone(row(page, hidden).first());
  }
  await page.goBack();
  await isAt(page, '/deliveries?view=failed');
  await sees(row(page, 'customer.left'));
  equal(await view(page, 'Failed').getAttribute('aria-pressed'), 'true', 'the view of failed ones');
  // None was slow.
  await view(page, 'Slow').click();
  await isAt(page, '/deliveries?view=slow');
  await sees(page.getByText('No deliveries match'));
  await view(page, 'All').click();
  await isAt(page, '/deliveries');
}

export async function filtersAreInTheAddressAndAreShared({ open }) {
  const page = await open('/deliveries');
  await sees(row(page, 'order.paid').first());
  await filter(page, 'Last answer').selectOption('500');
  await isAt(page, '/deliveries?answer=500');
  await gone(row(page, 'order.paid').first());
  await filter(page, 'Status').selectOption('failed');
  await isAt(page, '/deliveries?answer=500&status=failed');
  await gone(row(page, 'invoice.sent'));
  await sees(row(page, 'refund.made').first());
  await filter(page, 'Event type').fill('refund.made');
  await isAt(page, /event_type=refund\.made/);
  // Whoever is given the address sees the same.
  const other = await open(new URL(page.url()).href.split('/dashboard')[1]);
  await sees(row(other, 'refund.made').nth(2));
  await counts(rows(other), 3);
  equal(await filter(other, 'Status').inputValue(), 'failed', 'the filter of the other');
  await button(page, 'Clear filters').click();
  await isAt(page, '/deliveries');
  await filter(page, 'Attempts').selectOption('2');
  await isAt(page, '/deliveries?attempts=2');
  await sees(row(page, 'invoice.sent'));
  await gone(row(page, 'customer.left'));
}

export async function anIdOfAnythingIsFound({ open }) {
  const page = await open('/deliveries');
  await sees(row(page, 'order.paid').first());
  const find = page.getByRole('searchbox', { name: 'Find by id' });
  await find.fill(scene.webhooks.refunds);
  await find.press('Enter');
  await isAt(page, `/deliveries?webhook_id=${scene.webhooks.refunds}`);
  await reads(page.getByRole('search'), '/refunds');
  await gone(row(page, 'order.paid').first());
  await button(page, 'All webhooks').click();
  await isAt(page, '/deliveries');
  await find.fill(scene.events.gone);
  await find.press('Enter');
  await isAt(page, `/deliveries?event_id=${scene.events.gone}`);
  await sees(row(page, 'customer.left'));
  await counts(rows(page), 1);
}

export async function aRowOpensBesideTheListAndIsInTheAddress({ open }) {
  const page = await open('/deliveries?view=retrying');
  await row(page, 'invoice.sent').getByRole('link').first().click();
  await isAt(page, /^\/deliveries\?view=retrying&open=dlv_/);
  await reads(drawer(page), 'invoice.sent');
  await reads(drawer(page), 'waits for its next attempt');
  await reads(drawer(page), 'the database is down');
  await reads(drawer(page), 'Whole attempt');
  await isAccessible(page, 'with the drawer');
  const id = new URL(page.url()).searchParams.get('open');
  equal(
    await copied(page, drawer(page).getByRole('button', { name: 'Copy id' }).last()),
    id,
    'its id',
  );
  // The row before shows in the same place.
  await page.keyboard.press('k');
  await page.waitForURL(url => url.searchParams.get('open') !== id);
  await page.keyboard.press('Escape');
  await gone(drawer(page));
  await page.goto(`/dashboard/deliveries?open=${id}`);
  await reads(drawer(page), 'invoice.sent');
  await drawer(page).getByRole('link', { name: 'Open its event' }).click();
  await isAt(page, `/events/${scene.events.failing}?open=${id}`);
}

export async function oneIsSentNowFromTheDrawer({ open }) {
  await register('/flaky-a');
  const { id } = await deliver(typeOf('/flaky-a'));
  await deliveryThatIs('retrying', id);
  const page = await open(`/deliveries?open=${id}`);
  await reads(drawer(page), 'Retrying');
  await drawer(page)
    .getByRole('button', { name: /^(Send|Retry) now$/ })
    .click();
  await reads(drawer(page), 'Delivered');
  await reads(row(page, 'own.flaky_a'), 'Delivered');
  equal(await statusOf(id), 'delivered');
}

export async function oneIsCancelledFromItsRow({ open }) {
  await register('/broken');
  const { id } = await deliver(typeOf('/broken'));
  await deliveryThatIs('retrying', id);
  const page = await open('/deliveries?event_type=own.broken');
  await menu(page, 'own.broken').click();
  await item(page, 'Cancel…').click();
  await button(page, 'Cancel 1 delivery').click();
  await reads(row(page, 'own.broken'), 'Cancelled');
  equal(await statusOf(id), 'cancelled');
  await menu(page, 'own.broken').click();
  holds(await item(page, 'Cancel…').isDisabled(), 'what has ended can be cancelled');
}

export async function chosenOnesAreRetriedWithTheirNumberNamed({ open }) {
  const { id: webhook } = await register('/chosen', {
    retry: { policy: 'schedule', delays_ms: [] },
  });
  await api('POST', `/v1/webhooks/${webhook}/pause`);
  const made = [];
  for (let n = 0; n < 3; n += 1) made.push((await deliver(typeOf('/chosen'))).id);
  const page = await open('/deliveries?event_type=own.chosen');
  await rows(page).nth(2).waitFor();
  await rows(page).nth(0).getByRole('checkbox').check();
  await rows(page).nth(1).getByRole('checkbox').check();
  await reads(selection(page), '2 deliveries selected');
  await isAccessible(page, 'with a selection');
  await button(selection(page), 'Cancel…').click();
  const asked = page.getByRole('dialog', { name: 'Cancel deliveries' });
  await reads(asked, '2 deliveries');
  await button(asked, 'Cancel 2 deliveries').click();
  await gone(asked);
  await gone(selection(page));
  equal((await Promise.all(made.map(statusOf))).filter(one => one === 'cancelled').length, 2);
  await api('POST', `/v1/webhooks/${webhook}/resume`);
  await reads(rows(page).nth(2), 'Delivered');
  await page.getByLabel('Select all rows of this page').check();
  await button(selection(page), 'Retry…').click();
  // What was delivered is left out.
  await button(page, 'Retry 2 deliveries').click();
  for (const id of made) await deliveryThatIs('delivered', id);
}

export async function allThatMatchAreRetriedWithTheirNumberNamedBefore({ open }) {
  const webhook = await register('/many', { retry: { policy: 'schedule', delays_ms: [] } });
  await api('POST', `/v1/webhooks/${webhook.id}/pause`);
  for (let n = 0; n < 30; n += 1) {
    await api('POST', '/v1/events', { type: typeOf('/many'), data: { n } });
  }
  const query = `/v1/deliveries?event_type=${typeOf('/many')}&limit=200`;
  await until('30 wait', async () => (await api('GET', query)).data.length === 30);
  const page = await open(`/deliveries?event_type=${typeOf('/many')}&status=pending`);
  await page.getByRole('combobox', { name: /^Rows/ }).selectOption('25');
  await counts(rows(page), 25);
  await page.getByLabel('Select all rows of this page').check();
  await reads(selection(page), '25 deliveries selected');
  await button(selection(page), 'Select all that match').click();
  await reads(selection(page), 'All that match the filters');
  await button(selection(page), 'Cancel…').click();
  const asked = page.getByRole('dialog', { name: 'Cancel deliveries' });
  await reads(asked, typeOf('/many'));
  await reads(asked, '30 deliveries');
  await isAccessible(page, 'with the question');
  await button(asked, 'Not now').click();
  await gone(asked);
  equal((await api('GET', `${query}&status=pending`)).data.length, 30, 'those that wait');
  await button(selection(page), 'Cancel…').click();
  await button(asked, 'Cancel 30 deliveries').click();
  await until('30 are cancelled', async () => {
    return (await api('GET', `${query}&status=cancelled`)).data.length === 30;
  });
}

export async function aDeliveryComesAndChangesWithoutAReload({ open }) {
  const webhook = await register('/live');
  await api('POST', `/v1/webhooks/${webhook.id}/pause`);
  const page = await open('/deliveries');
  await sees(row(page, 'order.paid').first());
  await reads(page.getByRole('banner').getByRole('status'), 'Live');
  await page.evaluate(() => {
    window.isTheSamePage = true;
  });
  await deliver(typeOf('/live'));
  await reads(row(page, 'own.live'), 'Paused');
  await api('POST', `/v1/webhooks/${webhook.id}/resume`);
  await reads(row(page, 'own.live'), 'Delivered');

  // Frozen, new ones are counted only.
  await button(page, 'Freeze').click();
  await deliver(typeOf('/live'));
  await counts(row(page, 'own.live'), 1);
  await button(page, 'Follow').click();
  await sees(row(page, 'own.live').nth(1));
  // While one reads further down, too.
  await row(page, 'own.live').first().getByRole('link').first().click();
  await sees(drawer(page));
  await deliver(typeOf('/live'));
  const chip = page.getByRole('button', { name: /^1 new/ });
  await sees(chip);
  await counts(row(page, 'own.live'), 2);
  await chip.click();
  await sees(row(page, 'own.live').nth(2));
  holds(await page.evaluate(() => window.isTheSamePage), 'it was loaded anew');
}

export async function theLiveListKeepsToItsPage({ open }) {
  await register('/crowd');
  const page = await open('/deliveries');
  await page.getByRole('combobox', { name: /^Rows/ }).selectOption('25');
  await reads(page.getByRole('banner').getByRole('status'), 'Live');
  for (let n = 0; n < 30; n += 1) {
    await api('POST', '/v1/events', { type: typeOf('/crowd'), data: { n } });
  }
  await counts(row(page, typeOf('/crowd')), 25);
  await counts(rows(page), 25);
}

export async function aStatusThatIsNoneLeavesTheAddress({ open }) {
  const page = await open('/deliveries?status=nonsense,failed');
  await isAt(page, '/deliveries?status=failed');
}

export async function itsListWaitsFailsAndComesInWords(visit) {
  const page = await waitsAndFailsInWords(
    visit,
    '/deliveries',
    'deliveries',
    '**/v1/deliveries?**',
  );
  await filter(page, 'Event type').fill('nothing.of.the.kind');
  await clearsWhatDoesNotMatch(page, 'deliveries');
}

export async function aNewcomerIsShownHowToFillIt({ open }) {
  const page = await open('/deliveries', { as: 'newcomer' });
  await sees(page.getByText('No deliveries yet'));
  const command = await copied(page, page.getByRole('button', { name: 'Copy command' }));
  holds(command.startsWith(`curl ${scene.url}/v1/events`), command);
  await looksRight(page);
}

export async function aViewerChangesNothingHere({ open }) {
  const page = await open('/deliveries?view=retrying', { as: 'viewer' });
  await sees(row(page, 'invoice.sent'));
  await gone(page.getByRole('checkbox').first());
  await menu(page, 'invoice.sent').click();
  const items = (await page.getByRole('menuitem').allInnerTexts()).map(text => text.trim());
  equal(items.join(), 'Open,Open its event,Open its webhook', 'the menu');
  await item(page, 'Open').click();
  await reads(drawer(page), 'Retrying');
  await gone(drawer(page).getByRole('button', { name: /now$|^Retry|^Cancel/ }));
}

export async function aTenantSeesItsOwn({ open }) {
  const page = await open('/deliveries', { as: 'tenant' });
  await reads(row(page, 'order.paid'), '/acme');
  await counts(rows(page), 1);
  await gone(page.getByRole('button', { name: 'All tenants' }));
}

export async function itLooksRight({ open }) {
  const page = await open('/deliveries');
  await sees(row(page, 'invoice.sent'));
  await looksRight(page);
  await row(page, 'invoice.sent').getByRole('link').first().click();
  await sees(drawer(page));
  await looksRight(page);
}
