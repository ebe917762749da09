// The queue and its workers: how much waits, who works on it, what it stands on.

import { looksRight, settled } from '../looks.mjs';
import { scene } from '../scene.mjs';
import { gone, isAt, reads, sees } from '../waits.mjs';

const tile = (page, label) => page.locator('.tile').filter({ hasText: label });
const region = (page, name) => page.getByRole('region', { name, exact: true });
const workers = page => page.getByRole('table', { name: 'workers' });
const KINDS = {
  embedded: ['SQLite, embedded', 'In the process', 'Embedded'],
  distributed: ['PostgreSQL', 'Redis', 'Distributed'],
}[scene.mode];

export async function itsNumbersAreThere({ open }) {
  const page = await open('/queue');
  await reads(tile(page, 'Queued'), /[3-9]/);
  for (const label of ['Leased', 'Being sent', 'Attempts a minute', 'Ended a minute']) {
    await reads(tile(page, label), /\d/);
  }
  await reads(tile(page, 'Waiting longest'), /none|\d/);
  await reads(tile(page, 'Waiting longest'), 'ready to send');
  await sees(region(page, 'Throughput'));
  await sees(page.getByRole('figure', { name: /^Throughput/ }).locator('canvas'));
  await sees(page.getByRole('region', { name: /^(Waiting longest|Oldest age)$/ }));
}

export async function itsWorkersAreThere({ open }) {
  const page = await open('/queue');
  await reads(region(page, 'Workers'), '1 live worker');
  const row = workers(page).locator('tbody tr');
  await reads(row, 'Live');
  await reads(row, 'pid');
  await sees(row.getByRole('meter', { name: /^Slots held/ }));
}

export async function itSaysWhatItStandsOn({ open }) {
  const page = await open('/queue');
  await reads(region(page, 'Store'), KINDS[0]);
  await reads(region(page, 'Store'), 'Answers');
  await reads(region(page, 'Queue'), KINDS[1]);
  await reads(region(page, 'Process'), KINDS[2]);
  await reads(region(page, 'Process'), 'dev');
  await reads(region(page, 'Checks'), 'The database answers.');
  await reads(page.getByRole('main').locator('header').first(), 'In order');
}

export async function whatIsWrongStandsFirstAndEverywhere({ open }) {
  const page = await open('/login');
  const checks = { store: { status: 'ok' }, queue: { status: 'unavailable' } };
  await page.route('**/readyz', route => route.fulfill({ json: { status: 'degraded', checks } }));
  await page.route('**/v1/system', async route => {
    const answer = await route.fetch();
    const system = await answer.json();
    await route.fulfill({ json: { ...system, checks: { ...system.checks, ...checks } } });
  });
  await page.goto('/dashboard/webhooks');
  const notice = page.locator('.banner').filter({ hasText: 'does not answer' });
  await reads(notice, 'queue');
  await notice.getByRole('link', { name: 'Look' }).click();
  await isAt(page, '/queue');
  await reads(page.getByRole('main').locator('header').first(), 'Not all in order');
  await reads(region(page, 'Checks'), 'Start Redis');
  await looksRight(page);
}

export async function withoutAnAnswerItSaysSoAndTriesAgain({ open }) {
  const page = await open('/login', { refused: [503] });
  const problem = { code: 'store_unavailable', detail: 'The database does not answer.' };
  await page.route(/\/v1\/(system|stats|workers)/, route =>
    route.fulfill({ status: 503, json: problem }),
  );
  await page.goto('/dashboard/queue');
  await reads(page.getByRole('alert'), problem.detail);
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Try again' }).click();
  await reads(tile(page, 'Queued'), /\d/);
}

export async function aViewerSeesTheSame({ open }) {
  const page = await open('/queue', { as: 'viewer' });
  await reads(tile(page, 'Queued'), /\d/);
  await reads(workers(page), 'Live');
}

export async function aTenantSeesItsOwnThroughputOnly({ open }) {
  const page = await open('/queue', { as: 'tenant' });
  await reads(page.getByRole('main'), 'this key sees acme');
  await reads(tile(page, 'Attempts a minute'), /\d/);
  await gone(tile(page, 'Queued'));
  await gone(workers(page));
  await looksRight(page);
}

export async function itLooksRight({ open }) {
  const page = await open('/queue');
  await reads(workers(page), 'Live');
  await settled(page);
  await looksRight(page);
}
