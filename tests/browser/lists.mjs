// The four states that every list has: on its way, failed, nothing that matches, nothing at all.

import { gone, reads, sees } from './waits.mjs';

const PROBLEM = { code: 'store_unavailable', detail: 'The database does not answer.' };

/**
 * Opens a screen whose list of `what` is asked for at `path`, first so that the answer is awaited, then
 * so that it fails, and sees it come in the end.
 */
export async function waitsAndFailsInWords({ open }, screen, what, path) {
  const page = await open('/login', { refused: [503] });
  let answer;
  const asked = new Promise(resolve => {
    answer = resolve;
  });
  await page.route(path, async route => {
    await asked;
    await route.fulfill({ status: 503, json: PROBLEM });
  });
  await page.goto(`/dashboard${screen}`);
  const table = page.getByRole('table', { name: what, exact: true });
  await sees(table.and(page.locator('[aria-busy=true]')));
  await sees(table.locator('.skeleton').first());
  answer();
  const alert = page.getByRole('alert');
  await reads(alert, 'This could not be loaded');
  await reads(alert, PROBLEM.detail);
  await page.unrouteAll();
  await alert.getByRole('button', { name: 'Try again' }).click();
  await sees(table.and(page.locator('[aria-busy=false]')));
  await gone(alert);
  return page;
}

/** Nothing matches; a click on what clears the filters brings the rows back. */
export async function clearsWhatDoesNotMatch(page, what) {
  await sees(page.getByText(`No ${what} match`));
  await page.getByRole('main').getByRole('button', { name: 'Clear filters' }).last().click();
  await sees(page.getByRole('table', { name: what, exact: true }).locator('tbody a').first());
}
