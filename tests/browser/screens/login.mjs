// Who gets in, by what, and how one leaves.

import { api, scene } from '../scene.mjs';
import { looksRight } from '../looks.mjs';
import { equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const heading = page => page.getByRole('heading', { level: 1, name: 'Log in to Postrider' });
const key = page => page.getByLabel('API key');
const enter = page => page.getByRole('button', { name: 'Log in' });
const overview = page => page.getByRole('heading', { level: 1, name: 'Overview' });

export async function aKeyLetsInAndIsNotKept({ open }) {
  const page = await open('/', { as: null, refused: [401] });
  await sees(heading(page));
  await key(page).fill(scene.keys.admin);
  await enter(page).click();
  await sees(overview(page));
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
  holds(!kept.includes(scene.keys.admin), 'the key is kept in the browser');
  equal(await page.evaluate(() => document.cookie), '', 'what scripts see of the cookie');
}

export async function oneLandsWhereOneWantedToGo({ open }) {
  const page = await open('/deliveries?view=failed', { as: null, refused: [401] });
  await key(page).fill(scene.keys.viewer);
  await enter(page).click();
  await isAt(page, '/deliveries?view=failed');
  await sees(page.getByRole('heading', { level: 1, name: 'Deliveries' }));
}

export async function aWrongKeyIsRefusedInWords({ open }) {
  const page = await open('/login', { as: null, refused: [401] });
  await key(page).fill('prk_wrong');
  await enter(page).click();
  await sees(page.getByText('There is no such key'));
  await sees(heading(page));
  // And the right one is taken at the next try.
  await key(page).fill(scene.keys.admin);
  await enter(page).click();
  await sees(overview(page));
}

export async function aLinkLetsInOnceAndLeavesTheAddressBar({ open }) {
  const { path } = await api('POST', '/v1/session/links');
  const page = await open(path.replace('/dashboard', ''), { as: null, refused: [401] });
  await sees(overview(page));
  holds(!page.url().includes('#'), `the token is in the address: ${page.url()}`);

  const other = await open(path.replace('/dashboard', ''), { as: null, refused: [401] });
  await sees(other.getByText('This link has been used or is too old'));
  await reads(other.getByRole('main'), 'postrider dashboard prints another');
  await sees(heading(other));
  equal(new URL(other.url()).hash, '', 'the fragment');
}

export async function whoLogsOutIsOut({ open }) {
  const page = await open('/webhooks', { refused: [401] });
  const who = page.getByRole('button', { name: /POSTRIDER_ADMIN_KEY/ });
  await who.click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await sees(heading(page));
  await page.goBack();
  await page.goto('/dashboard/webhooks');
  await sees(heading(page));
}

export async function aRevokedKeyEndsItsSessions({ open }) {
  const made = await api('POST', '/v1/keys', { name: 'for an hour', role: 'viewer' });
  const page = await open('/login', { as: null, refused: [401] });
  await key(page).fill(made.key);
  await enter(page).click();
  await sees(overview(page));
  await api('DELETE', `/v1/keys/${made.id}`);
  // What the screen asks by itself may have met it before this does.
  await page.goto('/dashboard/webhooks');
  await sees(heading(page));
  // It is said why, and one comes back.
  await sees(page.getByText('Your session has ended, or its key was revoked'));
  await key(page).fill(scene.keys.viewer);
  await enter(page).click();
  await isAt(page, '/webhooks');
}

export async function aKeyThatOnlyPublishesIsToldSo({ open }) {
  const page = await open('/', { as: 'publisher' });
  await sees(page.getByText('This key only publishes'));
  await reads(page.getByRole('main'), 'shop backend');
  await page.getByRole('button', { name: 'Log in with another key' }).click();
  await sees(heading(page));
}

export async function aBrowserAtTheRootIsLedHere({ open }) {
  const page = await open('/login', { as: null, refused: [401] });
  await page.goto('/');
  await isAt(page, '/login');
}

export async function aServerThatDoesNotAnswerIsToldAndAskedAgain({ open }) {
  const page = await open('/login', { as: null, refused: [401, 503] });
  await page.route('**/v1/session', route =>
    route.fulfill({ status: 503, json: { code: 'store_unavailable', detail: 'It is away.' } }),
  );
  await page.goto('/dashboard/');
  await sees(page.getByText('This could not be loaded'));
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Try again' }).click();
  await sees(heading(page));
}

export async function itLooksRight({ open }) {
  const page = await open('/login', { as: null, refused: [401] });
  await sees(heading(page));
  await page.getByText('Where do I find a key?').click();
  await looksRight(page);
  await gone(page.getByRole('alert'));
}
