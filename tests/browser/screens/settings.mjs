// Settings: keys, configuration, session; what a role does not get to see.

import { isAccessible, looksRight } from '../looks.mjs';
import { api, scene, until } from '../scene.mjs';
import { copied, equal, gone, holds, isAt, reads, sees } from '../waits.mjs';

const SECTIONS = ['keys', 'retention', 'configuration', 'session', 'about'];
const keys = page => page.getByRole('table', { name: 'keys' });
const key = (page, name) => keys(page).getByRole('row').filter({ hasText: name });
const button = (where, name) => where.getByRole('button', { name, exact: true });
const dialog = (page, name) => page.getByRole('dialog', { name });
const setting = (page, name) => page.locator('.settings-list > div').filter({ hasText: name });

export async function aKeyIsMadeShownOnceAndRevoked({ open }) {
  const page = await open('/settings/keys');
  await sees(key(page, 'shop backend'));
  await button(page, 'New key').click();
  const form = dialog(page, 'New key');
  await form.getByLabel('Name').fill('made in a browser');
  await form.getByRole('radio', { name: /^Tenant/ }).check();
  await form.getByRole('textbox', { name: 'Tenant' }).fill('acme');
  await isAccessible(page, 'with the form');
  await button(form, 'Create key').click();
  const shown = dialog(page, 'The new key');
  await isAccessible(page, 'with the new key');
  // It is not closed before it was copied, unless twice.
  await button(shown, 'Close').first().click();
  await reads(shown, 'It was not copied');
  const made = await copied(page, button(shown, 'Copy key'));
  holds(/^prk_/.test(made), `no key: ${made}`);
  await button(shown, 'Done').click();
  await gone(shown);
  holds(!(await page.content()).includes(made), 'the key is still in the page');
  await reads(key(page, 'made in a browser'), 'acme');
  equal((await api('GET', '/v1/session', undefined, made)).tenant, 'acme', 'its tenant');

  await key(page, 'made in a browser')
    .getByRole('button', { name: /^Revoke/ })
    .click();
  const asked = dialog(page, /^Revoke/);
  await reads(asked, 'cannot be undone');
  await button(asked, 'Not now').click();
  await gone(asked);
  await key(page, 'made in a browser')
    .getByRole('button', { name: /^Revoke/ })
    .click();
  await button(asked, 'Revoke “made in a browser”').click();
  await gone(key(page, 'made in a browser'));
  await until('it is refused', async () => {
    return api('GET', '/v1/session', undefined, made).then(
      () => false,
      () => true,
    );
  });
}

export async function whoRevokesItsOwnKeyIsWarned({ open }) {
  const page = await open('/settings/keys');
  await reads(key(page, 'POSTRIDER_ADMIN_KEY'), 'this session');
  await key(page, 'POSTRIDER_ADMIN_KEY')
    .getByRole('button', { name: /^Revoke/ })
    .click();
  const asked = dialog(page, /^Revoke/);
  await reads(asked, 'you will be logged out');
  await reads(asked, 'the only admin key');
  await button(asked, 'Not now').click();
}

export async function keysAreFoundAndFiltersAreInTheAddress({ open }) {
  const page = await open('/settings/keys');
  await sees(key(page, 'on call'));
  await page.getByRole('searchbox', { name: 'Search keys' }).fill('shop');
  await isAt(page, '/settings/keys?q=shop');
  await gone(key(page, 'on call'));
  await button(page, 'Clear filters').click();
  await page.getByLabel('Role', { exact: true }).selectOption('viewer');
  await isAt(page, '/settings/keys?role=viewer');
  await sees(key(page, 'on call'));
  await gone(key(page, 'shop backend'));
}

export async function theConfigurationIsShownWithItsSecretsMasked({ open }) {
  const page = await open('/settings/configuration');
  const masked = setting(page, 'POSTRIDER_ADMIN_KEY').first();
  await reads(masked, '••••••••');
  await reads(masked, 'Environment');
  await sees(masked.getByLabel('set, hidden'));
  const text = await page.content();
  for (const secret of [scene.keys.admin, '00112233445566778899aabbccddeeff']) {
    holds(!text.includes(secret), 'a secret is in the page');
  }
  await reads(setting(page, 'limits.retention_days'), 'Default');
  await reads(setting(page, 'egress.dns_servers'), '127.0.0.1:');
  await page.getByRole('searchbox', { name: 'Search settings' }).fill('retention');
  await isAt(page, '/settings/configuration?q=retention');
  await gone(masked);
  await button(page, 'Clear filters').click();
  await page.getByLabel('Set by').selectOption('environment');
  await sees(masked);
  await gone(setting(page, 'limits.retention_days'));
}

export async function theLogLevelIsChangedAndSetBack({ open }) {
  const page = await open('/settings/configuration', { refused: [422] });
  const level = page.getByLabel('Log now');
  const before = await (await sees(level)).inputValue();
  await level.fill('info,worker=loud');
  await button(page, 'Log this').click();
  await sees(page.locator('.field-error'));
  await level.fill('debug');
  await button(page, 'Log this').click();
  await reads(page.locator('.settings-log'), `Started with ${before}`);
  equal((await api('GET', '/v1/log')).level, 'debug', 'the level');
  await button(page, `Back to ${before}`).click();
  await gone(button(page, `Back to ${before}`));
  equal((await api('GET', '/v1/log')).level, before, 'the level');
}

export async function retentionIsSaidInWords({ open }) {
  const page = await open('/settings/retention');
  await reads(page.getByRole('main'), /Kept for \d+ days/);
  await reads(page.getByRole('main'), 'retention_days');
}

export async function theSessionSaysWhoOneIsAndEnds({ open }) {
  const page = await open('/settings/session', { as: 'viewer', refused: [401] });
  const main = page.getByRole('main');
  for (const words of ['on call', 'Viewer', /in 1[12] h/]) await reads(main, words);
  await button(main, 'Log out').click();
  await sees(page.getByRole('heading', { level: 1, name: 'Log in to Postrider' }));
}

export async function aboutLeadsToWhatIsThere({ open }) {
  const page = await open('/settings/about');
  await reads(page.getByRole('main'), scene.url);
  const links = page.getByRole('region', { name: 'Read on' }).getByRole('link');
  const paths = await links.evaluateAll(all => all.map(link => link.getAttribute('href')));
  holds(paths.length >= 4, `few links: ${paths}`);
  for (const path of paths) {
    const answer = await fetch(scene.url + path, { headers: { accept: 'text/html' } });
    equal(answer.status, 200, path);
  }
}

export async function theSectionsAreInTheAddress({ open }) {
  const page = await open('/settings');
  const nav = page.getByRole('navigation', { name: 'Settings' });
  for (const section of SECTIONS) {
    const link = nav.getByRole('link', { name: new RegExp(section, 'i') });
    await link.click();
    await isAt(page, `/settings/${section}`);
    equal(await link.getAttribute('aria-current'), 'page', section);
  }
  await page.goto('/dashboard/settings/nothing');
  await sees(page.getByText('There is no such section'));
}

export async function aViewerIsToldWhatIsForAdmins({ open }) {
  const page = await open('/settings', { as: 'viewer' });
  await reads(page.getByRole('main'), 'on call');
  await page.goto('/dashboard/settings/keys');
  await sees(page.getByText('Keys are for admins'));
  await gone(button(page, 'New key'));
  await looksRight(page);
  await page.goto('/dashboard/settings/configuration');
  await sees(page.getByText('The configuration is for admins'));
  await page.goto('/dashboard/settings/retention');
  await reads(page.getByRole('main'), /Kept for \d+ days/);
}

export async function aTenantIsToldWhatIsForOthers({ open }) {
  const page = await open('/settings/retention', { as: 'tenant' });
  await sees(page.getByText('How long things are kept is set by who runs this installation'));
  await page.goto('/dashboard/settings/keys');
  await sees(page.getByText('Keys are for admins'));
  await page.goto('/dashboard/settings/about');
  await reads(page.getByRole('main'), /\d+\.\d+\.\d+/);
}

export async function itsListWaitsFailsAndComesInWords({ open }) {
  const page = await open('/login', { refused: [503] });
  const problem = { code: 'store_unavailable', detail: 'The database does not answer.' };
  await page.route('**/v1/keys', route => route.fulfill({ status: 503, json: problem }));
  await page.goto('/dashboard/settings/keys');
  await reads(page.getByRole('alert'), problem.detail);
  await page.unrouteAll();
  await button(page, 'Try again').click();
  await sees(key(page, 'on call'));
}

export async function itLooksRight({ open }) {
  const page = await open('/settings');
  for (const section of SECTIONS) {
    await page.goto(`/dashboard/settings/${section}`);
    await sees(page.getByRole('heading', { level: 1, name: 'Settings' }));
    await looksRight(page);
  }
}
