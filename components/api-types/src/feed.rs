//! The replication feed between an origin and the edges: wire types only.
//!
//! Generic on purpose: a feed carries tables, rows and positions, never a product. Two resources
//! exist. [`SNAPSHOT_PATH`] answers `application/x-ndjson`, one [`SnapshotLine`] per line: a header,
//! rows, and an end that proves the snapshot whole. [`CHANGES_PATH`] answers one [`Changes`] and
//! waits when nothing is newer. Both ask for `Authorization: Bearer` with what [`bearer`] derives from
//! the edge's secret.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

/// Where an origin serves whole copies.
pub const SNAPSHOT_PATH: &str = "/internal/feed/snapshot";
/// Where an origin serves what came after a position.
pub const CHANGES_PATH: &str = "/internal/feed/changes";
/// Media type of a snapshot: one JSON value per line.
pub const SNAPSHOT_MEDIA_TYPE: &str = "application/x-ndjson";

/// The edge's secret that `spin.toml` names by default, so that `spin up` needs an origin's address and nothing else.
///
/// Everybody knows it. An origin believes it only when it was started with `--allow-development-secret`, which it takes
/// on a loopback address alone.
pub const DEVELOPMENT_SECRET: &str = "development";

/// What [`bearer`] signs: one word per use of the secret, so that no use gives away another.
const BEARER_CONTEXT: &[u8] = b"vitrine feed v1";

/// Derives the feed's bearer token: HMAC-SHA256 over a constant, keyed by the edge's secret, as lower-case hex.
///
/// The token travels with every poll and may end in the log of a proxy; the secret also keys the identities that the
/// origin believes, so it never travels itself.
#[must_use]
pub fn bearer(edge_secret: &[u8]) -> String {
    // HMAC takes keys of any length (RFC 2104, section 3); the type's error cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(edge_secret) else { return String::new() };
    mac.update(BEARER_CONTEXT);
    mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

/// One line of a snapshot, as `{"header":…}`, `{"row":…}` or `{"end":…}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotLine {
    /// Always the first line, and only there.
    Header(SnapshotHeader),
    /// One row of one table.
    Row(SnapshotRow),
    /// Always the last line; a snapshot without it is incomplete and must be discarded.
    End(SnapshotEnd),
}

/// What a snapshot is a copy of, and how to build the tables it fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// The unbroken history that positions belong to: 1 to 64 of `[A-Za-z0-9_-]`.
    pub epoch: String,
    /// Position of the last transaction the copy contains; 0 when there was none yet.
    pub position: u64,
    /// Version of `schema`; another version is another file.
    pub schema_version: u32,
    /// `CREATE …` statements, one per entry, in the order in which to run them.
    pub schema: Vec<String>,
    /// The tables that rows and changes may name.
    pub tables: Vec<FeedTable>,
}

/// One replicated table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedTable {
    /// Table name, `[a-z_][a-z0-9_]*`.
    pub name: String,
    /// Column names in the order of every `values` list.
    pub columns: Vec<String>,
    /// The columns that identify a row, in the order of every `key` list; a unique index covers them.
    pub key: Vec<String>,
}

/// One row of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// A table of the header.
    pub table: String,
    /// One value per column, in the header's order.
    pub values: Vec<FeedValue>,
}

/// The proof that a snapshot arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEnd {
    /// How many row lines were sent.
    pub rows: u64,
    /// The header's position again.
    pub position: u64,
}

/// What happened after a position, whole transactions only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// The history these positions belong to.
    pub epoch: String,
    /// Version of the tables' shape.
    pub schema_version: u32,
    /// The position asked for: the first transaction comes directly after it.
    pub from: u64,
    /// The position that a copy has reached with this answer: that of its last transaction, or a later
    /// one when those in between changed nothing that is replicated; `from` when nothing is newer.
    pub to: u64,
    /// The origin's newest position when it answered.
    pub head: u64,
    /// In commit order, positions strictly increasing.
    pub transactions: Vec<FeedTransaction>,
}

/// One transaction of the origin: applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedTransaction {
    /// Its place in the order of commits, from 1.
    pub position: u64,
    /// When the origin committed it, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it did, in the order in which to repeat it.
    pub changes: Vec<FeedChange>,
}

/// One change of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum FeedChange {
    /// The row now has these values, whether it existed or not.
    Put {
        /// A table of the snapshot's header.
        table: String,
        /// One value per column, in the header's order.
        values: Vec<FeedValue>,
    },
    /// The row is gone; one that never existed is gone too.
    Delete {
        /// A table of the snapshot's header.
        table: String,
        /// One value per key column, in the header's order.
        key: Vec<FeedValue>,
    },
}

/// A value of a row. In JSON: `null`, a boolean, a number, a string, or `{"b64":"…"}` for bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedValue {
    /// SQL `NULL`.
    Null,
    /// Stored as the integer 0 or 1.
    Bool(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A double. Not-a-number and infinities have no JSON form and are written as `null`.
    Real(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes, as standard base64 with padding.
    Base64(String),
}

// === impl FeedValue ===

impl From<i64> for FeedValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for FeedValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for FeedValue {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<String> for FeedValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for FeedValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for FeedValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Serialize for FeedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Real(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Base64(value) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("b64", value)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for FeedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FeedValueVisitor)
    }
}

struct FeedValueVisitor;

impl<'de> Visitor<'de> for FeedValueVisitor {
    type Value = FeedValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("null, a boolean, a number, a string or {\"b64\": string}")
    }

    fn visit_unit<E: de::Error>(self) -> Result<FeedValue, E> {
        Ok(FeedValue::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<FeedValue, E> {
        Ok(FeedValue::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<FeedValue, E> {
        Ok(FeedValue::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<FeedValue, E> {
        i64::try_from(value)
            .map(FeedValue::Integer)
            .map_err(|_| E::custom("integer does not fit 64 bits with a sign"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<FeedValue, E> {
        Ok(FeedValue::Real(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<FeedValue, E> {
        Ok(FeedValue::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<FeedValue, E> {
        Ok(FeedValue::Text(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FeedValue, A::Error> {
        let Some((name, text)) = map.next_entry::<String, String>()? else {
            return Err(de::Error::custom("an empty object is not a value"));
        };
        if name != "b64" || map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom("an object must be {\"b64\": string} and no more"));
        }
        Ok(FeedValue::Base64(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &FeedValue, json: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), json);
        assert_eq!(&serde_json::from_str::<FeedValue>(json).unwrap(), value);
    }

    #[test]
    fn the_bearer_token_is_derived_and_never_the_secret() {
        let secret = b"0123456789abcdef0123456789abcdef";
        assert_eq!(
            bearer(secret),
            "f70468e6950abb72a299c78baed976391e492018a9941b9d168e97757c194476"
        );
        assert_ne!(bearer(secret), bearer(b"another"));
    }

    #[test]
    fn values_keep_their_type_through_json() {
        check(&FeedValue::Null, "null");
        check(&FeedValue::Bool(true), "true");
        check(&FeedValue::Integer(i64::MIN), "-9223372036854775808");
        check(&FeedValue::Real(5.0), "5.0");
        check(&FeedValue::from("a\"b"), "\"a\\\"b\"");
        check(&FeedValue::Base64("AAE=".to_owned()), "{\"b64\":\"AAE=\"}");
    }

    #[test]
    fn refuses_what_no_column_can_hold() {
        for json in ["[]", "{}", "{\"x\":\"\"}", "{\"b64\":\"\",\"x\":\"\"}", "9223372036854775808"]
        {
            assert!(serde_json::from_str::<FeedValue>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn lines_and_changes_have_the_documented_shape() {
        let row = SnapshotRow { table: "t".to_owned(), values: vec![1.into(), FeedValue::Null] };
        assert_eq!(
            serde_json::to_string(&SnapshotLine::Row(row)).unwrap(),
            r#"{"row":{"table":"t","values":[1,null]}}"#
        );
        let end = SnapshotLine::End(SnapshotEnd { rows: 1, position: 7 });
        assert_eq!(serde_json::to_string(&end).unwrap(), r#"{"end":{"rows":1,"position":7}}"#);
        let change: FeedChange =
            serde_json::from_str(r#"{"table":"t","op":"delete","key":["a"]}"#).unwrap();
        assert_eq!(change, FeedChange::Delete { table: "t".to_owned(), key: vec!["a".into()] });
    }
}
