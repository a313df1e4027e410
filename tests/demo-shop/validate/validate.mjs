// Checks every GLB in a folder with the Khronos glTF validator; exits with 1 if any has an error.
// Usage: node validate.mjs DIR

import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import validator from 'gltf-validator';

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node validate.mjs DIR');
  process.exit(2);
}

const totals = { files: 0, errors: 0, warnings: 0, infos: 0, hints: 0 };
let bytesMax = 0;
let trianglesMax = 0;
let drawsMax = 0;
for (const name of (await readdir(folder)).filter((n) => n.endsWith('.glb')).sort()) {
  const bytes = new Uint8Array(await readFile(join(folder, name)));
  const report = await validator.validateBytes(bytes, { uri: name, maxIssues: 100 });
  const { numErrors, numWarnings, numInfos, numHints, messages } = report.issues;
  totals.files += 1;
  totals.errors += numErrors;
  totals.warnings += numWarnings;
  totals.infos += numInfos;
  totals.hints += numHints;
  bytesMax = Math.max(bytesMax, bytes.length);
  trianglesMax = Math.max(trianglesMax, report.info.totalTriangleCount);
  drawsMax = Math.max(drawsMax, report.info.drawCallCount);
  for (const m of messages.filter((m) => m.severity < 2).slice(0, 5)) {
    console.error(`${name}: ${m.code} ${m.pointer ?? ''} ${m.message}`);
  }
}
console.log(
  `gltf-validator ${validator.version()}: ${totals.files} files, ${totals.errors} errors, ${totals.warnings} warnings, ` +
    `${totals.infos} infos, ${totals.hints} hints; largest ${bytesMax} bytes, ${trianglesMax} triangles, ${drawsMax} draw calls`,
);
if (totals.files === 0) {
  console.error(`no GLB files in ${folder}`);
}
process.exit(totals.files === 0 || totals.errors > 0 ? 1 : 0);
