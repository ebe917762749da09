// What is around every screen: navigation, palette, shortcuts, the switches of theme, zone, tenant and
// time, and what they keep.

import { api, scene } from '../scene.mjs';
import { isAccessible, looksRight } from '../looks.mjs';
import { counts, equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const SCREENS = [
  ['Overview', '/', 'o'],
  ['Webhooks', '/webhooks', 'w'],
  ['Events', '/events', 'e'],
  ['Deliveries', '/deliveries', 'd'],
  ['Queue and workers', '/queue', 'q'],
  ['Settings', '/settings', 's'],
];
const title = (page, name) => page.getByRole('heading', { level: 1, name, exact: true });
const palette = page => page.getByRole('dialog', { name: 'Go to' });
const option = (page, name) => palette(page).getByRole('option', { name }).first();
const theme = page => page.getByRole('button', { name: /^Theme:/ });
const ground = page => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

export async function theNavigationAndItsLettersLeadToEveryScreen({ open }) {
  const page = await open('/settings');
  for (const [name, path] of SCREENS) {
    const link = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name });
    await link.click();
    await isAt(page, path);
    await sees(title(page, name));
    equal(await link.getAttribute('aria-current'), 'page', `the link of ${name}`);
  }
  for (const [name, path, letter] of SCREENS) {
    await page.keyboard.press('g');
    await page.keyboard.press(letter);
    await isAt(page, path);
    await sees(title(page, name));
  }
}

export async function thePaletteGoesToScreensAndIds({ open }) {
  const page = await open('/');
  await sees(title(page, 'Overview'));
  await page.keyboard.press('Control+k');
  await sees(palette(page));
  await isAccessible(page, 'with the palette');
  await page.keyboard.type('queue');
  await page.keyboard.press('Enter');
  await isAt(page, '/queue');
  await gone(palette(page));

  const ids = [
    [scene.webhooks.shop, `/webhooks/${scene.webhooks.shop}`],
    [scene.events.shop, `/events/${scene.events.shop}`],
  ];
  for (const [id, path] of ids) {
    await page.keyboard.press('Control+k');
    await sees(palette(page));
    await page.keyboard.insertText(id);
    await sees(option(page, id));
    await page.keyboard.press('Enter');
    await isAt(page, path);
  }
  const { data } = await api('GET', '/v1/deliveries?limit=1');
  await page.keyboard.press('Control+k');
  await page.keyboard.insertText(data[0].id);
  await option(page, data[0].id).click();
  await isAt(page, `/deliveries?open=${data[0].id}`);
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Escape');
  await gone(palette(page));
}

export async function thePaletteFindsWebhooksActionsAndWhatPublishersNamed({ open }) {
  const page = await open('/');
  for (const [text, name, to] of [
    ['/shop', /\/shop/, `/webhooks/${scene.webhooks.shop}`],
    ['register', 'Register webhook', '/webhooks?new=1'],
    ['retention', 'Settings: Retention', '/settings/retention'],
  ]) {
    await page.goto('/dashboard/');
    await sees(title(page, 'Overview'));
    await page.keyboard.press('Control+k');
    await sees(palette(page));
    await page.keyboard.insertText(text);
    await option(page, name).click();
    await isAt(page, to);
  }
  await page.keyboard.press('Control+k');
  await page.keyboard.insertText('order-17');
  await sees(option(page, 'Open event order-17'));
}

export async function thePaletteOpensFromItsButtonAndGivesTheFocusBack({ open }) {
  const page = await open('/');
  const jump = page.getByRole('button', { name: /^Go to/ });
  await jump.click();
  await sees(palette(page));
  await page.keyboard.press('Escape');
  await gone(palette(page));
  holds(await jump.evaluate(one => one === document.activeElement), 'the focus is elsewhere');
}

export async function aQuestionMarkShowsTheShortcuts({ open }) {
  const page = await open('/');
  await sees(title(page, 'Overview'));
  await page.keyboard.press('?');
  const dialog = page.getByRole('dialog', { name: 'Shortcuts' });
  await sees(dialog);
  for (const words of ['Go to a screen or an id', 'Next row', 'Search in this list']) {
    await reads(dialog, words);
  }
  await isAccessible(page, 'with the shortcuts');
  await page.keyboard.press('Escape');
  await gone(dialog);
}

export async function aThemeThatWasChosenIsKept({ open }) {
  const page = await open('/settings/session');
  const light = await ground(page);
  for (const [now, next] of [
    ['as the system', 'light'],
    ['light', 'dark'],
  ]) {
    await reads(theme(page), '');
    equal(await theme(page).getAttribute('aria-label'), `Theme: ${now}. Change to ${next}`);
    await theme(page).click();
  }
  await page.waitForFunction(
    before => getComputedStyle(document.body).backgroundColor !== before,
    light,
  );
  const dark = await ground(page);
  await page.reload();
  await sees(title(page, 'Settings'));
  equal(await ground(page), dark, 'the ground after a reload');
  // The reference is in the same theme.
  await page.goto('/docs');
  await page.locator('html.dark-mode').waitFor();
}

export async function timesAreInUtcOrLocal({ open }) {
  const page = await open(`/events/${scene.events.shop}`);
  const accepted = page
    .getByRole('definition')
    .filter({ hasText: /\d\d:\d\d:\d\d/ })
    .first();
  const local = await (await sees(accepted)).innerText();
  const zone = page.getByRole('group', { name: 'Times in' });
  await zone.getByRole('button', { name: 'UTC' }).click();
  await reads(accepted, 'UTC');
  holds((await accepted.innerText()) !== `${local} UTC`, 'Berlin has the time of Greenwich');
  await page.reload();
  await reads(accepted, 'UTC');
  await zone.getByRole('button', { name: 'Local' }).click();
  await accepted.filter({ hasText: local }).waitFor();
}

export async function aTenantIsChosenOnceForAllScreens({ open }) {
  const page = await open('/webhooks');
  await page.getByRole('button', { name: 'All tenants' }).first().click();
  const panel = page.getByRole('dialog', { name: 'Tenant' });
  await panel.getByLabel('Name of the tenant').fill('acme');
  await panel.getByRole('button', { name: 'Show' }).click();
  await isAt(page, '/webhooks?tenant=acme');
  const table = page.getByRole('table', { name: 'webhooks' });
  await reads(table, '/acme');
  await gone(table.getByText('/shop'));
  await page.keyboard.press('g');
  await page.keyboard.press('e');
  await isAt(page, '/events?tenant=acme');
  await reads(page.getByRole('table', { name: 'events' }), 'order.paid');
  await counts(page.getByRole('table', { name: 'events' }).getByRole('row'), 2);
  await page.getByRole('button', { name: 'acme', exact: true }).first().click();
  await panel.getByRole('button', { name: 'All tenants' }).click();
  await isAt(page, '/events');
}

export async function aTimeRangeIsInTheAddressAndBackUndoesIt({ open }) {
  const page = await open('/');
  const range = page.getByRole('button', { name: /^Time range:/ });
  await range.click();
  await page.getByRole('button', { name: 'Last 24 hours' }).click();
  await isAt(page, '/?range=24h');
  await range.click();
  await page.getByRole('button', { name: 'Last 15 minutes' }).click();
  await isAt(page, '/?range=15m');
  await page.goBack();
  await isAt(page, '/?range=24h');
  await page.locator('[aria-label="Time range: Last 24 hours"]').waitFor();
  // It goes along to other screens.
  await page.keyboard.press('g');
  await page.keyboard.press('q');
  await isAt(page, '/queue?range=24h');
  await range.click();
  await page.getByLabel('From', { exact: true }).fill('2026-01-01T00:00');
  await page.getByLabel('To', { exact: true }).fill('2026-01-01T06:00');
  await page.getByRole('button', { name: 'Show this range' }).click();
  await isAt(page, /^\/queue\?since=2025-12-31T23:00:00Z&until=2026-01-01T05:00:00Z$/);
}

export async function onAPhoneTheNavigationOpensAndCloses({ open }) {
  const page = await open('/', { size: { width: 390, height: 844 } });
  const link = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Events' });
  await gone(link);
  await page.getByRole('button', { name: 'Open navigation' }).click();
  await sees(link);
  await isAccessible(page, 'with the navigation open on a phone');
  await link.click();
  await isAt(page, '/events');
  await gone(link);
}

export async function anUnknownScreenSaysSo({ open }) {
  const page = await open('/nowhere');
  await sees(page.getByText('There is no such screen'));
  await looksRight(page);
  await page.getByRole('link', { name: 'Go to the overview' }).click();
  await isAt(page, '/');
}

export async function theDotTellsWhetherTheServerAnswers({ open }) {
  const page = await open('/deliveries');
  const dot = page.getByRole('banner').getByRole('status');
  await reads(dot, 'Live');
}

export async function theDotFollowsWhatEveryRequestMeets({ open }) {
  const page = await open('/', { refused: [502] });
  const dot = page.getByRole('banner').getByRole('status');
  await reads(dot, 'Connected');
  // What a proxy says for a server that is not there.
  const away = route => route.fulfill({ status: 502, body: '' });
  for (const path of ['**/v1/**', '**/readyz']) await page.route(path, away);
  await reads(dot, 'Offline');
  await page.unrouteAll();
  await reads(dot, 'Connected');
}

export async function oneCanSkipToTheContent({ open }) {
  const page = await open('/');
  await sees(title(page, 'Overview'));
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  equal(await page.evaluate(() => document.activeElement?.id), 'content', 'what has the focus');
}
