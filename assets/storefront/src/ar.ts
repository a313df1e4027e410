// Which way into the room a device has. Pure: callers pass what they detected.
//
// The server recommends by user agent, but an iPad says "Macintosh" and in-app browsers say nothing:
// what the browser can really do wins over the recommendation.

import type { ArManifest } from './api/types';

/** What the browser tells about itself. */
export interface Device {
  userAgent: string;
  maxTouchPoints: number;
  /** `relList.supports('ar')`: Safari with Quick Look, on iPads that say "Macintosh" too. */
  supportsQuickLook: boolean;
}

/** The way into the room to offer. */
export type Launch =
  | { kind: 'quick-look'; href: string }
  | { kind: 'scene-viewer'; href: string }
  | { kind: 'webxr' }
  | { kind: 'open-in-safari' }
  | { kind: 'phone' };

/** Tells iPhones and iPads, also those that ask for desktop pages. */
function isApple(device: Device): boolean {
  return /iPhone|iPad|iPod/.test(device.userAgent) || (/Macintosh/.test(device.userAgent) && device.maxTouchPoints > 1);
}

/** Chooses the launch for `device` among the manifest's links. */
export function chooseLaunch(manifest: ArManifest, device: Device): Launch {
  const { links, recommended } = manifest;
  const quickLook = recommended.viewer === 'quick_look' ? recommended.url : (links.quick_look ?? links.usdz);
  if (device.supportsQuickLook && quickLook) return { kind: 'quick-look', href: quickLook };
  if (isApple(device)) return { kind: 'open-in-safari' };
  if (recommended.viewer === 'scene_viewer') return { kind: 'scene-viewer', href: recommended.url };
  if (/Android/.test(device.userAgent)) {
    if (recommended.viewer === 'webxr') return { kind: 'webxr' };
    if (links.scene_viewer) return { kind: 'scene-viewer', href: links.scene_viewer };
  }
  return { kind: 'phone' };
}

/** Writes width × depth × height in centimetres; the API gives [x, y, z] = width, height, depth in metres. */
export function dimensionsText([width, height, depth]: readonly [number, number, number]): string {
  return `W ${centimetres(width)} × D ${centimetres(depth)} × H ${centimetres(height)} cm`;
}

/** Centimetres for people: whole from 10 cm up, one decimal below. */
export function centimetres(metres: number): string {
  const value = metres * 100;
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
