//! Which promotions a cart is entitled to, before any choice among them.

use super::amounts::AmountByCurrency;
use super::basket::{Basket, BuyGet};
use super::promotion::{
    Candidate, Class, CodeRefusal, Conditions, Effect, EnteredCode, FoundCode, Promotion, Trigger,
};
use super::{Buyer, CartLine, PROMOTIONS_TRIED_MAX, Request};
use crate::money::{Currency, Money, MoneyError};
use crate::sku::Handle;

/// A promotion that may apply, with the code that brought it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entitled<'a> {
    pub(super) promotion: &'a Promotion,
    /// Position of the code among those entered.
    pub(super) code: Option<usize>,
}

/// What conditions look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) subtotals: &'a [Money],
    pub(super) basket: &'a Basket<'a>,
    /// The method, where shipping is needed and the chosen one is on offer.
    pub(super) method: Option<&'a Handle>,
}

/// The promotions that may apply, in the order of application, and the refusal of each code that brought none.
#[derive(Debug)]
pub(super) struct Entitlements<'a> {
    pub(super) entitled: Vec<Entitled<'a>>,
    /// One entry per entered code.
    pub(super) refusals: Vec<Option<CodeRefusal>>,
}

/// Sorts promotions into those that may apply and codes that bring nothing.
pub(super) fn entitlements<'a>(facts: Facts<'a>) -> Result<Entitlements<'a>, MoneyError> {
    let mut entitled = Vec::new();
    let mut refusals = Vec::new();
    for (at, entered) in facts.request.codes.iter().enumerate() {
        let candidate = facts.candidate_of(entered);
        let refusal = match candidate {
            None => Some(CodeRefusal::Unknown),
            Some((candidate, found)) => {
                let id = candidate.promotion.id;
                if entitled.iter().any(|one: &Entitled<'_>| one.promotion.id == id) {
                    Some(CodeRefusal::AlreadyApplied)
                } else {
                    facts.refusal_of_code(candidate, found)?
                }
            }
        };
        if let (None, Some((candidate, _))) = (refusal, candidate) {
            entitled.push(Entitled { promotion: candidate.promotion, code: Some(at) });
        }
        refusals.push(refusal);
    }
    for candidate in facts.request.promotions {
        let is_automatic = candidate.promotion.trigger == Trigger::Automatic;
        if is_automatic && facts.refusal(candidate)?.is_none() {
            entitled.push(Entitled { promotion: candidate.promotion, code: None });
        }
    }
    // What was asked for by code is tried before what comes by itself, then by priority.
    entitled.sort_by_key(|one| {
        (one.code.is_none(), core::cmp::Reverse(one.promotion.priority), one.promotion.id)
    });
    entitled.truncate(PROMOTIONS_TRIED_MAX);
    entitled.sort_by_key(|one| {
        let Promotion { class, priority, id, .. } = *one.promotion;
        (class, core::cmp::Reverse(priority), id)
    });
    Ok(Entitlements { entitled, refusals })
}

impl<'a> Facts<'a> {
    fn candidate_of(&self, entered: &EnteredCode) -> Option<(&'a Candidate<'a>, FoundCode)> {
        let found = entered.found?;
        let candidate = self.request.promotions.iter().find(|candidate| {
            candidate.promotion.id == found.promotion
                && candidate.promotion.trigger == Trigger::Code
        })?;
        Some((candidate, found))
    }

    fn refusal_of_code(
        &self,
        candidate: &Candidate<'_>,
        found: FoundCode,
    ) -> Result<Option<CodeRefusal>, MoneyError> {
        let time = refusal_by_time(candidate.promotion, self.request.now);
        if time.is_some() {
            return Ok(time);
        }
        if found.uses_max.is_some_and(|most| found.uses >= most) {
            return Ok(Some(CodeRefusal::UsedUp));
        }
        self.refusal(candidate)
    }

    /// Returns why the cart is not entitled to a promotion: first what it is, then who buys, then what is in the cart.
    fn refusal(&self, candidate: &Candidate<'_>) -> Result<Option<CodeRefusal>, MoneyError> {
        let promotion = candidate.promotion;
        let refusal = refusal_by_time(promotion, self.request.now)
            .or_else(|| refusal_by_uses(candidate))
            .or_else(|| refusal_by_buyer(&promotion.conditions, self.request.buyer))
            .or_else(|| refusal_by_currency(promotion, self.request.currency));
        if refusal.is_some() {
            return Ok(refusal);
        }
        if let Some(refusal) = self.refusal_by_shipping(promotion) {
            return Ok(Some(refusal));
        }
        self.refusal_by_lines(promotion)
    }

    fn refusal_by_shipping(&self, promotion: &Promotion) -> Option<CodeRefusal> {
        let methods = &promotion.conditions.shipping_methods;
        let is_about_shipping = promotion.class == Class::Shipping || !methods.is_empty();
        match self.method {
            None if is_about_shipping => Some(CodeRefusal::NoShipping),
            Some(method) if !methods.is_empty() && !methods.contains(method) => {
                Some(CodeRefusal::OtherShippingMethod)
            }
            _ => None,
        }
    }

    fn refusal_by_lines(&self, promotion: &Promotion) -> Result<Option<CodeRefusal>, MoneyError> {
        let currency = self.request.currency;
        let matching: Vec<(&CartLine, Money)> = self
            .request
            .lines
            .iter()
            .zip(self.subtotals.iter().copied())
            .filter(|(line, _)| promotion.target.matches(line))
            .collect();
        if matching.is_empty() {
            return Ok(Some(CodeRefusal::NothingMatches));
        }
        let minimum = &promotion.conditions.subtotal_min;
        if let Some(minimum) = minimum.as_ref().and_then(|min| min.in_currency(currency)) {
            let subtotal = Money::sum(currency, matching.iter().map(|&(_, cost)| cost))?;
            let missing = minimum.checked_sub(subtotal)?;
            if missing.minor > 0 {
                return Ok(Some(CodeRefusal::SubtotalNotReached { missing }));
            }
        }
        let pieces =
            matching.iter().map(|(line, _)| line.quantity.get()).fold(0, u32::saturating_add);
        let missing = promotion.conditions.pieces_min.unwrap_or(0).saturating_sub(pieces);
        let missing = match BuyGet::of(promotion) {
            Some(rule) => missing.max(self.basket.repeats(rule).missing),
            None => missing,
        };
        Ok((missing > 0).then_some(CodeRefusal::PiecesNotReached { missing }))
    }
}

fn refusal_by_time(promotion: &Promotion, now: crate::Timestamp) -> Option<CodeRefusal> {
    match (promotion.starts_at, promotion.ends_at) {
        (_, Some(end)) if now >= end => Some(CodeRefusal::Expired),
        (Some(starts_at), _) if now < starts_at => Some(CodeRefusal::NotYet { starts_at }),
        _ => None,
    }
}

fn refusal_by_uses(candidate: &Candidate<'_>) -> Option<CodeRefusal> {
    let Conditions { uses_max, uses_per_buyer_max, .. } = candidate.promotion.conditions;
    if uses_max.is_some_and(|most| candidate.uses >= most) {
        Some(CodeRefusal::UsedUp)
    } else if uses_per_buyer_max.is_some_and(|most| candidate.uses_by_buyer >= most) {
        Some(CodeRefusal::UsedUpForBuyer)
    } else {
        None
    }
}

fn refusal_by_buyer(conditions: &Conditions, buyer: Buyer) -> Option<CodeRefusal> {
    if conditions.account_only && !buyer.has_account {
        Some(CodeRefusal::NeedsAccount)
    } else if conditions.first_order_only && buyer.orders > 0 {
        Some(CodeRefusal::NotFirstOrder)
    } else {
        None
    }
}

fn refusal_by_currency(promotion: &Promotion, currency: Currency) -> Option<CodeRefusal> {
    let lacks = |amounts: &AmountByCurrency| amounts.in_currency(currency).is_none();
    let by_effect = match &promotion.effect {
        Effect::Percent { cap, .. } => cap.as_ref().is_some_and(lacks),
        Effect::Amount { off } => lacks(off),
        Effect::FreeShipping | Effect::BuyGet { .. } => false,
    };
    let by_minimum = promotion.conditions.subtotal_min.as_ref().is_some_and(lacks);
    (by_effect || by_minimum).then_some(CodeRefusal::WrongCurrency)
}
