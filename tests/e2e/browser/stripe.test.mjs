// Buying with Stripe's own field in a real browser. Stripe is the stand-in of `tests/fake-stripe`, whose Stripe.js behaves as
// documented; the real one was never run here.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ON_WORKER, openShop } from './shop.mjs';
import { fitsWidth, openBrowser, PAGE_MS, picture, tabTo, visiting, WIDTHS } from './visitor.mjs';

const CARDS = {
  pays: '4242 4242 4242 4242',
  declines: '4000 0000 0000 0002',
  asks: '4000 0000 0000 3220',
};
const DECLINED = /Failed to load resource.*status of 402/;

let shop;
let browser;
let products;
/** Every journey takes a piece of its own. */
let taken = -1;

// Which edge serves the pages changes nothing about them; its policy for them is the gateway's on every host.
const describeOnNode = ON_WORKER ? () => {} : describe;

describeOnNode("with Stripe's field", () => {
  before(async () => {
    shop = await openShop({ options: ['--stripe'], found: 'VITRINE_STRIPE_URL' });
    browser = await openBrowser();
    const answer = await fetch(`${shop.url}/v1/products?limit=50`);
    products = (await answer.json()).items.filter((item) => item.available);
  });

  after(async () => {
    await browser?.close();
    await shop?.stop();
  });

  const visit = (options, journey) => visiting(browser, shop, { viewport: WIDTHS[1].viewport, guests: [shop.payments], ...options }, journey);

  async function stock(sku) {
    return (await (await fetch(`${shop.url}/v1/inventory/${sku}`)).json()).available;
  }

  /** Goes to the checkout with one piece, and fills everything but the card; returns the SKU. */
  async function arrive({ page, test, visit: open }) {
    const { handle } = products[(taken += 1) % products.length];
    const { variants } = await (await fetch(`${shop.url}/v1/products/${handle}`)).json();
    const { sku } = variants.filter((one) => one.availability !== 'out_of_stock').at(-1);
    await open(`/p/${handle}?variant=${sku}`);
    await test('add-to-cart').click();
    await page.waitForFunction(() => document.querySelector('[data-testid="cart-count"]')?.textContent.trim() === '1');
    await open('/checkout');
    const fields = { email: 'ada@example.com', name: 'Ada Example', line1: 'Glass Street 1', postal_code: '10115', city: 'Berlin' };
    for (const [name, value] of Object.entries(fields)) await page.locator(`#${name}`).fill(value);
    return sku;
  }

  const frame = (page) => page.frameLocator('[data-testid="stripe-field"] iframe');

  async function fillCard({ page }, number) {
    await frame(page).getByLabel('Card number').fill(number);
    await frame(page).getByLabel('Expiration date').fill('12 / 34');
    await frame(page).getByLabel('Security code').fill('123');
  }

  async function paymentBecomes({ page }, status) {
    await page.locator(`[data-testid="payment-status"][data-status="${status}"]`).waitFor({ timeout: PAGE_MS });
  }

  async function pay(visitor, number) {
    await fillCard(visitor, number);
    await visitor.test('place-order').click();
  }

  for (const { name, viewport } of WIDTHS) {
    it(`a card pays on a ${name}, and its number goes to Stripe alone`, async () => {
      await visit({ viewport }, async (visitor) => {
        const { page } = visitor;
        const seen = [];
        page.on('request', (request) => {
          if (new URL(request.url()).host === new URL(shop.url).host) seen.push(`${request.url()} ${request.postData() ?? ''}`);
        });
        const sku = await arrive(visitor);
        const before = await stock(sku);
        await frame(page).getByLabel('Card number').waitFor();
        await fitsWidth(page);
        await fillCard(visitor, CARDS.pays);
        await visitor.test('stripe-field').scrollIntoViewIfNeeded();
        await picture(page, `${name}-stripe-checkout`);
        await visitor.test('place-order').click();
        await page.waitForURL('**/orders/*');
        await paymentBecomes(visitor, 'captured');
        await fitsWidth(page);
        await picture(page, `${name}-stripe-order`);
        assert.equal(await stock(sku), before - 1);
        assert.ok(seen.some((text) => text.includes('"method":"token"') && text.includes('ctoken_')), seen.join('\n'));
        assert.ok(seen.every((text) => !/4242[ +]?4242/.test(text)), 'the card number came to the shop');
      });
    });
  }

  it('loads nothing of Stripe on any other page', async () => {
    await visit({ guests: [] }, async ({ page, test, visit: open }) => {
      await open('/');
      await test('product-card').first().waitFor();
      await open('/cart');
      await page.locator('h1').waitFor();
      const { headers } = await fetch(shop.url);
      const policy = headers.get('content-security-policy');
      for (const directive of ['script-src', 'frame-src', 'connect-src']) {
        assert.match(policy, new RegExp(`${directive} [^;]*${shop.payments.replaceAll('.', '\\.')}`));
      }
    });
  });

  it('says what is wrong with a card, keeps the fields, and takes the next one', async () => {
    await visit({ expected: [DECLINED] }, async (visitor) => {
      const sku = await arrive(visitor);
      const before = await stock(sku);
      await pay(visitor, '4242');
      await visitor.test('stripe-error').waitFor();
      assert.match(await visitor.test('stripe-error').textContent(), /number is incomplete/);
      await pay(visitor, CARDS.declines);
      await visitor.test('problem').waitFor();
      assert.match(await visitor.test('problem').textContent(), /declined/);
      await picture(visitor.page, 'desktop-stripe-declined');
      assert.equal(await stock(sku), before);
      await pay(visitor, CARDS.pays);
      await paymentBecomes(visitor, 'captured');
      assert.equal(await stock(sku), before - 1);
    });
  });

  for (const { name, viewport } of WIDTHS) {
    it(`asks the payer in Stripe's window on a ${name}, who says yes`, async () => {
      await visit({ viewport }, async (visitor) => {
        const { page } = visitor;
        const sku = await arrive(visitor);
        const before = await stock(sku);
        await pay(visitor, CARDS.asks);
        const bank = page.frameLocator('iframe[title="3D Secure 2 challenge"]');
        await bank.getByRole('button', { name: 'Authorise' }).waitFor();
        await picture(page, `${name}-stripe-3ds`);
        assert.equal(await stock(sku), before - 1, 'the piece is held meanwhile');
        await bank.getByRole('button', { name: 'Authorise' }).click();
        await paymentBecomes(visitor, 'captured');
        assert.equal(await stock(sku), before - 1);
      });
    });
  }

  it('a payer who fails the question is not charged, and may try again', async () => {
    await visit({}, async (visitor) => {
      const { page } = visitor;
      const sku = await arrive(visitor);
      const before = await stock(sku);
      await pay(visitor, CARDS.asks);
      await page.frameLocator('iframe[title="3D Secure 2 challenge"]').getByRole('button', { name: 'Fail' }).click();
      await paymentBecomes(visitor, 'declined');
      assert.equal(await stock(sku), before);
      await page.getByRole('button', { name: 'Try again with these pieces' }).click();
      await page.waitForURL('**/checkout');
      await pay(visitor, CARDS.pays);
      await paymentBecomes(visitor, 'captured');
    });
  });

  it('a reload in the middle of the question leads back to it, and pays once', async () => {
    await visit({}, async (visitor) => {
      const { page } = visitor;
      const sku = await arrive(visitor);
      const before = await stock(sku);
      await pay(visitor, CARDS.asks);
      const bank = page.frameLocator('iframe[title="3D Secure 2 challenge"]');
      await bank.getByRole('button', { name: 'Authorise' }).waitFor();
      await page.reload();
      await paymentBecomes(visitor, 'requires_action');
      await page.locator('[data-testid="payer-action"][data-action="use_sdk"]').waitFor();
      await picture(page, 'desktop-stripe-resume');
      await tabTo(page, '[data-testid="continue-payment"]');
      await page.keyboard.press('Enter');
      await bank.getByRole('button', { name: 'Authorise' }).click();
      await paymentBecomes(visitor, 'captured');
      assert.equal(await stock(sku), before - 1);
    });
  });

  for (const [answer, status] of [['Authorise', 'captured'], ['Fail', 'declined']]) {
    it(`goes to the bank's page, comes back, and finds the order ${status}`, async () => {
      await visit({}, async (visitor) => {
        const { page } = visitor;
        await arrive(visitor);
        await frame(page).getByLabel('Way to pay').selectOption('ideal');
        await visitor.test('place-order').click();
        await page.waitForURL(`${shop.payments}/fake/3ds/*`);
        await picture(page, 'desktop-stripe-bank');
        await page.getByRole('button', { name: answer }).click();
        await page.waitForURL(`${shop.url}/orders/*`);
        await paymentBecomes(visitor, status);
        assert.equal(new URL(page.url()).search, '', 'the secret stays in the address');
      });
    });
  }

  it('who goes back from the bank finds the order waiting, and pays once', async () => {
    await visit({}, async (visitor) => {
      const { page } = visitor;
      const sku = await arrive(visitor);
      const before = await stock(sku);
      await frame(page).getByLabel('Way to pay').selectOption('ideal');
      await visitor.test('place-order').click();
      await page.waitForURL(`${shop.payments}/fake/3ds/*`);
      await page.goBack();
      await page.waitForURL(`${shop.url}/orders/*`);
      await page.locator('[data-testid="payer-action"][data-action="redirect"]').waitFor();
      await visitor.test('continue-payment').click();
      await page.getByRole('button', { name: 'Authorise' }).click();
      await paymentBecomes(visitor, 'captured');
      assert.equal(await stock(sku), before - 1);
    });
  });

  it('an answer that was lost and a reload after it buy once, with the same key', async () => {
    const cut = /net::ERR_FAILED/;
    await visit({ expected: [cut], lost: [/\/checkout$/] }, async (visitor) => {
      const { page } = visitor;
      const sku = await arrive(visitor);
      const before = await stock(sku);
      const keys = [];
      // The shop hears the request; the browser never hears the answer.
      await page.route('**/v1/carts/*/checkout', async (route) => {
        keys.push(route.request().headers()['idempotency-key']);
        await route.fetch();
        await route.abort();
      });
      await pay(visitor, CARDS.pays);
      await page.locator('[data-testid="unfinished-payment"] [data-testid="problem"]').waitFor();
      await picture(page, 'desktop-stripe-unfinished');
      await page.unroute('**/v1/carts/*/checkout');
      page.on('request', (request) => {
        if (request.url().endsWith('/checkout') && request.method() === 'POST') keys.push(request.headers()['idempotency-key']);
      });
      await page.reload();
      await page.waitForURL('**/orders/*');
      await paymentBecomes(visitor, 'captured');
      assert.equal(await stock(sku), before - 1);
      assert.ok(keys.length >= 3, keys.join(' '));
      assert.equal(new Set(keys).size, 1, keys.join(' '));
    });
  });

  it('says honestly that the fields did not load, takes another way, and loads them again', async () => {
    const blocked = /net::ERR_FAILED/;
    await visit({ viewport: WIDTHS[0].viewport, expected: [blocked], lost: [/stripe\.js$/] }, async (visitor) => {
      const { page } = visitor;
      await page.route('**/stripe.js', (route) => route.abort());
      await arrive(visitor);
      await visitor.test('stripe-unavailable').waitFor();
      await visitor.test('stripe-unavailable').scrollIntoViewIfNeeded();
      await fitsWidth(page);
      await picture(page, 'phone-stripe-unavailable');
      await page.unroute('**/stripe.js');
      await visitor.test('stripe-retry').click();
      await frame(page).getByLabel('Card number').waitFor();
      await visitor.test('payment-success').check({ force: true });
      await visitor.test('place-order').click();
      await paymentBecomes(visitor, 'captured');
    });
  });
});
