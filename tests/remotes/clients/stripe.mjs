// Stripe's own library, for the tests of `fake-stripe`:
//   node stripe.mjs verify SECRET HEADER BODY     believes a webhook or fails
//   node stripe.mjs sign SECRET TIME BODY         prints a header for a webhook
//   node stripe.mjs drive KEY URL                 pays, captures, refunds and is declined at a stand-in
import assert from "node:assert/strict";
import Stripe from "stripe";

const [command, ...rest] = process.argv.slice(2);

async function drive(key, url) {
  const { hostname, port } = new URL(url);
  const stripe = new Stripe(key, { host: hostname, port, protocol: "http", maxNetworkRetries: 0, telemetry: false });
  const create = (more, options) =>
    stripe.paymentIntents.create(
      {
        amount: 1000,
        currency: "eur",
        payment_method: "pm_card_visa",
        confirm: true,
        automatic_payment_methods: { enabled: true, allow_redirects: "never" },
        metadata: { a: "b c&d" },
        ...more,
      },
      options,
    );
  const paid = await create({}, { idempotencyKey: "one" });
  assert.equal(paid.status, "succeeded");
  assert.equal(paid.metadata.a, "b c&d");
  const again = await create({}, { idempotencyKey: "one" });
  assert.equal(again.id, paid.id);
  assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
  await assert.rejects(create({ amount: 999 }, { idempotencyKey: "one" }), Stripe.errors.StripeIdempotencyError);
  await assert.rejects(create({ payment_method: "pm_card_chargeDeclined" }), (error) => {
    assert(error instanceof Stripe.errors.StripeCardError);
    assert.equal(error.code, "card_declined");
    assert.equal(error.payment_intent.status, "requires_payment_method");
    return true;
  });
  await assert.rejects(create({ amount: 0 }), Stripe.errors.StripeInvalidRequestError);
  await assert.rejects(create({ colour: "red" }), /colour/);

  const held = await create({ capture_method: "manual" });
  assert.equal(held.status, "requires_capture");
  const taken = await stripe.paymentIntents.capture(held.id, { amount_to_capture: 400 });
  assert.deepEqual([taken.status, taken.amount_received, taken.amount_capturable], ["succeeded", 400, 0]);
  await assert.rejects(stripe.paymentIntents.cancel(held.id), (error) => {
    assert.equal(error.code, "payment_intent_unexpected_state");
    return true;
  });
  const back = await stripe.refunds.create({ payment_intent: held.id, amount: 100, expand: ["payment_intent.latest_charge"] });
  assert.equal(back.payment_intent.latest_charge.amount_captured, 400);
  const refunds = await stripe.refunds.list({ payment_intent: held.id });
  assert.deepEqual(refunds.data.map((refund) => refund.amount), [100]);

  const asks = await create({ payment_method: "pm_card_threeDSecure2Required" });
  assert.equal(asks.next_action.type, "use_stripe_sdk");
  assert.equal((await stripe.paymentIntents.cancel(asks.id)).status, "canceled");

  const found = await stripe.paymentIntents.search({ query: "metadata['a']:'b c&d'" });
  assert.equal(found.data.length, 4);
  const listed = [];
  for await (const intent of stripe.paymentIntents.list({ limit: 2 })) listed.push(intent.id);
  assert.deepEqual([listed[0], listed.at(-1), listed.length], [asks.id, paid.id, 4]);
  await assert.rejects(stripe.paymentIntents.retrieve("pi_none"), /No such payment_intent/);
  const stranger = new Stripe("sk_test_other", { host: hostname, port, protocol: "http", telemetry: false });
  await assert.rejects(stranger.paymentIntents.retrieve(paid.id), Stripe.errors.StripeAuthenticationError);
  console.log("content");
}

switch (command) {
  case "verify": {
    const [secret, header, body] = rest;
    const event = new Stripe("sk_test_unused").webhooks.constructEvent(body, header, secret);
    assert.equal(event.object, "event");
    console.log("believed");
    break;
  }
  case "sign": {
    const [secret, timestamp, payload] = rest;
    const webhooks = new Stripe("sk_test_unused").webhooks;
    console.log(webhooks.generateTestHeaderString({ payload, secret, timestamp: Number(timestamp) }));
    break;
  }
  case "drive":
    await drive(...rest);
    break;
  default:
    throw new Error(`no such command: ${command}`);
}
