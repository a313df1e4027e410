// A shop to visit: the one at VITRINE_URL, or one of our own that ends with the tests. Its edge is our node, or with
// VITRINE_EDGE=worker the Worker in wrangler.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** Whether the shop's edge is the Worker. */
export const ON_WORKER = process.env.VITRINE_EDGE === 'worker';

/**
 * Starts a shop, or finds the running one. `stop` leaves nothing behind of what was started here. `options` are more
 * words for `cargo xtask up`; a running shop that was started with them is at the variable `found`, its payments at
 * VITRINE_PAYMENTS_URL, and a key of its staff is VITRINE_STAFF_KEY.
 */
export async function openShop({ options = [], found = 'VITRINE_URL' } = {}) {
  const running = process.env[found];
  const payments = process.env.VITRINE_PAYMENTS_URL;
  if (running) return { url: running.replace(/\/$/, ''), payments, staffKey: () => process.env.VITRINE_STAFF_KEY, stop: async () => {} };
  const xtask = process.env.VITRINE_XTASK;
  if (!xtask) throw new Error('give VITRINE_URL, or run `cargo xtask test e2e`');
  const data = await mkdtemp(join(tmpdir(), 'vitrine-browser-'));
  const command = ON_WORKER ? ['worker', 'dev', '--port', '0'] : ['up', '--edge-port', '0'];
  const args = [...command, '--no-build', '--json', '--data', data, '--origin-port', '0', ...options];
  const child = spawn(xtask, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(data, { recursive: true, force: true });
  };
  try {
    return { ...(await readyUrls(child)), staffKey: () => makeStaffKey(xtask, data), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes a key of the staff of a shop that keeps its data there. */
function makeStaffKey(xtask, data) {
  const words = ['admin', '--data', join(data, 'origin'), 'key', 'create', '--name', 'browser', '--role', 'owner', '--days', '1'];
  const said = execFileSync(join(dirname(xtask), 'vitrine-origin'), words, { encoding: 'utf8' });
  return said.split('\n').find((line) => line.startsWith('vk_'));
}

/** Reads events until the shop is ready: its address, and the payment provider's. Its own end before that is the error. */
function readyUrls(child) {
  return new Promise((resolve, reject) => {
    let last = 'it printed nothing';
    let payments;
    // Goes on reading for as long as the shop runs: a full pipe would stop it.
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      last = line;
      const event = JSON.parse(line);
      if (event.event === 'address' && event.name === 'payments') payments = event.url;
      if (event.event === 'ready') resolve({ url: event.url, payments });
    });
    lines.on('close', () => reject(new Error(`the shop did not start: ${last}`)));
    child.once('error', reject);
  });
}
