//! Names that come from outside: checked, then quoted.

/// Longest name of a table, column or other object.
const NAME_BYTES_MAX: usize = 64;
/// Longest epoch.
const EPOCH_BYTES_MAX: usize = 64;
/// Beginnings that no feed may use: ours, SQLite's and D1's own tables.
const RESERVED: [&str; 3] = ["_vitrine", "sqlite_", "_cf_"];

pub(crate) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a feed may create or fill an object of this name.
pub(crate) fn is_object(name: &str) -> bool {
    is_identifier(name) && !RESERVED.iter().any(|reserved| name.starts_with(reserved))
}

pub(crate) fn is_epoch(epoch: &str) -> bool {
    (1..=EPOCH_BYTES_MAX).contains(&epoch.len())
        && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// An identifier as SQL. [`is_identifier`] has left nothing in it that could end the quotes.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{identifier}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_nothing_more() {
        for name in ["a", "_a", "products_fts", "t2"] {
            assert!(is_object(name), "{name}");
        }
        let long = "x".repeat(65);
        for name in ["", "A", "1a", "a b", "a\"b", "a;b", "ä", "a--", &long] {
            assert!(!is_identifier(name), "{name}");
        }
        for name in ["_vitrine_replica", "sqlite_master", "_cf_kv"] {
            assert!(!is_object(name), "{name}");
        }
    }

    #[test]
    fn epochs_are_short_and_plain() {
        assert!(is_epoch("a-B_9"));
        for epoch in ["", "../x", "a.b", &"x".repeat(65)] {
            assert!(!is_epoch(epoch), "{epoch}");
        }
    }
}
