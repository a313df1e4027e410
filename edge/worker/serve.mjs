// Serves the built Worker on this machine, in workerd, for tests and measurements; for people there is
// `cargo xtask worker dev`.
//
//   node serve.mjs --origin URL --secret-file FILE [--port P] [--direct-port P] [--state DIR] [--scheduled]
//                  [--env NAME] [--variable NAME=VALUE]… [--build DIR]
//
// Bindings are those of wrangler.toml, read by wrangler itself; the Worker is what `cargo xtask worker build` left, or
// what is in another DIR. State is kept in memory, or in DIR. With --scheduled the cron runs at once and then every
// minute, one run at a time. Prints `workerd PID`, `listening URL` and, with --direct-port, `direct URL`: there no
// simulation of Cloudflare's front stands before the Worker, which is what to measure. SIGTERM and SIGINT end it, and
// the workerd that it started; even SIGKILL leaves no workerd behind.

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

// Before wrangler is loaded: no telemetry, nothing asked of the network.
Object.assign(process.env, {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false",
});
const { Log, LogLevel, Miniflare } = await import("miniflare");
const { unstable_getMiniflareWorkerOptions: workerOptions } = await import("wrangler");

const CRON_EVERY_MS = 60_000;
/** Wait after a run that failed, before the next. */
const CRON_RETRY_MS = 1_000;
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    "direct-port": { type: "string" },
    origin: { type: "string" },
    "secret-file": { type: "string" },
    state: { type: "string" },
    build: { type: "string" },
    env: { type: "string", default: "dev" },
    variable: { type: "string", multiple: true, default: [] },
    scheduled: { type: "boolean", default: false },
  },
});

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

function port(text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) fail(`${text} is no port`);
  return number;
}

/** Variables of the command line over those of wrangler.toml; secrets come the same way. */
function bindings(configured) {
  const settings = { ...configured };
  if (options.origin) settings.origin_url = options.origin;
  if (options["secret-file"]) settings.edge_secret = readFileSync(options["secret-file"], "utf8").trim();
  for (const variable of options.variable) {
    const at = variable.indexOf("=");
    if (at < 1) fail(`${variable} is not NAME=VALUE`);
    settings[variable.slice(0, at)] = variable.slice(at + 1);
  }
  return settings;
}

function miniflareOptions() {
  const read = workerOptions(join(ROOT, "wrangler.toml"), options.env);
  const main = options.build ? resolve(options.build, "index.js") : resolve(ROOT, read.main);
  const wasm = join(dirname(main), "index_bg.wasm");
  if (!existsSync(main) || !existsSync(wasm)) fail(`${main} is missing: run \`cargo xtask worker build\``);
  // Rules are for code that wrangler would still bundle; ours is two modules, and both are named.
  const { modulesRules: _, ...worker } = read.workerOptions;
  const direct = options["direct-port"];
  return {
    ...worker,
    name: "edge",
    modulesRoot: dirname(main),
    modules: [
      { type: "ESModule", path: main },
      { type: "CompiledWasm", path: wasm },
    ],
    bindings: bindings(worker.bindings),
    unsafeDirectSockets: direct === undefined ? undefined : [{ host: "127.0.0.1", port: port(direct) }],
    host: "127.0.0.1",
    port: port(options.port),
    // What Cloudflare tells about a request: the same for all, so that answers are the same on every machine.
    cf: { colo: "TST", country: "XX", httpProtocol: "HTTP/1.1" },
    defaultPersistRoot: options.state && resolve(options.state),
    unsafeTriggerHandlers: true,
    logRequests: false,
    log: new Log(LogLevel.WARN, { prefix: "miniflare" }),
    handleRuntimeStdio(stdout, stderr) {
      // The Worker's log goes where ours goes; standard output says only where to connect.
      stdout.pipe(process.stderr);
      stderr.pipe(process.stderr);
    },
  };
}

/** The processes that this one started. */
function children() {
  const list = `/proc/self/task/${process.pid}/children`;
  return existsSync(list) ? readFileSync(list, "utf8").split(" ").filter(Boolean) : [];
}

/** Lets a shell end them when this process is gone without having said goodbye: then its standard input just closes. */
function guard(pids) {
  const watcher = spawn("sh", ["-c", 'read -r _ || kill -KILL "$@"', "sh", ...pids], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watcher.stdin.on("error", () => {});
  watcher.unref();
  return () => watcher.stdin.write("goodbye\n");
}

/** Runs the cron until the end, one run at a time. */
async function followCron(stopped) {
  while (!stopped.aborted) {
    const started = Date.now();
    let ran = false;
    try {
      // Not by its address: the static assets stand before the Worker there, and they have no cron.
      const worker = await miniflare.getWorker("edge");
      const { outcome } = await worker.scheduled({ cron: "* * * * *" });
      ran = outcome === "ok";
      if (!ran && !stopped.aborted) console.error(`cron: ${outcome}`);
    } catch (error) {
      if (stopped.aborted) return;
      console.error(`cron: ${error}`);
    }
    const wait = ran ? CRON_EVERY_MS - (Date.now() - started) : CRON_RETRY_MS;
    await new Promise((next) => setTimeout(next, Math.max(0, wait)).unref());
  }
}

const stopping = new AbortController();
let sayGoodbye = () => {};
const miniflare = new Miniflare(miniflareOptions());

async function stop() {
  if (stopping.signal.aborted) return;
  stopping.abort();
  // Requests in flight, the cron's among them, are cut: this is no place to drain.
  await miniflare.dispose().catch(() => {});
  sayGoodbye();
  process.exit(0);
}
process.on("SIGTERM", stop);
process.on("SIGINT", stop);

try {
  const url = await miniflare.ready;
  const started = children();
  sayGoodbye = guard(started);
  console.log(`workerd ${started.join(" ")}`);
  if (options["direct-port"] !== undefined) {
    console.log(`direct ${(await miniflare.unsafeGetDirectURL("edge")).origin}`);
  }
  console.log(`listening ${url.origin}`);
  if (options.scheduled) void followCron(stopping.signal);
} catch (error) {
  if (!stopping.signal.aborted) {
    console.error(error);
    await miniflare.dispose().catch(() => {});
    process.exit(1);
  }
}
