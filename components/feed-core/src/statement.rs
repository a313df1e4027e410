//! What is handed to a database.

/// One SQL statement with its bound parameters, `?1` first.
///
/// Parameters are text only, at most 100 (Cloudflare D1's limit; here at most 8). Whoever needs a number casts in the
/// statement: between Rust and SQLite there may be JavaScript, whose numbers end at 2^53.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement, at most 100 KB long (D1's limit).
    pub sql: String,
    /// The parameters in order.
    pub params: Vec<String>,
}

impl Statement {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }

    pub(crate) fn with<const N: usize>(sql: impl Into<String>, params: [String; N]) -> Self {
        Self { sql: sql.into(), params: params.into() }
    }
}
