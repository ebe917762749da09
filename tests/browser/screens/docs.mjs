// The reference of the API, which one tries out there and then.

import { fits, isAccessible } from '../looks.mjs';
import { scene } from '../scene.mjs';
import { holds, reads, sees } from '../waits.mjs';

const operation = (page, path) => page.locator('.opblock').filter({ hasText: path }).first();

export async function everyOperationIsThere({ open }) {
  const page = await open('/docs');
  await sees(operation(page, '/v1/events'));
  const document = await (await fetch(`${scene.url}/openapi.json`)).json();
  const wanted = Object.values(document.paths).flatMap(path => Object.keys(path)).length;
  const shown = await page.locator('.opblock').count();
  holds(shown === wanted, `${shown} operations, and the document has ${wanted}`);
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

export async function itLooksRight({ open }) {
  for (const theme of ['light', 'dark']) {
    const page = await open('/docs', { theme });
    await sees(operation(page, '/v1/events'));
    await isAccessible(page, `in the ${theme} theme`);
    await page.setViewportSize({ width: 390, height: 844 });
    await fits(page);
  }
}
