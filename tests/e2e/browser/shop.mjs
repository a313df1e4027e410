// A shop to visit: the one at VITRINE_URL, or one of our own that ends with the tests. Its edge is our node, or with
// VITRINE_EDGE=worker the Worker in wrangler.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Whether the shop's edge is the Worker. */
export const ON_WORKER = process.env.VITRINE_EDGE === 'worker';

/** Starts a shop, or finds the running one. `stop` leaves nothing behind of what was started here. */
export async function openShop() {
  const running = process.env.VITRINE_URL;
  if (running) return { url: running.replace(/\/$/, ''), stop: async () => {} };
  const xtask = process.env.VITRINE_XTASK;
  if (!xtask) throw new Error('give VITRINE_URL, or run `cargo xtask test e2e`');
  const data = await mkdtemp(join(tmpdir(), 'vitrine-browser-'));
  const command = ON_WORKER ? ['worker', 'dev', '--port', '0'] : ['up', '--edge-port', '0'];
  const args = [...command, '--no-build', '--json', '--data', data, '--origin-port', '0'];
  const child = spawn(xtask, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(data, { recursive: true, force: true });
  };
  try {
    return { url: await readyUrl(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Reads events until the shop is ready; its own end before that is the error. */
function readyUrl(child) {
  return new Promise((resolve, reject) => {
    let last = 'it printed nothing';
    // Goes on reading for as long as the shop runs: a full pipe would stop it.
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      last = line;
      const event = JSON.parse(line);
      if (event.event === 'ready') resolve(event.url);
    });
    lines.on('close', () => reject(new Error(`the shop did not start: ${last}`)));
    child.once('error', reject);
  });
}
