//! Orders as they are told: to their shopper, and to the staff.

use api_types::admin_order::{AdminOrder, LineLife, OrderSummary, PaymentOperation};
use api_types::order::{Order, OrderInvoice, OrderNote, OrderRefund, OrderReturn, Parcel};
use domain::order::{
    FulfilmentStatus, FulfilmentSummary, Note, NoteAudience, OrderState, PaymentSummary, PiecesOf,
    Refund, Step, next_steps,
};
use domain::{Money, MoneyError, OrderStatus, PaymentStatus};
use providers::payment::PayerAction;
use store::{
    IssuedInvoice, ListedOrder, Operation, OrderLife, OrderRecord, OwnInvoice, StatedOrder,
};

use crate::method::{is_waiting, next_action};

/// Tells an order to its shopper. One whose state is broken is told without what the state knows.
pub(crate) fn shopper_view(
    stated: &StatedOrder,
    notes: &[Note],
    action: Option<PayerAction>,
) -> Order {
    let StatedOrder { order: record, state, version, invoice } = stated;
    let next_action = is_waiting(record.status, record.payment.status)
        .then(|| next_action(record.id, &record.payment, action));
    let expires_at = (record.status == OrderStatus::PendingPayment).then_some(record.expires_at);
    let is_theirs = |note: &&Note| note.audience == NoteAudience::Shopper;
    let note = |note: &Note| OrderNote { at: note.at, text: note.text.as_str().to_owned() };
    let mut order = Order {
        id: record.id,
        number: record.number_text(),
        status: record.status,
        payment_status: record.payment.status,
        email: record.email.clone(),
        shipping_address: record.address.clone(),
        lines: record.lines.clone(),
        totals: record.totals,
        quote: record.quote.clone(),
        next_action,
        created_at: record.created_at,
        expires_at,
        invoice: invoice.as_ref().and_then(OwnInvoice::issued).map(told_invoice),
        version: *version,
        cancelled: Vec::new(),
        fulfilments: Vec::new(),
        returns: Vec::new(),
        refunds: Vec::new(),
        next_steps: Vec::new(),
        notes: notes.iter().filter(is_theirs).map(note).collect(),
    };
    if let Some(state) = state {
        tell_state(&mut order, state);
    }
    order
}

fn told_invoice(invoice: &IssuedInvoice) -> OrderInvoice {
    OrderInvoice { number: invoice.number_text(), issued_at: invoice.issued_at }
}

fn tell_state(order: &mut Order, state: &OrderState) {
    let called_off = state.lines.iter().filter(|line| line.cancelled > 0);
    order.cancelled =
        called_off.map(|line| PiecesOf { line: line.id, pieces: line.cancelled }).collect();
    let parcels = state.fulfilments.iter().filter(|own| own.status != FulfilmentStatus::Cancelled);
    order.fulfilments = parcels
        .map(|own| Parcel {
            id: own.id,
            status: own.status,
            lines: own.lines.clone(),
            tracking: own.tracking.clone(),
        })
        .collect();
    order.returns = state
        .returns
        .iter()
        .map(|own| OrderReturn {
            id: own.id,
            status: own.status,
            lines: own.lines.clone(),
            refund: own.refund,
        })
        .collect();
    let refund = |own: &Refund| {
        let amount = amount_of(own)?;
        Ok(OrderRefund { id: own.id, status: own.status, reason: own.reason, amount })
    };
    let refunds: Result<Vec<_>, MoneyError> = state.refunds.iter().map(refund).collect();
    order.refunds = refunds.unwrap_or_default();
    order.next_steps = shopper_steps(state);
}

fn amount_of(refund: &Refund) -> Result<Money, MoneyError> {
    refund.provider.checked_add(refund.gift_card)
}

/// Returns what the shopper may do: call the order off before anything of it is packed, and send things back.
pub(crate) fn shopper_steps(state: &OrderState) -> Vec<Step> {
    let is_packed = state.fulfilments.iter().any(|own| own.status != FulfilmentStatus::Cancelled);
    let steps = next_steps(state).unwrap_or_default().into_iter();
    steps
        .filter(|step| match step {
            Step::Cancel => !is_packed,
            Step::RequestReturn { .. } | Step::CancelReturn { .. } => true,
            _ => false,
        })
        .collect()
}

/// Returns what the staff may do; reports of the provider are not theirs.
fn staff_steps(state: &OrderState) -> Vec<Step> {
    let is_held = state.tenders.authorized.minor > 0;
    let steps = next_steps(state).unwrap_or_default().into_iter();
    steps
        .filter(|step| match step {
            Step::Capture { .. } => is_held,
            Step::Authorize { .. }
            | Step::PaymentFailed
            | Step::Confirm
            | Step::Expire
            | Step::Retake { .. }
            | Step::FillBackorder { .. }
            | Step::RefundSucceeded { .. }
            | Step::RefundFailed { .. }
            | Step::ChargeBack { .. }
            | Step::WinChargeback { .. } => false,
            _ => true,
        })
        .collect()
}

/// Tells an order to the staff.
pub(crate) fn staff_view(life: &OrderLife) -> AdminOrder {
    let OrderLife { stated, timeline, notes, operations } = life;
    let state = stated.state.as_ref();
    let record = &stated.order;
    AdminOrder {
        order: shopper_view(stated, notes, None),
        user_id: record.user,
        payment: payment_summary(record, state),
        fulfilment: fulfilment_summary(state),
        sums: state.and_then(|state| state.sums().ok()),
        lines: state.map(lines).unwrap_or_default(),
        shipping: state.map(|state| state.shipping),
        fulfilments: state.map(|state| state.fulfilments.clone()).unwrap_or_default(),
        operations: operations.iter().map(operation).collect(),
        next_steps: state.map(staff_steps).unwrap_or_default(),
        timeline: timeline.clone(),
        notes: notes.clone(),
    }
}

fn lines(state: &OrderState) -> Vec<LineLife> {
    let line = |line: &domain::order::OrderLine| LineLife {
        line: line.id,
        cancelled: line.cancelled,
        shipped: state.shipped(line.id),
        returnable: state.returnable(line.id),
        sources: line.sources.clone(),
        money: line.flow,
    };
    state.lines.iter().map(line).collect()
}

fn operation(operation: &Operation) -> PaymentOperation {
    PaymentOperation {
        id: operation.id,
        kind: operation.kind.as_str().to_owned(),
        status: operation.status.as_str().to_owned(),
        amount: operation.amount,
        error: operation.error.clone(),
        created_at: operation.created_at,
        updated_at: operation.updated_at,
    }
}

/// Tells an order in a list.
pub(crate) fn summary(listed: &ListedOrder) -> OrderSummary {
    let ListedOrder { order: record, state, invoice, updated_at } = listed;
    OrderSummary {
        id: record.id,
        number: record.number_text(),
        status: record.status,
        payment_status: record.payment.status,
        payment: payment_summary(record, state.as_ref()),
        fulfilment: fulfilment_summary(state.as_ref()),
        email: record.email.clone(),
        user_id: record.user,
        total: record.totals.total,
        invoice: invoice.as_ref().map(told_invoice),
        created_at: record.created_at,
        updated_at: *updated_at,
    }
}

/// Tells how much is paid: by the state, or by the payment alone where there is none.
fn payment_summary(record: &OrderRecord, state: Option<&OrderState>) -> PaymentSummary {
    if let Some(Ok(summary)) = state.map(OrderState::payment_summary) {
        return summary;
    }
    let has_ended = matches!(record.status, OrderStatus::Cancelled | OrderStatus::Expired);
    match record.payment.status {
        PaymentStatus::Authorized => PaymentSummary::Authorized,
        PaymentStatus::PartiallyCaptured => PaymentSummary::PartiallyCaptured,
        PaymentStatus::Captured => PaymentSummary::Captured,
        PaymentStatus::PartiallyRefunded => PaymentSummary::PartiallyRefunded,
        PaymentStatus::Refunded => PaymentSummary::Refunded,
        _ if has_ended => PaymentSummary::Voided,
        _ => PaymentSummary::Unpaid,
    }
}

fn fulfilment_summary(state: Option<&OrderState>) -> FulfilmentSummary {
    state.map_or(FulfilmentSummary::Unfulfilled, OrderState::fulfilment_summary)
}
