// Waiting for what a page comes to show: always for a condition, never for a time.

import { until } from './scene.mjs';

/** Waits until it is there, once. */
export async function sees(locator) {
  await locator.waitFor({ state: 'visible' });
  return locator;
}

/** Waits until none of it is there, or no more. */
export async function gone(locator) {
  await locator.first().waitFor({ state: 'hidden' });
}

/** Waits until something with this text is in it. */
export async function reads(locator, text) {
  await locator.filter({ hasText: text }).waitFor({ state: 'visible' });
  return locator;
}

/** Waits until there are so many of it, and not only the first of them or what was there before. */
export async function counts(locator, wanted) {
  await until(`there are ${wanted} of ${locator}`, async () => (await locator.count()) === wanted);
}

/** Waits until the address, after the host, is this or matches it. */
export async function isAt(page, wanted) {
  await page.waitForURL(url => {
    const address = url.pathname.replace(/^\/dashboard/, '') + decodeURIComponent(url.search);
    return typeof wanted === 'string' ? address === wanted : wanted.test(address);
  });
}

/** What a click on this puts on the clipboard. */
export async function copied(page, button) {
  await page.evaluate(() => navigator.clipboard.writeText(''));
  await button.click();
  const text = await page.waitForFunction(
    async () => (await navigator.clipboard.readText()) || null,
  );
  return text.jsonValue();
}

export function equal(found, wanted, what = 'it') {
  if (found !== wanted) throw new Error(`${what} is ${show(found)}, and not ${show(wanted)}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

function show(value) {
  return JSON.stringify(value) ?? String(value);
}
