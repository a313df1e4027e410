//! The words of the shop: ids, money, stock keeping units, moments, and the state machines of the trade.
//!
//! Layer: words (L0). No clock, no randomness, no I/O: callers pass `now` and random bytes.
//! Not here: wire shapes (`api-types`), storage (`origin/store`), and anything about HTTP.
//! Start at [`Money`] and [`Sku`]; the state machines live in a module per noun.
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]

pub mod account;
pub mod cart;
pub mod country;
pub mod ids;
pub mod inventory;
pub mod kind;
pub mod ledger;
pub mod money;
pub mod numbers;
pub mod order;
pub mod payment;
pub mod pricing;
pub mod reservation;
pub mod sku;
pub mod staff;
pub mod time;
pub mod webhook;

pub use account::Email;
pub use country::{Country, InvalidCountry};
pub use ids::{
    CartId, FulfilmentId, GiftCardId, ImportId, LineId, LocationId, NoteId, OrderId, PaymentId,
    PaymentOperationId, PromotionId, RefundId, RequestId, ReturnId, SessionId, StaffKeyId,
    SupplyId, TransferId, UserId, WebhookDeliveryId, WebhookId,
};
pub use kind::ErrorKind;
pub use money::{BasisPoints, Currency, Money, MoneyError};
pub use order::OrderStatus;
pub use payment::{Payment, PaymentStatus};
pub use sku::{Handle, Quantity, Sku};
pub use time::Timestamp;
