// QR codes (ISO/IEC 18004): byte mode, error correction M, versions 1 to 10. Pure.
//
// Enough for a page address of 213 bytes. Own code because the smallest package is larger than this file and
// draws to a canvas or an inline-styled table, which we do not want.

/** Data codewords per block as [blocks, codewords] groups, and check codewords per block; level M, version 1 first. */
const VERSIONS: ReadonlyArray<{ check: number; groups: ReadonlyArray<readonly [number, number]> }> = [
  { check: 10, groups: [[1, 16]] },
  { check: 16, groups: [[1, 28]] },
  { check: 26, groups: [[1, 44]] },
  { check: 18, groups: [[2, 32]] },
  { check: 24, groups: [[2, 43]] },
  { check: 16, groups: [[4, 27]] },
  { check: 18, groups: [[4, 31]] },
  { check: 22, groups: [[2, 38], [2, 39]] },
  { check: 22, groups: [[3, 36], [2, 37]] },
  { check: 26, groups: [[4, 43], [1, 44]] },
];

/** Centres of the alignment patterns, version 1 first. */
const ALIGNMENT: ReadonlyArray<readonly number[]> = [
  [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50],
];

/** Longest text in UTF-8 bytes: 216 data codewords of version 10, less 3 of header. */
export const TEXT_BYTES_MAX = 213;

const MASKS: ReadonlyArray<(row: number, column: number) => boolean> = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

/** Rows of modules; `true` is dark. Without the quiet zone, which the drawing adds. */
export type Modules = boolean[][];

/** Product of two elements of GF(256) with the polynomial 0x11d. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ (product >> 7) * 0x11d;
    product ^= ((b >> bit) & 1) * a;
  }
  return product;
}

/** Reed-Solomon check codewords of `data`. */
function checkCodewords(data: readonly number[], count: number): number[] {
  const generator: number[] = new Array<number>(count - 1).fill(0).concat(1);
  let root = 1;
  for (let i = 0; i < count; i += 1) {
    for (let j = 0; j < count; j += 1) {
      generator[j] = multiply(generator[j]!, root) ^ (generator[j + 1] ?? 0);
    }
    root = multiply(root, 2);
  }
  const rest = new Array<number>(count).fill(0);
  for (const byte of data) {
    const factor = byte ^ rest.shift()!;
    rest.push(0);
    generator.forEach((coefficient, i) => (rest[i] = rest[i]! ^ multiply(coefficient, factor)));
  }
  return rest;
}

function dataCodewords(version: number): number {
  return VERSIONS[version - 1]!.groups.reduce((sum, [blocks, size]) => sum + blocks * size, 0);
}

/** Header, text, terminator and padding as codewords. */
function encodeText(bytes: Uint8Array, version: number): number[] {
  const bits: number[] = [];
  const push = (value: number, length: number): void => {
    for (let i = length - 1; i >= 0; i -= 1) bits.push((value >> i) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((byte) => push(byte, 8));
  const capacity = dataCodewords(version) * 8;
  push(0, Math.min(4, capacity - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) push(pad, 8);
  const codewords: number[] = [];
  for (let i = 0; i < bits.length; i += 8) codewords.push(bits.slice(i, i + 8).reduce((byte, bit) => (byte << 1) | bit, 0));
  return codewords;
}

/** Splits into blocks, appends check codewords, and interleaves. */
function interleave(codewords: readonly number[], version: number): number[] {
  const { check, groups } = VERSIONS[version - 1]!;
  const blocks: number[][] = [];
  let start = 0;
  for (const [count, size] of groups) {
    for (let i = 0; i < count; i += 1) {
      blocks.push(codewords.slice(start, start + size));
      start += size;
    }
  }
  const checks = blocks.map((block) => checkCodewords(block, check));
  const columns = (rows: readonly number[][]): number[] => {
    const longest = Math.max(...rows.map((row) => row.length));
    return Array.from({ length: longest }, (_, i) => rows.flatMap((row) => (i < row.length ? [row[i]!] : []))).flat();
  };
  return [...columns(blocks), ...columns(checks)];
}

/** The symbol while it is being drawn: `null` is a module that is still free. */
type Draft = (boolean | null)[][];

function drawFunctionPatterns(draft: Draft, version: number): void {
  const size = draft.length;
  const set = (row: number, column: number, dark: boolean): void => {
    if (row >= 0 && column >= 0 && row < size && column < size) draft[row]![column] = dark;
  };
  for (const [top, left] of [[3, 3], [3, size - 4], [size - 4, 3]] as const) {
    for (let dr = -4; dr <= 4; dr += 1) {
      for (let dc = -4; dc <= 4; dc += 1) {
        const ring = Math.max(Math.abs(dr), Math.abs(dc));
        set(top + dr, left + dc, ring !== 2 && ring !== 4);
      }
    }
  }
  const centres = ALIGNMENT[version - 1]!;
  for (const row of centres) {
    for (const column of centres) {
      if (draft[row]![column] !== null) continue;
      for (let dr = -2; dr <= 2; dr += 1) {
        for (let dc = -2; dc <= 2; dc += 1) set(row + dr, column + dc, Math.max(Math.abs(dr), Math.abs(dc)) !== 1);
      }
    }
  }
  for (let i = 8; i < size - 8; i += 1) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
}

/** Remainder of the polynomial division that protects format and version information. */
function protect(value: number, polynomial: number, degree: number): number {
  let rest = value;
  for (let i = 0; i < degree; i += 1) rest = (rest << 1) ^ ((rest >> (degree - 1)) & 1) * polynomial;
  return (value << degree) | (rest & ((1 << degree) - 1));
}

function drawFormat(draft: Draft, mask: number): void {
  const size = draft.length;
  // Level M is 0b00, so the five bits are the mask alone.
  const bits = protect(mask, 0x537, 10) ^ 0x5412;
  const bit = (i: number): boolean => ((bits >> i) & 1) === 1;
  for (let i = 0; i < 15; i += 1) {
    const row = i < 6 ? i : i < 8 ? i + 1 : size - 15 + i;
    draft[row]![8] = bit(i);
    const column = i < 8 ? size - 1 - i : i === 8 ? 7 : 14 - i;
    draft[8]![column] = bit(i);
  }
  draft[size - 8]![8] = true;
}

function drawVersion(draft: Draft, version: number): void {
  if (version < 7) return;
  const size = draft.length;
  const bits = protect(version, 0x1f25, 12);
  for (let i = 0; i < 18; i += 1) {
    const dark = ((bits >> i) & 1) === 1;
    const [a, b] = [size - 11 + (i % 3), Math.floor(i / 3)];
    draft[a]![b] = dark;
    draft[b]![a] = dark;
  }
}

/** Fills the free modules, in the zigzag order of the standard. */
function drawData(draft: Draft, codewords: readonly number[], mask: number): Modules {
  const size = draft.length;
  const masked = MASKS[mask]!;
  let index = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const upward = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step += 1) {
      const row = upward ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (draft[row]![column] !== null) continue;
        const dark = (((codewords[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1;
        index += 1;
        draft[row]![column] = dark !== masked(row, column);
      }
    }
  }
  return draft.map((line) => line.map((module) => module === true));
}

/** Penalty of a symbol by the four rules of the standard; the mask with the least is taken. */
function penalty(modules: Modules): number {
  const size = modules.length;
  let points = 0;
  let dark = 0;
  const lines = [...modules, ...modules.map((_, c) => modules.map((line) => line[c]!))];
  for (const line of lines) {
    const text = line.map((module) => (module ? '1' : '0')).join('');
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) points += run.length - 2;
    for (let i = 0; i + 11 <= size; i += 1) {
      const part = text.slice(i, i + 11);
      if (part === '10111010000' || part === '00001011101') points += 40;
    }
  }
  for (let r = 0; r < size; r += 1) {
    for (let c = 0; c < size; c += 1) {
      if (modules[r]![c]) dark += 1;
      if (r + 1 < size && c + 1 < size) {
        const first = modules[r]![c];
        if (first === modules[r]![c + 1] && first === modules[r + 1]![c] && first === modules[r + 1]![c + 1]) points += 3;
      }
    }
  }
  return points + Math.floor(Math.abs((dark * 20) / (size * size) - 10)) * 10;
}

/** Encodes `text`, or returns `null` when it is longer than [`TEXT_BYTES_MAX`]. */
export function encodeQr(text: string): Modules | null {
  const bytes = new TextEncoder().encode(text);
  const fits = (version: number): boolean => bytes.length + (version < 10 ? 2 : 3) <= dataCodewords(version);
  const version = VERSIONS.findIndex((_, i) => fits(i + 1)) + 1;
  if (version === 0) return null;
  const size = 17 + 4 * version;
  const codewords = interleave(encodeText(bytes, version), version);
  const candidates = MASKS.map((_, mask) => {
    const draft: Draft = Array.from({ length: size }, () => new Array<boolean | null>(size).fill(null));
    drawFunctionPatterns(draft, version);
    drawFormat(draft, mask);
    drawVersion(draft, version);
    return drawData(draft, codewords, mask);
  });
  return candidates.reduce((best, next) => (penalty(next) < penalty(best) ? next : best));
}

/** One SVG path of unit squares for the dark modules, moved by `margin` modules. */
export function qrPath(modules: Modules, margin: number): string {
  return modules
    .flatMap((line, r) => line.map((dark, c) => (dark ? `M${c + margin} ${r + margin}h1v1h-1z` : '')))
    .join('');
}
