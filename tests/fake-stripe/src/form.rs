//! Reads `application/x-www-form-urlencoded`.

use percent_encoding::percent_decode_str;

/// Fields in the order they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(text: &str) -> Self {
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        let fields = text.split('&').filter(|field| !field.is_empty()).map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (decode(name), decode(value))
        });
        Self(fields.collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The name of a field that is none of these; one that ends in `[` allows everything below it.
    pub(crate) fn stranger(&self, allowed: &[&str]) -> Option<&str> {
        let is_known = |field: &str| {
            allowed
                .iter()
                .any(|name| field == *name || (name.ends_with('[') && field.starts_with(name)))
        };
        self.0.iter().map(|(field, _)| field.as_str()).find(|field| !is_known(field))
    }

    pub(crate) fn metadata(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0.iter().filter_map(|(field, value)| {
            let key = field.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((key.to_owned(), value.clone()))
        })
    }

    /// Whether this was asked to be expanded.
    pub(crate) fn expands(&self, what: &str) -> bool {
        self.0.iter().any(|(field, value)| field.starts_with("expand[") && value == what)
    }
}
