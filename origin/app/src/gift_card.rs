//! Gift cards as the staff issues and changes them.
//!
//! A card's code follows from its name and the shop's secret, and only its digest is stored. So an answer that is given again
//! to the same key can say the code, and nothing that is kept does.

use api_types::pricing::{
    GiftCardAdjustment, GiftCardDetail, GiftCardMovementView, GiftCardView, GiftCards,
    IssuedGiftCard, NewGiftCard,
};
use domain::pricing::Code;
use domain::{ErrorKind, GiftCardId};
use store::{
    ChangeGiftCard, Claim, GiftCardChangeRefused, GiftCardMovement, GiftCardRow, IssueGiftCard,
};

use crate::cart::Precondition;
use crate::error::answered;
use crate::promotion::{PAGE_DEFAULT, PAGE_MAX, is_full, stale};
use crate::{Answered, App, Error, Refusal, random};

/// Longest note or reason: 200 bytes.
const NOTE_BYTES_MAX: usize = 200;
/// Characters of a code: 16 of 5 bits, which nobody guesses.
const CODE_CHARS: usize = 16;
/// Characters of a code that the staff and the shopper read: the last four.
const LAST_CHARS: usize = 4;

impl App {
    /// Issues a gift card that the shop gives away, and tells its code.
    ///
    /// # Errors
    /// `invalid-input`, and what a key may refuse.
    pub async fn issue_gift_card(
        &self,
        request: NewGiftCard,
        claim: Option<Claim>,
    ) -> Result<Answered<IssuedGiftCard>, Error> {
        let now = self.clock.now();
        let (_, sold_in) = self.store.currencies().await?;
        let mut refusal = check_note(Refusal::invalid(), "/note", &request.note);
        if request.amount.minor <= 0 {
            refusal = refusal.field("/amount/minor", "out-of-range", "must be above zero");
        }
        if !sold_in.contains(&request.amount.currency) {
            let detail = "must be a currency of this shop";
            refusal = refusal.field("/amount/currency", "unknown", detail);
        }
        if request.expires_at.is_some_and(|end| end <= now) {
            refusal = refusal.field("/expires_at", "out-of-range", "must be in the future");
        }
        if !refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let id = GiftCardId::v7(now, random()?);
        let code = self.gift_card_code(id)?;
        let command = IssueGiftCard {
            id,
            code_hash: self.gift_card_hash(&code),
            last4: last4(&code),
            amount: request.amount,
            expires_at: request.expires_at,
            note: request.note,
            now,
        };
        let Answered { value, is_replay } =
            answered(self.store.issue_gift_card(command, claim).await?)?;
        let code = self.gift_card_code(value.id)?.to_string();
        Ok(Answered { value: IssuedGiftCard { card: view(value), code }, is_replay })
    }

    /// Reads a gift card and its newest movements.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn gift_card(&self, id: GiftCardId) -> Result<GiftCardDetail, Error> {
        let (card, movements) = self.store.gift_card(id).await?.ok_or_else(Refusal::not_found)?;
        let movement = |GiftCardMovement { kind, delta, order, reason, at }| GiftCardMovementView {
            kind,
            delta,
            order_id: order,
            reason,
            at,
        };
        let movements = movements.into_iter().map(movement).collect();
        Ok(GiftCardDetail { card: view(card), movements })
    }

    /// Lists gift cards, newest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn gift_cards(
        &self,
        before: Option<GiftCardId>,
        limit: Option<u32>,
    ) -> Result<GiftCards, Error> {
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let items: Vec<_> =
            self.store.gift_cards(before, limit).await?.into_iter().map(view).collect();
        let next_before = items.last().map(|last| last.id).filter(|_| is_full(&items, limit));
        Ok(GiftCards { items, next_before })
    }

    /// Lets a gift card pay, or no longer.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`.
    pub async fn enable_gift_card(
        &self,
        id: GiftCardId,
        is_enabled: bool,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<GiftCardView>, Error> {
        let (is_enabled, adjustment, now) = (Some(is_enabled), None, self.clock.now());
        self.change_gift_card(ChangeGiftCard { id, version, is_enabled, adjustment, now }, claim)
            .await
    }

    /// Adds to a gift card's balance, or takes from it.
    ///
    /// # Errors
    /// `invalid-input`, `not-found`, `precondition-failed`, `gift-card-balance`, and what a key may refuse.
    pub async fn adjust_gift_card(
        &self,
        id: GiftCardId,
        request: GiftCardAdjustment,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<GiftCardView>, Error> {
        let mut refusal = check_note(Refusal::invalid(), "/reason", &request.reason);
        if request.reason.trim().is_empty() {
            refusal = refusal.field("/reason", "required", "say why");
        }
        if request.delta_minor == 0 {
            refusal = refusal.field("/delta_minor", "out-of-range", "must not be zero");
        }
        if !refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let adjustment = Some((request.delta_minor, request.reason));
        let now = self.clock.now();
        self.change_gift_card(
            ChangeGiftCard { id, version, is_enabled: None, adjustment, now },
            claim,
        )
        .await
    }

    async fn change_gift_card(
        &self,
        command: ChangeGiftCard,
        claim: Option<Claim>,
    ) -> Result<Answered<GiftCardView>, Error> {
        let once = self.store.change_gift_card(command, claim).await?.map_err(refuse)?;
        let Answered { value, is_replay } = answered(once)?;
        Ok(Answered { value: view(value), is_replay })
    }

    /// Digest under which a gift card is found by its code.
    pub(crate) fn gift_card_hash(&self, code: &Code) -> [u8; 32] {
        self.secret.mac("gift card", &[code.as_str().as_bytes()])
    }

    fn gift_card_code(&self, id: GiftCardId) -> Result<Code, Error> {
        let bytes = self.secret.mac("gift card code", &[id.as_bytes()]);
        let random = bytes.get(..CODE_CHARS).unwrap_or(&bytes);
        Code::random("", random)
            .map_err(|invalid| Error::Fault("make a gift card's code", Box::new(invalid)))
    }
}

fn last4(code: &Code) -> String {
    let text = code.as_str();
    let from = text.len().saturating_sub(LAST_CHARS);
    text.get(from..).unwrap_or(text).to_owned()
}

fn check_note(refusal: Refusal, pointer: &str, text: &str) -> Refusal {
    if text.len() <= NOTE_BYTES_MAX && !text.contains(char::is_control) {
        return refusal;
    }
    let detail = format!("must have at most {NOTE_BYTES_MAX} bytes and no control characters");
    refusal.field(pointer, "invalid", detail)
}

fn refuse(refused: GiftCardChangeRefused) -> Refusal {
    match refused {
        GiftCardChangeRefused::NotFound => Refusal::not_found(),
        GiftCardChangeRefused::Stale { version } => {
            stale().detail(format!("the gift card is at version {version}"))
        }
        GiftCardChangeRefused::TooLittle { balance } => {
            let title = "There is less on the gift card";
            Refusal::new(ErrorKind::Conflict, "gift-card-balance", title)
                .detail(format!("the balance is {balance}"))
        }
        GiftCardChangeRefused::OutOfRange => Refusal::invalid().field(
            "/delta_minor",
            "out-of-range",
            "the balance would be too large",
        ),
    }
}

fn view(row: GiftCardRow) -> GiftCardView {
    GiftCardView {
        id: row.id,
        last4: row.last4,
        issued: row.issued,
        balance: row.balance,
        enabled: row.is_enabled,
        expires_at: row.expires_at,
        note: row.note,
        version: row.version,
        created_at: row.created_at,
    }
}
