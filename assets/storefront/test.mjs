// Compiles src/**/*.test.ts with esbuild and runs them with Node's own test runner.

import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
const sources = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => name.endsWith('.test.ts'));
// Inside node_modules: ignored by git, and modules resolve from there.
const out = await mkdtemp(join(root, 'node_modules', '.storefront-test-'));
try {
  await build({
    absWorkingDir: root,
    entryPoints: sources.map((name) => join('src', name)),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outdir: out,
    outExtension: { '.js': '.mjs' },
    entryNames: '[name]',
    logLevel: 'warning',
  });
  const files = (await readdir(out)).filter((name) => name.endsWith('.test.mjs')).map((name) => join(out, name));
  const run = spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...files], { stdio: 'inherit' });
  process.exitCode = run.status ?? 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
