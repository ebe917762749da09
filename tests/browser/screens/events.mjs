// The list of events, finding one, and publishing by a form or by the command it gives.

import { clearsWhatDoesNotMatch, waitsAndFailsInWords } from '../lists.mjs';
import { isAccessible, looksRight } from '../looks.mjs';
import { api, register, scene, typeOf } from '../scene.mjs';
import { shell } from '../shell.mjs';
import { copied, counts, equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const table = page => page.getByRole('table', { name: 'events' });
const row = (page, text) => table(page).getByRole('row').filter({ hasText: text });
const rows = page => table(page).locator('tbody tr');
const button = (where, name) => where.getByRole('button', { name, exact: true });
const form = page => page.getByRole('dialog', { name: 'Publish event' });
const byId = page => page.getByRole('searchbox', { name: 'Event id' });
// One with suggestions is a combobox.
const byType = page => page.getByRole('search').getByLabel('Event type, exactly');

export async function eachSaysWhatBecameOfIt({ open }) {
  const page = await open('/events');
  await sees(row(page, 'order.paid').filter({ hasText: '1 delivered' }).first());
  await reads(row(page, 'invoice.sent'), '1 retrying');
  await reads(row(page, 'customer.left'), '1 failed');
  await reads(row(page, 'stock.low').first(), '1 pending');
  await reads(row(page, 'nobody.cares'), 'None');
  await row(page, 'invoice.sent').getByRole('link').first().click();
  await isAt(page, `/events/${scene.events.failing}`);
}

export async function aTypeNarrowsItAndBackUndoesIt({ open }) {
  const page = await open('/events');
  await sees(row(page, 'invoice.sent'));
  await byType(page).fill('refund.made');
  await isAt(page, '/events?type=refund.made');
  await gone(row(page, 'invoice.sent'));
  await counts(rows(page), 3);
  await row(page, 'refund.made').first().getByRole('link').first().click();
  await isAt(page, /^\/events\/evt_/);
  await page.goBack();
  await isAt(page, '/events?type=refund.made');
  equal(await byType(page).inputValue(), 'refund.made', 'the filter');
  await button(page, 'Clear filters').click();
  await isAt(page, '/events');
}

export async function oneIsFoundByItsId({ open }) {
  const page = await open('/events', { refused: [404] });
  await sees(row(page, 'order.paid').first());
  await page.keyboard.press('/');
  await page.keyboard.insertText(scene.events.failing);
  await page.keyboard.press('Enter');
  await isAt(page, `/events/${scene.events.failing}`);
  await page.goBack();
  await isAt(page, '/events');
  await byId(page).fill('no-such-id');
  await byId(page).press('Enter');
  await sees(page.getByText('No event has this id'));
  await looksRight(page);
  await button(page, 'Back to the list').click();
  await sees(row(page, 'order.paid').first());
}

export async function oneIsPublishedByTheFormByteForByte({ open }) {
  const { id: webhook } = await register('/published');
  const type = typeOf('/published');
  const page = await open('/events');
  await page.getByRole('link', { name: 'Publish event' }).click();
  await isAt(page, '/events?publish=1');
  await form(page).getByLabel('Type').fill(type);
  await reads(form(page).getByRole('region', { name: 'Who would receive it' }), '1 webhook would');
  await reads(form(page), '/published');
  await form(page).getByLabel('Data').fill('{"total": 1.0, "note": "naïve ☕"}');
  await reads(form(page), 'Valid JSON');
  await isAccessible(page, 'with the form');
  await button(form(page), 'Publish event').click();
  const done = page.getByRole('dialog', { name: 'Published' });
  await reads(done, 'is accepted and on its way');
  await done.getByRole('link', { name: 'Open the event' }).click();
  await isAt(page, /^\/events\/evt_/);
  await sees(page.getByRole('heading', { level: 1, name: type }));
  const { data } = await api('GET', `/v1/deliveries?webhook_id=${webhook}`);
  const sent = await api('GET', `/v1/deliveries/${data[0].id}/request`);
  holds(sent.body.includes('{"total": 1.0, "note": "naïve ☕"}'), `it was changed: ${sent.body}`);
}

export async function whatTheFormSaysIsCopiedAsCurlAndDoesTheSame({ open }) {
  const page = await open('/events?publish=1');
  await form(page).getByLabel('Type').fill('copied.as_curl');
  await form(page).getByLabel(/^Id/).fill('copied-as-curl');
  await form(page).getByLabel('Data').fill('{"it\'s": "quoted \\\\ \\"well\\" $HOME `x`"}');
  const command = await copied(page, button(form(page), 'Copy as curl'));
  holds(!command.includes(scene.keys.admin), 'the command has a key in it');
  const answer = await shell(command);
  holds(answer.includes(' 202 '), answer);
  // The same by the form: the id is known, so nothing else is made.
  await button(form(page), 'Publish event').click();
  await reads(page.getByRole('dialog', { name: 'Published' }), 'was accepted before under this id');
  const event = await api('GET', '/v1/events/copied-as-curl');
  equal(event.data["it's"], 'quoted \\ "well" $HOME `x`', 'what arrived');
}

export async function brokenJsonAndWrongTypesAreToldBeforeAnythingIsSent({ open }) {
  const page = await open('/events?publish=1');
  await form(page).getByLabel('Type').fill('no good');
  await form(page).getByLabel('Data').fill('{\n  "a": 1,\n}');
  await reads(form(page), /Line [23], column \d/);
  holds(await button(form(page), 'Publish event').isDisabled(), 'broken JSON could be sent');
  await form(page).getByLabel('Data').fill('{"a":1}');
  await reads(form(page), 'joined by dots');
  await button(form(page), 'Format').click();
  equal(await form(page).getByLabel('Data').inputValue(), '{\n  "a": 1\n}', 'the data laid out');
  await page.keyboard.press('Escape');
  await isAt(page, '/events');
  // What was typed is there again, until it is wished away.
  await page.getByRole('link', { name: 'Publish event' }).click();
  equal(await form(page).getByLabel('Type').inputValue(), 'no good', 'what was typed before');
  await button(form(page), 'Begin anew').click();
  equal(await form(page).getByLabel('Type').inputValue(), '', 'the type of a new one');
}

export async function aRefusalOfTheServerIsAtItsField({ open }) {
  const page = await open('/events?publish=1', { refused: [422] });
  await form(page).getByLabel('Type').fill('order.paid');
  await form(page).getByLabel('Tenant').fill('no/such');
  await button(form(page), 'Publish event').click();
  await sees(form(page).locator('.field-error'));
  equal(await form(page).getByLabel('Tenant').getAttribute('aria-invalid'), 'true', 'aria-invalid');
}

export async function aNewEventComesByItselfUnlessTheListIsFrozen({ open }) {
  const page = await open('/events');
  await sees(row(page, 'order.paid').first());
  await reads(page.getByRole('banner').getByRole('status'), 'Live');
  await api('POST', '/v1/events', { type: 'live.one', data: {} });
  await sees(row(page, 'live.one'));
  await button(page, 'Freeze').click();
  await api('POST', '/v1/events', { type: 'live.two', data: {} });
  const chip = page.getByRole('button', { name: /^1 new/ });
  await sees(chip);
  await gone(row(page, 'live.two'));
  await chip.click();
  await sees(row(page, 'live.two'));
  await button(page, 'Follow').click();
}

export async function itPagesAndBackGoesBack({ open }) {
  for (let n = 0; n < 30; n += 1) {
    await api('POST', '/v1/events', { type: 'paged.many', data: { n } });
  }
  const page = await open('/events?type=paged.many');
  await page.getByRole('combobox', { name: /^Rows/ }).selectOption('25');
  await counts(rows(page), 25);
  await button(page, 'Next').click();
  await isAt(page, /cursor=/);
  await reads(page.getByRole('navigation', { name: 'Pages' }), /(^|\D)5 events on this page/);
  holds(await button(page, 'Next').isDisabled(), 'there is a third page');
  await button(page, 'Prev').click();
  await reads(page.getByRole('navigation', { name: 'Pages' }), '25 events on this page');
  await page.goBack();
  await reads(page.getByRole('navigation', { name: 'Pages' }), /(^|\D)5 events on this page/);
}

export async function itsListWaitsFailsAndComesInWords(visit) {
  const page = await waitsAndFailsInWords(visit, '/events', 'events', '**/v1/events?**');
  await byType(page).fill('nothing.of.the.kind');
  await clearsWhatDoesNotMatch(page, 'events');
}

export async function aNewcomerIsShownHowToFillIt({ open }) {
  const page = await open('/events', { as: 'newcomer' });
  await sees(page.getByText('No events yet'));
  await looksRight(page);
  const command = await copied(page, page.getByRole('button', { name: 'Copy command' }));
  const answer = await shell(command, scene.keys.newcomer);
  holds(answer.includes('"duplicate":false'), answer);
  await sees(row(page, 'order.paid'));
}

export async function aViewerPublishesNothing({ open }) {
  const page = await open('/events?publish=1', { as: 'viewer' });
  await sees(row(page, 'order.paid').first());
  await gone(page.getByRole('link', { name: 'Publish event' }));
  await gone(form(page));
}

export async function aTenantPublishesForItself({ open }) {
  const page = await open('/events?publish=1', { as: 'tenant' });
  await form(page).getByLabel('Type').fill('acme.own');
  await gone(form(page).getByLabel('Tenant'));
  await reads(form(page), '/acme');
  await button(form(page), 'Publish event').click();
  await sees(page.getByRole('dialog', { name: 'Published' }));
  await page.keyboard.press('Escape');
  await sees(row(page, 'acme.own'));
  await gone(row(page, 'invoice.sent'));
}

export async function itLooksRight({ open }) {
  const page = await open('/events');
  await sees(row(page, 'order.paid').first());
  await looksRight(page);
}
