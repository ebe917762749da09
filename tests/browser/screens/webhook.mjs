// One webhook: its numbers, its settings, its secrets, and trying it.

import { isAccessible, looksRight, settled } from '../looks.mjs';
import { api, deliver, deliveryThatIs, register, scene, typeOf, until } from '../scene.mjs';
import { copied, counts, equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const TABS = ['overview', 'deliveries', 'settings', 'security', 'test'];
const path = (id, tab) => `/webhooks/${id}${tab === 'overview' ? '' : `?tab=${tab}`}`;
const button = (where, name) => where.getByRole('button', { name, exact: true });
const dialog = (page, name) => page.getByRole('dialog', { name });
const region = (page, name) => page.getByRole('region', { name, exact: true });
const tab = (page, name) => page.getByRole('tab', { name, exact: true });
const tile = (page, label) => page.locator('.tile').filter({ hasText: label });
const head = page => page.getByRole('main').locator('header').first();
const table = page => page.getByRole('table', { name: 'deliveries' });

export async function itsNumbersAreThoseOfItsAttempts({ open }) {
  const page = await open(path(scene.webhooks.failing, 'overview'));
  await reads(head(page), 'Failing');
  await reads(tile(page, 'Attempts answered 2xx'), '0 %');
  // It goes on failing while others look.
  await reads(tile(page, 'Failures in a row'), /[2-9]/);
  await reads(tile(page, 'Backlog'), '1');
  await reads(page.getByRole('main'), /Its last \d+ attempts failed/);
  const answers = region(page, 'What came back');
  await reads(answers, '5xx');
  await answers.getByRole('link', { name: '5xx' }).click();
  await isAt(page, `/webhooks/${scene.webhooks.failing}?tab=deliveries&answer=5xx`);
  await reads(table(page), 'invoice.sent');
}

export async function itsTabsAreInTheAddress({ open }) {
  const page = await open(path(scene.webhooks.shop, 'overview'));
  await tab(page, 'Deliveries').click();
  await isAt(page, path(scene.webhooks.shop, 'deliveries'));
  await reads(table(page), 'order.paid');
  await counts(table(page).locator('tbody tr'), 3);
  await page.keyboard.press('Tab');
  await tab(page, 'Deliveries').press('ArrowRight');
  await isAt(page, path(scene.webhooks.shop, 'settings'));
  await page.goBack();
  await isAt(page, path(scene.webhooks.shop, 'deliveries'));
  await page.goBack();
  await isAt(page, path(scene.webhooks.shop, 'overview'));
}

export async function itIsPausedAndWhatWaitedIsSentWhenItIsResumed({ open }) {
  const { id } = await register('/pause');
  const page = await open(path(id, 'overview'));
  await button(page, 'Pause').click();
  await reads(page.getByRole('main'), 'Deliveries are made and wait until it is resumed');
  await reads(head(page), 'Paused');
  const { id: waiting } = await deliver(typeOf('/pause'));
  await tab(page, 'Deliveries').click();
  await reads(table(page), 'Paused');
  await button(page, 'Resume').click();
  await reads(head(page), 'Active');
  await deliveryThatIs('delivered', waiting);
  await reads(table(page), 'Delivered');
}

export async function aDisabledOneSaysWhyAndIsResumed({ open }) {
  const page = await open(path(scene.webhooks.gone, 'overview'));
  await reads(page.getByRole('main'), 'No deliveries are made until it is resumed');
  await reads(head(page), 'Disabled');
  await gone(button(page, 'Pause'));
  await button(page, 'Resume').click();
  await reads(head(page), /Active|Failing/);
}

export async function aTestEventIsSeenToArrive({ open }) {
  const { id } = await register('/test');
  // It is looked for before it is made.
  const page = await open(path(id, 'overview'), { refused: [404] });
  await button(page, 'Send test event').click();
  await isAt(page, path(id, 'test'));
  const form = region(page, 'Test event');
  await form.getByLabel('Data').fill('{"amount": 1.0}');
  await button(form, 'Send test event').click();
  const came = region(page, 'What came of it');
  await reads(came, 'Delivered');
  await reads(came, '200');
  await isAt(page, new RegExp(`delivery=dlv_`));
  const delivery = new URL(page.url()).searchParams.get('delivery');
  const sent = await api('GET', `/v1/deliveries/${delivery}/request?attempt=1`);
  holds(sent.body.includes('{"amount": 1.0}'), `what was typed was changed: ${sent.body}`);
  await looksRight(page);
  await came.getByRole('link', { name: 'Open the event' }).click();
  await isAt(page, /^\/events\/evt_/);
}

export async function aTestOfOneThatFailsShowsWhatItAnswered({ open }) {
  const { id } = await register('/broken');
  const page = await open(path(id, 'test'), { refused: [404] });
  const form = region(page, 'Test event');
  await form.getByLabel('Data').fill('{');
  await reads(form, 'This is no JSON yet');
  holds(await button(form, 'Send test event').isDisabled(), 'broken JSON could be sent');
  await form.getByLabel('Data').fill('');
  await button(form, 'Send test event').click();
  const came = region(page, 'What came of it');
  await reads(came, 'Retrying');
  await reads(came, '500');
  await reads(came, 'the database is down');
}

export async function settingsAreChangedAndOnlyThoseThatWere({ open }) {
  const { id } = await register('/settings', { description: 'before' });
  const page = await open(path(id, 'settings'));
  await page.getByLabel('Description').fill('after');
  await page.getByLabel('Timeout').fill('7 s');
  await button(page, 'Add a header').click();
  await page.getByLabel('Name of header 1').fill('x-team');
  await page.getByLabel('Value of header x-team').fill('payments');
  const bar = region(page, 'Changes');
  await reads(bar, '3 fields changed');
  await isAccessible(page, 'with changes');
  // Somebody else changes another field meanwhile.
  await api('PATCH', `/v1/webhooks/${id}`, { max_in_flight: 3 });
  await button(bar, 'Save 3 changes').click();
  await gone(bar);
  const now = await api('GET', `/v1/webhooks/${id}`);
  equal(now.description, 'after', 'its description');
  equal(now.timeout_ms, 7_000, 'its timeout');
  equal(now.headers['x-team'], 'payments', 'its header');
  equal(now.max_in_flight, 3, 'what somebody else changed');
}

export async function aWrongSettingIsRefusedInWordsAndDiscarded({ open }) {
  const { id } = await register('/wrong-settings', { description: 'before' });
  const page = await open(path(id, 'settings'), { refused: [422] });
  await page.getByRole('textbox', { name: 'URL' }).fill('http://10.1.2.3/');
  const bar = region(page, 'Changes');
  await button(bar, 'Save 1 change').click();
  await sees(page.locator('.field-error').first());
  equal(
    await page.getByRole('textbox', { name: 'URL' }).getAttribute('aria-invalid'),
    'true',
    'aria-invalid',
  );
  // What was typed outlives a look at another tab, and at another screen.
  await tab(page, 'Security').click();
  await page.getByRole('link', { name: 'Webhooks', exact: true }).click();
  await isAt(page, '/webhooks');
  await page.goBack();
  await page.getByRole('tab', { name: /^Settings.*not saved/ }).click();
  await reads(bar, 'not saved yet');
  equal(
    await page.getByRole('textbox', { name: 'URL' }).inputValue(),
    'http://10.1.2.3/',
    'what was typed',
  );
  await button(bar, 'Discard').click();
  await gone(bar);
  equal(
    await page.getByRole('textbox', { name: 'URL' }).inputValue(),
    `${scene.receiver}/wrong-settings`,
    'the URL',
  );
}

export async function theSecretIsRevealedHiddenAndRotated({ open }) {
  const { id, secret } = await register('/secret');
  const page = await open(path(id, 'security'));
  const panel = region(page, 'Signing secret');
  await sees(panel.getByLabel('The secret is hidden'));
  holds(
    !(await page.content()).includes(secret),
    'the secret is in the page before it was asked for',
  );
  await button(panel, 'Reveal').click();
  await reads(panel, secret);
  await isAccessible(page, 'with the secret');
  equal(await copied(page, panel.getByRole('button', { name: 'Copy secret' })), secret, 'the copy');
  await button(panel, 'Hide').click();
  await sees(panel.getByLabel('The secret is hidden'));

  await button(panel, 'Rotate…').click();
  const asked = dialog(page, /^Rotate the secret/);
  await reads(asked, 'for 24 hours with the previous one as well');
  await button(asked, 'Rotate the secret').click();
  const shown = dialog(page, 'The new secret');
  const next = await copied(page, shown.getByRole('button', { name: 'Copy secret' }));
  holds(next !== secret && next.startsWith('whsec_'), `no new secret: ${next}`);
  await button(shown, 'Done').click();
  await button(panel, 'Reveal').click();
  await reads(panel.getByRole('listitem').filter({ hasText: 'Current' }), next);
  await reads(panel.getByRole('listitem').filter({ hasText: 'Replaced' }), secret);
}

export async function aSecretOfOnesOwnIsCheckedFirst({ open }) {
  const { id } = await register('/own-secret');
  const page = await open(path(id, 'security'), { refused: [422] });
  await button(page, 'Rotate…').click();
  const asked = dialog(page, /^Rotate the secret/);
  await asked.getByLabel('A secret of your own').fill('too short');
  await button(asked, 'Rotate the secret').click();
  await sees(asked.locator('.field-error'));
  const own = `whsec_${btoa('a secret of thirty-two bytes, ok')}`;
  await asked.getByLabel('A secret of your own').fill(own);
  await button(asked, 'Rotate the secret').click();
  await reads(dialog(page, 'The new secret'), own);
}

export async function codeThatVerifiesIsThereInEveryLanguage({ open }) {
  const page = await open(path(scene.webhooks.shop, 'security'));
  const panel = region(page, 'Verify requests');
  const languages = panel.getByRole('group', { name: 'Language' }).getByRole('button');
  const seen = new Set();
  for (const language of await languages.all()) {
    await language.click();
    seen.add(await copied(page, panel.getByRole('button', { name: 'Copy code' })));
  }
  equal(seen.size, await languages.count(), 'the number of different snippets');
  for (const code of seen) holds(/webhook.id/i.test(code), `no webhook-id in ${code}`);
  await page.goto(`/dashboard${path(scene.webhooks.acme, 'security')}`);
  await reads(panel, 'payload_hash');
}

export async function itIsDeletedAfterAQuestionAndItsPageSaysSo({ open }) {
  const { id } = await register('/deleted');
  const page = await open(path(id, 'overview'), { refused: [404] });
  await page.getByRole('button', { name: /^More actions for/ }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  const asked = dialog(page, 'Delete webhook');
  await reads(asked, '/deleted');
  await asked.getByRole('button', { name: /^Delete / }).click();
  await isAt(page, '/webhooks');
  await page.goto(`/dashboard${path(id, 'overview')}`);
  await sees(page.getByText('There is no such webhook'));
  await looksRight(page);
}

export async function itsFailedDeliveriesAreRetriedAllAtOnce({ open }) {
  const page = await open(path(scene.webhooks.refunds, 'deliveries'));
  await reads(table(page), 'Failed');
  await page.getByRole('button', { name: /^More actions for/ }).click();
  await page.getByRole('menuitem', { name: 'Retry failed…' }).click();
  const asked = dialog(page, 'Retry deliveries');
  await reads(asked, '3 deliveries');
  await button(asked, 'Retry 3 deliveries').click();
  await gone(asked);
  await until('all are delivered', async () => {
    const query = `webhook_id=${scene.webhooks.refunds}&status=delivered`;
    return (await api('GET', `/v1/deliveries?${query}`)).data.length === 3;
  });
  await gone(table(page).getByText('Failed'));
}

export async function aViewerLooksAndChangesNothing({ open }) {
  const page = await open(path(scene.webhooks.shop, 'settings'), { as: 'viewer' });
  await reads(page.getByRole('main'), 'may look at these settings, but not change them');
  holds(await page.getByLabel('Description').isDisabled(), 'a setting can be changed');
  for (const name of ['Pause', 'Resume', 'Send test event']) await gone(button(page, name));
  await page.getByRole('button', { name: /^More actions for/ }).click();
  const items = (await page.getByRole('menuitem').allInnerTexts()).map(text => text.trim());
  equal(items.join(), 'Copy id', 'the menu');
  await page.keyboard.press('Escape');
  await tab(page, 'Security').click();
  await reads(region(page, 'Signing secret'), 'Your key may not see it');
  await gone(button(page, 'Reveal'));
  await tab(page, 'Test').click();
  await reads(page.getByRole('main'), 'but not send test events');
}

export async function aViewerIsNotToldToRetry({ open }) {
  const page = await open(path(scene.webhooks.failing, 'overview'), { as: 'viewer' });
  await reads(page.getByRole('main'), /Its last \d+ attempts failed/);
  await gone(page.getByText('Retry now'));
}

export async function aTenantManagesItsOwnAndSeesNoOther({ open }) {
  const page = await open(path(scene.webhooks.acme, 'security'), { as: 'tenant', refused: [404] });
  await button(page, 'Reveal').click();
  await reads(region(page, 'Signing secret'), 'whsec_');
  await sees(button(page, 'Pause'));
  await page.goto(`/dashboard${path(scene.webhooks.shop, 'overview')}`);
  await sees(page.getByText('There is no such webhook'));
}

export async function itLooksRight({ open }) {
  const page = await open(path(scene.webhooks.failing, 'overview'));
  for (const name of TABS) {
    await page.goto(`/dashboard${path(scene.webhooks.failing, name)}`);
    await sees(page.getByRole('tabpanel'));
    await settled(page);
    await looksRight(page);
  }
}
