// Runs a command that was copied out of a page, as somebody would who was told to.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { scene } from './scene.mjs';

const run = promisify(execFile);

/** What it prints, with the admin key where the command names it. */
export async function shell(command, key = scene.keys.admin) {
  const env = { ...process.env, POSTRIDER_KEY: key };
  const { stdout } = await run('sh', ['-c', `${command} --silent --show-error`], { env });
  return stdout;
}
