// Asks `vitrine-edge proxy` what the suite behind cache-tests.fyi asks of caches, and compares what came of it with
// `expected.json`. The suite's origin and its client are in this process, the proxy is the program that was built:
// VITRINE_BIN_DIR says where. Everything is on loopback, on free ports.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as after } from 'node:timers/promises';

import fetch from 'node-fetch';
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs';
import handleConfig from 'http-cache-tests/server/handle-config.mjs';
import handleState from 'http-cache-tests/server/handle-state.mjs';
import handleTest from 'http-cache-tests/server/handle-test.mjs';
// Without those of `Surrogate-Control`, in whose place RFC 9213 has put targeted fields.
import suites from 'http-cache-tests/tests/index.mjs';

import { compare } from './verdict.mjs';

/** The suite takes 16 s; most of that is waiting until stored answers are stale. */
const SUITE_MS_MAX = 180_000;
/** An unoptimised proxy listens within a second. */
const START_MS_MAX = 30_000;
/** A proxy drains for 5 s at most. */
const STOP_MS_MAX = 10_000;

/** Refuses when `promise` has not been settled by then. */
async function within(ms, what, promise) {
  const timer = new AbortController();
  const late = after(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what} took more than ${ms / 1000} s`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
    late.catch(() => {});
  }
}

/** The suite's origin. Its own program would listen on every address of the machine, at a port to be chosen before. */
async function startOrigin() {
  const ways = { config: handleConfig, state: handleState, test: handleTest };
  const server = createServer((request, response) => {
    const [, way, ...rest] = new URL(request.url, 'http://origin').pathname.split('/');
    const handle = ways[way];
    if (handle) handle(rest, request, response);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

/** The proxy; `ended` is settled when its process is gone. */
async function startProxy(origin, folder) {
  const programs = process.env.VITRINE_BIN_DIR;
  if (!programs) throw new Error('give VITRINE_BIN_DIR, or run `cargo xtask test cache`');
  const args = ['proxy', '--listen', '127.0.0.1:0', '--origin', origin, '--access-log', 'off'];
  const child = spawn(join(programs, 'vitrine-edge'), args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  const listening = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('listening ')) resolve(line.slice('listening '.length));
    });
    ended.then((how) => reject(new Error(`the proxy ended (${how})`)), reject);
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await within(STOP_MS_MAX, 'the end of the proxy', ended).catch((error) => {
      child.kill('SIGKILL');
      throw error;
    });
  };
  try {
    return { url: await within(START_MS_MAX, 'the start of the proxy', listening), ended, stop };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** All results by test, with a proxy that is gone afterwards. */
async function ask() {
  const origin = await startOrigin();
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-cache-suite-'));
  try {
    const proxy = await startProxy(origin.url, folder);
    try {
      const died = proxy.ended.then((how) => {
        throw new Error(`the proxy ended in the middle (${how})`);
      });
      const all = runTests(suites, fetch, false, proxy.url);
      await within(SUITE_MS_MAX, 'the suite', Promise.race([all, died]));
    } finally {
      await proxy.stop();
    }
    return getResults();
  } finally {
    origin.server.closeAllConnections();
    origin.server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const expected = JSON.parse(await readFile(new URL('expected.json', import.meta.url), 'utf8'));
// The suite's origin tells every wrong request, and some are wrong on purpose.
const say = console.log;
if (!process.env.VITRINE_CACHE_SUITE_VERBOSE) console.log = () => {};
const verdict = compare(suites.flatMap((suite) => suite.tests), await ask(), expected);
verdict.complaints.forEach((complaint) => say(complaint));
say(`cache suite: ${verdict.summary}`);
say(`${verdict.passed} passed, ${verdict.complaints.length} failed`);
// Connections that its client keeps would keep this process, too.
process.exit(verdict.complaints.length === 0 ? 0 : 1);
