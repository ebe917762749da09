// Runs the tests of one screen, one after the other in one browser, against a server that is there.
//
// Usage: node run.mjs SCREEN    (screens/SCREEN.mjs: every function that it exports is a test)
//
// POSTRIDER_TEST_SCENE says in JSON where the server is and what is in it (see tests/e2e/browser);
// POSTRIDER_TEST_ONLY leaves only the tests whose name contains it, POSTRIDER_TEST_PICTURES names a
// folder for pictures of the pages on which a test failed.

import { Browser } from './browser.mjs';

/** With the server gone every test fails, each after its patience. */
const FAILURES_MAX = 3;

const [screen] = process.argv.slice(2);
const wanted = process.env.POSTRIDER_TEST_ONLY ?? '';
const tests = Object.entries(await import(`./screens/${screen}.mjs`));
const browser = await Browser.launch();
let failures = 0;
for (const [name, test] of tests.filter(([name]) => name.includes(wanted))) {
  const began = performance.now();
  const visit = browser.visit(`${screen}-${name}`);
  const problem = await visit.run(test);
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(`${problem === null ? 'ok    ' : 'FAILED'} ${screen}: ${words(name)} (${seconds} s)`);
  if (problem === null) continue;
  console.log(problem);
  failures += 1;
  if (failures === FAILURES_MAX) {
    console.log('and so on');
    break;
  }
}
await browser.close();
process.exitCode = failures === 0 ? 0 : 1;

function words(name) {
  return name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`);
}
