//! Orders after the checkout, in the hands of their shoppers.

use api_types::order::{NewReturn, Order, Orders, PaymentAction};
use domain::order::{Actor, CancelReason, Command, Step};
use domain::reservation::HoldRule;
use domain::{ErrorKind, OrderId, OrderStatus, PaymentStatus, RefundId, ReturnId};
use providers::payment::{Decision, Lookup, PayerAction, PaymentError};
use store::{Claim, OrderRecord, StatedOrder, TakeStep, TouchHold, Touched};

use crate::checkout::{provider_key, report};
use crate::error::answered;
use crate::method::is_waiting;
use crate::order_admin::lines_of;
use crate::order_refusal::refuse;
use crate::order_view::{shopper_steps, shopper_view};
use crate::{Answered, App, Caller, Error, Refusal, random, tokens};

/// Most orders in one list: 100.
const ORDERS_MAX: u32 = 100;
/// A version that no order has.
const NO_VERSION: i64 = -1;

impl App {
    /// Reads an order for its account or for who has its token.
    ///
    /// # Errors
    /// `not-found`, also for everybody else.
    pub async fn order(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
    ) -> Result<Order, Error> {
        let record = self.readable_order(caller, id, token).await?;
        self.told(record.id, None).await
    }

    async fn told(&self, id: OrderId, action: Option<PayerAction>) -> Result<Order, Error> {
        let life = self.store.order_life(id).await?.ok_or_else(Refusal::not_found)?;
        Ok(shopper_view(&life.stated, &life.notes, action))
    }

    /// Reads the caller's own orders.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub async fn orders(&self, caller: &Caller) -> Result<Orders, Error> {
        let me = self.me(caller).await?;
        let orders = self.store.stated_orders_of(me.id, ORDERS_MAX).await?;
        Ok(Orders { items: orders.iter().map(|stated| shopper_view(stated, &[], None)).collect() })
    }

    /// Passes on what the payer decided, or finds out what the payer has to do, and returns the order as it is then.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, `no-action-required`; unavailable when the provider does not answer.
    pub async fn act_on_payment(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
        request: &PaymentAction,
    ) -> Result<Order, Error> {
        let (decision, word) = match request.action.as_str() {
            "approve" => (Decision::Approve, "approve"),
            "reject" => (Decision::Reject, "reject"),
            "resume" => {
                return self.resume_payment(self.readable_order(caller, id, token).await?).await;
            }
            _ => {
                let refusal = Refusal::invalid().field(
                    "/action",
                    "invalid",
                    "must be \"approve\", \"reject\" or \"resume\"",
                );
                return Err(refusal.into());
            }
        };
        let order = self.readable_order(caller, id, token).await?;
        let reached = match decision {
            Decision::Approve => order.payment.status == PaymentStatus::Captured,
            Decision::Reject => order.payment.status == PaymentStatus::Declined,
        };
        if reached {
            return self.told(id, None).await;
        }
        let is_waiting = is_waiting(order.status, order.payment.status);
        let (true, Some(provider_ref)) = (is_waiting, order.payment.provider_ref.clone()) else {
            let title = "This payment waits for nobody";
            return Err(Refusal::new(ErrorKind::Conflict, "no-action-required", title).into());
        };
        let answer =
            self.payments.act(provider_key(order.payment.id, word), provider_ref, decision).await;
        let reported = match answer {
            // The other decision was faster, or the intent has ended. The provider says where it stands.
            Err(PaymentError::NotAllowed | PaymentError::NotFound | PaymentError::KeyReused) => {
                self.look_up(&order).await?
            }
            answer => report(&order.payment, Ok(answer?)),
        };
        let action = reported.action.clone();
        self.settle(&order, reported).await?;
        self.told(order.id, action).await
    }

    /// Asks the provider where a payment stands that has not ended: the payer may have come back from a page of the bank
    /// before any webhook, or may have to be sent there again.
    async fn resume_payment(&self, order: OrderRecord) -> Result<Order, Error> {
        let is_open = order.status == OrderStatus::PendingPayment
            && matches!(
                order.payment.status,
                PaymentStatus::RequiresAction | PaymentStatus::Processing
            );
        let (true, Some(provider_ref)) = (is_open, order.payment.provider_ref.clone()) else {
            return self.told(order.id, None).await;
        };
        let found = self.payments.lookup(Lookup::Id(provider_ref)).await?;
        let found = found.ok_or(PaymentError::NotFound)?;
        let reported = report(&order.payment, Ok(found));
        let action = reported.action.clone();
        self.settle(&order, reported).await?;
        self.told(order.id, action).await
    }

    /// Calls an order off, as long as nothing of it is packed.
    ///
    /// # Errors
    /// `not-found`, `step-not-possible`, and what a key may refuse.
    pub async fn cancel_own_order(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
        claim: Claim,
    ) -> Result<Answered<Order>, Error> {
        let refund = RefundId::v7(self.clock.now(), random()?);
        let command = Command::Cancel { reason: CancelReason::Shopper, refund };
        self.own_step(caller, (id, token), command, claim).await
    }

    /// Asks to send pieces back.
    ///
    /// # Errors
    /// As [`App::cancel_own_order`], and `invalid-input`.
    pub async fn request_return(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
        request: NewReturn,
        claim: Claim,
    ) -> Result<Answered<Order>, Error> {
        let name = ReturnId::v7(self.clock.now(), random()?);
        let command = Command::RequestReturn { id: name, lines: request.lines };
        self.own_step(caller, (id, token), command, claim).await
    }

    /// Drops a return that was asked for.
    ///
    /// # Errors
    /// As [`App::cancel_own_order`].
    pub async fn cancel_own_return(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
        name: ReturnId,
        claim: Claim,
    ) -> Result<Answered<Order>, Error> {
        let command = Command::CancelReturn { id: name };
        self.own_step(caller, (id, token), command, claim).await
    }

    /// Takes a step that is the shopper's own. For calling off, the rules ask less than we do of a shopper: that nothing is
    /// packed.
    async fn own_step(
        &self,
        caller: &Caller,
        (id, token): (OrderId, Option<&str>),
        command: Command,
        claim: Claim,
    ) -> Result<Answered<Order>, Error> {
        self.readable_order(caller, id, token).await?;
        let StatedOrder { state, version, .. } =
            self.store.stated_order(id).await?.ok_or_else(Refusal::not_found)?;
        let may = match (&command, &state) {
            (Command::Cancel { .. }, Some(state)) => shopper_steps(state).contains(&Step::Cancel),
            (Command::Cancel { .. }, None) => false,
            _ => true,
        };
        let lines = lines_of(&command);
        let (now, actor) = (self.clock.now(), Actor::Shopper);
        // What was looked at is what the step is taken of: a parcel that is packed meanwhile stands in its way. A step that
        // is not theirs only asks whether it was taken before, under this key.
        let version = if may { version } else { NO_VERSION };
        let take = TakeStep { order: id, version: Some(version), command, actor, now };
        let outcome = self.store.take_order_step(take, Some(claim)).await?;
        let taken = outcome.map_err(|refused| match refused {
            store::StepRefused::Stale { .. } => not_possible(),
            refused => refuse(refused, &lines),
        })?;
        let Answered { is_replay, .. } = answered(taken)?;
        if !is_replay {
            self.ask_for_operations(id).await;
        }
        Ok(Answered { value: self.told(id, None).await?, is_replay })
    }

    /// Pushes the hold of an order forward because its shopper is active: one more hold from now, but not beyond the
    /// longest from its start. What has ended does not come back.
    ///
    /// # Errors
    /// `not-found`, `hold-ended`.
    pub async fn extend_hold(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
    ) -> Result<Order, Error> {
        self.readable_order(caller, id, token).await?;
        let (step, max) = (self.settings.hold, self.settings.hold_max.max(self.settings.hold));
        let rule = HoldRule { step, max, ..HoldRule::default() };
        let command = TouchHold { order: id, rule, now: self.clock.now() };
        match self.store.touch_hold(command).await? {
            Touched::Held => self.told(id, None).await,
            Touched::NotFound => Err(Refusal::not_found().into()),
            Touched::Ended => {
                let title = "Nothing is held for this order any more";
                Err(Refusal::new(ErrorKind::Conflict, "hold-ended", title).into())
            }
        }
    }

    pub(crate) async fn readable_order(
        &self,
        caller: &Caller,
        id: OrderId,
        token: Option<&str>,
    ) -> Result<OrderRecord, Error> {
        let order = self.store.order(id).await?.ok_or_else(Refusal::not_found)?;
        if token.is_some_and(|token| tokens::matches(token, &order.token_hash)) {
            return Ok(order);
        }
        let is_owner = order.user.is_some() && order.user == caller.user;
        // The session is looked at too: a revoked one must not read on while its access token lives.
        if !is_owner {
            return Err(Refusal::not_found().into());
        }
        match self.me(caller).await {
            Ok(_) => Ok(order),
            Err(Error::Refused(_)) => Err(Refusal::not_found().into()),
            // A store that does not answer has not said that there is no such order.
            Err(error) => Err(error),
        }
    }
}

fn not_possible() -> Error {
    let title = "The order does not allow this now";
    Refusal::new(ErrorKind::Conflict, "step-not-possible", title).into()
}
