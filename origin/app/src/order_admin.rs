//! Orders in the hands of the staff: lists, steps, captures and refunds, notes.
//!
//! A step is decided by the rules (`domain::order`) and written with all that follows in one commit; what the provider is to
//! be asked is asked after it ([`crate::operation`]).

use api_types::admin_order::{
    AdminOrder, CancelRequest, CaptureRequest, FulfilRequest, NewNote, OrderSummaries,
    OrderSummary, ReceiveRequest, RefundRequest, ReturnRequest, ShipRequest, StepAnswer,
};
use domain::inventory::MAIN_LOCATION;
use domain::order::{
    Actor, CancelReason, Command, Note, NoteAudience, PiecesOf, RefundOf, RefundReason, Step,
    Tracking, next_steps,
};
use domain::{
    FulfilmentId, LocationId, Money, NoteId, OrderId, OrderStatus, PaymentOperationId, RefundId,
    ReturnId,
};
use store::{
    AddNote, AskProvider, Claim, ListOrders, Once, StepRefused, StepTaken, TakeStep, Wish,
};

use crate::error::answered;
use crate::order_refusal::refuse;
use crate::order_view::{staff_view, summary};
use crate::staff::{Staff, StaffId};
use crate::{Answered, App, Error, Precondition, Refusal, random};

/// Orders on one page, and at most: 50 and 200.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;

/// Who asks for a step of which order, on which condition, and under which key.
#[derive(Debug)]
pub struct StepAsked<'a> {
    /// Who.
    pub staff: &'a Staff,
    /// Which order.
    pub order: OrderId,
    /// Only if it has taken so many steps.
    pub version: Precondition,
    /// The key: asked twice, the step is taken once.
    pub claim: Claim,
}

/// What becomes of a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnDecision {
    /// The shop agrees.
    Approve,
    /// The shop does not agree.
    Reject,
    /// Nothing will come.
    Cancel,
}

/// What becomes of a parcel that was packed or has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParcelStep {
    /// It arrived.
    Deliver,
    /// It is unpacked again.
    Cancel,
}

impl App {
    /// Lists orders, newest first. `query` is the number of an order or of an invoice, or an e-mail address.
    ///
    /// # Errors
    /// `invalid-input`.
    pub async fn list_orders(
        &self,
        status: Option<&str>,
        query: Option<&str>,
        before: Option<OrderId>,
        limit: Option<u32>,
    ) -> Result<OrderSummaries, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let status = status.map(read_status).transpose()?;
        let mut list = ListOrders { status, before, limit, ..ListOrders::default() };
        match query.map(str::trim).filter(|text| !text.is_empty()) {
            None => {}
            Some(text) if text.contains('@') => list.email = Some(text.to_lowercase()),
            Some(text) => list.number = Some(read_number(text)?),
        }
        let mut items: Vec<_> = self.store.list_orders(list).await?.iter().map(summary).collect();
        if let Some(text) = query {
            keep_exact(&mut items, text.trim());
        }
        let is_full = u32::try_from(items.len()).is_ok_and(|count| count >= limit);
        let next_before = items.last().map(|last| last.id).filter(|_| is_full);
        Ok(OrderSummaries { items, next_before })
    }

    /// Reads an order with all that happened to it.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn admin_order(&self, id: OrderId) -> Result<AdminOrder, Error> {
        let life = self.store.order_life(id).await?.ok_or_else(Refusal::not_found)?;
        Ok(staff_view(&life))
    }

    /// Takes held money: all that is to be paid, or a part.
    ///
    /// # Errors
    /// As every step; `payment-busy` while the provider is being asked about the same money.
    pub async fn capture_order(
        &self,
        asked: StepAsked<'_>,
        request: CaptureRequest,
    ) -> Result<Answered<StepAnswer>, Error> {
        self.ask_provider(asked, Wish::Capture(request.amount)).await
    }

    /// Lets held money go.
    ///
    /// # Errors
    /// As [`App::capture_order`].
    pub async fn void_order(&self, asked: StepAsked<'_>) -> Result<Answered<StepAnswer>, Error> {
        self.ask_provider(asked, Wish::Void).await
    }

    async fn ask_provider(
        &self,
        asked: StepAsked<'_>,
        wish: Wish,
    ) -> Result<Answered<StepAnswer>, Error> {
        let now = self.clock.now();
        let id = PaymentOperationId::v7(now, random()?);
        let StepAsked { staff, order, version, claim } = asked;
        let command = AskProvider { order, version, id, wish, actor: actor(staff), now };
        let outcome = self.store.ask_provider(command, Some(claim)).await?;
        self.finish_step(order, outcome, &[]).await
    }

    /// Gives money back: all that is left, an amount, or parts.
    ///
    /// # Errors
    /// As every step.
    pub async fn refund_order(
        &self,
        asked: StepAsked<'_>,
        request: RefundRequest,
    ) -> Result<Answered<StepAnswer>, Error> {
        let RefundRequest { amount, lines, shipping, reason } = request;
        let has_parts = !lines.is_empty() || shipping.is_some();
        let of = match (amount, has_parts) {
            (Some(_), true) => {
                let detail = "must be absent where lines or shipping say how much";
                return Err(Refusal::invalid().field("/amount", "invalid", detail).into());
            }
            (Some(amount), false) => RefundOf::Amount { amount },
            (None, true) => {
                let nothing = self.nothing(asked.order).await?;
                RefundOf::Parts { lines, shipping: shipping.unwrap_or(nothing) }
            }
            (None, false) => RefundOf::Whole,
        };
        let id = RefundId::v7(self.clock.now(), random()?);
        let reason = reason.unwrap_or(RefundReason::Other);
        self.step(asked, Command::Refund { id, of, reason }).await
    }

    /// Returns nothing, in the currency of an order.
    async fn nothing(&self, order: OrderId) -> Result<Money, Error> {
        let order = self.store.order(order).await?.ok_or_else(Refusal::not_found)?;
        Ok(Money::zero(order.totals.currency))
    }

    /// Calls an order off, or pieces of it that are not packed.
    ///
    /// # Errors
    /// As every step.
    pub async fn cancel_order(
        &self,
        asked: StepAsked<'_>,
        request: CancelRequest,
    ) -> Result<Answered<StepAnswer>, Error> {
        let refund = RefundId::v7(self.clock.now(), random()?);
        let reason = request.reason.unwrap_or(CancelReason::Other);
        let command = if request.lines.is_empty() {
            Command::Cancel { reason, refund }
        } else {
            Command::CancelPieces { lines: request.lines, refund }
        };
        self.step(asked, command).await
    }

    /// Packs a parcel.
    ///
    /// # Errors
    /// As every step.
    pub async fn fulfil_order(
        &self,
        asked: StepAsked<'_>,
        request: FulfilRequest,
    ) -> Result<Answered<StepAnswer>, Error> {
        let location = request.location.unwrap_or(MAIN_LOCATION);
        let lines = if request.lines.is_empty() {
            self.packable(asked.order, location).await?
        } else {
            request.lines
        };
        let id = FulfilmentId::v7(self.clock.now(), random()?);
        self.step(asked, Command::Fulfil { id, location, lines }).await
    }

    /// Returns all that can be packed at a location now.
    async fn packable(&self, order: OrderId, location: LocationId) -> Result<Vec<PiecesOf>, Error> {
        let stated = self.store.stated_order(order).await?.ok_or_else(Refusal::not_found)?;
        let steps = stated.state.as_ref().map(next_steps).and_then(Result::ok).unwrap_or_default();
        let lines = steps.into_iter().find_map(|step| match step {
            Step::Fulfil { location: place, lines } if place == location => Some(lines),
            _ => None,
        });
        Ok(lines.unwrap_or_default())
    }

    /// Writes down that a parcel left.
    ///
    /// # Errors
    /// As every step.
    pub async fn ship_parcel(
        &self,
        asked: StepAsked<'_>,
        id: FulfilmentId,
        request: &ShipRequest,
    ) -> Result<Answered<StepAnswer>, Error> {
        let tracking = read_tracking(request)?;
        self.step(asked, Command::Ship { id, tracking }).await
    }

    /// Writes down that a parcel arrived, or unpacks it again.
    ///
    /// # Errors
    /// As every step.
    pub async fn move_parcel(
        &self,
        asked: StepAsked<'_>,
        id: FulfilmentId,
        step: ParcelStep,
    ) -> Result<Answered<StepAnswer>, Error> {
        let command = match step {
            ParcelStep::Deliver => Command::Deliver { id },
            ParcelStep::Cancel => Command::CancelFulfilment { id },
        };
        self.step(asked, command).await
    }

    /// Writes down that something shall come back.
    ///
    /// # Errors
    /// As every step.
    pub async fn open_return(
        &self,
        asked: StepAsked<'_>,
        request: ReturnRequest,
    ) -> Result<Answered<StepAnswer>, Error> {
        let id = ReturnId::v7(self.clock.now(), random()?);
        self.step(asked, Command::RequestReturn { id, lines: request.lines }).await
    }

    /// Decides about a return.
    ///
    /// # Errors
    /// As every step.
    pub async fn decide_return(
        &self,
        asked: StepAsked<'_>,
        id: ReturnId,
        decision: ReturnDecision,
    ) -> Result<Answered<StepAnswer>, Error> {
        let command = match decision {
            ReturnDecision::Approve => Command::ApproveReturn { id },
            ReturnDecision::Reject => Command::RejectReturn { id },
            ReturnDecision::Cancel => Command::CancelReturn { id },
        };
        self.step(asked, command).await
    }

    /// Takes back what came of a return, and gives back what it cost.
    ///
    /// # Errors
    /// As every step.
    pub async fn receive_return(
        &self,
        asked: StepAsked<'_>,
        id: ReturnId,
        request: ReceiveRequest,
    ) -> Result<Answered<StepAnswer>, Error> {
        let shipping = match request.shipping {
            Some(shipping) => shipping,
            None => self.nothing(asked.order).await?,
        };
        let refund = match request.refund {
            true => Some(RefundId::v7(self.clock.now(), random()?)),
            false => None,
        };
        let location = request.location.unwrap_or(MAIN_LOCATION);
        let lines = request.lines;
        self.step(asked, Command::ReceiveReturn { id, location, lines, refund, shipping }).await
    }

    /// Ends an order of which all is delivered and paid.
    ///
    /// # Errors
    /// As every step.
    pub async fn complete_order(
        &self,
        asked: StepAsked<'_>,
    ) -> Result<Answered<StepAnswer>, Error> {
        self.step(asked, Command::Complete).await
    }

    /// Writes a note on an order.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, `too-many-parts`, and what a key may refuse.
    pub async fn add_order_note(
        &self,
        asked: StepAsked<'_>,
        request: NewNote,
    ) -> Result<Answered<StepAnswer>, Error> {
        let text = request.text.try_into().map_err(|invalid: domain::order::InvalidNote| {
            Refusal::invalid().field("/text", "invalid", invalid.to_string())
        })?;
        let at = self.clock.now();
        let note = Note {
            id: NoteId::v7(at, random()?),
            at,
            author: actor(asked.staff),
            audience: request.audience.unwrap_or(NoteAudience::Staff),
            text,
        };
        let command = AddNote { order: asked.order, note };
        let outcome = self.store.add_order_note(command, Some(asked.claim)).await?;
        self.finish_step(asked.order, outcome, &[]).await
    }

    async fn step(
        &self,
        asked: StepAsked<'_>,
        command: Command,
    ) -> Result<Answered<StepAnswer>, Error> {
        let StepAsked { staff, order, version, claim } = asked;
        let lines = lines_of(&command);
        let now = self.clock.now();
        let take = TakeStep { order, version, command, actor: actor(staff), now };
        let outcome = self.store.take_order_step(take, Some(claim)).await?;
        self.finish_step(order, outcome, &lines).await
    }

    async fn finish_step(
        &self,
        order: OrderId,
        outcome: Result<Once<StepTaken>, StepRefused>,
        lines: &[domain::LineId],
    ) -> Result<Answered<StepAnswer>, Error> {
        let taken = outcome.map_err(|refused| refuse(refused, lines))?;
        let Answered { value, is_replay } = answered(taken)?;
        if !is_replay {
            self.ask_for_operations(order).await;
        }
        let value = StepAnswer { made: value.made, order: self.admin_order(order).await? };
        Ok(Answered { value, is_replay })
    }
}

/// Says who of the staff does it.
const fn actor(staff: &Staff) -> Actor {
    match staff.who {
        StaffId::Account(user) => Actor::Staff(user),
        StaffId::Key(key) => Actor::Program(key),
    }
}

/// Returns the lines that a command names, in the order of its request.
pub(crate) fn lines_of(command: &Command) -> Vec<domain::LineId> {
    match command {
        Command::Fulfil { lines, .. } | Command::CancelPieces { lines, .. } => {
            lines.iter().map(|own| own.line).collect()
        }
        Command::RequestReturn { lines, .. } => lines.iter().map(|own| own.line).collect(),
        Command::ReceiveReturn { lines, .. } => lines.iter().map(|own| own.line).collect(),
        _ => Vec::new(),
    }
}

fn read_status(text: &str) -> Result<OrderStatus, Refusal> {
    text.parse().map_err(|_unknown| {
        let words = OrderStatus::ALL.map(OrderStatus::as_str).join(", ");
        Refusal::invalid().field("/status", "invalid", format!("must be one of {words}"))
    })
}

/// Reads a number as people quote it: what stands before its digits is the shop's own.
fn read_number(text: &str) -> Result<i64, Refusal> {
    // A prefix may have digits too, but none where it ends.
    let digits = text.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().map_err(|_invalid| {
        let detail = "must be the number of an order or of an invoice, or an e-mail address";
        Refusal::invalid().field("/q", "invalid", detail)
    })
}

/// Keeps what is quoted as a whole, if something is: the digits alone may be those of an order and of another's invoice.
fn keep_exact(items: &mut Vec<OrderSummary>, text: &str) {
    let is_exact = |item: &OrderSummary| {
        let invoice = item.invoice.as_ref().map(|invoice| invoice.number.as_str());
        [Some(item.number.as_str()), invoice]
            .into_iter()
            .flatten()
            .any(|number| number.eq_ignore_ascii_case(text))
    };
    if items.iter().any(is_exact) {
        items.retain(is_exact);
    }
}

fn read_tracking(request: &ShipRequest) -> Result<Option<Tracking>, Refusal> {
    use domain::order::InvalidTracking as I;
    let ShipRequest { carrier, number, url } = request;
    let Some(carrier) = carrier else {
        if number.is_some() || url.is_some() {
            let detail = "must be there where a number or an address is";
            return Err(Refusal::invalid().field("/carrier", "required", detail));
        }
        return Ok(None);
    };
    let tracking = Tracking::new(carrier, number.as_deref(), url.as_deref());
    tracking.map(Some).map_err(|invalid| {
        let pointer = match invalid {
            I::Carrier => "/carrier",
            I::Number => "/number",
            I::Url => "/url",
        };
        Refusal::invalid().field(pointer, "invalid", invalid.to_string())
    })
}
