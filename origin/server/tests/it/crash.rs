//! The shop is killed in the middle of a crowd, and nothing is lost, doubled or left behind.

use crate::shop::{Answer, Asker, Shop, checkout_body, key};

/// Asks again with the same key until there is an answer that is not "try again", as a careful client does.
async fn insist(asker: &Asker, path: &str, key_text: &str) -> Answer {
    let mut last = None;
    for _ in 0..600 {
        let body = checkout_body("success");
        match asker.try_ask("POST", path, Some(body), key(key_text)).await {
            Ok(answer)
                if answer.status == 201 || answer.text("/type").ends_with("/out-of-stock") =>
            {
                return answer;
            }
            Ok(answer) => last = Some(answer),
            Err(_not_there) => {}
        }
        // sleeps because a polite client leaves a pause between tries
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no answer for {key_text}: {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_killed_among_two_hundred_buyers_sells_exactly_fifty_pieces() {
    let mut shop = Shop::start(50);
    let asker = shop.client.clone();
    let mut carts = Vec::new();
    for _ in 0..200 {
        carts.push(asker.cart_with("CUP-RED", 1).await);
    }
    let (done, mut finished) = tokio::sync::mpsc::channel(200);
    let buyers: Vec<_> = (0..)
        .zip(carts)
        .map(|(number, cart): (u32, _)| {
            let (asker, done) = (asker.clone(), done.clone());
            tokio::spawn(async move {
                let path = format!("/v1/carts/{cart}/checkout");
                let answer = insist(&asker, &path, &format!("buyer-{number}")).await;
                done.send(()).await.unwrap();
                (path, number, answer)
            })
        })
        .collect();
    // Some have their order, most are on their way.
    for _ in 0..10 {
        finished.recv().await.unwrap();
    }
    shop.kill_and_restart_origin();
    let mut numbers = std::collections::BTreeSet::new();
    for buyer in buyers {
        let (path, number, answer) = buyer.await.unwrap();
        if answer.status == 201 {
            assert!(numbers.insert(answer.text("/number")), "two orders with one number");
        }
        let again = insist(&asker, &path, &format!("buyer-{number}")).await;
        assert_eq!(
            (again.status, &again.body["order_id"]),
            (answer.status, &answer.body["order_id"])
        );
    }
    assert_eq!(numbers.len(), 50);
    assert_eq!(asker.available("CUP-RED").await, 0);
    shop.origin.terminate();
    let sums = shop.books().await;
    assert_eq!(
        (sums.on_hand, sums.on_hand_moved),
        (3, 3),
        "the other variant's pieces alone: {sums:?}"
    );
    assert_eq!((sums.reserved, sums.reserved_moved, sums.reserved_held), (0, 0, 0), "{sums:?}");
    assert_eq!(sums.ledger_imbalance, 0);
}
