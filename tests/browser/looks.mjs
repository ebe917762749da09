// What every screen has to do: be readable for everybody in both themes, and fit a phone.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gone } from './waits.mjs';

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1360, height: 900 };
/** Charts are drawn anew when their place has another size, which takes a frame or two. */
const RESIZES_WITHIN_MS = 5_000;
/** Longer than a change of theme takes to reach everything. */
const STEADY_WITHIN_MS = 3_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** axe-core finds nothing in either theme, on a desk and on a phone, and nothing scrolls sideways. */
export async function looksRight(page) {
  await settled(page);
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    await isAccessible(page, `in the ${theme} theme`);
  }
  await page.setViewportSize(PHONE);
  await fits(page);
  await isAccessible(page, 'on a phone');
  await page.setViewportSize(DESKTOP);
  await fits(page);
  await page.emulateMedia({ colorScheme: 'light' });
}

/** Nothing is still on its way. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector('h1, .swagger-ui .info h2') !== null);
  await gone(page.locator('.skeleton, .screen-loading, [aria-busy=true]').first());
  // What fades from one theme to the other has colours of neither.
  await page.evaluate(async () => {
    await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await Promise.allSettled(document.getAnimations().map(animation => animation.finished));
  });
}

/** axe-core finds nothing, at the latest in a moment: what is on its way is looked at again. */
export async function isAccessible(page, where) {
  const end = Date.now() + STEADY_WITHIN_MS;
  for (;;) {
    await settled(page);
    // Evaluated, not added to the page: its policy allows no script of others.
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
    const violations = await page.evaluate(async () => (await window.axe.run()).violations);
    if (violations.length === 0) return;
    if (Date.now() < end) continue;
    throw new Error(`axe-core ${where}, at ${page.url()}:${violations.map(told).join('')}`);
  }
}

function told({ id, help, nodes }) {
  const places = nodes.slice(0, 3).map(({ target, failureSummary, html }) => {
    const why = failureSummary.replaceAll('\n', ' ');
    return `\n    ${target.join(' ')} ${html.slice(0, 160)}\n      ${why}`;
  });
  return `\n  ${id}: ${help}${places.join('')}`;
}

/** Nothing scrolls sideways but what has a box of its own. */
export async function fits(page) {
  try {
    await page.waitForFunction(fitsNow, undefined, { timeout: RESIZES_WITHIN_MS });
  } catch {
    const { wide, what } = await page.evaluate(widest);
    throw new Error(`${page.url()} scrolls sideways by ${wide} px, perhaps for ${what}`);
  }
}

function fitsNow() {
  return document.documentElement.scrollWidth <= document.documentElement.clientWidth;
}

function widest() {
  const { scrollWidth, clientWidth } = document.documentElement;
  const all = [...document.querySelectorAll('body *')];
  const what = all.find(one => one.getBoundingClientRect().right > clientWidth + 1);
  return { wide: scrollWidth - clientWidth, what: what?.outerHTML.slice(0, 160) };
}
