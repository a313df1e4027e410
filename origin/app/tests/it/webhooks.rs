//! Merchants are told what happened: once per subscription, until they have it, and one at the pace of no other.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_types::admin::{NewWebhook, ReplayRange, Webhook, WebhookChange, WebhookDelivery};
use domain::WebhookId;
use domain::webhook::{FAILING_MAX, RETRY_PAUSES_S};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;
use engines::{Engine, on_every_engine};

/// Says nothing at all, for ever.
const SILENT: u16 = 0;

/// Somebody who is told.
struct Subscriber {
    url: String,
    status: Arc<AtomicU16>,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    connections: Arc<AtomicUsize>,
}

async fn subscriber(status: u16) -> Subscriber {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let status = Arc::new(AtomicU16::new(status));
    let (heard, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    let (answer, ears, count) = (Arc::clone(&status), Arc::clone(&heard), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(listen(stream, Arc::clone(&answer), Arc::clone(&ears)));
        }
    });
    Subscriber { url, status, heard, connections }
}

async fn listen(
    mut stream: TcpStream,
    status: Arc<AtomicU16>,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
) {
    let mut text = String::new();
    let (head, body) = loop {
        let mut bytes = [0; 4_096];
        let length = stream.read(&mut bytes).await.unwrap();
        assert!(length > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str::<Value>(body)
        {
            break (head.to_owned(), body);
        }
    };
    let id = head.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap().to_owned();
    let status = status.load(Ordering::Relaxed);
    if status == SILENT {
        let _ = stream.read(&mut [0]).await;
        return;
    }
    heard.lock().unwrap().push((id, body));
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
}

impl Subscriber {
    fn kinds(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(_, body)| body["type"].as_str().unwrap().to_owned()).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
    }
}

async fn subscribe(world: &World, subscriber: &Subscriber, patterns: &[&str]) -> WebhookId {
    let new = NewWebhook {
        url: subscriber.url.clone(),
        patterns: patterns.iter().map(|&text| text.to_owned()).collect(),
        description: "a till".to_owned(),
    };
    world.app.create_webhook(new, None).await.unwrap().value.webhook.id
}

async fn buy(world: &World, key: &str) {
    let cart = world.cart(1).await;
    world.checkout(cart, "success", key).await.unwrap();
}

async fn deliveries(world: &World, id: WebhookId) -> Vec<WebhookDelivery> {
    world.app.webhook_deliveries(id, None, None, Some(200)).await.unwrap().items
}

/// Fans out and delivers what is due.
async fn tell(world: &World) -> usize {
    world.app.deliver_events().await.unwrap();
    world.app.deliver_webhooks().await.unwrap()
}

async fn every_subscription_gets_each_event_that_it_wants_once_and_in_order(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let (all, money) = (subscriber(204).await, subscriber(200).await);
    let of_all = subscribe(&world, &all, &["*"]).await;
    let of_money = subscribe(&world, &money, &["payment.*", "payment.captured"]).await;
    for key in ["a", "b", "c"] {
        buy(&world, key).await;
    }
    let rounds = [(); 4].map(|()| world.app.deliver_events());
    let [a, b, c, d] = rounds;
    let fanned = tokio::join!(a, b, c, d);
    let fanned = [fanned.0, fanned.1, fanned.2, fanned.3].map(Result::unwrap);
    let events = all_events(&world, of_all).await;
    assert_eq!(fanned.iter().sum::<usize>(), events, "{fanned:?}");
    assert_eq!(world.app.deliver_webhooks().await.unwrap(), events + 3);
    assert_eq!(world.app.deliver_webhooks().await.unwrap(), 0);
    assert_eq!(money.kinds(), ["payment.captured"; 3]);
    let mut ids = all.ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), events, "each has a name of its own");
    let mut last = std::collections::BTreeMap::new();
    for (id, body) in all.heard.lock().unwrap().iter() {
        assert_eq!(body["id"], *id);
        let order = body["data"]["order_id"].as_str().unwrap().to_owned();
        assert_eq!(body["aggregate"]["id"], *order);
        let sequence = body["sequence"].as_i64().unwrap();
        let before = last.insert(order, sequence).unwrap_or(0);
        assert_eq!(sequence, before + 1, "{body}");
        assert!(body["timestamp"].is_string() && body["data"]["at"].is_null(), "{body}");
    }
    assert_eq!(last.len(), 3);
    for delivery in deliveries(&world, of_money).await {
        assert_eq!((delivery.status.as_str(), delivery.attempts), ("delivered", 1));
    }
}

async fn all_events(world: &World, webhook: WebhookId) -> usize {
    deliveries(world, webhook).await.len()
}

async fn what_is_not_taken_is_tried_fourteen_times_and_then_dead_until_it_is_replayed(
    engine: Engine,
) {
    let world = World::with_stock(engine, 9).await;
    let till = subscriber(503).await;
    let id = subscribe(&world, &till, &["payment.captured"]).await;
    buy(&world, "a").await;
    assert_eq!(tell(&world).await, 1);
    for pause_s in RETRY_PAUSES_S {
        let [delivery] = deliveries(&world, id).await.try_into().unwrap();
        assert_eq!(delivery.status, "waiting");
        assert_eq!(tell(&world).await, 0, "not before its time");
        world.clock.advance(Duration::from_secs(pause_s * 11 / 10 + 1));
        assert_eq!(tell(&world).await, 1);
    }
    let [dead] = deliveries(&world, id).await.try_into().unwrap();
    assert_eq!((dead.status.as_str(), dead.attempts, dead.next_attempt_at), ("dead", 14, None));
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(tell(&world).await, 0);
    let detail = world.app.webhook_delivery(id, dead.id).await.unwrap();
    assert_eq!(detail.attempt_log.len(), 14);
    assert!(
        detail.attempt_log.iter().all(
            |attempt| attempt.status == Some(503) && attempt.error.as_deref() == Some("status")
        )
    );
    let webhook = world.app.webhook(id).await.unwrap();
    assert!(webhook.enabled && webhook.failing_since.is_some());

    till.status.store(200, Ordering::Relaxed);
    assert_eq!(world.app.replay_webhook_delivery(id, dead.id).await.unwrap().replayed, 1);
    let again = world.app.replay_webhook_delivery(id, dead.id).await.unwrap_err();
    assert_eq!(again.to_string(), "delivery-waiting");
    assert_eq!(tell(&world).await, 1);
    let [taken] = deliveries(&world, id).await.try_into().unwrap();
    assert_eq!((taken.status.as_str(), taken.attempts), ("delivered", 15));
    assert!(till.ids().iter().all(|name| *name == dead.event_id));
    assert_eq!(world.app.webhook(id).await.unwrap().failing_since, None);
}

async fn a_subscription_that_only_fails_is_disabled_after_five_days_and_others_are_told(
    engine: Engine,
) {
    let world = World::with_stock(engine, 9).await;
    let (bad, good) = (subscriber(500).await, subscriber(200).await);
    let failing = subscribe(&world, &bad, &["payment.captured"]).await;
    subscribe(&world, &good, &["webhook_subscription.*"]).await;
    buy(&world, "a").await;
    tell(&world).await;
    world.clock.advance(FAILING_MAX);
    buy(&world, "b").await;
    tell(&world).await;
    let webhook = world.app.webhook(failing).await.unwrap();
    assert!(!webhook.enabled);
    assert_eq!(webhook.disabled_reason.as_deref(), Some("nothing was taken for 5 days"));
    tell(&world).await;
    assert_eq!(good.kinds(), ["webhook_subscription.disabled"]);
    let told = good.heard.lock().unwrap()[0].1.clone();
    assert_eq!(told["data"]["webhook_subscription_id"], failing.to_string());

    // Nothing more goes there, and what had been meant for it goes on once it is enabled again.
    let before = bad.ids().len();
    world.clock.advance(Duration::from_hours(24));
    tell(&world).await;
    assert_eq!(bad.ids().len(), before);
    bad.status.store(200, Ordering::Relaxed);
    let change = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    let Webhook { enabled, disabled_reason, failing_since, .. } =
        world.app.change_webhook(failing, change).await.unwrap();
    assert_eq!((enabled, disabled_reason, failing_since), (true, None, None));
    tell(&world).await;
    assert!(deliveries(&world, failing).await.iter().all(|one| one.status == "delivered"));
}

async fn who_is_gone_is_disabled_at_once_and_who_was_deleted_hears_no_more(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let (gone, deleted) = (subscriber(410).await, subscriber(200).await);
    let id = subscribe(&world, &gone, &["order.placed"]).await;
    let other = subscribe(&world, &deleted, &["order.*"]).await;
    buy(&world, "a").await;
    world.app.deliver_events().await.unwrap();
    world.app.delete_webhook(other).await.unwrap();
    world.app.deliver_webhooks().await.unwrap();
    let webhook = world.app.webhook(id).await.unwrap();
    assert_eq!(webhook.disabled_reason.as_deref(), Some("the subscriber answered 410 Gone"));
    assert_eq!(deliveries(&world, id).await[0].status, "dead");
    assert_eq!(
        world.app.send_test_event(id, None).await.unwrap_err().to_string(),
        "webhook-disabled"
    );
    assert!(deleted.ids().is_empty());
    for error in [
        world.app.webhook(other).await.unwrap_err(),
        world.app.delete_webhook(other).await.unwrap_err(),
        world.app.webhook_deliveries(other, None, None, None).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "not-found");
    }
    assert_eq!(world.app.webhooks().await.unwrap().items.len(), 1);
}

async fn a_silent_subscriber_delays_nobody_and_has_four_places_at_most(engine: Engine) {
    let world = World::with_stock(engine, 30).await;
    let (silent, quick) = (subscriber(SILENT).await, subscriber(200).await);
    let slow = subscribe(&world, &silent, &["*"]).await;
    subscribe(&world, &quick, &["*"]).await;
    for key in 0..8 {
        buy(&world, &key.to_string()).await;
    }
    let events = world.app.deliver_events().await.unwrap();
    assert!(events > 20);
    let all_are_told = async {
        while quick.ids().len() < events {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        // Both end up waiting for the deadline of the silent one's first attempts; the quick one must not.
        done = world.app.deliver_webhooks() => panic!("{done:?} before everybody was told"),
        told = tokio::time::timeout(Duration::from_secs(9), all_are_told) => told.unwrap(),
    }
    assert_eq!(silent.connections.load(Ordering::Relaxed), app::UNDER_WAY_MAX_EACH);

    // That round was dropped, as when its lease is lost. What was under way comes again a minute later.
    assert_eq!(world.app.webhook(slow).await.unwrap().failing_since, None);
    silent.status.store(200, Ordering::Relaxed);
    tell(&world).await;
    world.clock.advance(Duration::from_mins(1));
    tell(&world).await;
    tell(&world).await;
    assert!(deliveries(&world, slow).await.iter().all(|one| one.status == "delivered"));
    assert_eq!(silent.ids().len(), events);
}

async fn an_attempt_has_ten_seconds(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let silent = subscriber(SILENT).await;
    let id = subscribe(&world, &silent, &["order.placed"]).await;
    buy(&world, "a").await;
    let started = std::time::Instant::now();
    assert_eq!(tell(&world).await, 1);
    assert!((10..20).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    let [delivery] = deliveries(&world, id).await.try_into().unwrap();
    let detail = world.app.webhook_delivery(id, delivery.id).await.unwrap();
    let [attempt] = detail.attempt_log.try_into().unwrap();
    assert_eq!((attempt.status, attempt.error.as_deref()), (None, Some("timeout")));
    assert!(attempt.latency_ms >= 10_000);
}

async fn deliveries_are_listed_page_by_page_and_replayed_by_time(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let till = subscriber(200).await;
    let id = subscribe(&world, &till, &["order.*"]).await;
    let begun = world.clock.now();
    buy(&world, "a").await;
    tell(&world).await;
    world.clock.advance(Duration::from_hours(1));
    let later = world.clock.now();
    buy(&world, "b").await;
    tell(&world).await;
    let all: Vec<_> = deliveries(&world, id).await.iter().map(|one| one.id).collect();
    assert!(all.iter().rev().is_sorted(), "newest first");
    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let page =
            world.app.webhook_deliveries(id, Some("delivered"), before, Some(1)).await.unwrap();
        paged.extend(page.items.iter().map(|one| one.id));
        before = page.next_before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
    assert!(
        world.app.webhook_deliveries(id, Some("dead"), None, None).await.unwrap().items.is_empty()
    );
    let wrong = world.app.webhook_deliveries(id, Some("lost"), None, None).await.unwrap_err();
    assert_eq!(wrong.to_string(), "invalid-input");

    let heard = till.ids();
    let first_hour = ReplayRange {
        from: begun.to_string(),
        to: Some(later.before(Duration::from_secs(1)).to_string()),
        status: None,
        after: None,
    };
    let replayed = world.app.replay_webhook_deliveries(id, &first_hour).await.unwrap();
    assert_eq!((replayed.replayed, replayed.more_after), (2, None));
    assert_eq!(tell(&world).await, 2);
    let again = till.ids().split_off(heard.len());
    assert_eq!(again, heard[..2], "the same names in the same order");
    let dead = ReplayRange { status: Some("dead".to_owned()), ..first_hour };
    assert_eq!(world.app.replay_webhook_deliveries(id, &dead).await.unwrap().replayed, 0);
}

async fn what_cannot_be_called_or_meant_is_refused_and_deliveries_are_forgotten(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let refused = |url: &str, patterns: &[&str]| NewWebhook {
        url: url.to_owned(),
        patterns: patterns.iter().map(|&text| text.to_owned()).collect(),
        description: String::new(),
    };
    let long = format!("https://shop.example/{}", "x".repeat(2_048));
    for (url, patterns) in [
        ("https://10.0.0.1/", &["*"][..]),
        ("ftp://shop.example/", &["*"]),
        ("not a url", &["*"]),
        (long.as_str(), &["*"]),
        ("https://shop.example/", &[]),
        ("https://shop.example/", &["Order.*"]),
    ] {
        let error = world.app.create_webhook(refused(url, patterns), None).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid-input", "{url} {patterns:?}");
    }
    let till = subscriber(200).await;
    for _ in 0..domain::webhook::SUBSCRIPTIONS_MAX {
        subscribe(&world, &till, &["order.placed"]).await;
    }
    let one_more = refused(&till.url, &["*"]);
    let error = world.app.create_webhook(one_more, None).await.unwrap_err();
    assert_eq!(error.to_string(), "too-many-webhooks");

    let id = world.app.webhooks().await.unwrap().items[0].id;
    buy(&world, "a").await;
    tell(&world).await;
    let [delivery] = deliveries(&world, id).await.try_into().unwrap();
    world.app.delete_webhook(id).await.unwrap();
    world.clock.advance(Duration::from_hours(31 * 24));
    while world.app.forget_old().await.unwrap() {}
    assert!(world.app.webhook_delivery(id, delivery.id).await.is_err());
}

async fn the_same_key_makes_one_subscription_with_one_secret(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let new = || NewWebhook {
        url: "https://shop.example/hooks".to_owned(),
        patterns: vec!["*".to_owned()],
        description: String::new(),
    };
    let claim = || Some(world.app.claim("staff".to_owned(), "k".to_owned(), &[b"same"]));
    let first = world.app.create_webhook(new(), claim()).await.unwrap();
    let again = world.app.create_webhook(new(), claim()).await.unwrap();
    assert!(!first.is_replay && again.is_replay);
    assert_eq!(first.value, again.value);
    assert!(first.value.secret.starts_with("whsec_"));
    let printed = format!("{:?} {:?}", first.value, world.app.webhooks().await.unwrap());
    assert!(!printed.contains(&first.value.secret[6..]), "{printed}");
    assert_eq!(world.app.webhooks().await.unwrap().items.len(), 1);
}

on_every_engine!(
    every_subscription_gets_each_event_that_it_wants_once_and_in_order,
    what_is_not_taken_is_tried_fourteen_times_and_then_dead_until_it_is_replayed,
    a_subscription_that_only_fails_is_disabled_after_five_days_and_others_are_told,
    who_is_gone_is_disabled_at_once_and_who_was_deleted_hears_no_more,
    a_silent_subscriber_delays_nobody_and_has_four_places_at_most,
    an_attempt_has_ten_seconds,
    deliveries_are_listed_page_by_page_and_replayed_by_time,
    what_cannot_be_called_or_meant_is_refused_and_deliveries_are_forgotten,
    the_same_key_makes_one_subscription_with_one_secret
);
