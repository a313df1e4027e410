//! The waiting room and chat rooms, by Durable Objects in real workerd.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{Answer, Client, Process, eventually};
use http::Method;
use serde_json::{Value, json};

use crate::worker::socket::{Came, Socket};
use crate::worker::{self, Options};

/// One admission a second; a minute for each.
const FLAG: &str = r#"{"room":"drop-1","routes":["POST /v1/carts/*/checkout","GET /p/..."],
    "skus":["CHR-LYRA-OAK"],"admissions_per_minute":60,"pass_lifetime_s":60}"#;

const CHECKOUT: &str = "/v1/carts/7d9f7e58-94a1-4c5e-9d25-0f5b3f0d8a11/checkout";

const STOPS_WITHIN: Duration = Duration::from_secs(20);

async fn checkout(client: &Client) -> Result<Answer> {
    client.post(CHECKOUT, &json!({})).await
}

/// Waits for a ticket's turn and returns its pass.
async fn admitted(client: &Client, ticket: &str) -> Result<String> {
    let waiting = client.with_header("vitrine-ticket", ticket)?;
    eventually(Duration::from_secs(60), "the ticket's turn comes", || async {
        let answer = waiting.get("/v1/waiting-room").await.ok()?.json().ok()?;
        (answer["state"] == "admitted").then(|| answer["pass"].as_str().map(str::to_owned))?
    })
    .await
}

fn number(ticket: &str) -> u64 {
    ticket.split('.').nth(2).and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[test]
fn a_flash_sale_admits_one_after_the_other() {
    worker::with_world(async |world| {
        let state = Some(world.stack().new_folder("sale-state")?);
        let options = Options { scale: 100, state, is_scheduled: true, ..Options::default() };
        let mut process = worker::start(world, &options).await?;
        let client = worker::client(&process, "192.0.2.10")?;
        let open = client.get("/v1/waiting-room").await?;
        assert_eq!((open.status, open.text().as_str()), (200, r#"{"state":"open"}"#));
        assert_ne!(checkout(&client).await?.status, 503);

        worker::set_flag(world, "waiting-room", FLAG).await?;
        worker::flag_arrives(&client, true).await?;
        let last = crowd(&client).await?;
        strangers(&client).await?;
        people(&client).await?;
        skus(&client).await?;

        // The queue goes on where it was when everything was started again.
        process.terminate(STOPS_WITHIN).await?;
        drop(process);
        let process = worker::start(world, &options).await?;
        let client = worker::client(&process, "192.0.2.10")?;
        worker::flag_arrives(&client, true).await?;
        let next = checkout(&client).await?;
        let ticket = next.header("vitrine-ticket").to_owned();
        let pass = next.header("vitrine-pass").to_owned();
        assert!(number(if ticket.is_empty() { &pass } else { &ticket }) > last);

        worker::set_flag(world, "waiting-room", "").await?;
        worker::flag_arrives(&client, false).await?;
        assert_ne!(checkout(&client).await?.status, 503);
        Ok(())
    });
}

/// Twenty at once: one is in, the others are behind each other, and it stays that way.
async fn crowd(client: &Client) -> Result<u64> {
    let asked = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { checkout(&client).await })
    });
    let mut tickets = Vec::new();
    let mut passed = 0;
    for one in asked.collect::<Vec<_>>() {
        let answer = one.await??;
        if answer.status == 503 {
            let told = answer.json()?;
            assert_eq!(told["type"], "https://vitrine.dev/problems/waiting-room");
            assert!(!answer.header("retry-after").is_empty() && told["request_id"].is_string());
            tickets.push((number(answer.header("vitrine-ticket")), told));
        } else {
            assert!(!answer.header("vitrine-pass").is_empty());
            passed += 1;
        }
    }
    tickets.sort_by_key(|(number, _)| *number);
    // One at once, and perhaps one more for each second that the twenty took.
    assert!((1..=5).contains(&passed), "{passed}");
    let numbers: BTreeSet<u64> = tickets.iter().map(|(number, _)| *number).collect();
    let (first, last) = (tickets[0].0, tickets[tickets.len() - 1].0);
    assert_eq!(numbers, (first..=last).collect(), "no number twice, and none left out");

    let text = |told: &Value| told["ticket"].as_str().map(str::to_owned).context("a ticket");
    let pass = admitted(client, &text(&tickets[0].1)?).await?;
    let late = client.with_header("vitrine-ticket", &text(&tickets[tickets.len() - 1].1)?)?;
    let waits = late.get("/v1/waiting-room").await?;
    assert_eq!((waits.status, waits.json()?["state"].as_str()), (200, Some("waiting")));
    assert_ne!(checkout(&client.with_header("vitrine-pass", &pass)?).await?.status, 503);
    // A ticket whose turn has come opens the door by itself, as a browser's cookie does.
    let second = text(&tickets[1].1)?;
    admitted(client, &second).await?;
    let cookie = format!("a=b; vitrine-ticket={second}");
    let answer = checkout(&client.with_header("cookie", &cookie)?).await?;
    assert_ne!(answer.status, 503);
    assert!(answer.header("set-cookie").starts_with("vitrine-pass=wp1.drop-1."));
    assert_eq!(answer.header("cache-control"), "private, no-store");
    Ok(last)
}

/// What is not ours opens nothing, and is no fault either.
async fn strangers(client: &Client) -> Result<()> {
    let given = checkout(client).await?;
    let ticket = given.header("vitrine-ticket").to_owned();
    let long = "x".repeat(5_000);
    for (name, text) in [
        ("vitrine-pass", "garbage"),
        ("vitrine-pass", ticket.as_str()),
        ("vitrine-pass", "wp1.drop-1.1.99999999999.AAAA"),
        ("vitrine-ticket", &ticket.replace("drop-1", "drop-2")),
        ("vitrine-ticket", &long),
    ] {
        let answer = checkout(&client.with_header(name, text)?).await?;
        assert_eq!(answer.status, 503, "{name}: {text}");
    }
    let forged = client.with_header("vitrine-ticket", "wt1.drop-1.1.1.AAAA")?;
    assert_eq!(forged.get("/v1/waiting-room").await?.status, 410);
    Ok(())
}

/// A person gets a page that asks again, and is let in by the cookie.
async fn people(client: &Client) -> Result<()> {
    let person = client.with_header("accept", "text/html")?;
    let page = person.get("/p/lyra-chair").await?;
    assert_eq!(page.status, 503);
    assert!(page.text().contains("http-equiv=\"refresh\""), "{}", page.text());
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    assert_ne!(person.get("/").await?.status, 503, "only what is protected waits");
    let ticket = page.header("vitrine-ticket").to_owned();
    admitted(client, &ticket).await?;
    let back = person.with_header("cookie", &format!("vitrine-ticket={ticket}"))?;
    assert_ne!(back.get("/p/lyra-chair").await?.status, 503);
    Ok(())
}

/// A protected thing needs a pass to get into a cart; others do not.
async fn skus(client: &Client) -> Result<()> {
    let cart = client.post("/v1/carts", &json!({"currency": "EUR"})).await?;
    let lines = format!("/v1/carts/{}/lines", cart.json()?["id"].as_str().context("a cart")?);
    let wanted = client.post(&lines, &json!({"sku": "CHR-LYRA-OAK", "quantity": 1})).await?;
    assert_eq!(wanted.status, 503);
    let other = client.post(&lines, &json!({"sku": "NOT-PROTECTED", "quantity": 1})).await?;
    assert_ne!(other.status, 503);
    let pass = admitted(client, wanted.header("vitrine-ticket")).await?;
    let passing = client.with_header("vitrine-pass", &pass)?;
    let added = passing.post(&lines, &json!({"sku": "CHR-LYRA-OAK", "quantity": 1})).await?;
    assert_ne!(added.status, 503);
    Ok(())
}

async fn new_room(client: &Client) -> Result<String> {
    let made = client.request(Method::POST, "/v1/chat/rooms", Some(&json!({}))).await?;
    assert_eq!(made.status, 201, "{}", made.text());
    let path = made.json()?["path"].as_str().map(str::to_owned).context("a path")?;
    assert_eq!(made.header("location"), path);
    Ok(path)
}

async fn join(process: &Process, path: &str) -> Result<Socket> {
    let headers = [("x-forwarded-for", "192.0.2.20"), ("origin", "https://shop.example")];
    let opened = Socket::open(process, path, &headers).await?;
    opened.map_err(|status| anyhow::anyhow!("{path}: {status}"))
}

fn message(text: &str) -> String {
    json!({"type": "message", "text": text, "id": "mine"}).to_string()
}

#[test]
fn members_of_a_chat_room_hear_each_other_and_what_was_said_before() {
    worker::with_world(async |world| {
        let state = Some(world.stack().new_folder("chat-state")?);
        let options = Options { scale: 10, state, ..Options::default() };
        let mut process = worker::start(world, &options).await?;
        let client = worker::client(&process, "192.0.2.20")?;
        let path = new_room(&client).await?;
        let mut ada = join(&process, &path).await?;
        let welcome = ada.until("welcome").await?;
        assert_eq!((&welcome["last"], &welcome["present"]), (&json!(0), &json!(1)));
        let mut bob = join(&process, &path).await?;
        assert_eq!(ada.until("presence").await?["present"], 2);
        ada.say(r#"{"type":"join","name":"Ada"}"#).await?;
        ada.say(&message("hello")).await?;
        let own = ada.until("message").await?;
        assert_eq!((&own["seq"], &own["id"]), (&json!(1), &json!("mine")));
        let heard = bob.until("message").await?;
        assert_eq!((&heard["name"], &heard["text"]), (&json!("Ada"), &json!("hello")));
        assert!(heard.get("id").is_none() && heard["member"] == welcome["member"]);
        bob.say(&message("hi \u{1f44b}")).await?;
        assert_eq!(ada.until("message").await?["seq"], 2);
        bob.close().await?;
        assert_eq!(ada.until("presence").await?["present"], 1);
        ada.say("ping").await?;
        assert_eq!(ada.next().await?, Came::Text("pong".to_owned()));

        process.terminate(STOPS_WITHIN).await?;
        drop(process);
        let process = worker::start(world, &options).await?;
        let mut back = join(&process, &format!("{path}?after=1")).await?;
        let welcome = back.until("welcome").await?;
        assert_eq!(
            (&welcome["first"], &welcome["last"], &welcome["has_gap"]),
            (&json!(1), &json!(2), &json!(false))
        );
        assert_eq!(back.until("message").await?["text"], "hi \u{1f44b}");
        Ok(())
    });
}

#[test]
fn a_chat_room_refuses_nonsense_floods_and_strangers() {
    worker::with_world(async |world| {
        let process = worker::start(world, &Options { scale: 10, ..Options::default() }).await?;
        let client = worker::client(&process, "192.0.2.20")?;
        let path = new_room(&client).await?;
        assert_eq!(client.get(&path).await?.status, 400, "without an upgrade");
        let unknown = format!("/v1/chat/rooms/{}", "A".repeat(43));
        for (path, origin, expected) in [
            (path.as_str(), "https://evil.example", 403),
            (path.as_str(), "null", 403),
            (unknown.as_str(), "https://shop.example", 404),
            ("/v1/chat/rooms/x", "https://shop.example", 404),
        ] {
            let opened = Socket::open(&process, path, &[("origin", origin)]).await?;
            assert_eq!(opened.err(), Some(expected), "{path} from {origin}");
        }
        for origin in ["https://friend.example", process.url().trim_end_matches('/')] {
            assert!(
                Socket::open(&process, &path, &[("origin", origin)]).await?.is_ok(),
                "{origin}"
            );
        }
        assert!(Socket::open(&process, &path, &[]).await?.is_ok(), "no page at all");

        let mut ada = join(&process, &path).await?;
        let long = message(&"é".repeat(2_001));
        for (frame, code) in [
            ("nonsense", "unreadable"),
            (long.as_str(), "too-long"),
            (r#"{"type":"message","text":" "}"#, "empty"),
        ] {
            ada.say(frame).await?;
            assert_eq!(ada.until("error").await?["code"], code);
        }
        ada.say_bytes(&[1, 2, 3]).await?;
        assert_eq!(ada.until("error").await?["code"], "not-text");
        for _ in 0..40 {
            ada.say(&message("flood")).await?;
        }
        let slower = ada.until("error").await?;
        assert_eq!(
            (&slower["code"], slower["retry_after_s"].is_number()),
            (&json!("rate-limited"), true)
        );
        let mut big = join(&process, &path).await?;
        big.until("welcome").await?;
        big.say(&"x".repeat(20_000)).await?;
        let end = loop {
            if let Came::Close(code) = big.next().await? {
                break code;
            }
        };
        assert_eq!(end, 1009);
        Ok(())
    });
}

#[test]
fn a_chat_room_keeps_two_hundred_messages_and_says_what_is_gone() {
    worker::with_world(async |world| {
        let process = worker::start(world, &Options { scale: 10, ..Options::default() }).await?;
        let client = worker::client(&process, "192.0.2.21")?;
        let path = new_room(&client).await?;
        // A socket may send ten at once; twenty-one of them fill the room.
        for round in 0..21 {
            let mut socket = join(&process, &path).await?;
            for index in 0..10 {
                socket.say(&message(&format!("{round} {index}"))).await?;
            }
            loop {
                if socket.until("message").await?["seq"] == json!((round + 1) * 10) {
                    break;
                }
            }
        }
        let mut late = join(&process, &format!("{path}?after=3")).await?;
        let welcome = late.until("welcome").await?;
        assert_eq!(
            (&welcome["first"], &welcome["last"], &welcome["has_gap"]),
            (&json!(11), &json!(210), &json!(true))
        );
        for seq in 11..=210 {
            assert_eq!(late.until("message").await?["seq"], seq);
        }
        Ok(())
    });
}
