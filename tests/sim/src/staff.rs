//! The staff: packs orders that were paid, and gives something back of others. Asked again, a step is taken once.

use std::sync::Arc;

use api_types::admin_order::{FulfilRequest, RefundRequest};
use app::{App, Staff, StaffId, StepAsked};
use domain::staff::Role;
use domain::{Money, OrderId, StaffKeyId};

use crate::client::is_passing;
use crate::dice::Dice;
use crate::world::World;

/// How often the same is asked for before it is given up.
const TRIES_MAX: u32 = 4;
/// How much of an order is given back: a tenth.
const SHARE: i64 = 10;

/// What is asked of an order.
#[derive(Debug, Clone)]
enum Wish {
    Pack,
    GiveBack(Money),
}

/// Looks after orders that were paid, until the shop closes.
pub(crate) async fn tend(world: Arc<World>, mut dice: Dice) {
    let mut number = 0;
    while world.is_open() {
        world.sim.sleep(dice.between(2_000, 30_000)).await;
        let paid: Vec<(OrderId, Money)> = {
            let seen = world.seen();
            let told = seen.told.iter().filter(|told| told.is_confirmed);
            told.map(|told| (told.order, Money::new(told.total_minor, told.currency))).collect()
        };
        let Some(&(order, total)) = dice.pick(&paid) else { continue };
        number += 1;
        let is_new = !world.seen().given_back.contains(&order);
        let wish = if is_new && dice.in_thousand(600) {
            world.seen().given_back.insert(order);
            world.count("refunds");
            Wish::GiveBack(Money::new((total.minor / SHARE).max(1), total.currency))
        } else {
            world.count("parcels");
            Wish::Pack
        };
        world.sim.say(format!("staff: {wish:?} of {}", world.sim.name("order", &order)));
        insist(&world, &mut dice, order, &format!("s{number}"), wish).await;
    }
}

async fn insist(world: &Arc<World>, dice: &mut Dice, order: OrderId, key: &str, wish: Wish) {
    for _ in 0..TRIES_MAX {
        let (key, wish) = (key.to_owned(), wish.clone());
        let asked = world.call(12_000, move |app| {
            let (key, wish) = (key.clone(), wish.clone());
            Box::pin(async move { ask(&app, order, key, wish).await })
        });
        match asked.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) if is_passing(&error) => {}
            Ok(Err(error)) => {
                world.judge_error("look after an order", &error);
                world.sim.say(format!("staff: {error}"));
                return;
            }
            Err(_lost) => {}
        }
        world.sim.sleep(dice.between(200, 3_000)).await;
    }
}

/// The one member of the staff.
pub(crate) fn staff() -> Staff {
    let who = StaffId::Key(StaffKeyId::from_bytes([1; 16]));
    Staff { who, roles: vec![Role::Owner] }
}

async fn ask(app: &App, order: OrderId, key: String, wish: Wish) -> Result<(), app::Error> {
    let staff = staff();
    let claim = app.claim(format!("staff {order}"), key, &[b"step"]);
    let asked = StepAsked { staff: &staff, order, version: None, claim };
    let stepped = match wish {
        Wish::Pack => app.fulfil_order(asked, FulfilRequest::default()).await,
        Wish::GiveBack(amount) => {
            let request = RefundRequest { amount: Some(amount), ..RefundRequest::default() };
            app.refund_order(asked, request).await
        }
    };
    stepped.map(drop)
}
