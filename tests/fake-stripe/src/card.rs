//! Stripe's test cards.

/// What a card does when it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Card {
    /// It pays.
    Pays,
    /// It pays once the payer has proved who they are.
    Asks,
    /// It is none: the payer pays on the page of a bank, and comes back.
    Redirects,
    /// It is declined, with a code and a decline code.
    Declines(&'static str, &'static str),
}

/// What a method of payment is, by its name in Stripe's documentation; `None` for one that Stripe does not know.
pub(crate) fn card(method: &str) -> Option<Card> {
    Some(match method {
        "pm_card_visa" | "pm_card_mastercard" | "pm_card_amex" | "pm_card_refundFail" => Card::Pays,
        "pm_card_threeDSecure2Required"
        | "pm_card_threeDSecureRequired"
        | "pm_card_authenticationRequired" => Card::Asks,
        "pm_ideal" => Card::Redirects,
        "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => {
            Card::Declines("card_declined", "generic_decline")
        }
        "pm_card_visa_chargeDeclinedInsufficientFunds"
        | "pm_card_chargeDeclinedInsufficientFunds" => {
            Card::Declines("card_declined", "insufficient_funds")
        }
        "pm_card_visa_chargeDeclinedLostCard" => Card::Declines("card_declined", "lost_card"),
        "pm_card_visa_chargeDeclinedStolenCard" => Card::Declines("card_declined", "stolen_card"),
        "pm_card_chargeDeclinedExpiredCard" => Card::Declines("expired_card", "expired_card"),
        "pm_card_chargeDeclinedIncorrectCvc" => Card::Declines("incorrect_cvc", "incorrect_cvc"),
        "pm_card_chargeDeclinedProcessingError" => {
            Card::Declines("processing_error", "processing_error")
        }
        _ => return None,
    })
}
