//! Many at once at several locations: nothing is sold twice, and nothing is promised beyond its limit.

use std::time::Duration;

use api_types::stock::NewTransfer;
use domain::inventory::{MAIN_LOCATION, Receipt, TransferCommand};
use domain::{LocationId, OrderStatus};
use futures::future::{join, join_all};

use crate::stock::{check, cup, promise, receive, shop_with, staff};
use crate::world::World;
use engines::{Engine, on_every_engine};

/// Shoppers who come at the same moment.
const SHOPPERS: usize = 48;
/// Pieces at the main location, elsewhere, and what comes while they buy.
const MAIN: u32 = 20;
const SHOP: u32 = 10;
const MORE: u32 = 4;
/// Pieces that may be promised.
const PROMISED_MAX: u32 = 5;

/// One shopper buys two pieces, by a payment that is taken, refused or left open.
async fn buy(world: &World, number: usize) -> i64 {
    let cart = world.cart(2).await;
    let method = ["success", "success", "decline", "requires_action"][number % 4];
    let mut pieces = 0;
    // Whom the shop is too busy for comes again, as a page does.
    for attempt in 0..20 {
        match world.checkout(cart, method, "k").await {
            Ok(answer) => {
                if answer.value.status == OrderStatus::Confirmed {
                    pieces = 2;
                }
                break;
            }
            Err(error) if error.kind() == domain::ErrorKind::Unavailable => {
                assert!(attempt < 19, "{error:?}");
            }
            Err(error) => {
                let code = error.to_string();
                assert!(["out-of-stock", "payment-declined"].contains(&&*code), "{error:?}");
                break;
            }
        }
    }
    pieces
}

/// The staff receives pieces and carries some from one place to the other, piece by piece.
async fn work(world: &World, shop: LocationId) {
    for number in 0..MORE {
        receive(world, [MAIN_LOCATION, shop][usize::try_from(number % 2).unwrap()], 1)
            .await
            .unwrap();
        let lines = vec![Receipt { sku: cup(), pieces: 1.try_into().unwrap() }];
        let request = NewTransfer { from_id: MAIN_LOCATION, to_id: shop, lines: lines.clone() };
        let transfer = world.app.create_transfer(request, None).await.unwrap().value.id;
        let staff = staff();
        let step = |command| world.app.step_transfer(&staff, transfer, command, None, None);
        // Shoppers may have been quicker: then there is nothing to carry.
        if step(TransferCommand::Dispatch).await.is_ok() {
            step(TransferCommand::Receive { lines }).await.unwrap();
        }
    }
}

async fn a_crowd_at_several_locations_buys_what_there_is_and_what_may_be_promised(engine: Engine) {
    let world = World::with_stock(engine, MAIN).await;
    let shop = shop_with(&world, SHOP).await;
    promise(&world, PROMISED_MAX).await;
    let shoppers = join_all((0..SHOPPERS).map(|number| buy(&world, number)));
    let (bought, ()) = join(shoppers, work(&world, shop)).await;
    world.check_sums().await;
    world.clock.advance(Duration::from_mins(11));
    for _ in 0..3 {
        world.app.release_expired().await.unwrap();
        world.app.reconcile_payments().await.unwrap();
        world.clock.advance(Duration::from_mins(2));
    }
    check(&world).await;
    let sums = world.store.sums().await.unwrap();
    let sold: i64 = bought.iter().sum();
    let had = i64::from(MAIN + SHOP + MORE);
    assert_eq!(sold, had - sums.on_hand + sums.backordered, "{sums:?}");
    assert!(sums.backordered <= i64::from(PROMISED_MAX), "{sums:?}");
    assert_eq!(sums.reserved, 0, "{sums:?}");
}

on_every_engine!(a_crowd_at_several_locations_buys_what_there_is_and_what_may_be_promised);
