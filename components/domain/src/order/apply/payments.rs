//! Steps that the payment takes.

use super::Work;
use crate::Money;
use crate::inventory::MovementKind;
use crate::ledger::{self, Capture, SaleParts};
use crate::order::OrderStatus;
use crate::order::effect::{Effect, Refused};
use crate::order::flow::{Bucket, share};
use crate::order::timeline::Happening;

impl Work {
    pub(super) fn authorize(&mut self, amount: Money) -> Result<(), Refused> {
        let Some(due) = self.state.authorizable()? else { return self.out_of_turn("authorize") };
        self.bounded(amount, due, due)?;
        self.state.tenders.authorized = amount;
        let posting = ledger::authorized(amount)?;
        self.post(posting);
        self.record(Happening::Authorized { amount });
        if self.state.status == OrderStatus::PendingPayment {
            let gift_card = self.state.tenders.gift_card_planned;
            self.take_in(Bucket::Open, self.money(0), gift_card)?;
            self.accept()?;
        }
        Ok(())
    }

    pub(super) fn capture(&mut self, amount: Money) -> Result<(), Refused> {
        let Some((min, max)) = self.state.capture_range()? else {
            return self.out_of_turn("capture");
        };
        self.bounded(amount, min, max)?;
        match self.state.status {
            OrderStatus::PendingPayment => {
                self.take_in(Bucket::Open, amount, self.state.tenders.gift_card_planned)?;
                self.accept()
            }
            OrderStatus::Confirmed | OrderStatus::Completed => {
                self.take_in(Bucket::Open, amount, self.money(0))?;
                self.let_go_if_paid()
            }
            // Money that did arrive is never denied. Whether it stays is decided by the next step: retake or refund.
            OrderStatus::Cancelled | OrderStatus::Expired => {
                self.take_in(Bucket::Released, amount, self.money(0))
            }
        }
    }

    pub(super) fn void(&mut self) -> Result<(), Refused> {
        if self.state.tenders.authorized.minor == 0 {
            return self.out_of_turn("void");
        }
        self.let_go()
    }

    pub(super) fn confirm(&mut self) -> Result<(), Refused> {
        if self.state.status != OrderStatus::PendingPayment || self.state.due()?.minor != 0 {
            return self.out_of_turn("confirm");
        }
        self.take_in(Bucket::Open, self.money(0), self.state.tenders.gift_card_planned)?;
        self.accept()
    }

    pub(super) fn charge_back(&mut self, amount: Money) -> Result<(), Refused> {
        let max = self.state.chargeable_back()?;
        if max.minor == 0 {
            return self.out_of_turn("charge_back");
        }
        self.bounded(amount, self.money(1), max)?;
        self.state.tenders.charged_back = self.state.tenders.charged_back.checked_add(amount)?;
        let posting = ledger::charged_back(amount)?;
        self.post(posting);
        self.record(Happening::ChargedBack { amount });
        Ok(())
    }

    pub(super) fn win_chargeback(&mut self, amount: Money) -> Result<(), Refused> {
        let max = self.state.tenders.charged_back;
        if max.minor == 0 {
            return self.out_of_turn("win_chargeback");
        }
        self.bounded(amount, self.money(1), max)?;
        self.state.tenders.charged_back = max.checked_sub(amount)?;
        let posting = ledger::chargeback_won(amount)?;
        self.post(posting);
        self.record(Happening::ChargebackWon { amount });
        Ok(())
    }

    /// The order is accepted: held pieces are sold. Promised ones stay promised.
    fn accept(&mut self) -> Result<(), Refused> {
        self.state.status = OrderStatus::Confirmed;
        for line in self.state.lines.clone() {
            for source in &line.sources {
                self.stock(MovementKind::Sold, (&line.sku, source.location), source.secured)?;
            }
        }
        self.record(Happening::Confirmed);
        Ok(())
    }

    /// Books what was authorized and never taken as let go.
    fn let_go(&mut self) -> Result<(), Refused> {
        let amount = self.state.tenders.authorized;
        self.state.tenders.authorized = self.money(0);
        let posting = ledger::voided(amount)?;
        self.post(posting);
        self.record(Happening::Voided { amount });
        Ok(())
    }

    /// Lets go what is held where nothing is left to pay, and tells the provider.
    pub(super) fn let_go_if_paid(&mut self) -> Result<(), Refused> {
        let amount = self.state.tenders.authorized;
        if amount.minor > 0 && self.state.sum(Bucket::Open)?.minor == 0 {
            self.effects.push(Effect::VoidAuthorization { amount });
            self.let_go()?;
        }
        Ok(())
    }

    /// Takes money in for lines and shipping, in proportion to what is left to pay of each, and books the sale of it.
    fn take_in(&mut self, from: Bucket, provider: Money, gift_card: Money) -> Result<(), Refused> {
        let amount = provider.checked_add(gift_card)?;
        let purses = self.state.purses(from)?;
        let shares = share(amount, &purses)?;
        let is_last = amount == Money::sum(self.state.currency, purses)?;
        let nothing = self.money(0);
        let mut parts =
            SaleParts { goods: nothing, discount: nothing, shipping: nothing, tax: nothing };
        for (line, &own) in self.state.lines.iter_mut().zip(&shares) {
            let flow = &mut line.flow;
            let unpaid = flow.open.total()?.checked_add(flow.released.total()?)?;
            let unbooked = line.discount.checked_sub(line.discount_booked)?;
            // A line of nothing has no money to go with: its discount is booked when the rest is paid.
            let discount = match (unpaid.minor, is_last) {
                (0, true) => unbooked,
                (0, false) => nothing,
                _ => {
                    let weights = [own, unpaid.checked_sub(own)?];
                    let weights = weights.map(|weight| u64::try_from(weight.minor).unwrap_or(0));
                    unbooked.allocate(&weights)?.first().copied().unwrap_or(nothing)
                }
            };
            line.discount_booked = line.discount_booked.checked_add(discount)?;
            let moved = flow.shift(from, Bucket::Captured, own)?;
            parts.goods = parts.goods.checked_add(moved.net)?.checked_add(discount)?;
            parts.discount = parts.discount.checked_add(discount)?;
            parts.tax = parts.tax.checked_add(moved.tax)?;
        }
        let own = shares.last().copied().unwrap_or(nothing);
        let moved = self.state.shipping.shift(from, Bucket::Captured, own)?;
        parts.shipping = moved.net;
        parts.tax = parts.tax.checked_add(moved.tax)?;
        self.book(parts, provider, gift_card)
    }

    fn book(&mut self, parts: SaleParts, provider: Money, gift_card: Money) -> Result<(), Refused> {
        let tenders = &mut self.state.tenders;
        let held = tenders.authorized.minor.min(provider.minor);
        let authorized = Money::new(held, provider.currency);
        tenders.authorized = tenders.authorized.checked_sub(authorized)?;
        tenders.provider.captured = tenders.provider.captured.checked_add(provider)?;
        tenders.gift_card.captured = tenders.gift_card.captured.checked_add(gift_card)?;
        let posting = ledger::captured(Capture { parts, gift_card, authorized })?;
        self.post(posting);
        if gift_card.minor > 0 {
            self.effects.push(Effect::RedeemGiftCard { amount: gift_card });
        }
        let amount = provider.checked_add(gift_card)?;
        if amount.minor > 0 {
            self.record(Happening::Captured { amount });
        }
        Ok(())
    }
}
