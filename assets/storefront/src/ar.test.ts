import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseLaunch, dimensionsText, type Device } from './ar';
import type { ArManifest, Viewer } from './api/types';

function manifest(viewer: Viewer): ArManifest {
  return {
    recommended: { viewer, url: `recommended:${viewer}`, why: 'test' },
    links: { quick_look: '/m/a.usdz#x', scene_viewer: 'intent://a', web_glb: '/m/a.glb' },
    dimensions_m: [0.78, 0.74, 0.82],
  };
}

const IPHONE: Device = { userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)', maxTouchPoints: 5, supportsQuickLook: true };
const IPAD: Device = { userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)', maxTouchPoints: 5, supportsQuickLook: true };
const MAC: Device = { ...IPAD, maxTouchPoints: 0, supportsQuickLook: false };
const ANDROID: Device = { userAgent: 'Mozilla/5.0 (Linux; Android 15; Pixel 9)', maxTouchPoints: 5, supportsQuickLook: false };
const LINUX: Device = { userAgent: 'Mozilla/5.0 (X11; Linux x86_64)', maxTouchPoints: 0, supportsQuickLook: false };

test('offers each device the viewer that it has', () => {
  const cases: [string, Viewer, Device, string][] = [
    ['iPhone', 'quick_look', IPHONE, 'quick-look'],
    ['iPad that says Macintosh', 'page', IPAD, 'quick-look'],
    ['iPad in an in-app browser', 'page', { ...IPAD, supportsQuickLook: false }, 'open-in-safari'],
    ['iPhone in an in-app browser', 'quick_look', { ...IPHONE, supportsQuickLook: false }, 'open-in-safari'],
    ['Mac', 'page', MAC, 'phone'],
    ['Android', 'scene_viewer', ANDROID, 'scene-viewer'],
    ['Android with WebXR', 'webxr', ANDROID, 'webxr'],
    ['Android asked for a page', 'page', ANDROID, 'scene-viewer'],
    ['desktop', 'page', LINUX, 'phone'],
    ['desktop with WebXR', 'webxr', LINUX, 'phone'],
  ];
  for (const [name, viewer, device, kind] of cases) assert.equal(chooseLaunch(manifest(viewer), device).kind, kind, name);
});

test('prefers the link that the server recommends', () => {
  assert.deepEqual(chooseLaunch(manifest('quick_look'), IPHONE), { kind: 'quick-look', href: 'recommended:quick_look' });
  assert.deepEqual(chooseLaunch(manifest('page'), IPAD), { kind: 'quick-look', href: '/m/a.usdz#x' });
});

test('writes dimensions as width, depth, height in centimetres', () => {
  assert.equal(dimensionsText([0.784, 0.74, 0.82]), 'W 78 × D 82 × H 74 cm');
  assert.equal(dimensionsText([0.095, 0.3, 0.0951]), 'W 9.5 × D 9.5 × H 30 cm');
});
