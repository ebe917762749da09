// The list of webhooks: who is told, and what is done with them there.

import { clearsWhatDoesNotMatch, waitsAndFailsInWords } from '../lists.mjs';
import { isAccessible, looksRight } from '../looks.mjs';
import { api, register, scene, until } from '../scene.mjs';
import { copied, counts, equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const table = page => page.getByRole('table', { name: 'webhooks' });
const row = (page, text) => table(page).getByRole('row').filter({ hasText: text });
const search = page => page.getByRole('searchbox', { name: /^Search by a part of a URL/ });
const button = (page, name) => page.getByRole('button', { name, exact: true });
const dialog = (page, name) => page.getByRole('dialog', { name });
const item = (page, name) => page.getByRole('menuitem', { name, exact: true });
const menu = (page, text) => row(page, text).getByRole('button', { name: /^Actions for/ });
const statusOf = async id => (await api('GET', `/v1/webhooks/${id}`)).status;

export async function eachSaysHowItDoes({ open }) {
  const page = await open('/webhooks');
  await reads(row(page, '/shop'), 'Active');
  await reads(row(page, '/shop'), '100 %');
  await reads(row(page, '/shop'), 'The shop, for its customers');
  await reads(row(page, '/failing'), 'Failing');
  await reads(row(page, '/failing'), '0 %');
  await reads(row(page, '/gone'), 'Disabled');
  await reads(row(page, '/paused'), 'Paused');
  await reads(row(page, '/acme'), 'acme');
  await row(page, '/shop').getByRole('link').click();
  await isAt(page, `/webhooks/${scene.webhooks.shop}`);
}

export async function filtersAreInTheAddressAndBackUndoesThem({ open }) {
  const page = await open('/webhooks');
  await sees(row(page, '/shop'));
  await page.keyboard.press('/');
  await page.keyboard.type('/shop');
  await isAt(page, '/webhooks?q=/shop');
  await gone(row(page, '/failing'));
  await sees(row(page, '/shop'));
  await search(page).fill('');
  await page.getByLabel('Status', { exact: true }).selectOption('disabled');
  await isAt(page, '/webhooks?status=disabled');
  await gone(row(page, '/shop'));
  await row(page, '/gone').getByRole('link').click();
  await isAt(page, `/webhooks/${scene.webhooks.gone}`);
  await page.goBack();
  await isAt(page, '/webhooks?status=disabled');
  await sees(row(page, '/gone'));
}

export async function anIdFindsItsWebhook({ open }) {
  const page = await open('/webhooks', { refused: [404] });
  await sees(row(page, '/failing'));
  await search(page).fill(scene.webhooks.shop);
  await gone(row(page, '/failing'));
  await sees(row(page, '/shop'));
  const { id } = await register('/not-any-more');
  await api('DELETE', `/v1/webhooks/${id}`);
  await search(page).fill(id);
  await sees(page.getByText('No webhooks match'));
}

export async function oneIsRegisteredByTheFormAndItsSecretIsShownOnce({ open }) {
  const page = await open('/webhooks');
  await button(page, 'Register webhook').first().click();
  await isAt(page, '/webhooks?new=1');
  const form = dialog(page, 'Register webhook');
  await form.getByLabel('URL').fill(`${scene.receiver}/registered`);
  await form.getByRole('combobox', { name: /^Event types/ }).fill('own.registered');
  await page.keyboard.press('Enter');
  await sees(form.getByRole('button', { name: 'Remove own.registered' }));
  await form.getByLabel('Description').fill('Made in a browser');
  await form.getByText('Advanced').click();
  await form.getByLabel('Timeout').fill('3 s');
  await isAccessible(page, 'with the form');
  await form.getByRole('button', { name: 'Register webhook' }).click();

  const done = dialog(page, 'Webhook registered');
  await sees(done);
  await isAt(page, '/webhooks');
  const secret = await copied(page, done.getByRole('button', { name: 'Copy secret' }));
  holds(/^whsec_/.test(secret), `no secret: ${secret}`);
  await done.getByRole('button', { name: 'Done' }).click();
  await gone(done);
  await isAt(page, '/webhooks');
  await reads(row(page, '/registered'), 'Made in a browser');
  holds(!(await page.content()).includes(secret), 'the secret is still in the page');

  const { data } = await api('GET', '/v1/webhooks?q=/registered');
  equal(data.length, 1, 'the number of webhooks');
  equal(data[0].timeout_ms, 3_000, 'its timeout');
  equal(data[0].event_types.join(), 'own.registered', 'its event types');
  const { secrets } = await api('GET', `/v1/webhooks/${data[0].id}/secret`);
  equal(secrets[0].secret, secret, 'its secret');
}

export async function anInboxOfTheServerIsMadeToFailAndToTakeEverything({ open }) {
  const page = await open('/webhooks?new=1');
  const form = dialog(page, 'Register webhook');
  const url = form.getByLabel('URL');
  const inbox = `${scene.url}/dev/inbox/hint`;
  await url.fill(inbox);
  await button(form, 'Make it answer 500').click();
  equal(await url.inputValue(), `${inbox}?status=500`, 'the URL');
  await button(form, 'Make it take everything').click();
  equal(await url.inputValue(), inbox, 'the URL');
  await button(form, 'Not now').click();
}

export async function aForbiddenOrWrongUrlIsRefusedInWords({ open }) {
  const page = await open('/webhooks?new=1', { refused: [422] });
  const form = dialog(page, 'Register webhook');
  const url = form.getByLabel('URL');
  for (const [wrong, words] of [
    ['http://10.1.2.3/', /not allowed|forbidden|private|guard/i],
    ['ftp://application.com/', /http/],
    ['', /URL|empty|required/i],
  ]) {
    await url.fill(wrong);
    await form.getByRole('button', { name: 'Register webhook' }).click();
    const told = form.locator('.field-error').first();
    await sees(told);
    await reads(told, words);
    equal(await url.getAttribute('aria-invalid'), 'true', 'aria-invalid');
    await until('what is wrong has the focus', () =>
      url.evaluate(one => one === document.activeElement),
    );
  }
  await button(form, 'Not now').click();
  await isAt(page, '/webhooks');
  await sees(row(page, '/shop'));
}

export async function oneThatIsThereIsNotRegisteredTwice({ open }) {
  await register('/twice');
  const page = await open('/webhooks?new=1');
  const form = dialog(page, 'Register webhook');
  await form.getByLabel('URL').fill(`${scene.receiver}/twice`);
  await form.getByRole('button', { name: 'Register webhook' }).click();
  await sees(dialog(page, 'Registered before'));
}

export async function aRowIsPausedResumedAndTested({ open }) {
  const { id } = await register('/row');
  // A test event is looked for before it is made.
  const page = await open('/webhooks?q=/row', { refused: [404] });
  await menu(page, '/row').click();
  await item(page, 'Pause').click();
  await reads(row(page, '/row'), 'Paused');
  equal(await statusOf(id), 'paused');
  await menu(page, '/row').click();
  await item(page, 'Resume').click();
  await reads(row(page, '/row'), 'Active');
  equal(await statusOf(id), 'active');
  await menu(page, '/row').click();
  await item(page, 'Send test event').click();
  await page.getByRole('button', { name: 'Watch' }).click();
  await isAt(page, new RegExp(`^/webhooks/${id}\\?tab=test&delivery=dlv_`));
  await reads(page.getByRole('region', { name: 'What came of it' }), 'Delivered');
}

export async function aRowIsDeletedAfterAQuestionThatNamesIt({ open }) {
  const { id } = await register('/delete-me');
  const page = await open('/webhooks?q=/delete-me');
  await menu(page, '/delete-me').click();
  await item(page, 'Delete…').click();
  const asked = dialog(page, 'Delete webhook');
  await reads(asked, `${scene.receiver}/delete-me`);
  await button(asked, 'Not now').click();
  await gone(asked);
  equal(await statusOf(id), 'active');
  await menu(page, '/delete-me').click();
  await item(page, 'Delete…').click();
  await asked.getByRole('button', { name: /^Delete .+\/delete-me$/ }).click();
  await gone(asked);
  await sees(page.getByText(/\/delete-me is deleted/));
  await gone(row(page, '/delete-me'));
  const left = await api('GET', '/v1/webhooks?q=/delete-me');
  equal(left.data.length, 0, 'the number that is left');
}

export async function severalAreActedOnWithTheirNumberNamed({ open }) {
  const ids = [];
  for (const path of ['/several-a', '/several-b', '/several-c'])
    ids.push((await register(path)).id);
  const page = await open('/webhooks?q=/several');
  await sees(row(page, '/several-c'));
  await page.getByLabel('Select all rows of this page').check();
  const bar = page.getByRole('region', { name: 'Selection' });
  await reads(bar, '3 webhooks selected');
  await isAccessible(page, 'with a selection');
  await button(bar, 'Pause…').click();
  await button(page, 'Pause 3 webhooks').click();
  for (const id of ids)
    await until(`${id} is paused`, async () => (await statusOf(id)) === 'paused');
  await reads(row(page, '/several-a'), 'Paused');
  // By keyboard: the first row is walked to and chosen.
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await reads(bar, '1 webhook selected');
  await button(bar, 'Clear selection').click();
  await page.getByLabel('Select all rows of this page').check();
  await button(bar, 'Delete…').click();
  await button(page, 'Delete 3 webhooks').click();
  await sees(page.getByText('No webhooks match'));
}

export async function itsListWaitsFailsAndComesInWords(visit) {
  const page = await waitsAndFailsInWords(visit, '/webhooks', 'webhooks', '**/v1/webhooks?**');
  await search(page).fill('nothing of the kind');
  await clearsWhatDoesNotMatch(page, 'webhooks');
}

export async function aNewcomerIsShownHowToFillIt({ open }) {
  const page = await open('/webhooks', { as: 'newcomer' });
  await sees(page.getByText('No webhook is registered yet'));
  const command = await copied(page, page.getByRole('button', { name: 'Copy command' }));
  holds(command.startsWith(`curl ${scene.url}/v1/webhooks/register`), command);
  await looksRight(page);
  await page.getByRole('main').getByRole('button', { name: 'Register webhook' }).last().click();
  await sees(dialog(page, 'Register webhook'));
}

export async function aViewerChangesNothingHere({ open }) {
  const page = await open('/webhooks', { as: 'viewer' });
  await sees(row(page, '/shop'));
  await gone(button(page, 'Register webhook'));
  await gone(page.getByRole('checkbox').first());
  await menu(page, '/shop').click();
  const items = (await page.getByRole('menuitem').allInnerTexts()).map(text => text.trim());
  equal(items.join(), 'Open,Its deliveries,Copy id', 'the menu');
  await page.keyboard.press('Escape');
  await page.goto('/dashboard/webhooks?new=1');
  await sees(row(page, '/shop'));
  await gone(dialog(page, 'Register webhook'));
}

export async function aTenantSeesAndMakesItsOwn({ open }) {
  const page = await open('/webhooks', { as: 'tenant' });
  await sees(row(page, '/acme'));
  await counts(table(page).locator('tbody tr'), 1);
  await button(page, 'Register webhook').first().click();
  const form = dialog(page, 'Register webhook');
  await form.getByText('Advanced').click();
  await sees(form.getByLabel('Timeout'));
  await gone(form.getByLabel('Tenant'));
  await form.getByLabel('URL').fill(`${scene.receiver}/acme-too`);
  await form.getByRole('button', { name: 'Register webhook' }).click();
  await sees(dialog(page, 'Webhook registered'));
  const { data } = await api('GET', '/v1/webhooks?q=/acme-too');
  equal(data[0].tenant, 'acme', 'its tenant');
  await api('DELETE', `/v1/webhooks/${data[0].id}`);
}

export async function itLooksRight({ open }) {
  const page = await open('/webhooks');
  await reads(row(page, '/failing'), 'Failing');
  await looksRight(page);
}
