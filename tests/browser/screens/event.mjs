// An event: who got it, and how each attempt went.

import { looksRight, settled } from '../looks.mjs';
import { api, deliver, deliveryThatIs, register, scene, typeOf, until } from '../scene.mjs';
import { shell } from '../shell.mjs';
import { copied, equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const path = name => `/events/${scene.events[name]}`;
const button = (where, name) => where.getByRole('button', { name, exact: true });
const region = (page, name) => page.getByRole('region', { name, exact: true });
const timeline = page => page.getByRole('list', { name: 'Attempts, first to last' });
const attempt = (page, n) =>
  timeline(page).getByRole('button', { name: new RegExp(`^Attempt ${n}\\b`) });
const tab = (page, name) => timeline(page).getByRole('tab', { name, exact: true });

export async function itShowsWhatWasPublishedByteForByte({ open }) {
  const page = await open(path('shop'));
  await sees(page.getByRole('heading', { level: 1, name: 'order.paid' }));
  const data = region(page, 'Data');
  await reads(data, 'naïve ☕');
  await button(data, 'Raw').click();
  await reads(data, '{"note":"naïve ☕","number":3,"total":50.75}');
  const raw = await copied(page, data.getByRole('button', { name: /^Copy/ }));
  equal(raw, '{"note":"naïve ☕","number":3,"total":50.75}', 'the copy');
  const facts = region(page, 'Event');
  await reads(facts, 'default');
  equal(await copied(page, button(facts, 'Copy id').first()), scene.events.shop, 'the id');
}

export async function whatWasDeliveredShowsItsAttemptInPhases({ open }) {
  const page = await open(path('shop'));
  await reads(region(page, 'Attempts'), 'Delivered');
  await reads(attempt(page, 1), '200');
  const phases = page.getByRole('table', { name: 'Phases of the attempt' });
  for (const phase of [
    'Queue wait',
    'Name lookup',
    'Connect',
    'Until the first byte',
    'Body',
    'Whole attempt',
  ]) {
    await sees(phases.getByRole('rowheader', { name: phase }));
  }
  await reads(phases.getByRole('row').filter({ hasText: 'Whole attempt' }), /\d ms/);
  await reads(timeline(page), '"received": true');
  await reads(timeline(page), 'req-7f3a');
}

export async function theRequestIsTheOneThatWasSent({ open }) {
  const page = await open(path('shop'));
  await tab(page, 'Request').click();
  await isAt(page, /part=request/);
  await reads(timeline(page), 'POST');
  await reads(timeline(page), '/shop');
  for (const header of ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type']) {
    await reads(timeline(page), header);
  }
  await reads(timeline(page), scene.events.shop);
}

export async function theRequestIsCopiedAsCurlAndArrives({ open }) {
  const page = await open(path('shop'));
  await sees(attempt(page, 1));
  const copy = button(timeline(page), 'Copy as curl');
  const command = await copied(page, copy);
  const answer = await shell(command);
  holds(answer.includes(' 200 ') && answer.includes('"received":true'), answer);
}

export async function itsSignatureIsVerifiedAndExplained({ open }) {
  const page = await open(`${path('shop')}?part=signature`);
  await reads(timeline(page), 'The signature is right.');
  const signed = await copied(page, button(timeline(page), 'Copy signed text'));
  holds(new RegExp(`^${scene.events.shop}\\.\\d+\\.\\{`).test(signed), signed);
  const header = await copied(page, button(timeline(page), 'Copy signature'));
  const { secrets } = await api('GET', `/v1/webhooks/${scene.webhooks.shop}/secret`);
  equal(header, await signatureOf(signed, secrets[0].secret), 'the signature');
  await timeline(page).getByText('How the receiver verifies it').click();
  const languages = timeline(page).getByRole('group', { name: 'Language' }).getByRole('button');
  holds((await languages.count()) >= 5, 'few languages');
  for (const language of await languages.all()) {
    await language.click();
    const code = await timeline(page).locator('pre').last().innerText();
    holds(code.length > 100, code);
  }
  const code = await copied(page, button(timeline(page), 'Copy code'));
  holds(code.length > 100, code);
}

export async function aTokenIsVerifiedToo({ open }) {
  const page = await open(`${path('acme')}?part=signature`);
  await reads(timeline(page), 'The signature is right.');
  await reads(timeline(page), 'signs with a token (JWT)');
  await reads(timeline(page), 'Bearer ey');
}

export async function whatFailsSaysWhyAndWhatIsStillToCome({ open }) {
  const page = await open(path('failing'));
  await reads(region(page, 'Attempts'), 'Retrying');
  await reads(attempt(page, 1), '500');
  await reads(attempt(page, 2), '500');
  await reads(timeline(page), 'the database is down');
  await reads(timeline(page), /Up to \d+ more.*gives up/);
  await button(timeline(page), /more attempts?$/).click();
  // One is open at a time, and which one is in the address.
  await attempt(page, 1).click();
  await isAt(page, /attempt=1/);
  equal(await attempt(page, 1).getAttribute('aria-expanded'), 'true', 'the first is open');
  equal(await attempt(page, 2).getAttribute('aria-expanded'), 'false', 'the second is open');
  await attempt(page, 1).click();
  equal(await attempt(page, 1).getAttribute('aria-expanded'), 'false', 'the first is open');
}

export async function attemptsAreWalkedByKeyboard({ open }) {
  const page = await open(path('failing'));
  await sees(attempt(page, 2));
  await attempt(page, 1).click();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await isAt(page, /attempt=2/);
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await isAt(page, /attempt=1/);
}

export async function aTimeoutAndARefusalOfTheGuardAreToldInWords({ open }) {
  const page = await open(path('slow'));
  await reads(attempt(page, 1), 'Timed out');
  const phases = page.getByRole('table', { name: 'Phases of the attempt' });
  await reads(phases.getByRole('row').filter({ hasText: 'Until the first byte' }), 'then ended');
  await page.goto(`/dashboard${path('inside')}`);
  await reads(attempt(page, 1), 'Refused by the egress guard');
  await tab(page, 'Request').click();
  await reads(timeline(page), 'it was never sent');
  await tab(page, 'Response').click();
  await reads(timeline(page), 'No answer came');
}

export async function whatEndedSaysWhy({ open }) {
  const page = await open(path('gone'));
  await reads(region(page, 'Attempts'), '410 Gone, which also disabled the webhook');
  await reads(timeline(page), 'resume the webhook, then retry');
  await page.goto(`/dashboard${path('refunds')}`);
  await reads(region(page, 'Attempts'), 'All attempts are used up');
}

export async function whatIsPausedWaits({ open }) {
  const page = await open(path('paused'));
  await reads(region(page, 'Attempts'), 'it is sent when the webhook is resumed');
  await reads(timeline(page), 'as soon as the webhook is resumed');
}

export async function whatNobodyWantedSaysWhy({ open }) {
  const page = await open(path('nobody'));
  await sees(page.getByText('No webhook wanted it'));
  await reads(page.getByRole('main'), 'does not want this type');
  await looksRight(page);
  await page.getByRole('main').getByRole('link', { name: 'Publish a copy…' }).first().click();
  const form = page.getByRole('dialog', { name: 'Publish event' });
  await sees(form);
  equal(await form.getByLabel('Type').inputValue(), 'nobody.cares', 'the type of the copy');
  const data = await form.getByLabel('Data').inputValue();
  holds(data.includes('naïve ☕') && !data.includes('\n'), `not as it was published: ${data}`);
}

export async function itIsRetriedNowAndTheNewAttemptShows({ open }) {
  await register('/flaky-a');
  const { id, event_id } = await deliver(typeOf('/flaky-a'));
  await deliveryThatIs('retrying', id);
  const page = await open(`/events/${event_id}`);
  await reads(attempt(page, 1), '500');
  await button(region(page, 'Attempts'), 'Retry now').click();
  await reads(attempt(page, 2), '200');
  await reads(attempt(page, 2), 'by hand');
  await reads(region(page, 'Attempts'), 'Delivered');
  await gone(button(region(page, 'Attempts'), 'Retry now'));
  equal((await api('GET', `/v1/deliveries/${id}`)).status, 'delivered');
}

export async function itIsCancelledAfterAQuestionAndRetriedAgain({ open }) {
  await register('/flaky-b');
  const { id, event_id } = await deliver(typeOf('/flaky-b'));
  await deliveryThatIs('retrying', id);
  const page = await open(`/events/${event_id}`);
  await button(region(page, 'Attempts'), 'Cancel…').click();
  const asked = page.getByRole('dialog', { name: /^Cancel/ });
  await button(asked, 'Not now').click();
  await gone(asked);
  equal((await api('GET', `/v1/deliveries/${id}`)).status, 'retrying');
  await button(region(page, 'Attempts'), 'Cancel…').click();
  await button(asked, 'Cancel 1 delivery').click();
  await reads(region(page, 'Attempts'), 'Cancelled');
  equal((await api('GET', `/v1/deliveries/${id}`)).status, 'cancelled');
  await button(region(page, 'Attempts'), 'Retry').click();
  await reads(region(page, 'Attempts'), 'Delivered');
}

export async function anAttemptComesWithoutAReload({ open }) {
  const { id: webhook } = await register('/resumed-later');
  await api('POST', `/v1/webhooks/${webhook}/pause`);
  const { event_id } = await deliver(typeOf('/resumed-later'));
  const page = await open(`/events/${event_id}`);
  await reads(region(page, 'Attempts'), 'Paused');
  await api('POST', `/v1/webhooks/${webhook}/resume`);
  await reads(attempt(page, 1), '200');
  await reads(region(page, 'Attempts'), 'Delivered');
}

export async function eachOfItsDeliveriesIsARow({ open }) {
  const type = 'several.happened';
  for (const name of ['/one-of', '/two-of']) await register(name, { event_types: [type] });
  const { id } = await api('POST', '/v1/events', { type, data: {} });
  const made = await until('both are delivered', async () => {
    const { data } = await api('GET', `/v1/deliveries?event_id=${id}&status=delivered`);
    return data.length === 2 ? data : undefined;
  });
  const page = await open(`/events/${id}`);
  const table = page.getByRole('table', { name: 'deliveries' });
  await reads(region(page, 'Deliveries'), 'all 2 delivered');
  await table.getByRole('row').filter({ hasText: '/one-of' }).getByRole('link').first().click();
  const one = made.find(({ webhook_url }) => webhook_url.endsWith('/one-of'));
  await isAt(page, `/events/${id}?open=${one.id}`);
  await page.keyboard.press('Shift+J');
  await page.keyboard.press('Shift+K');
  await isAt(page, /open=dlv_/);
}

export async function whoMayNotActSeesNoActions({ open }) {
  const page = await open(path('failing'), { as: 'viewer' });
  await reads(attempt(page, 1), '500');
  for (const name of ['Retry now', 'Cancel…', 'Send now']) await gone(button(page, name));
  await gone(page.getByRole('link', { name: 'Publish a copy…' }));
  await tab(page, 'Request').click();
  await reads(timeline(page), 'webhook-signature');
}

export async function aTenantSeesItsOwnAndNoOther({ open }) {
  const page = await open(path('acme'), { as: 'tenant', refused: [404] });
  await reads(region(page, 'Attempts'), 'Delivered');
  await page.goto(`/dashboard${path('shop')}`);
  await sees(page.getByText('There is no such event'));
  await looksRight(page);
}

export async function anIdWithEscapesIsTakenAsItIsWritten({ open }) {
  const page = await open('/events/a%2Fb%27%25', { refused: [400, 404, 422] });
  await sees(page.getByText('There is no such event'));
  await reads(page.getByRole('main'), "a/b'%");
}

export async function whatTurnsTextAroundIsShownAsAnEscape({ open }) {
  const { id } = await api('POST', '/v1/events', { type: 'turned.around', data: 'a\u202egpj' });
  const page = await open(`/events/${id}`);
  const data = region(page, 'Data');
  await reads(data, '"a\\u202egpj"');
  const raw = await copied(page, data.getByRole('button', { name: /^Copy/ }));
  equal(raw, '"a\u202egpj"', 'the copy');
}

export async function itLooksRight({ open }) {
  const page = await open(path('failing'));
  for (const part of ['response', 'request', 'signature']) {
    await page.goto(`/dashboard${path('failing')}?part=${part}`);
    await sees(attempt(page, 1));
    await settled(page);
    await looksRight(page);
  }
  for (const name of ['slow', 'inside', 'paused']) {
    await page.goto(`/dashboard${path(name)}`);
    await sees(region(page, 'Attempts'));
    await looksRight(page);
  }
}

/** Standard Webhooks, computed here from its specification. */
async function signatureOf(text, secret) {
  const bytes = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', bytes, hmac, false, ['sign']);
  const made = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text));
  return `v1,${Buffer.from(made).toString('base64')}`;
}
