//! Where a page ended: the sort key and id of its last row, sealed to the query it belongs to.
//!
//! A cursor is opaque to clients. It carries nothing secret and is only ever bound as a parameter, so a forged one
//! can do no more than start a page elsewhere; the seal catches the honest mistake of mixing two queries.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::SqlValue;

/// Longest cursor, in bytes of its text: a title of 500 bytes and change.
pub const CURSOR_BYTES_MAX: usize = 1_024;

/// The last row of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// Its value in the order's column.
    pub key: SqlValue,
    /// Its id, which breaks ties.
    pub id: i64,
}

impl Cursor {
    /// Writes the cursor for the query with this seal. `None` where the key is of a kind that no order has.
    #[must_use]
    pub fn seal(&self, seal: u64) -> Option<String> {
        let id = self.id;
        let text = match &self.key {
            SqlValue::Integer(key) => format!("{seal:016x}.{id}.i{key}"),
            SqlValue::Real(key) => format!("{seal:016x}.{id}.r{:016x}", key.to_bits()),
            SqlValue::Text(key) => format!("{seal:016x}.{id}.t{key}"),
            SqlValue::Null | SqlValue::Blob(_) => return None,
        };
        Some(URL_SAFE_NO_PAD.encode(text))
    }

    /// Reads a cursor; `None` when it is none, or one of another query.
    #[must_use]
    pub fn open(text: &str, seal: u64) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (sealed, rest) = text.split_once('.')?;
        let (id, key) = rest.split_once('.')?;
        if sealed != format!("{seal:016x}") {
            return None;
        }
        let key = match key.split_at_checked(1)? {
            ("i", number) => SqlValue::Integer(number.parse().ok()?),
            ("r", bits) => {
                let number = f64::from_bits(u64::from_str_radix(bits, 16).ok()?);
                SqlValue::Real(Some(number).filter(|number| number.is_finite())?)
            }
            ("t", title) => SqlValue::Text(title.to_owned()),
            _ => return None,
        };
        Some(Self { key, id: id.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = SqlValue> {
        prop_oneof![
            any::<i64>().prop_map(SqlValue::Integer),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(SqlValue::Real),
            ".{0,80}".prop_map(SqlValue::Text),
        ]
    }

    proptest! {
        #[test]
        fn comes_back_as_it_went(key in key(), id: i64, seal: u64) {
            let cursor = Cursor { key, id };
            let text = cursor.seal(seal).unwrap();
            prop_assert_eq!(Cursor::open(&text, seal), Some(cursor));
            prop_assert_eq!(Cursor::open(&text, seal.wrapping_add(1)), None);
        }

        #[test]
        fn never_breaks_on_garbage(text in "\\PC{0,200}") {
            prop_assert_eq!(Cursor::open(&text, 7), None);
        }
    }

    #[test]
    fn refuses_numbers_that_are_none() {
        let text = format!("{:016x}.1.r{:016x}", 7, f64::NAN.to_bits());
        assert_eq!(Cursor::open(&URL_SAFE_NO_PAD.encode(text), 7), None);
    }
}
