//! Carts.

use api_types::cart::{Cart, LineChange, NewCart, NewLine};
use domain::cart::LINES_MAX;
use domain::sku::QUANTITY_MAX;
use domain::{CartId, Currency, ErrorKind, LineId, Quantity, Sku};
use store::{CartRefusal, ChangeCart, Claim, LineEdit, OpenCart};

use crate::error::answered;
use crate::{Answered, App, Caller, Error, Refusal, random};

/// The version a caller insists on, if any.
pub type Precondition = Option<i64>;

impl App {
    /// Opens a cart.
    ///
    /// # Errors
    /// `invalid-input` when the shop does not sell in the currency.
    pub async fn open_cart(
        &self,
        caller: &Caller,
        request: &NewCart,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let (default, sold_in) = self.store.currencies().await?;
        let currency = match &request.currency {
            None => default,
            Some(code) => code
                .parse::<Currency>()
                .ok()
                .filter(|currency| sold_in.contains(currency))
                .ok_or_else(|| {
                    Refusal::invalid().field(
                        "/currency",
                        "unknown",
                        format!("must be one of {}", words(&sold_in)),
                    )
                })?,
        };
        let command = OpenCart {
            id: CartId::v4(random()?),
            user: caller.user,
            currency,
            now: self.clock.now(),
        };
        finish(self.store.open_cart(command, claim).await?)
    }

    /// Reads a cart.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn cart(&self, id: CartId) -> Result<Cart, Error> {
        Ok(self.store.cart(id).await?.map_err(refuse)?)
    }

    /// Adds pieces of a SKU.
    ///
    /// # Errors
    /// `invalid-input`, `not-found`, `cart-checked-out`, `precondition-failed`.
    pub async fn add_line(
        &self,
        cart: CartId,
        request: &NewLine,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let sku = request.sku.parse::<Sku>();
        let quantity = read_quantity(request.quantity);
        let mut refusal = Refusal::invalid();
        if sku.is_err() {
            refusal = refusal.field("/sku", "unknown", "must be a SKU of this shop");
        }
        let (Ok(sku), Some(quantity)) = (sku, quantity) else {
            return Err(if quantity.is_none() { wrong_quantity(refusal) } else { refusal }.into());
        };
        let line = LineId::v7(self.clock.now(), random()?);
        self.change(cart, version, LineEdit::Add { line, sku, quantity }, claim).await
    }

    /// Sets the pieces of a line.
    ///
    /// # Errors
    /// As [`App::add_line`].
    pub async fn set_line(
        &self,
        cart: CartId,
        line: LineId,
        request: LineChange,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let quantity =
            read_quantity(request.quantity).ok_or_else(|| wrong_quantity(Refusal::invalid()))?;
        self.change(cart, version, LineEdit::Set { line, quantity }, claim).await
    }

    /// Removes a line.
    ///
    /// # Errors
    /// As [`App::add_line`].
    pub async fn remove_line(
        &self,
        cart: CartId,
        line: LineId,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        self.change(cart, version, LineEdit::Remove { line }, claim).await
    }

    async fn change(
        &self,
        id: CartId,
        version: Precondition,
        edit: LineEdit,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let command = ChangeCart { id, version, edit, now: self.clock.now() };
        finish(self.store.change_cart(command, claim).await?)
    }
}

fn finish(outcome: Result<store::Once<Cart>, CartRefusal>) -> Result<Answered<Cart>, Error> {
    answered(outcome.map_err(refuse)?)
}

fn read_quantity(number: i64) -> Option<Quantity> {
    u32::try_from(number).ok().and_then(|number| Quantity::try_from(number).ok())
}

fn wrong_quantity(refusal: Refusal) -> Refusal {
    refusal.field(
        "/quantity",
        "out-of-range",
        format!("must be a whole number from 1 to {QUANTITY_MAX}"),
    )
}

fn words(currencies: &[Currency]) -> String {
    currencies.iter().map(|currency| currency.code()).collect::<Vec<_>>().join(", ")
}

/// Says why a cart could not be changed or bought.
pub(crate) fn refuse(refusal: CartRefusal) -> Refusal {
    match refusal {
        CartRefusal::NotFound | CartRefusal::LineNotFound => Refusal::not_found(),
        CartRefusal::CheckedOut => {
            Refusal::new(ErrorKind::Conflict, "cart-checked-out", "An order was made of this cart")
        }
        CartRefusal::Stale { version } => Refusal::new(
            ErrorKind::PreconditionFailed,
            "precondition-failed",
            "The version is stale",
        )
        .detail(format!("the cart is at version {version}")),
        CartRefusal::UnknownSku(sku) => {
            Refusal::invalid().field("/sku", "unknown", format!("{sku} is not a SKU of this shop"))
        }
        CartRefusal::NotSoldIn(sku, currency) => {
            Refusal::invalid().field("/sku", "not-sold", format!("{sku} is not sold in {currency}"))
        }
        CartRefusal::TooManyLines => Refusal::invalid().field(
            "/sku",
            "too-many-lines",
            format!("a cart has at most {LINES_MAX} lines"),
        ),
        CartRefusal::TooManyPieces => {
            let detail = format!("a line has at most {QUANTITY_MAX} pieces");
            Refusal::invalid().field("/quantity", "out-of-range", detail)
        }
        CartRefusal::Empty => {
            Refusal::new(ErrorKind::InvalidInput, "cart-empty", "There is nothing in this cart")
        }
        CartRefusal::TooExpensive => Refusal::new(
            ErrorKind::InvalidInput,
            "amount-out-of-range",
            "The sum is too large to be paid",
        ),
    }
}
