// The piece drawn to scale as a glass case with its measures, beside something whose size everybody knows.

import { centimetres } from '../ar';

export interface ScaleDrawingProps {
  /** Width, height, depth in metres. */
  dimensions: readonly [number, number, number];
  title: string;
}

interface Reference {
  name: string;
  width: number;
  height: number;
}

/** A door for furniture, a sheet of paper for what stands on it; metres. */
function referenceFor(longest: number): Reference {
  return longest > 0.6 ? { name: 'Door', width: 0.8, height: 2 } : { name: 'A4 sheet', width: 0.21, height: 0.297 };
}

const [VIEW_WIDTH, VIEW_HEIGHT] = [480, 300];
/** Room for the measures around the drawing. */
const [LEFT, TOP, BOTTOM, GAP] = [14, 14, 46, 44];
/** Depth goes back at 45°, at half its length (cabinet projection). */
const DEPTH = 0.5 * Math.SQRT1_2;

export function ScaleDrawing({ dimensions: [width, height, depth], title }: ScaleDrawingProps) {
  const reference = referenceFor(Math.max(width, height, depth));
  const tall = Math.max(height + depth * DEPTH, reference.height);
  const wide = width + depth * DEPTH + reference.width;
  const scale = Math.min((VIEW_HEIGHT - TOP - BOTTOM) / tall, (VIEW_WIDTH - 2 * LEFT - GAP - 56) / wide);
  const floor = VIEW_HEIGHT - BOTTOM;
  const [w, h, d] = [width * scale, height * scale, depth * scale * DEPTH];
  const [rw, rh] = [reference.width * scale, reference.height * scale];
  const start = (VIEW_WIDTH - (rw + GAP + w + d + 50)) / 2;
  const left = start + rw + GAP;
  const front = `M${left} ${floor}v${-h}h${w}v${h}z`;
  const back = `M${left} ${floor - h}l${d} ${-d}h${w}v${h}l${-d} ${d}M${left + w} ${floor - h}l${d} ${-d}`;
  const hidden = `M${left} ${floor}l${d} ${-d}v${-h}M${left + d} ${floor - d}h${w}`;
  const label = `${title}: ${centimetres(width)} cm wide, ${centimetres(depth)} cm deep, ${centimetres(height)} cm high, beside ${reference.name === 'Door' ? 'a door' : 'an A4 sheet'}`;
  return (
    <svg class="scale-drawing" viewBox={`0 0 ${VIEW_WIDTH} ${VIEW_HEIGHT}`} role="img" aria-label={label}>
      <path class="scale-floor" d={`M0 ${floor}H${VIEW_WIDTH}`} />
      <path class="scale-reference" d={`M${start} ${floor}v${-rh}h${rw}v${rh}`} />
      <text class="scale-reference-name" x={start + rw / 2} y={floor + 18} text-anchor="middle">{reference.name}</text>
      <text class="scale-reference-name" x={start + rw / 2} y={floor + 34} text-anchor="middle">{centimetres(reference.height)}</text>
      <path class="scale-face" d={front} />
      <path class="scale-hidden" d={hidden} />
      <path class="scale-edge" d={back} />
      <path class="scale-edge" d={front} />
      <path class="scale-measure" d={`M${left} ${floor + 8}v8M${left} ${floor + 12}h${w}M${left + w} ${floor + 8}v8`} />
      <text x={left + w / 2} y={floor + 32} text-anchor="middle">{centimetres(width)}</text>
      <path class="scale-measure" d={`M${left + w + d + 8} ${floor - d}h8M${left + w + d + 12} ${floor - d}v${-h}M${left + w + d + 8} ${floor - d - h}h8`} />
      <text x={left + w + d + 22} y={floor - d - h / 2 + 5}>{centimetres(height)}</text>
      <text x={left + w + d / 2 + 12} y={floor - d / 2 + 12}>{centimetres(depth)}</text>
    </svg>
  );
}
