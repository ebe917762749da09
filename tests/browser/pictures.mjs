// Takes the pictures of docs/screenshots of a server that is there.
//
// Usage: node pictures.mjs
//
// POSTRIDER_TEST_SCENE is that of tests/e2e/browser/life.rs, POSTRIDER_TEST_PICTURES the folder.

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Browser } from './browser.mjs';
import { settled } from './looks.mjs';
import { scene } from './scene.mjs';
import { sees } from './waits.mjs';

const DESKTOP = { width: 1280, height: 720 };
/** Down to what came back. */
const TALL = { width: 1280, height: 960 };
const PHONE = { width: 390, height: 844 };
const BYTES_MAX = 150 * 1_024;
const THEMES = ['light', 'dark'];

/** Name, path, size, and what is there last. */
const SCREENS = [
  ['overview', '/?range=24h', DESKTOP, 'canvas'],
  ['webhooks', '/webhooks', DESKTOP, 'tbody .webhooks-success'],
  ['webhook', `/webhooks/${scene.webhooks.broken}?range=24h`, DESKTOP, 'canvas'],
  ['event', `/events/${scene.events.broken}`, TALL, '.waterfall'],
  ['deliveries', '/deliveries', DESKTOP, 'tbody a'],
  ['queue', '/queue?range=24h', DESKTOP, 'canvas'],
  ['overview-phone', '/?range=24h', PHONE, 'canvas'],
  ['deliveries-phone', '/deliveries', PHONE, 'tbody a'],
];

/** How far the server's clock was stepped. */
const AHEAD_MS = Date.parse(scene.now) - Date.now();

const folder = process.env.POSTRIDER_TEST_PICTURES;
mkdirSync(folder, { recursive: true });
const browser = await Browser.launch();
const problem = await browser.visit('pictures').run(async visit => {
  for (const [name, path, size, last] of SCREENS) {
    for (const theme of THEMES) await take(visit, `${name}-${theme}.png`, path, size, theme, last);
  }
});
await browser.close();
if (problem !== null) console.log(problem);
process.exitCode = problem === null ? 0 : 1;

async function take(visit, name, path, size, theme, last) {
  const page = await visit.open('/settings/about', { size, theme });
  await page.route(/\/(v1\/(?!stream)|readyz)/, atServerTime);
  await page.goto(`/dashboard${path}`);
  await sees(page.locator(last).first());
  await settled(page);
  const file = join(folder, name);
  await page.screenshot({ path: file });
  const { size: bytes } = statSync(file);
  console.log(`${name}: ${(bytes / 1_024).toFixed(0)} KiB`);
  if (bytes > BYTES_MAX) throw new Error(`${name} is larger than ${BYTES_MAX} bytes`);
  await page.context().close();
}

/** The server's clock was stepped; what it says in Date is the machine's, and the page believes it. */
async function atServerTime(route) {
  const answer = await route.fetch();
  const headers = { ...answer.headers(), date: new Date(Date.now() + AHEAD_MS).toUTCString() };
  await route.fulfill({ response: answer, headers });
}
