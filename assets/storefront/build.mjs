// Builds the storefront into dist/: an app shell (index.html) and content-hashed files under dist/assets/.
//
// Nothing in dist/ names another host: the viewer's decoder addresses and its inline <style> are rewritten here
// (see build/self-hosted-viewer.mjs), so the shop runs under `script-src 'self'; style-src 'self'`.

import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { selfHostedViewer } from './build/self-hosted-viewer.mjs';

const root = fileURLToPath(new URL('.', import.meta.url));
const out = `${root}dist`;

/** Largest first load without the viewer, gzip: 60 KB, about 50 ms on a 10 Mbit/s phone. */
const SHELL_GZIP_BYTES_MAX = 60_000;
/** Largest viewer chunk, gzip: three.js and model-viewer need about 295 KB; fetched on product pages only. */
const VIEWER_GZIP_BYTES_MAX = 330_000;

/** Bundles sources and styles; returns esbuild's account of what went where. */
async function bundle() {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { shop: 'src/main.tsx', styles: 'src/styles/index.css' },
    bundle: true,
    splitting: true,
    format: 'esm',
    target: ['es2022', 'safari16', 'chrome109', 'firefox115'],
    minify: true,
    sourcemap: false,
    legalComments: 'none',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    outdir: `${out}/assets`,
    publicPath: '/assets/',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: { '.woff2': 'file', '.svg': 'file' },
    plugins: [selfHostedViewer()],
    metafile: true,
  });
  return result.metafile;
}

/** Finds the one output made from `entry`. */
function outputOf(outputs, entry) {
  const found = outputs.find(([, meta]) => meta.entryPoint === entry);
  if (!found) throw new Error(`no output for ${entry}`);
  return `/assets/${basename(found[0])}`;
}

/** Copies one file under a name made of its content; returns its address. */
async function emit(name, extension, text) {
  const file = `${name}-${createHash('sha256').update(text).digest('hex').slice(0, 8)}.${extension}`;
  await writeFile(`${out}/assets/${file}`, text);
  return `/assets/${file}`;
}

/** The licences of every package that has code or a font in the bundle. */
async function licences(inputs) {
  const packages = new Set(inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []));
  const texts = [...packages].sort().map(async (name) => {
    const folder = `${root}node_modules/${name}`;
    const { version, license } = JSON.parse(await readFile(`${folder}/package.json`, 'utf8'));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version} (${license})\n\n${file ? await readFile(`${folder}/${file}`, 'utf8') : ''}`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}

/** Writes `.br` and `.gz` beside every file that compresses; the edge picks one by `Accept-Encoding`. */
async function compress() {
  const files = [`${out}/index.html`, ...(await readdir(`${out}/assets`)).map((name) => `${out}/assets/${name}`)];
  for (const file of files.filter((name) => /\.(js|css|svg|txt|html)$/.test(name))) {
    const bytes = await readFile(file);
    const brotli = { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
    await writeFile(`${file}.br`, brotliCompressSync(bytes, brotli));
    await writeFile(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  }
}

/** Gzipped size of one built file in bytes. */
async function gzipBytes(path) {
  return gzipSync(await readFile(`${root}${path}`), { level: 9 }).length;
}

/** Prints the sizes and refuses a build over budget. */
async function checkBudgets(outputs) {
  const sizes = [];
  for (const [path] of outputs) {
    if (/\.(js|css|woff2)$/.test(path)) sizes.push({ name: basename(path), bytes: await gzipBytes(path) });
  }
  for (const { name, bytes } of sizes) console.log(`${String(bytes).padStart(8)} B gzip  ${name}`);
  const viewer = sizes.filter(({ name }) => name.startsWith('viewer-'));
  const shell = sizes.filter(({ name }) => name.endsWith('.js') && !name.startsWith('viewer-'));
  const total = (list) => list.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total(shell) > SHELL_GZIP_BYTES_MAX) throw new Error(`scripts are ${total(shell)} B gzip, the budget is ${SHELL_GZIP_BYTES_MAX}`);
  if (total(viewer) > VIEWER_GZIP_BYTES_MAX) throw new Error(`the viewer is ${total(viewer)} B gzip, the budget is ${VIEWER_GZIP_BYTES_MAX}`);
}

await rm(out, { recursive: true, force: true });
await mkdir(`${out}/assets`, { recursive: true });
const metafile = await bundle();
const outputs = Object.entries(metafile.outputs);
const font = outputs.find(([path]) => /familjen-grotesk-latin-wght-normal-.*\.woff2$/.test(path));
const html = (await readFile(`${root}src/index.html`, 'utf8'))
  .replace('%SCRIPT%', outputOf(outputs, 'src/main.tsx'))
  .replace('%STYLES%', outputOf(outputs, 'src/styles/index.css'))
  .replace('%ICON%', await emit('icon', 'svg', await readFile(`${root}src/images/icon.svg`, 'utf8')))
  .replace('%LICENCES%', await emit('licences', 'txt', await licences(Object.keys(metafile.inputs))))
  .replace('%FONT%', font ? `/assets/${basename(font[0])}` : '');
await writeFile(`${out}/index.html`, html);
await checkBudgets(outputs);
await compress();
