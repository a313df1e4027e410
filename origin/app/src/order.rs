//! Orders after the checkout.

use api_types::order::{Order, Orders, PaymentAction};
use domain::order::number_text;
use domain::{ErrorKind, OrderId, OrderStatus, PaymentStatus};
use providers::payment::{Decision, PaymentError};
use store::OrderRecord;

use crate::checkout::{next_action, provider_key, report};
use crate::{App, Caller, Error, Refusal, tokens};

/// Most orders in one list: 100.
const ORDERS_MAX: u32 = 100;

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
        Ok(view(self.readable_order(caller, id, token).await?))
    }

    /// Reads the caller's own orders.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub async fn orders(&self, caller: &Caller) -> Result<Orders, Error> {
        let me = self.me(caller).await?;
        let orders = self.store.orders_of(me.id, ORDERS_MAX).await?;
        Ok(Orders { items: orders.into_iter().map(view).collect() })
    }

    /// Passes on what the payer decided, and returns the order as it is then.
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
            _ => {
                let refusal = Refusal::invalid().field(
                    "/action",
                    "invalid",
                    "must be \"approve\" or \"reject\"",
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
            return Ok(view(order));
        }
        let is_waiting = order.status == OrderStatus::PendingPayment
            && order.payment.status == PaymentStatus::RequiresAction;
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
        Ok(view(self.settle(&order, reported).await?))
    }

    async fn readable_order(
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

fn view(record: OrderRecord) -> Order {
    let next_action = next_action(record.id, record.status, record.payment.status);
    Order {
        id: record.id,
        number: number_text(record.number),
        status: record.status,
        payment_status: record.payment.status,
        email: record.email,
        shipping_address: record.address,
        lines: record.lines,
        totals: record.totals,
        next_action,
        created_at: record.created_at,
        expires_at: (record.status == OrderStatus::PendingPayment).then_some(record.expires_at),
    }
}
