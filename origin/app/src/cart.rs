//! Carts.

use api_types::cart::{
    Cart, CartMerge, DestinationChoice, GiftCardEntry, LineChange, MergedCart, MethodChoice,
    NewCart, NewLine,
};
use domain::cart::LINES_MAX;
use domain::pricing::{CODES_MAX, Code, Destination, GIFT_CARDS_MAX};
use domain::sku::QUANTITY_MAX;
use domain::{CartId, Currency, ErrorKind, GiftCardId, LineId, Quantity, Sku};
use store::{CartEdit, CartRefusal, ChangeCart, Claim, MergeCarts, OpenCart};

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
        Ok(self.store.cart(id, self.clock.now()).await?.map_err(refuse)?)
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
        self.change(cart, version, CartEdit::Add { line, sku, quantity }, claim).await
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
        self.change(cart, version, CartEdit::Set { line, quantity }, claim).await
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
        self.change(cart, version, CartEdit::Remove { line }, claim).await
    }

    /// Enters a promotion's code, or takes it out.
    ///
    /// # Errors
    /// As [`App::add_line`]; `invalid-input` for a code that no promotion has.
    pub async fn set_code(
        &self,
        cart: CartId,
        code: &str,
        is_entered: bool,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let code: Code = match code.parse() {
            Ok(code) => code,
            Err(_invalid) if is_entered => return Err(refuse(CartRefusal::UnknownCode).into()),
            Err(_invalid) => return Err(Refusal::not_found().into()),
        };
        let edit = if is_entered { CartEdit::EnterCode(code) } else { CartEdit::RemoveCode(code) };
        self.change(cart, version, edit, claim).await
    }

    /// Enters a gift card.
    ///
    /// # Errors
    /// As [`App::add_line`]; `invalid-input` for a code that no gift card has.
    pub async fn enter_gift_card(
        &self,
        cart: CartId,
        request: &GiftCardEntry,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let Ok(code) = request.code.parse::<Code>() else {
            return Err(refuse(CartRefusal::UnknownGiftCard).into());
        };
        let edit = CartEdit::EnterGiftCard(self.gift_card_hash(&code));
        self.change(cart, version, edit, claim).await
    }

    /// Takes a gift card out.
    ///
    /// # Errors
    /// As [`App::add_line`].
    pub async fn remove_gift_card(
        &self,
        cart: CartId,
        card: GiftCardId,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        self.change(cart, version, CartEdit::RemoveGiftCard(card), claim).await
    }

    /// Says where a cart goes; `None`: no longer.
    ///
    /// # Errors
    /// As [`App::add_line`].
    pub async fn set_destination(
        &self,
        cart: CartId,
        request: Option<&DestinationChoice>,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let destination = request.map(read_destination).transpose()?;
        self.change(cart, version, CartEdit::SetDestination(destination), claim).await
    }

    /// Chooses a shipping method; `None`: none. One that is not on offer is no error: the quote says why.
    ///
    /// # Errors
    /// As [`App::add_line`].
    pub async fn set_shipping_method(
        &self,
        cart: CartId,
        request: Option<&MethodChoice>,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let method = request
            .map(|choice| {
                choice.method.parse().map_err(|_invalid| {
                    let detail = "must be a shipping method of this shop";
                    Refusal::invalid().field("/method", "unknown", detail)
                })
            })
            .transpose()?;
        self.change(cart, version, CartEdit::SetShippingMethod(method), claim).await
    }

    /// Makes a guest's cart the caller's, together with the one that the account has.
    ///
    /// # Errors
    /// `unauthenticated`, `not-found`, `cart-checked-out`, `precondition-failed`.
    pub async fn merge_carts(
        &self,
        caller: &Caller,
        cart: CartId,
        request: &CartMerge,
        version: Precondition,
        claim: Option<Claim>,
    ) -> Result<Answered<MergedCart>, Error> {
        // The session is looked at too: who was signed out owns nothing.
        let user = self.me(caller).await?.id;
        let command =
            MergeCarts { guest: cart, version, user, rule: request.rule, now: self.clock.now() };
        answered(self.store.merge_carts(command, claim).await?.map_err(refuse)?)
    }

    async fn change(
        &self,
        id: CartId,
        version: Precondition,
        edit: CartEdit,
        claim: Option<Claim>,
    ) -> Result<Answered<Cart>, Error> {
        let freeze = self.settings.price_freeze;
        let command = ChangeCart { id, version, edit, freeze, now: self.clock.now() };
        finish(self.store.change_cart(command, claim).await?)
    }
}

fn finish(outcome: Result<store::Once<Cart>, CartRefusal>) -> Result<Answered<Cart>, Error> {
    answered(outcome.map_err(refuse)?)
}

fn read_destination(choice: &DestinationChoice) -> Result<Destination, Refusal> {
    let mut refusal = Refusal::invalid();
    let country = choice.country.trim().parse();
    if let Err(invalid) = &country {
        let invalid: &domain::InvalidCountry = invalid;
        refusal = refusal.field("/country", "invalid", invalid.to_string());
    }
    let given = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let region = given(&choice.region).map(|text| text.parse()).transpose();
    if let Err(invalid) = &region {
        let invalid: &domain::pricing::InvalidPlace = invalid;
        refusal = refusal.field("/region", "invalid", invalid.to_string());
    }
    // Zones look at what can be read of it; people may write it as they like.
    let postcode = given(&choice.postal_code).and_then(|text| text.parse().ok());
    match (country, region) {
        (Ok(country), Ok(region)) => Ok(Destination { country, region, postcode }),
        _ => Err(refusal),
    }
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
        CartRefusal::UnknownCode => {
            Refusal::invalid().field("/code", "unknown", "there is no such code")
        }
        CartRefusal::UnknownGiftCard => {
            Refusal::invalid().field("/code", "unknown", "there is no such gift card")
        }
        CartRefusal::TooManyCodes => Refusal::invalid().field(
            "/code",
            "too-many",
            format!("a cart has at most {CODES_MAX} codes"),
        ),
        CartRefusal::TooManyGiftCards => Refusal::invalid().field(
            "/code",
            "too-many",
            format!("a cart has at most {GIFT_CARDS_MAX} gift cards"),
        ),
        refusal => refuse_checkout(refusal),
    }
}

/// Says why a cart could not be bought as it is.
fn refuse_checkout(refusal: CartRefusal) -> Refusal {
    match refusal {
        CartRefusal::ShippingNotChosen => Refusal::new(
            ErrorKind::InvalidInput,
            "shipping-not-chosen",
            "A shipping method must be chosen first",
        ),
        CartRefusal::ShippingRefused(method, why) => Refusal::new(
            ErrorKind::Conflict,
            "shipping-unavailable",
            "The shipping method is not on offer",
        )
        .detail(format!("{method}: {why}")),
        CartRefusal::PriceChanged(changes) => {
            let title = "Prices have changed; the cart says the new ones";
            let refusal = Refusal::new(ErrorKind::Conflict, "price-changed", title);
            changes.iter().fold(refusal, |refusal, changed| {
                let detail = format!("was {}, is {}", changed.change.old, changed.change.new);
                refusal.field(format!("/lines/{}", changed.place), "price-changed", detail)
            })
        }
        CartRefusal::OtherDue { expected, due } => {
            let title = "The order comes to another amount than was shown";
            Refusal::new(ErrorKind::Conflict, "due-changed", title).field(
                "/expected_due",
                "due-changed",
                format!("was {expected}, is {due}"),
            )
        }
        CartRefusal::PromiseChanged(changes) => {
            let title = "What is not there yet has changed; the cart says what is promised now";
            let refusal = Refusal::new(ErrorKind::Conflict, "promise-changed", title);
            changes.iter().fold(refusal, |refusal, changed| {
                let shown =
                    changed.shown.map_or_else(|| "in stock".to_owned(), |shown| shown.to_string());
                let detail = format!("was {shown}, is {}", changed.now);
                refusal.field(format!("/lines/{}", changed.place), "promise-changed", detail)
            })
        }
        CartRefusal::CodesRefused(codes) => {
            let refusal = Refusal::new(
                ErrorKind::Conflict,
                "code-refused",
                "A code of this cart does not apply any more; take it out",
            );
            codes.into_iter().fold(refusal, |refusal, (place, why)| {
                refusal.field(format!("/codes/{place}"), "code-refused", why)
            })
        }
        CartRefusal::GiftCardsRefused(cards) => {
            let refusal = Refusal::new(
                ErrorKind::Conflict,
                "gift-card-refused",
                "A gift card of this cart does not pay any more; take it out",
            );
            cards.into_iter().fold(refusal, |refusal, (place, why)| {
                refusal.field(format!("/gift_cards/{place}"), "gift-card-refused", why)
            })
        }
        CartRefusal::TooExpensive => Refusal::new(
            ErrorKind::InvalidInput,
            "amount-out-of-range",
            "The sum is too large to be paid",
        ),
        _ => Refusal::new(ErrorKind::InvalidInput, "cart-empty", "There is nothing in this cart"),
    }
}
