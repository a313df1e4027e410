//! A member of the staff who keeps the stock: counts, receives, throws away, carries from one place to the other, and
//! expects what suppliers bring. Answers get lost here too, so everything has a key.

use std::sync::Arc;

use api_types::stock::{NewSupply, NewTransfer, StockAdjustment, SupplyStep};
use app::{Answered, App, Claim, Error, Staff, StaffId};
use domain::inventory::{MAIN_LOCATION, Receipt, TransferCommand};
use domain::staff::Role;
use domain::{ErrorKind, LocationId, Sku, StaffKeyId, SupplyId, TransferId};
use providers::payment::BoxFuture;

use crate::dice::Dice;
use crate::world::{SHOP, STOCK, World};

/// How often something is asked for before it is given up.
const TRIES_MAX: u32 = 6;

fn who() -> Staff {
    Staff { who: StaffId::Key(StaffKeyId::from_bytes([5; 16])), roles: vec![Role::Catalogue] }
}

struct Keeper {
    world: Arc<World>,
    dice: Dice,
    keys: u32,
    /// Transfers and deliveries that have not ended, as far as is known.
    transfers: Vec<(TransferId, Sku)>,
    supplies: Vec<SupplyId>,
}

/// Keeps the stock until the shop closes.
pub(crate) async fn keep_stock(world: Arc<World>, dice: Dice) {
    let mut me = Keeper { world, dice, keys: 0, transfers: Vec::new(), supplies: Vec::new() };
    loop {
        let pause = me.dice.between(15_000, 120_000);
        me.world.sim.sleep(pause).await;
        if !me.world.is_open() {
            return;
        }
        match me.dice.below(10) {
            0..=3 => me.adjust().await,
            4..=5 => me.send().await,
            6..=7 => me.go_on_with_a_transfer().await,
            8 => me.expect().await,
            _ => me.go_on_with_a_delivery().await,
        }
    }
}

impl Keeper {
    /// Asks until there is an answer; the key makes that one thing.
    async fn insist<T: Send + 'static>(
        &mut self,
        what: &'static str,
        request: impl Fn(Arc<App>, Claim) -> BoxFuture<'static, Result<Answered<T>, Error>>
        + Send
        + Sync
        + Clone
        + 'static,
    ) -> Option<T> {
        self.keys += 1;
        let key = format!("staff-{}", self.keys);
        for _ in 0..TRIES_MAX {
            let (key, request) = (key.clone(), request.clone());
            let answer = self
                .world
                .call(12_000, move |app| {
                    let claim = app.claim(what.to_owned(), key.clone(), &[what.as_bytes()]);
                    request(app, claim)
                })
                .await;
            match answer {
                Ok(Ok(answered)) => {
                    self.world.count("stock moves");
                    return Some(answered.value);
                }
                Ok(Err(error)) if error.kind() != ErrorKind::Unavailable => {
                    self.world.judge_error(what, &error);
                    self.world.sim.say(format!("staff: {what}: {error}"));
                    return None;
                }
                Ok(Err(_)) | Err(_) => {}
            }
            let pause = self.dice.between(200, 3_000);
            self.world.sim.sleep(pause).await;
        }
        self.world.sim.say(format!("staff: {what}: gave up"));
        None
    }

    fn sku(&mut self) -> Option<Sku> {
        self.dice.pick(&STOCK).and_then(|(sku, _)| sku.parse().ok())
    }

    fn place(&mut self) -> LocationId {
        if self.dice.in_thousand(500) { MAIN_LOCATION } else { SHOP }
    }

    async fn adjust(&mut self) {
        let Some(sku) = self.sku() else { return };
        let location_id = Some(self.place());
        // More goes than comes: what there is must stay little, or nobody meets anybody.
        let (kind, reason) = match self.dice.below(5) {
            0 => ("received", None),
            1 => ("adjusted_up", Some("count")),
            2 | 3 => ("adjusted_down", Some("correction")),
            _ => ("written_off", Some("damaged")),
        };
        let request = StockAdjustment {
            location_id,
            kind: kind.to_owned(),
            pieces: 1,
            reason: reason.map(str::to_owned),
            counted: None,
        };
        self.insist("adjust", move |app, claim| {
            let (sku, request) = (sku.clone(), request.clone());
            Box::pin(async move { app.adjust_stock(&who(), sku, request, Some(claim)).await })
        })
        .await;
    }

    async fn send(&mut self) {
        let Some(sku) = self.sku() else { return };
        let from_id = self.place();
        let to_id = if from_id == SHOP { MAIN_LOCATION } else { SHOP };
        let Ok(pieces) = u32::try_from(self.dice.between(1, 2)).unwrap_or(1).try_into() else {
            return;
        };
        let lines = vec![Receipt { sku: sku.clone(), pieces }];
        let request = NewTransfer { from_id, to_id, lines };
        let made = self.insist("draft", move |app, claim| {
            let request = request.clone();
            Box::pin(async move { app.create_transfer(request, Some(claim)).await })
        });
        let Some(transfer) = made.await else { return };
        self.transfers.push((transfer.id, sku));
        self.step(transfer.id, "dispatch", TransferCommand::Dispatch).await;
    }

    async fn go_on_with_a_transfer(&mut self) {
        let Some((id, sku)) = self.dice.pick(&self.transfers).cloned() else { return };
        match self.dice.below(6) {
            0 => self.step(id, "cancel", TransferCommand::Cancel).await,
            1 => self.step(id, "write off", TransferCommand::WriteOffRest).await,
            _ => {
                let Ok(pieces) = 1_u32.try_into() else { return };
                let lines = vec![Receipt { sku, pieces }];
                self.step(id, "receive", TransferCommand::Receive { lines }).await;
            }
        }
    }

    async fn step(&mut self, id: TransferId, what: &'static str, command: TransferCommand) {
        self.insist(what, move |app, claim| {
            let command = command.clone();
            Box::pin(async move { app.step_transfer(&who(), id, command, None, Some(claim)).await })
        })
        .await;
    }

    async fn expect(&mut self) {
        let Some(sku) = self.sku() else { return };
        let location_id = Some(self.place());
        let pieces = u32::try_from(self.dice.between(1, 3)).unwrap_or(1);
        let request = NewSupply { sku: sku.to_string(), location_id, pieces, expected_at: None };
        let made = self.insist("expect", move |app, claim| {
            let request = request.clone();
            Box::pin(async move { app.create_supply(&who(), request, Some(claim)).await })
        });
        if let Some(supply) = made.await {
            self.supplies.push(supply.id);
        }
    }

    async fn go_on_with_a_delivery(&mut self) {
        let Some(&id) = self.dice.pick(&self.supplies) else { return };
        let word = if self.dice.in_thousand(250) { "cancel" } else { "arrive" };
        self.insist(word, move |app, claim| {
            Box::pin(async move {
                let step = SupplyStep { step: word.to_owned(), pieces: Some(1), expected_at: None };
                app.step_supply(&who(), id, &step, Some(claim)).await
            })
        })
        .await;
    }
}
