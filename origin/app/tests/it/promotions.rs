//! Promotions and their codes: what they take off, who has used them, and what comes back.

use std::time::Duration;

use api_types::admin_order::RefundRequest;
use api_types::pricing::{NewCodes, PromotionRule, PromotionView};
use domain::order::PaymentSummary;
use domain::{CartId, OrderStatus, PromotionId};
use futures::future::join_all;
use providers::payment::IntentStatus;
use serde_json::json;

use crate::orders::{euro, step};
use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

async fn promotion(world: &World, more: serde_json::Value) -> PromotionView {
    let mut rule = json!({"title": "Spring", "trigger": "code", "class": "order", "target": {"kind": "all"},
        "effect": {"kind": "percent", "off": 1_000}, "combines_with": ["line", "order", "shipping"]});
    for (name, value) in more.as_object().unwrap() {
        rule[name] = value.clone();
    }
    let rule: PromotionRule = serde_json::from_value(rule).unwrap();
    world.app.create_promotion(rule, None).await.unwrap().value
}

async fn code(world: &World, promotion: PromotionId, code: &str, uses_max: Option<u64>) {
    let request = NewCodes {
        promotion_id: promotion,
        code: Some(code.to_owned()),
        prefix: String::new(),
        count: None,
        uses_max,
    };
    world.app.create_codes(&request, None).await.unwrap();
}

async fn uses(world: &World, promotion: PromotionId) -> (u64, Vec<u64>) {
    let codes = world.app.codes(promotion, None, None).await.unwrap().items;
    let of_codes = codes.into_iter().map(|code| code.uses).collect();
    (world.app.promotion(promotion).await.unwrap().uses, of_codes)
}

async fn cart_with(world: &World, code: &str) -> CartId {
    let cart = world.cart(2).await;
    world.app.set_code(cart, code, true, None, None).await.unwrap();
    cart
}

async fn a_code_takes_its_share_off_and_its_use_comes_back_when_the_order_ends(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let spring = promotion(&world, json!({"conditions": {"uses_max": 5}})).await.promotion.id;
    code(&world, spring, "SPRING-10", Some(2)).await;
    let cart = cart_with(&world, "spring 10").await;
    let seen = world.app.cart(cart).await.unwrap();
    let totals = seen.totals;
    assert_eq!(
        (totals.subtotal.minor, totals.discount.minor, totals.total.minor),
        (3_800, 380, 3_910)
    );
    let quote = seen.quote.unwrap();
    assert_eq!(quote.check(), Ok(()));
    assert_eq!(quote.promotions[0].code.as_ref().unwrap().as_str(), "SPRING10");
    assert_eq!(uses(&world, spring).await, (0, vec![0]), "what is only looked at is not used");

    world.checkout(cart, "decline", "d").await.unwrap_err();
    assert_eq!(uses(&world, spring).await, (0, vec![0]));
    let placed = world.checkout(cart, "requires_action", "r").await.unwrap().value;
    assert_eq!(uses(&world, spring).await, (1, vec![1]));
    world.clock.advance(Duration::from_secs(601));
    world.app.release_expired().await.unwrap();
    assert_eq!(uses(&world, spring).await, (0, vec![0]));
    let bought = world.checkout(cart, "success", "s").await.unwrap().value;
    assert_eq!((bought.status, bought.totals), (OrderStatus::Confirmed, totals));
    assert_eq!(uses(&world, spring).await, (1, vec![1]));

    let order = world.order(&bought).await;
    let quote = order.quote.unwrap();
    assert_eq!((quote.check(), order.totals), (Ok(()), totals));
    let of_quote: Vec<_> = quote.lines.iter().map(|line| line.line).collect();
    let of_order: Vec<_> = order.lines.iter().map(|line| line.id).collect();
    assert_eq!(of_quote, of_order);
    assert_eq!(world.store.ledger_sum("provider_clearing").await.unwrap(), 3_910);
    assert_eq!(world.order(&placed).await.status, OrderStatus::Expired);
    world.check_sums().await;
}

async fn the_last_use_of_a_code_is_one_shoppers(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let spring = promotion(&world, json!({})).await.promotion.id;
    code(&world, spring, "ONCE", Some(1)).await;
    let mut carts = Vec::new();
    for _ in 0..8 {
        carts.push(cart_with(&world, "ONCE").await);
    }
    let answers = join_all(carts.iter().map(|cart| world.checkout(*cart, "success", "k"))).await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(won, 1);
    for lost in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(lost.to_string(), "code-refused");
    }
    assert_eq!(uses(&world, spring).await, (1, vec![1]));
    // Who takes the code out buys at the full price.
    let at = answers.iter().position(Result::is_err).unwrap();
    world.app.set_code(carts[at], "ONCE", false, None, None).await.unwrap();
    let bought = world.checkout(carts[at], "success", "k2").await.unwrap().value;
    assert_eq!((bought.totals.discount.minor, bought.totals.total.minor), (0, 4_290));
    world.check_sums().await;
}

async fn a_buyer_is_known_by_address_and_has_one_first_order(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let once =
        promotion(&world, json!({"conditions": {"uses_per_buyer_max": 1}})).await.promotion.id;
    code(&world, once, "ONCE", None).await;
    let first =
        promotion(&world, json!({"conditions": {"first_order_only": true}})).await.promotion.id;
    code(&world, first, "FIRST", None).await;
    world.checkout(cart_with(&world, "ONCE").await, "success", "a").await.unwrap();
    for entered in ["ONCE", "FIRST"] {
        let again = world.checkout(cart_with(&world, entered).await, "success", "b").await;
        assert_eq!(again.unwrap_err().to_string(), "code-refused", "{entered}");
        let wish = json!({"email": format!("{entered}@example.org")});
        let cart = cart_with(&world, entered).await;
        let other = world.buy(&GUEST, cart, wish, "c").await.unwrap().value;
        assert_eq!(other.totals.discount.minor, 380, "{entered}");
    }
    assert_eq!(uses(&world, once).await, (2, vec![2]));
    assert_eq!(uses(&world, first).await, (1, vec![1]));
}

async fn an_automatic_promotion_applies_to_everybody_at_its_time(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let ends = world.clock.now().after(Duration::from_mins(30));
    let rule = json!({"trigger": "automatic", "ends_at": ends, "effect": {"kind": "amount", "off": {"EUR": 500}}});
    let sale = promotion(&world, rule).await.promotion.id;
    let carts = [world.cart(1).await, world.cart(1).await, world.cart(1).await];
    let answers =
        join_all(carts[..2].iter().map(|cart| world.checkout(*cart, "success", "k"))).await;
    for answer in answers {
        let totals = answer.unwrap().value.totals;
        assert_eq!((totals.discount.minor, totals.total.minor), (500, 1_890));
    }
    assert_eq!(uses(&world, sale).await.0, 2);
    // Goods at their price, what was taken off them, and shipping stand apart in the books; all without tax.
    let sum = |account| world.store.ledger_sum(account);
    assert_eq!(sum("discounts").await.unwrap(), 2 * 420);
    assert_eq!(sum("shipping_revenue").await.unwrap(), -2 * 412);
    assert_eq!(sum("revenue").await.unwrap(), -2 * (1_176 + 420));
    assert_eq!(sum("tax_payable").await.unwrap(), -2 * (224 + 78));
    assert_eq!(sum("provider_clearing").await.unwrap(), 2 * 1_890);
    let late = world.checkout(carts[2], "decline", "d").await.unwrap_err();
    assert_eq!(late.to_string(), "payment-declined");
    assert_eq!(uses(&world, sale).await.0, 2);
    world.clock.advance(Duration::from_mins(30));
    let after = world.checkout(carts[2], "success", "s").await.unwrap().value;
    assert_eq!((after.totals.discount.minor, after.totals.total.minor), (0, 2_390));
    world.check_sums().await;
}

async fn a_limited_automatic_promotion_ends_with_its_last_use(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let rule = json!({"trigger": "automatic", "conditions": {"uses_max": 3}});
    let sale = promotion(&world, rule).await.promotion.id;
    let mut carts = Vec::new();
    for _ in 0..8 {
        carts.push(world.cart(1).await);
    }
    let answers = join_all(carts.iter().map(|cart| world.checkout(*cart, "success", "k"))).await;
    let discounts: Vec<i64> =
        answers.into_iter().map(|answer| answer.unwrap().value.totals.discount.minor).collect();
    assert_eq!(discounts.iter().filter(|minor| **minor == 190).count(), 3, "{discounts:?}");
    assert_eq!(discounts.iter().filter(|minor| **minor == 0).count(), 5, "{discounts:?}");
    assert_eq!(uses(&world, sale).await.0, 3);
    world.check_sums().await;
}

async fn money_for_an_order_whose_code_went_to_another_goes_back(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let spring = promotion(&world, json!({})).await.promotion.id;
    code(&world, spring, "ONCE", Some(1)).await;
    let slow = world.checkout(cart_with(&world, "ONCE").await, "late", "k").await.unwrap().value;
    world.clock.advance(Duration::from_secs(601));
    world.app.release_expired().await.unwrap();
    world.checkout(cart_with(&world, "ONCE").await, "success", "k").await.unwrap();
    let payment = world.payment_of(slow.order_id).await;
    world.deliver("evt_1", payment, IntentStatus::Captured).await.unwrap();
    assert_eq!(world.order(&slow).await.status, OrderStatus::Expired);
    assert_eq!(uses(&world, spring).await, (1, vec![1]));
    world.check_sums().await;
}

async fn a_discounted_order_goes_back_as_it_was_paid(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let spring = promotion(&world, json!({})).await.promotion.id;
    code(&world, spring, "SPRING", None).await;
    let bought = world.checkout(cart_with(&world, "SPRING").await, "success", "k").await.unwrap();
    let order = bought.value.order_id;
    let told = world.app.admin_order(order).await.unwrap();
    assert_eq!(told.sums.unwrap().price, bought.value.totals.total);
    let some = RefundRequest { amount: Some(euro(1_000)), ..RefundRequest::default() };
    step!(&world, order, "some", refund_order, some).unwrap();
    let told = step!(&world, order, "rest", refund_order, RefundRequest::default()).unwrap().value;
    assert_eq!(told.order.payment, PaymentSummary::Refunded);
    let sum = |account| world.store.ledger_sum(account);
    for account in ["provider_clearing", "tax_payable"] {
        assert_eq!(sum(account).await.unwrap(), 0, "{account}");
    }
    assert_eq!(uses(&world, spring).await, (1, vec![1]), "it was used, whatever came after");
    world.check_sums().await;
}

async fn what_is_written_of_a_promotion_is_checked_and_some_of_it_is_for_ever(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let made = promotion(&world, json!({})).await;
    let (id, rule) = (made.promotion.id, |more: serde_json::Value| {
        let mut rule = json!({"title": "Summer", "trigger": "code", "class": "order", "target": {"kind": "all"},
            "effect": {"kind": "percent", "off": 2_000}});
        for (name, value) in more.as_object().unwrap() {
            rule[name] = value.clone();
        }
        serde_json::from_value::<PromotionRule>(rule).unwrap()
    });
    for (rule, version, expected) in [
        (rule(json!({"title": ""})), None, "invalid-input"),
        (rule(json!({})), Some(7), "precondition-failed"),
        (rule(json!({"trigger": "automatic"})), None, "promotion-fixed"),
        (rule(json!({"conditions": {"uses_max": 1}})), None, "promotion-fixed"),
    ] {
        let error = world.app.replace_promotion(id, rule, version, None).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let changed =
        world.app.replace_promotion(id, rule(json!({})), Some(1), None).await.unwrap().value;
    assert_eq!((changed.version, changed.promotion.title.as_str()), (2, "Summer"));
    code(&world, id, "TAKEN", None).await;
    let again = NewCodes {
        promotion_id: id,
        code: Some("taken".to_owned()),
        prefix: String::new(),
        count: None,
        uses_max: None,
    };
    let error = world.app.create_codes(&again, None).await.unwrap_err();
    assert_eq!(error.to_string(), "code-taken");
    let bulk = NewCodes { code: None, prefix: "VIP".to_owned(), count: Some(3), ..again };
    let made = world.app.create_codes(&bulk, None).await.unwrap().value.items;
    assert!(made.iter().all(|code| code.code.as_str().starts_with("VIP")), "{made:?}");
    let first = world.app.codes(id, None, Some(2)).await.unwrap();
    let rest = world.app.codes(id, first.next_after, Some(5)).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next_after), (2, 2, None));
    world.app.enable_code("TAKEN", false).await.unwrap();
    let cart = world.cart(1).await;
    let entered = world.app.set_code(cart, "TAKEN", true, None, None).await.unwrap_err();
    assert_eq!(entered.to_string(), "invalid-input");
    assert_eq!(world.app.promotions(None, None).await.unwrap().items.len(), 1);
}

on_every_engine!(
    a_code_takes_its_share_off_and_its_use_comes_back_when_the_order_ends,
    the_last_use_of_a_code_is_one_shoppers,
    a_buyer_is_known_by_address_and_has_one_first_order,
    an_automatic_promotion_applies_to_everybody_at_its_time,
    a_limited_automatic_promotion_ends_with_its_last_use,
    money_for_an_order_whose_code_went_to_another_goes_back,
    a_discounted_order_goes_back_as_it_was_paid,
    what_is_written_of_a_promotion_is_checked_and_some_of_it_is_for_ever,
);
