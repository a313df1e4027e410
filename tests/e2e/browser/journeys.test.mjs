// Whole visits in a real browser, at the width of a phone and of a desktop.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ON_WORKER, openShop } from './shop.mjs';
import { fitsWidth, MODEL_MS, openBrowser, PAGE_MS, picture, tabTo, visiting, WIDTHS } from './visitor.mjs';

const ANDROID = 'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36';
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';
/** What a browser itself writes to the console when a request is refused with this status. */
const refusal = (status) => new RegExp(`Failed to load resource.*status of ${status}`);

/** Pages are the same whatever edge serves them: what asks nothing more of the edge is visited on our node alone. */
const itOnNode = ON_WORKER ? () => {} : it;

let shop;
let browser;
/** Products that have a model and are in stock; every journey takes one of its own. */
let products;

before(async () => {
  shop = await openShop();
  const { headers } = await fetch(shop.url);
  assert.equal(/^worker-/.test(headers.get('vitrine-edge')), ON_WORKER, `the edge is ${headers.get('vitrine-edge')}`);
  browser = await openBrowser();
  const { items } = await getJson('/v1/products?limit=50');
  products = items.filter((item) => item.has_ar && item.available);
  assert.ok(products.length >= 12, `only ${products.length} products with a model are in stock`);
});

after(async () => {
  await browser?.close();
  await shop?.stop();
});

async function getJson(path, headers = {}) {
  const answer = await fetch(shop.url + path, { headers });
  assert.equal(answer.status, 200, `${path} answers ${answer.status}`);
  return answer.json();
}

async function stock(sku) {
  return (await getJson(`/v1/inventory/${sku}`)).available;
}

/** Puts `product` into the cart by its page and returns the SKU that was taken. */
async function addToCart({ page, test, visit }, product) {
  const { variants } = await getJson(`/v1/products/${product.handle}`);
  const variant = variants.filter((one) => one.availability !== 'out_of_stock').at(-1);
  await visit(`/p/${product.handle}?variant=${variant.sku}`);
  await test('add-to-cart').click();
  await page.waitForFunction(() => document.querySelector('[data-testid="cart-count"]')?.textContent.trim() === '1');
  return variant.sku;
}

async function fillAddress(page, email) {
  const fields = { email, name: 'Ada Example', line1: 'Glass Street 1', postal_code: '10115', city: 'Berlin' };
  for (const [name, value] of Object.entries(fields)) await page.locator(`#${name}`).fill(value);
}

/** From the cart to the page of the order. */
async function checkOut({ page, test, visit }, method) {
  await visit('/cart');
  await test('checkout-button').click();
  await page.waitForURL('**/checkout');
  await fillAddress(page, `${method}@example.com`);
  await test(`payment-${method}`).check({ force: true });
  await test('place-order').click();
}

async function paymentBecomes({ page }, status, limit = PAGE_MS) {
  await page.locator(`[data-testid="payment-status"][data-status="${status}"]`).waitFor({ timeout: limit });
}

for (const [index, { name, viewport }] of WIDTHS.entries()) {
  describe(`on a ${name}`, () => {
    it('finds a piece, looks at it in 3D, buys it, and the stock is one less', async () => {
      await visiting(browser, shop, { viewport }, async (visitor) => {
        const { page, test, visit } = visitor;
        const product = products[index];
        await visit('/');
        await test('product-card').first().waitFor();
        await fitsWidth(page);
        await picture(page, `${name}-home`);

        await page.locator('nav[aria-label="Categories"] a[href^="/c/"]').first().click();
        await page.waitForURL('**/c/*');
        await test('product-card').first().waitFor();
        await fitsWidth(page);
        await picture(page, `${name}-category`);

        await test('search-input').fill(product.title);
        await page.waitForURL('**/search?q=*');
        const card = page.locator(`[data-testid="product-card"] a[href^="/p/${product.handle}"]`).first();
        await card.waitFor();
        await fitsWidth(page);
        await picture(page, `${name}-search`);

        await card.click();
        await page.waitForURL(`**/p/${product.handle}*`);
        await page.locator('model-viewer[data-phase="ready"]').waitFor({ timeout: MODEL_MS });
        await fitsWidth(page);
        await picture(page, `${name}-product`);

        const { variants } = await getJson(`/v1/products/${product.handle}`);
        const variant = variants.filter((one) => one.availability !== 'out_of_stock').at(-1);
        if (variants.length > 1) await test(`variant-${variant.sku}`).click();
        const before = await stock(variant.sku);
        await test('add-to-cart').click();
        await page.waitForFunction(() => document.querySelector('[data-testid="cart-count"]')?.textContent.trim() === '1');
        await page.locator('header a[href="/cart"]').click();
        await page.locator(`[data-testid="cart-line"][data-sku="${variant.sku}"]`).waitFor();
        await fitsWidth(page);
        await picture(page, `${name}-cart`);

        await test('checkout-button').click();
        await page.waitForURL('**/checkout');
        await fillAddress(page, 'ada@example.com');
        await test('payment-success').check({ force: true });
        await fitsWidth(page);
        await picture(page, `${name}-checkout`);
        await test('place-order').click();
        await page.waitForURL('**/orders/*');
        await paymentBecomes(visitor, 'captured');
        assert.equal(await test('order-status').getAttribute('data-status'), 'confirmed');
        await fitsWidth(page);
        await picture(page, `${name}-order`);
        assert.equal(await stock(variant.sku), before - 1);

        await page.reload();
        await paymentBecomes(visitor, 'captured');
        assert.equal(await test('cart-count').textContent(), '0');
      });
    });

    itOnNode('is told when the bank declines, and the stock is whole', async () => {
      await visiting(browser, shop, { viewport, expected: [refusal(402)] }, async (visitor) => {
        const sku = await addToCart(visitor, products[2 + index]);
        const before = await stock(sku);
        await checkOut(visitor, 'decline');
        const declined = visitor.page.locator('[data-testid="payment-status"][data-status="declined"], [data-testid="problem"]');
        await declined.first().waitFor();
        await picture(visitor.page, `${name}-declined`);
        assert.equal(await stock(sku), before);
      });
    });

    itOnNode('approves a payment that the bank asks about', async () => {
      await visiting(browser, shop, { viewport }, async (visitor) => {
        const sku = await addToCart(visitor, products[4 + index]);
        const before = await stock(sku);
        await checkOut(visitor, 'requires_action');
        await visitor.page.waitForURL('**/orders/*');
        await visitor.test('approve-payment').waitFor();
        await picture(visitor.page, `${name}-approve`);
        assert.equal(await stock(sku), before - 1, 'the piece is held meanwhile');
        await visitor.test('approve-payment').click();
        await paymentBecomes(visitor, 'captured');
        assert.equal(await stock(sku), before - 1);
      });
    });

    itOnNode("goes to the bank's own page, comes back, and finds the order paid", async () => {
      await visiting(browser, shop, { viewport, guests: [shop.payments] }, async (visitor) => {
        const { page } = visitor;
        const sku = await addToCart(visitor, products[10 + index]);
        const before = await stock(sku);
        await checkOut(visitor, 'hosted');
        await page.waitForURL(`${shop.payments}/3ds/*`);
        await page.goBack();
        await page.locator('[data-testid="payer-action"][data-action="redirect"]').waitFor();
        await picture(page, `${name}-payer-action`);
        await visitor.test('continue-payment').click();
        await page.getByRole('button', { name: 'Approve' }).click();
        await page.waitForURL(`${shop.url}/orders/*`);
        await paymentBecomes(visitor, 'captured');
        assert.equal(await stock(sku), before - 1);
      });
    });

    itOnNode('sees a late payment arrive without touching the page', async () => {
      await visiting(browser, shop, { viewport }, async (visitor) => {
        await addToCart(visitor, products[6 + index]);
        await checkOut(visitor, 'late');
        await visitor.page.waitForURL('**/orders/*');
        await paymentBecomes(visitor, 'captured', 30_000);
      });
    });
  });
}

describe('a pre-order', () => {
  const key = () => ({ authorization: `Bearer ${shop.staffKey()}` });

  /** Sells a variant before it comes out, and waits until the edge says so. */
  async function comesOut({ handle, sku }, until, headers) {
    const body = JSON.stringify({ backorder: { kind: 'pre_order', until, pieces_max: 9 } });
    const answer = await fetch(`${shop.url}/admin/v1/stock/${sku}`, { method: 'PATCH', headers: { ...headers, 'content-type': 'application/json' }, body });
    assert.equal(answer.status, 200, await answer.text());
    const limit = Date.now() + PAGE_MS;
    for (;;) {
      const { variants } = await getJson(`/v1/products/${handle}`);
      if (Date.parse(variants.find((one) => one.sku === sku).ships_at) === Date.parse(until)) return;
      assert.ok(Date.now() < limit, `the edge does not say that ${sku} ships at ${until}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function soldOut() {
    const { items } = await getJson('/v1/products?limit=50');
    for (const { handle } of items) {
      const { variants } = await getJson(`/v1/products/${handle}`);
      const variant = variants.find((one) => one.availability === 'out_of_stock');
      if (variant) return { handle, sku: variant.sku };
    }
    return assert.fail('the demo shop has a variant that is sold out');
  }

  itOnNode('says when it ships on every page, and is not bought for a later day unknowingly', async () => {
    await visiting(browser, shop, { viewport: WIDTHS[0].viewport, expected: [refusal(409)] }, async (visitor) => {
      const { page, test, visit } = visitor;
      const headers = key();
      const variant = await soldOut();
      await comesOut(variant, '2099-05-12T12:00:00.000Z', headers);
      const says = (day) => page.locator('[data-testid="line-note"]', { hasText: `Pre-order — ships from ${day}` });
      await visit(`/p/${variant.handle}?variant=${variant.sku}`);
      await page.getByRole('button', { name: 'Pre-order — ships from 12 May 2099' }).click();
      await page.waitForFunction(() => document.querySelector('[data-testid="cart-count"]')?.textContent.trim() === '1');
      await visit('/cart');
      await says('12 May 2099').waitFor();
      await fitsWidth(page);
      await picture(page, 'phone-cart-promise');
      await test('checkout-button').click();
      await page.waitForURL('**/checkout');
      const told = page.waitForResponse(/\/destination$/);
      await fillAddress(page, 'early@example.com');
      await told;
      await says('12 May 2099').waitFor();
      await test('payment-success').check({ force: true });
      await comesOut(variant, '2099-06-12T12:00:00.000Z', headers);
      await test('place-order').click();
      await page.getByText('When it ships has changed').waitFor();
      await says('12 June 2099').waitFor();
      await fitsWidth(page);
      await picture(page, 'phone-checkout-promise');
      await test('place-order').click();
      await page.waitForURL('**/orders/*');
      await paymentBecomes(visitor, 'captured');
      await says('12 June 2099').waitFor();
      await fitsWidth(page);
      await picture(page, 'phone-order-promise');
    });
  });
});

describe('the way into the room', () => {
  async function manifestOf(product, userAgent) {
    const { variants } = await getJson(`/v1/products/${product.handle}`);
    return getJson(`/v1/ar/${variants[0].sku}`, { 'user-agent': userAgent, accept: 'application/json' });
  }

  it('is Scene Viewer or WebXR on Android', async () => {
    const product = products[0];
    await visiting(browser, shop, { viewport: WIDTHS[0].viewport, userAgent: ANDROID }, async (visitor) => {
      const { recommended, links, sku } = await manifestOf(product, ANDROID);
      assert.ok(['scene_viewer', 'webxr'].includes(recommended.viewer), recommended.viewer);
      assert.match(links.scene_viewer, /^intent:\/\/arvr\.google\.com\/scene-viewer\/.*[?&]file=https?.*#Intent;/);
      await visitor.visit(`/p/${product.handle}?variant=${sku}`);
      await visitor.test('ar-link').waitFor();
      if (recommended.viewer === 'scene_viewer') {
        assert.equal(await visitor.test('ar-link').getAttribute('href'), recommended.url);
      }
    });
  });

  it('is Quick Look on an iPhone, with a model that can be fetched', async () => {
    const product = products[1];
    await visiting(browser, shop, { viewport: WIDTHS[0].viewport, userAgent: IPHONE, quickLook: true }, async (visitor) => {
      const { recommended, links, sku } = await manifestOf(product, IPHONE);
      assert.equal(recommended.viewer, 'quick_look');
      await visitor.visit(`/p/${product.handle}?variant=${sku}`);
      const link = visitor.test('ar-link');
      await link.waitFor();
      assert.equal(await link.getAttribute('rel'), 'ar');
      assert.equal(await link.getAttribute('href'), recommended.url);
      assert.match(new URL(links.usdz, shop.url).pathname, /\.usdz$/);
      const model = await fetch(new URL(links.usdz, shop.url));
      assert.equal(model.status, 200);
      assert.equal(model.headers.get('content-type'), 'model/vnd.usdz+zip');
      assert.deepEqual([...new Uint8Array(await model.arrayBuffer()).slice(0, 2)], [0x50, 0x4b]);
    });
  });

  itOnNode('is a code for the phone on a desktop', async () => {
    const product = products[2];
    await visiting(browser, shop, { viewport: WIDTHS[1].viewport }, async (visitor) => {
      await visitor.visit(`/p/${product.handle}`);
      await visitor.test('ar-link').click();
      await visitor.page.locator('dialog[open] svg.qr').waitFor();
      await picture(visitor.page, 'desktop-phone-code');
      await visitor.page.keyboard.press('Escape');
      await visitor.page.locator('dialog[open]').waitFor({ state: 'detached' });
    });
  });
});

describe('the keyboard alone', () => {
  itOnNode('is enough to buy', async () => {
    await visiting(browser, shop, { viewport: WIDTHS[1].viewport }, async (visitor) => {
      const { page } = visitor;
      const press = (key) => page.keyboard.press(key);
      await visitor.visit(`/search?q=${encodeURIComponent(products[8].title)}`);
      await visitor.test('product-card').first().waitFor();
      await tabTo(page, `[data-testid="product-card"] a[href^="/p/${products[8].handle}"]`);
      await press('Enter');
      await page.waitForURL('**/p/*');
      await visitor.test('add-to-cart').waitFor();
      await tabTo(page, '[data-testid="add-to-cart"]');
      await press('Enter');
      await page.waitForFunction(() => document.querySelector('[data-testid="cart-count"]')?.textContent.trim() === '1');
      await tabTo(page, 'header a[href="/cart"]', 'Shift+Tab');
      await press('Enter');
      await visitor.test('checkout-button').waitFor();
      await tabTo(page, '[data-testid="checkout-button"]');
      await press('Enter');
      await page.waitForURL('**/checkout');
      await page.locator('#email').waitFor();
      const fields = { email: 'keys@example.com', name: 'Kay Board', line1: 'Tab Lane 9', postal_code: '1010', city: 'Wien' };
      for (const [name, value] of Object.entries(fields)) {
        await tabTo(page, `#${name}`);
        await page.keyboard.type(value);
      }
      await tabTo(page, '[data-testid="place-order"]');
      await press('Enter');
      await page.waitForURL('**/orders/*');
      await paymentBecomes(visitor, 'captured');
    });
  });
});

describe('an account', () => {
  itOnNode('is made, left, entered again, and refused with a wrong password', async () => {
    await visiting(browser, shop, { viewport: WIDTHS[1].viewport, expected: [refusal(401)] }, async (visitor) => {
      const { page, test, visit } = visitor;
      const email = `visitor-${process.pid}-${Math.floor(performance.timeOrigin)}@example.com`;
      const password = 'correct horse battery staple';
      const submit = async (kind, word) => {
        await page.locator(`#${kind}-email`).fill(email);
        await page.locator(`#${kind}-password`).fill(word);
        await test(`${kind}-form`).locator('button[type="submit"]').click();
      };
      await visit('/login');
      await submit('register', password);
      await page.waitForURL('**/account');
      await page.getByText(email).first().waitFor();
      assert.equal((await test('account-email').textContent()).trim(), email);
      await picture(page, 'desktop-account');
      await test('logout').click();
      await page.waitForURL(`${shop.url}/`);

      await visit('/login');
      await submit('login', 'not the password');
      await test('problem').waitFor();
      await submit('login', password);
      await page.waitForURL('**/account');
      await page.reload();
      await page.getByText(email).first().waitFor();
    });
  });
});

describe('prices', () => {
  itOnNode('follow the chosen currency, one without cents too', async () => {
    await visiting(browser, shop, { viewport: WIDTHS[1].viewport }, async (visitor) => {
      await visitor.visit('/');
      await visitor.test('product-card').first().waitFor();
      await visitor.test('currency-select').selectOption('JPY');
      await visitor.page.getByText(/¥\s?[\d,]+/).first().waitFor();
      assert.doesNotMatch(await visitor.test('product-card').first().innerText(), /¥\s?[\d,]+\.\d/);
    });
  });
});
