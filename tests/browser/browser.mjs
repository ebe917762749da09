// Debian's Chromium with a page of the dashboard in it. Whatever goes wrong in a page beside what a
// test looks at fails the test: an error in the console (a violation of the content security policy
// is one), a request that failed or was refused, a request to another host.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { scene, session } from './scene.mjs';

/** Longer than anything takes on a busy machine: it only decides how long a failing test runs. */
const PATIENCE_MS = 30_000;
const DESKTOP = { width: 1360, height: 900 };
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

export class Browser {
  static async launch() {
    const chromium_ = await chromium.launch({
      executablePath: found(),
      // Its sandbox wants a user who is not root, and a kernel that lets it; the pages are our own.
      args: ['--no-sandbox'],
    });
    return new Browser(chromium_);
  }

  constructor(chromium) {
    this.chromium = chromium;
  }

  visit(name) {
    return new Visit(this.chromium, name);
  }

  close() {
    return this.chromium.close();
  }
}

/** One test: its pages, each with cookies and storage of its own, and what went wrong in them. */
class Visit {
  constructor(chromium, name) {
    this.chromium = chromium;
    this.name = name;
    this.pages = [];
    this.wrong = [];
    this.open = this.open.bind(this);
  }

  /** What is wrong; null if nothing is. */
  async run(test) {
    try {
      await test(this);
      if (this.wrong.length > 0) throw new Error(`beside that:\n  ${this.wrong.join('\n  ')}`);
      return null;
    } catch (error) {
      const beside = this.wrong.map(one => `\n  beside that: ${one}`).join('');
      return `${error.stack}${beside}${await this.pictures()}`;
    } finally {
      await Promise.all(this.pages.map(page => page.context().close()));
    }
  }

  /**
   * Opens a path of the dashboard. `as` says whose session it is: admin, viewer, tenant, newcomer, or
   * null for nobody's; `refused` lists the statuses from 400 on that are in order here.
   */
  async open(path, { as = 'admin', refused = [], size = DESKTOP, theme = 'light' } = {}) {
    const context = await this.chromium.newContext({
      baseURL: scene.url,
      viewport: size,
      colorScheme: theme,
      // What moves has other colours for a moment.
      reducedMotion: 'reduce',
      timezoneId: 'Europe/Berlin',
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    if (as !== null) await context.addCookies([await session(as)]);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    this.pages.push(page);
    this.watch(page, refused);
    await page.goto(path.startsWith('/docs') ? path : `/dashboard${path}`);
    return page;
  }

  watch(page, refused) {
    const is_ours = url => new URL(url).origin === scene.url || /^(data|blob):/.test(url);
    page.on('pageerror', error => this.wrong.push(`thrown in the page: ${error.stack}`));
    page.on('console', message => {
      // Every refusal is told here too; which of them are in order is said below.
      const told = /^Failed to load resource: the server responded with a status of/;
      if (message.type() !== 'error' || told.test(message.text())) return;
      this.wrong.push(`in the console: ${message.text()} (${message.location().url})`);
    });
    page.on('request', request => {
      if (!is_ours(request.url())) this.wrong.push(`asks another host: ${request.url()}`);
    });
    page.on('response', response => {
      const status = response.status();
      if (status < 400 || refused.includes(status)) return;
      this.wrong.push(`${status} for ${response.request().method()} ${response.url()}`);
    });
    page.on('requestfailed', request => {
      const why = request.failure()?.errorText;
      // Of what a screen that was left had asked for.
      if (why === 'net::ERR_ABORTED') return;
      this.wrong.push(`${why} for ${request.method()} ${request.url()}`);
    });
  }

  async pictures() {
    const folder = process.env.POSTRIDER_TEST_PICTURES;
    if (!folder) return '';
    const taken = this.pages.map(async (page, at) => {
      const path = join(folder, `${this.name}${at === 0 ? '' : `-${at + 1}`}.png`);
      await page.screenshot({ path });
      return `\n  how it looked then: ${path} (${page.url()})`;
    });
    const paths = await Promise.allSettled(taken);
    return paths.map(({ value }) => value ?? '').join('');
  }
}

function found() {
  const folders = (process.env.PATH ?? '').split(':');
  const places = NAMES.flatMap(name => folders.map(folder => join(folder, name)));
  const path = places.find(existsSync);
  if (path === undefined) throw new Error(`there is no ${NAMES[0]}: \`make setup\` installs it`);
  return path;
}
