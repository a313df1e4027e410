//! Why a step of an order was not taken, as its asker may read it.

use std::time::Duration;

use domain::order::Refused;
use domain::{ErrorKind, LineId};
use store::StepRefused;

use crate::{Error, Refusal};

/// Says why. `lines` are those that the request named, in its order.
pub(crate) fn refuse(refused: StepRefused, lines: &[LineId]) -> Error {
    match refused {
        StepRefused::NotFound => Refusal::not_found().into(),
        StepRefused::Stale { version } => {
            let title = "The version is stale";
            let refusal = Refusal::new(ErrorKind::PreconditionFailed, "precondition-failed", title);
            refusal.detail(format!("the order is at version {version}")).into()
        }
        StepRefused::Rule(rule) => by_rule(rule, lines),
        StepRefused::Stock(sku, cause) => {
            let refusal = Refusal::new(ErrorKind::Conflict, "out-of-stock", "Not enough in stock");
            refusal.detail(format!("{sku}: {cause}")).into()
        }
        StepRefused::Busy => {
            let title = "The provider is being asked about this payment";
            let refusal = Refusal::new(ErrorKind::Conflict, "payment-busy", title);
            refusal.retry_after(Duration::from_secs(1)).into()
        }
        StepRefused::TooMany { max } => too_many(usize::try_from(max).unwrap_or(usize::MAX)),
    }
}

fn by_rule(rule: Refused, lines: &[LineId]) -> Error {
    let detail = rule.to_string();
    let invalid = |pointer: String, code: &'static str| -> Error {
        Refusal::invalid().field(pointer, code, detail.clone()).into()
    };
    match rule {
        Refused::OutOfTurn { .. } => {
            let title = "The order does not allow this now";
            Refusal::new(ErrorKind::Conflict, "step-not-possible", title).detail(detail).into()
        }
        Refused::Amount { .. } => invalid("/amount".to_owned(), "out-of-range"),
        Refused::Pieces { line, .. } => {
            let place = lines.iter().position(|own| *own == line).unwrap_or_default();
            invalid(format!("/lines/{place}/pieces"), "out-of-range")
        }
        Refused::LastPiece { .. } => invalid("/lines".to_owned(), "out-of-range"),
        Refused::InvalidLines => invalid("/lines".to_owned(), "invalid"),
        Refused::NotFound => Refusal::not_found().into(),
        Refused::TooMany { max } => too_many(max),
        Refused::NameTaken => Error::Fault("name a part of an order", Box::new(Refused::NameTaken)),
        Refused::Money(_) | Refused::Books(_) => Error::Fault("take a step", Box::new(rule)),
    }
}

fn too_many(max: usize) -> Error {
    let title = "There are as many of these as there may be";
    let refusal = Refusal::new(ErrorKind::Conflict, "too-many-parts", title);
    refusal.detail(format!("the limit is {max}")).into()
}
