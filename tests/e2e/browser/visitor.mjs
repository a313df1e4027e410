// A visitor with a browser of their own, who notes everything that a shop must not do.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** Software rendering: no graphics card is needed, 3D pages only take longer. */
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
];

/** Longest wait for what a page shall show; two busy cores that also draw 3D in software are slow. */
export const PAGE_MS = 45_000;
export const MODEL_MS = 120_000;

export const WIDTHS = [
  { name: 'phone', viewport: { width: 390, height: 844 } },
  { name: 'desktop', viewport: { width: 1440, height: 900 } },
];

export function openBrowser() {
  return chromium.launch({ executablePath: process.env.VITRINE_CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS });
}

/**
 * Lets a visitor in for one journey. Afterwards the window is closed, and the journey fails if the shop misbehaved
 * meanwhile: asked another host than those of `guests` or in vain but for what is `lost`, broke its content policy, threw,
 * or wrote an error that is not `expected`.
 */
export async function visiting(browser, shop, options, journey) {
  const { viewport, userAgent, quickLook = false, expected = [], guests = [], lost = [] } = options;
  const context = await browser.newContext({ viewport, ...(userAgent ? { userAgent } : {}), locale: 'en-GB', reducedMotion: 'reduce' });
  const wrongs = [];
  await context.addInitScript(reportPolicyViolations);
  if (quickLook) await context.addInitScript(pretendQuickLook);
  const page = await context.newPage();
  page.setDefaultTimeout(PAGE_MS);
  const hosts = [shop.url, ...guests].map((url) => new URL(url).host);
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (/^https?:$/.test(url.protocol) && !hosts.includes(url.host)) wrongs.push(`asks another host: ${request.url()}`);
  });
  page.on('console', (message) => {
    const text = `${message.text()} (${message.location().url})`;
    if (message.type() === 'error' && !expected.some((pattern) => pattern.test(text))) wrongs.push(`console: ${text}`);
  });
  context.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    // A page that is left gives up what it still loads.
    if (why !== 'net::ERR_ABORTED' && !lost.some((pattern) => pattern.test(request.url()))) wrongs.push(`${why}: ${request.url()}`);
  });
  page.on('pageerror', (error) => wrongs.push(`script: ${error.message}`));
  try {
    await journey({ page, test: (id) => page.getByTestId(id), visit: (path) => page.goto(shop.url + path) });
    assert.deepEqual(wrongs, [], 'the shop misbehaved');
  } catch (error) {
    await picture(page, `failed-${(failures += 1)}`);
    if (error.code !== 'ERR_ASSERTION') error.message += `\non ${page.url()}\n${wrongs.join('\n')}`;
    throw error;
  } finally {
    await context.close();
  }
}

let failures = 0;

// Both run inside the page.
function reportPolicyViolations() {
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`content security policy: ${event.violatedDirective} refuses ${event.blockedURI}`);
  });
}

/** Safari alone knows `rel="ar"`; the page asks the browser what it can do, not for its name. */
function pretendQuickLook() {
  const original = DOMTokenList.prototype.supports;
  DOMTokenList.prototype.supports = function supports(token) {
    return token === 'ar' || original.call(this, token);
  };
}

/** Keeps a picture of the page, where somebody wants pictures. */
export async function picture(page, name) {
  const folder = process.env.VITRINE_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Fails when the page can be pushed sideways. */
export async function fitsWidth(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${page.url()} is ${content} px wide in a window of ${window}`);
}

/** Presses Tab (or Shift+Tab) until the focus is on `selector`. */
export async function tabTo(page, selector, key = 'Tab') {
  const limit = 200;
  for (let presses = 0; presses < limit; presses += 1) {
    await page.keyboard.press(key);
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
  }
  assert.fail(`the keyboard does not reach ${selector} on ${page.url()}`);
}
