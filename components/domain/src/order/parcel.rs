//! Parcels that leave and pieces that come back.

use serde::{Deserialize, Serialize};

use super::step::PiecesOf;
use crate::{FulfilmentId, LineId, LocationId, RefundId, ReturnId};

/// Longest name of a carrier, in characters.
pub const CARRIER_CHARS_MAX: usize = 40;
/// Longest tracking number, in bytes.
pub const TRACKING_BYTES_MAX: usize = 64;
/// Longest tracking address, in bytes.
pub const TRACKING_URL_BYTES_MAX: usize = 512;

/// Where a parcel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FulfilmentStatus {
    /// Being packed.
    Pending,
    /// Left the house.
    Shipped,
    /// Arrived.
    Delivered,
    /// Unpacked again before it left.
    Cancelled,
}

impl FulfilmentStatus {
    /// Tells whether its pieces have left the house.
    #[must_use]
    pub const fn has_left(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered)
    }
}

/// Refused parts of a [`Tracking`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTracking {
    /// The carrier's name.
    #[error("a carrier is 1 to 40 characters")]
    Carrier,
    /// The number.
    #[error("a tracking number is 1 to 64 printable ASCII characters")]
    Number,
    /// The address.
    #[error("a tracking address is an https URL of up to 512 bytes")]
    Url,
}

/// How a parcel can be followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TrackingParts", into = "TrackingParts")]
pub struct Tracking {
    carrier: String,
    number: Option<String>,
    url: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrackingParts {
    carrier: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Tracking {
    /// Takes what the carrier gave; the address ends up as a link in front of shoppers, so it is https or nothing.
    ///
    /// # Errors
    /// [`InvalidTracking`] with the first part that is not well-formed.
    pub fn new(
        carrier: &str,
        number: Option<&str>,
        url: Option<&str>,
    ) -> Result<Self, InvalidTracking> {
        let carrier = carrier.trim();
        let is_plain = !carrier.is_empty() && !carrier.chars().any(char::is_control);
        if !is_plain || carrier.chars().count() > CARRIER_CHARS_MAX {
            return Err(InvalidTracking::Carrier);
        }
        let is_graphic = |text: &str, max: usize| {
            (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if number.is_some_and(|text| !is_graphic(text, TRACKING_BYTES_MAX)) {
            return Err(InvalidTracking::Number);
        }
        let is_link = |text: &str| {
            text.strip_prefix("https://")
                .is_some_and(|rest| is_graphic(rest, TRACKING_URL_BYTES_MAX))
        };
        if url.is_some_and(|text| !is_link(text) || text.len() > TRACKING_URL_BYTES_MAX) {
            return Err(InvalidTracking::Url);
        }
        let own = |text: &str| text.to_owned();
        Ok(Self { carrier: own(carrier), number: number.map(own), url: url.map(own) })
    }

    /// Returns who carries it.
    #[must_use]
    pub fn carrier(&self) -> &str {
        &self.carrier
    }

    /// Returns its number there.
    #[must_use]
    pub fn number(&self) -> Option<&str> {
        self.number.as_deref()
    }

    /// Returns where it can be followed.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

impl TryFrom<TrackingParts> for Tracking {
    type Error = InvalidTracking;

    fn try_from(parts: TrackingParts) -> Result<Self, InvalidTracking> {
        Self::new(&parts.carrier, parts.number.as_deref(), parts.url.as_deref())
    }
}

impl From<Tracking> for TrackingParts {
    fn from(tracking: Tracking) -> Self {
        let Tracking { carrier, number, url } = tracking;
        Self { carrier, number, url }
    }
}

/// Pieces that leave one location as one parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fulfilment {
    /// Its name.
    pub id: FulfilmentId,
    /// From where.
    pub location: LocationId,
    /// Where it stands.
    pub status: FulfilmentStatus,
    /// What is in it.
    pub lines: Vec<PiecesOf>,
    /// How it can be followed, once it has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
}

/// Where a return stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnStatus {
    /// The shopper asked.
    Requested,
    /// The shop agreed; the pieces are awaited.
    Approved,
    /// The shop did not agree.
    Rejected,
    /// Pieces came back.
    Received,
    /// Nothing will come back.
    Cancelled,
}

/// Why something comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnReason {
    /// It arrived broken, or broke.
    Damaged,
    /// It is not what was said of it.
    NotAsDescribed,
    /// It is not what was ordered.
    WrongItem,
    /// It does not fit.
    WrongSize,
    /// It came too late.
    TooLate,
    /// It is not liked, or no reason was given.
    Unwanted,
}

/// One line of a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    /// Which line of the order.
    pub line: LineId,
    /// Why.
    pub reason: ReturnReason,
    /// Pieces asked to be taken back.
    pub requested: u32,
    /// Pieces that came back and are for sale again.
    pub restocked: u32,
    /// Pieces that came back and are worthless.
    pub written_off: u32,
}

/// Pieces that come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Its name.
    pub id: ReturnId,
    /// Where it stands.
    pub status: ReturnStatus,
    /// What comes back.
    pub lines: Vec<ReturnLine>,
    /// What was given back for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundId>,
}

impl Return {
    pub(super) fn requested(&self, line: LineId) -> u32 {
        let own = self.lines.iter().filter(|own| own.line == line);
        own.map(|own| own.requested).fold(0, u32::saturating_add)
    }

    pub(super) fn received(&self, line: LineId) -> u32 {
        let own = self.lines.iter().filter(|own| own.line == line);
        own.map(|own| own.restocked.saturating_add(own.written_off)).fold(0, u32::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracking_is_plain_text_and_an_https_address() {
        let good = Tracking::new(" DHL ", Some("JD014600003"), Some("https://dhl.example/JD01"));
        let good = good.unwrap();
        assert_eq!((good.carrier(), good.number()), ("DHL", Some("JD014600003")));
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Tracking>(&text).unwrap(), good);
        use InvalidTracking as I;
        let long = "9".repeat(65);
        for (carrier, number, url, error) in [
            ("", None, None, I::Carrier),
            ("D\nL", None, None, I::Carrier),
            ("DHL", Some(""), None, I::Number),
            ("DHL", Some("1 2"), None, I::Number),
            ("DHL", Some(long.as_str()), None, I::Number),
            ("DHL", None, Some("http://dhl.example"), I::Url),
            ("DHL", None, Some("javascript:alert(1)"), I::Url),
            ("DHL", None, Some("https://"), I::Url),
        ] {
            assert_eq!(
                Tracking::new(carrier, number, url),
                Err(error),
                "{carrier} {number:?} {url:?}"
            );
        }
        assert!(serde_json::from_str::<Tracking>(r#"{"carrier":"DHL","url":"http://a"}"#).is_err());
    }
}
