//! One id type per entity, so that a cart can never be taken for an order.
//!
//! Records get version 7 UUIDs (RFC 9562, ordered by time: right-edge index inserts).
//! Capabilities, which must not be guessed, get version 4 (122 random bits).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::Timestamp;

/// Refused text for an id: not a UUID in its hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hyphenated UUID")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a time-ordered id (version 7) from the moment and 10 random bytes.
            #[must_use]
            pub fn v7(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.unix_ms()).unwrap_or(0);
                Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Makes an unguessable id (version 4) from 16 random bytes.
            #[must_use]
            pub fn v4(random: [u8; 16]) -> Self {
                Self(Builder::from_random_bytes(random).into_uuid())
            }

            /// Takes an id that was stored as its 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Returns this id if it is later than another, and else the one right behind that: of two that are made in one
            /// millisecond, or by clocks that differ, the second would as likely as not be the earlier one.
            #[must_use]
            pub fn after(self, other: Self) -> Self {
                let next = other.0.as_u128().saturating_add(1);
                if self > other { self } else { Self(Uuid::from_u128(next)) }
            }

            /// Returns the 16 bytes for storage.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 36 {
                    return Err(InvalidId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id!(
    /// A cart. Made with [`CartId::v4`]: whoever knows it may change the cart.
    CartId
);
id!(
    /// A fulfilment: pieces of an order that leave one location as one parcel.
    FulfilmentId
);
id!(
    /// A gift card.
    GiftCardId
);
id!(
    /// An import of a file.
    ImportId
);
id!(
    /// A line within a cart or an order.
    LineId
);
id!(
    /// A place where stock lies.
    LocationId
);
id!(
    /// A note on an order.
    NoteId
);
id!(
    /// An order.
    OrderId
);
id!(
    /// A payment intent.
    PaymentId
);
id!(
    /// Something that the payment provider is asked to do with a payment: capture, void, refund.
    PaymentOperationId
);
id!(
    /// A refund of an order.
    RefundId
);
id!(
    /// A promotion.
    PromotionId
);
id!(
    /// One HTTP request, from edge to origin and back.
    RequestId
);
id!(
    /// A return of pieces of an order.
    ReturnId
);
id!(
    /// A login session: the family of its refresh tokens.
    SessionId
);
id!(
    /// A key of a program of the staff. Only its name; the secret is another thing.
    StaffKeyId
);
id!(
    /// A delivery that was ordered from a supplier.
    SupplyId
);
id!(
    /// A transfer of stock between two locations.
    TransferId
);
id!(
    /// An account.
    UserId
);
id!(
    /// One event on its way to one subscription of a merchant.
    WebhookDeliveryId
);
id!(
    /// A merchant's subscription to events.
    WebhookId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v7_ids_sort_by_time() {
        let early = OrderId::v7(Timestamp::from_unix_ms(1_000), [0xff; 10]);
        let late = OrderId::v7(Timestamp::from_unix_ms(1_001), [0; 10]);
        assert!(early < late);
    }

    #[test]
    fn an_id_after_another_is_later_and_kept_where_it_is_so_already() {
        let at = |ms| OrderId::v7(Timestamp::from_unix_ms(ms), [7; 10]);
        let (early, late) = (at(1_000), at(1_001));
        assert_eq!(late.after(early), late);
        for not_later in [early, late] {
            let next = not_later.after(late);
            assert!(late < next && next < at(1_002), "{next}");
            assert_eq!(next.to_string().parse(), Ok(next));
            assert!(next < not_later.after(next));
        }
    }

    #[test]
    fn ids_survive_text_and_refuse_other_spellings() {
        let id = CartId::v4([7; 16]);
        assert_eq!(id.to_string().parse::<CartId>(), Ok(id));
        for bad in
            ["", "x", "{07070707-0707-4707-8707-070707070707}", "07070707070747078707070707070707"]
        {
            assert_eq!(bad.parse::<CartId>(), Err(InvalidId), "{bad}");
        }
    }
}
