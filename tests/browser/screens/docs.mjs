// The reference of the API, which one tries out there and then.

import { fits } from '../looks.mjs';
import { scene } from '../scene.mjs';
import { equal, holds, reads, sees } from '../waits.mjs';

const operation = (page, path) => page.locator('.opblock').filter({ hasText: path }).first();

export async function everyOperationIsThere({ open }) {
  const page = await open('/docs');
  await sees(operation(page, '/v1/events'));
  const shown = await page
    .locator('.opblock-summary-path')
    .evaluateAll(all => all.map(one => one.getAttribute('data-path')));
  const document = await (await fetch(`${scene.url}/openapi.json`)).json();
  const missing = Object.keys(document.paths).filter(path => !shown.includes(path));
  equal(missing.join(), '', 'what is missing');
}

export async function oneIsTriedBySession({ open }) {
  const page = await open('/docs');
  await reads(page.locator('#who'), 'POSTRIDER_ADMIN_KEY');
  const list = page
    .locator('.opblock-get')
    .filter({ has: page.locator('[data-path="/v1/webhooks"]') });
  await list.locator('.opblock-summary-control').click();
  await list.getByRole('button', { name: 'Execute' }).click();
  await reads(list.locator('.live-responses-table'), '200');
  await reads(list.locator('.live-responses-table'), '/shop');
}

export async function nobodyIsToldThatAKeyIsNeeded({ open }) {
  const page = await open('/docs', { as: null, refused: [401] });
  await reads(page.locator('#who'), 'Not logged in');
}

export async function theNavigationLeadsThere({ open }) {
  const page = await open('/');
  const opened = page.waitForEvent('popup');
  await page.getByRole('link', { name: 'API reference' }).click();
  const docs = await opened;
  await docs.locator('.opblock').first().waitFor();
  holds(new URL(docs.url()).pathname === '/docs', docs.url());
}

/** What is Swagger's own is its own; what is ours is above it. */
export async function itFitsAPhoneInBothThemes({ open }) {
  for (const theme of ['light', 'dark']) {
    const page = await open('/docs', { theme, size: { width: 390, height: 844 } });
    await sees(operation(page, '/v1/events'));
    await fits(page);
  }
}
