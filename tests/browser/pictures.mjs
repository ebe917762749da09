// Takes the pictures of docs/screenshots of a server that is there.
//
// Usage: node pictures.mjs
//
// POSTRIDER_TEST_SCENE is that of tests/e2e/browser/life.rs, POSTRIDER_TEST_PICTURES the folder.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from './browser.mjs';
import { settled } from './looks.mjs';
import { scene } from './scene.mjs';
import { sees } from './waits.mjs';

const DESKTOP = { width: 1280, height: 720 };
/** Down to what came back. */
const TALL = { width: 1280, height: 960 };
const PHONE = { width: 390, height: 844 };
const BYTES_MAX = 100 * 1_024;
const QUALITY = 0.85;
const THEMES = ['light', 'dark'];
const WEBHOOK = `/webhooks/${scene.webhooks.broken}`;

/** Name, path, size, and what is there last. */
const SCREENS = [
  ['login', '/login', DESKTOP, 'form'],
  ['overview', '/?range=24h', DESKTOP, 'canvas'],
  ['webhooks', '/webhooks', DESKTOP, 'tbody .webhooks-success'],
  ['webhook', `${WEBHOOK}?range=24h`, DESKTOP, 'canvas'],
  ['webhook-deliveries', `${WEBHOOK}?tab=deliveries`, DESKTOP, 'tbody a'],
  ['webhook-settings', `${WEBHOOK}?tab=settings`, DESKTOP, 'main h2'],
  ['webhook-security', `${WEBHOOK}?tab=security`, DESKTOP, 'main h2'],
  ['webhook-test', `${WEBHOOK}?tab=test`, DESKTOP, 'main h2'],
  ['events', '/events', DESKTOP, 'tbody a'],
  ['event', `/events/${scene.events.broken}`, TALL, '.waterfall'],
  ['deliveries', '/deliveries', DESKTOP, 'tbody a'],
  ['queue', '/queue?range=24h', DESKTOP, 'canvas'],
  ['settings', '/settings', DESKTOP, 'main h2'],
  ['settings-configuration', '/settings/configuration', DESKTOP, 'main h2'],
];
const SHOTS = SCREENS.flatMap(([name, path, size, last]) => [
  [name, path, size, last],
  [`${name}-phone`, path, PHONE, last],
]);

/** How far the server's clock was stepped. */
const AHEAD_MS = Date.parse(scene.now) - Date.now();

const folder = process.env.POSTRIDER_TEST_PICTURES;
mkdirSync(folder, { recursive: true });
const browser = await Browser.launch();
const problem = await browser.visit('pictures').run(async visit => {
  for (const [name, path, size, last] of SHOTS) {
    for (const theme of THEMES) await take(visit, `${name}-${theme}`, path, size, theme, last);
  }
});
await browser.close();
if (problem !== null) console.log(problem);
process.exitCode = problem === null ? 0 : 1;

async function take(visit, name, path, size, theme, last) {
  const as = path === '/login' ? null : 'admin';
  const page = await visit.open('/login', { as, size, theme, refused: [401] });
  await page.route(/\/(v1\/(?!stream)|readyz)/, atServerTime);
  await page.goto(`/dashboard${path}`);
  await sees(page.locator(last).first());
  await settled(page);
  const picture = await small(visit, await page.screenshot());
  writeFileSync(join(folder, `${name}.webp`), picture);
  console.log(`${name}: ${(picture.length / 1_024).toFixed(0)} KiB`);
  if (picture.length > BYTES_MAX) throw new Error(`${name} is larger than ${BYTES_MAX} bytes`);
  await page.context().close();
}

/** A PNG as WebP, a fourth as large: each picture is committed for good. */
async function small(visit, png) {
  const context = await visit.chromium.newContext();
  const page = await context.newPage();
  const url = await page.evaluate(
    async ([base64, quality]) => {
      const blob = await (await fetch(`data:image/png;base64,${base64}`)).blob();
      const bitmap = await createImageBitmap(blob);
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
      return canvas.toDataURL('image/webp', quality);
    },
    [png.toString('base64'), QUALITY],
  );
  await context.close();
  return Buffer.from(url.split(',')[1], 'base64');
}

/** The server's clock was stepped; what it says in Date is the machine's, and the page believes it. */
async function atServerTime(route) {
  const answer = await route.fetch();
  const headers = { ...answer.headers(), date: new Date(Date.now() + AHEAD_MS).toUTCString() };
  await route.fulfill({ response: answer, headers });
}
