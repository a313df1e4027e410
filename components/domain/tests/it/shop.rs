//! One order, its stock and its books, kept as a store keeps them: all effects of a step, or none.

use std::collections::BTreeMap;

use domain::inventory::{
    Allocation, Cause, Counters, Movement, MovementKind, MovementRefused, Pieces, StockKey, prove,
};
use domain::ledger::{Account, Balance, Entry, GiftCardFunding, gift_card_issued};
use domain::order::{
    Applied, Command, Effect, Ended, NewLine, NewOrder, OrderState, Refused, Split,
};
use domain::{Currency, LineId, LocationId, Money, OrderId, OrderStatus, Sku};

/// One line of an order under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) quantity: u32,
    /// Of them not in stock.
    pub(crate) promised: u32,
    pub(crate) net: i64,
    pub(crate) tax: i64,
    pub(crate) discount: i64,
}

/// An order under test.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<Line>,
    pub(crate) shipping: (i64, i64),
    pub(crate) gift_card: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) state: OrderState,
    pub(crate) effects: Vec<Effect>,
    pub(crate) counters: BTreeMap<StockKey, Counters>,
    pub(crate) ledger: Vec<Movement>,
    pub(crate) entries: Vec<Entry>,
    /// Price of each line, then of shipping, when the order was placed.
    prices: Vec<Split>,
}

/// Why a step was not kept.
#[derive(Debug)]
#[expect(dead_code, reason = "shown by a test that fails")]
pub(crate) enum NotKept {
    Refused(Refused),
    OutOfStock(MovementRefused),
}

pub(crate) fn line_id(place: usize) -> LineId {
    LineId::from_bytes([u8::try_from(place + 1).unwrap(); 16])
}

pub(crate) fn sku(place: usize) -> Sku {
    format!("SKU-{place}").parse().unwrap()
}

/// The two locations: lines in stock come from both, in turn; promises are the first's.
pub(crate) fn place(seed: u8) -> LocationId {
    LocationId::from_bytes([seed; 16])
}

pub(crate) fn is_live(state: &OrderState) -> bool {
    matches!(state.status, OrderStatus::Confirmed | OrderStatus::Completed)
}

/// Gives out what a plan says: all but the promised pieces, half of them from each location.
pub(crate) fn allocation(lines: &[Line]) -> Allocation {
    use domain::inventory::{Backorder, Hold};
    let mut allocation = Allocation::default();
    for (line, own) in lines.iter().enumerate() {
        let here = own.quantity - own.promised;
        for (location, pieces) in [(place(1), here - here / 2), (place(2), here / 2)] {
            if pieces > 0 {
                allocation.holds.push(Hold { line, location, pieces });
            }
        }
        if own.promised > 0 {
            let (location, pieces) = (place(1), own.promised);
            allocation.backorders.push(Backorder { line, location, pieces, expected_at: None });
        }
    }
    allocation
}

impl Plan {
    pub(crate) fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }

    fn split(&self, (net, tax): (i64, i64)) -> Split {
        Split { net: self.money(net), tax: self.money(tax) }
    }

    pub(crate) fn order(&self) -> NewOrder {
        let lines = self.lines.iter().enumerate().map(|(place, own)| NewLine {
            id: line_id(place),
            sku: sku(place),
            quantity: own.quantity.try_into().unwrap(),
            price: self.split((own.net, own.tax)),
            discount: self.money(own.discount),
        });
        NewOrder {
            id: OrderId::from_bytes([7; 16]),
            currency: self.currency,
            lines: lines.collect(),
            shipping: self.split(self.shipping),
            gift_card: self.money(self.gift_card),
            allocation: allocation(&self.lines),
        }
    }
}

impl Shop {
    /// Brings in the stock that the plan counts on, sells the gift card that it pays with, and places its order.
    pub(crate) fn new(plan: &Plan) -> Self {
        let Applied { state, effects } = OrderState::place(&plan.order()).unwrap();
        let prices = state.lines.iter().map(|line| line.flow).chain([state.shipping]);
        let prices = prices.map(|flow| flow.price().unwrap()).collect();
        let mut shop = Self {
            state: state.clone(),
            effects: Vec::new(),
            counters: BTreeMap::new(),
            ledger: Vec::new(),
            entries: Vec::new(),
            prices,
        };
        for hold in &plan.order().allocation.holds {
            shop.receive(hold.line, hold.location, hold.pieces);
        }
        let card = gift_card_issued(plan.money(plan.gift_card), GiftCardFunding::Bought).unwrap();
        shop.entries.extend_from_slice(card.entries());
        shop.keep(Applied { state, effects }).unwrap();
        shop.verify();
        shop
    }

    /// Brings pieces of a line's SKU in.
    pub(crate) fn receive(&mut self, line: usize, location: LocationId, pieces: u32) {
        let pieces = Pieces::try_from(pieces).unwrap();
        let key = (&sku(line), location);
        let movement =
            Movement::new(MovementKind::Received, None, key, pieces, Cause::Staff).unwrap();
        self.move_pieces(movement).unwrap();
    }

    fn move_pieces(&mut self, movement: Movement) -> Result<(), MovementRefused> {
        let key = (movement.location(), movement.sku().clone());
        let next = self.counters.get(&key).copied().unwrap_or_default().apply(&movement)?;
        self.counters.insert(key, next);
        self.ledger.push(movement);
        Ok(())
    }

    fn keep(&mut self, applied: Applied) -> Result<(), MovementRefused> {
        for effect in &applied.effects {
            match effect {
                Effect::Stock { movement } => self.move_pieces(movement.clone())?,
                Effect::Post { posting } => self.entries.extend_from_slice(posting.entries()),
                _ => {}
            }
        }
        self.state = applied.state;
        self.effects.extend(applied.effects);
        Ok(())
    }

    /// Takes a step and keeps all of it, or nothing.
    pub(crate) fn take(&mut self, command: &Command) -> Result<(), NotKept> {
        let applied = self.state.apply(command).map_err(NotKept::Refused)?;
        let mut next = self.clone();
        next.keep(applied).map_err(NotKept::OutOfStock)?;
        *self = next;
        self.verify();
        Ok(())
    }

    pub(crate) fn balance(&self, account: Account) -> i64 {
        let balance = Balance::of(&self.entries).account(account, self.state.currency);
        i64::try_from(balance).unwrap()
    }

    /// Checks everything that must hold whatever happened.
    pub(crate) fn verify(&self) {
        self.state.check().unwrap();
        self.verify_money();
        self.verify_books();
        self.verify_stock();
    }

    fn verify_money(&self) {
        let flows = self.state.lines.iter().map(|line| line.flow).chain([self.state.shipping]);
        let prices: Vec<Split> = flows.map(|flow| flow.price().unwrap()).collect();
        assert_eq!(prices, self.prices, "the money of a line is conserved");
        let sums = self.state.sums().unwrap();
        let tenders = self.state.tenders;
        let taken = tenders.provider.captured.minor + tenders.gift_card.captured.minor;
        let back = tenders.provider.refunded.minor + tenders.gift_card.refunded.minor;
        let kept = sums.captured.minor + sums.refunding.minor;
        assert_eq!(kept, taken - back, "lines = captured − refunded");
        let all = kept + sums.refunded.minor + sums.open.minor + sums.released.minor;
        assert_eq!(all, sums.price.minor, "order total = lines");
        let given: i64 = self
            .state
            .refunds
            .iter()
            .filter(|own| own.status != domain::order::RefundStatus::Failed)
            .map(|own| own.provider.minor + own.gift_card.minor)
            .sum();
        assert!(given + tenders.charged_back.minor <= taken, "never more back than was taken");
    }

    fn verify_books(&self) {
        let balance = Balance::of(&self.entries);
        assert_eq!(balance.imbalances(), []);
        assert_eq!(balance.contradictions(), []);
        let tenders = self.state.tenders;
        let clearing = tenders.provider.captured.minor
            - tenders.provider.refunded.minor
            - tenders.charged_back.minor
            + tenders.gift_card_planned.minor;
        assert_eq!(self.balance(Account::ProviderClearing), clearing);
        assert_eq!(self.balance(Account::AuthorizedFunds), tenders.authorized.minor);
        assert_eq!(self.balance(Account::Chargebacks), tenders.charged_back.minor);
        let card = tenders.gift_card_planned.minor - tenders.gift_card.captured.minor
            + tenders.gift_card.refunded.minor;
        assert_eq!(self.balance(Account::GiftCardLiability), -card);
        let flows: Vec<_> =
            self.state.lines.iter().map(|line| line.flow).chain([self.state.shipping]).collect();
        let kept = |part: fn(&Split) -> Money| -> i64 {
            flows.iter().map(|flow| part(&flow.captured).minor + part(&flow.refunding).minor).sum()
        };
        assert_eq!(self.balance(Account::TaxPayable), -kept(|split| split.tax));
        let sales =
            [Account::Revenue, Account::ShippingRevenue, Account::Discounts, Account::Refunds];
        let sales: i64 = sales.map(|account| self.balance(account)).into_iter().sum();
        assert_eq!(sales, -kept(|split| split.net));
        let booked: i64 = self.state.lines.iter().map(|line| line.discount_booked.minor).sum();
        assert_eq!(self.balance(Account::Discounts), booked);
        let sums = self.state.sums().unwrap();
        if is_live(&self.state) && sums.open.minor + sums.released.minor == 0 {
            let discounts: i64 = self.state.lines.iter().map(|line| line.discount.minor).sum();
            assert_eq!(booked, discounts, "a sale that is paid has its discounts in the books");
        }
    }

    fn verify_stock(&self) {
        assert_eq!(prove(&self.ledger, &self.counters), Ok(vec![]));
        for (key, counters) in &self.counters {
            let lines = self.state.lines.iter().filter(|line| line.sku == key.1);
            let sources = lines.flat_map(|line| &line.sources).filter(|own| own.location == key.0);
            let (secured, promised) = sources.fold((0, 0), |(secured, promised), own| {
                (secured + i64::from(own.secured), promised + i64::from(own.promised))
            });
            let is_waiting = self.state.status == OrderStatus::PendingPayment;
            let is_alive = is_waiting || is_live(&self.state);
            assert_eq!(counters.reserved, if is_waiting { secured } else { 0 }, "{key:?}");
            assert_eq!(counters.backordered, if is_alive { promised } else { 0 }, "{key:?}");
        }
        // What came in is here, sold or worthless.
        for line in &self.state.lines {
            let here: i64 = self
                .counters
                .iter()
                .filter(|(key, _)| key.1 == line.sku)
                .map(|(_, own)| own.on_hand)
                .sum();
            let moved = |kind| -> i64 {
                let own =
                    self.ledger.iter().filter(|own| own.kind() == kind && *own.sku() == line.sku);
                own.map(|own| i64::from(own.pieces().get())).sum()
            };
            let secured: i64 = line.sources.iter().map(|own| i64::from(own.secured)).sum();
            let sold = if is_live(&self.state) { secured } else { 0 };
            let back: i64 = self
                .state
                .returns
                .iter()
                .flat_map(|own| &own.lines)
                .filter(|own| own.line == line.id)
                .map(|own| i64::from(own.restocked))
                .sum();
            assert_eq!(here, moved(MovementKind::Received) - sold + back, "{}", line.sku);
        }
        let has_ended = matches!(self.state.status, OrderStatus::Cancelled | OrderStatus::Expired);
        assert_eq!(has_ended, self.state.ended.is_some());
        if let Some(Ended::HoldExpired) = self.state.ended {
            assert_eq!(self.state.status, OrderStatus::Expired);
        }
    }
}
