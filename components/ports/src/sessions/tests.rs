//! What is asked of the copy, and what is made of its rows.

use api_types::read_model::TABLES;
use futures::executor::block_on;

use super::*;

/// Answers every query with the same rows and checks its parameters.
struct Copy {
    rows: Result<Vec<Vec<SqlValue>>, SqlError>,
    parameters: Vec<SqlValue>,
}

impl Sql for Copy {
    async fn query(&self, _: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        assert_eq!(parameters, self.parameters);
        self.rows.clone().map(|rows| Rows { rows })
    }
}

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

#[test]
fn one_bad_row_does_not_hide_the_other_keys() {
    let good = || vec![text("k1"), text("{}"), SqlValue::Integer(7)];
    let rows = vec![
        vec![text("k0"), SqlValue::Null, SqlValue::Integer(7)],
        vec![text("k0"), text("{}")],
        vec![text("k0"), text("{}"), text("7")],
        good(),
        Vec::new(),
    ];
    let keys = block_on(signing_keys(&Copy { rows: Ok(rows), parameters: Vec::new() }));
    let expires_at = Timestamp::from_unix_ms(7);
    let expected = SigningKey { kid: "k1".to_owned(), jwk_json: "{}".to_owned(), expires_at };
    assert_eq!(keys, Ok(vec![expected]));
}

#[test]
fn a_session_is_revoked_where_the_copy_names_it() {
    for (rows, expected) in [
        (Ok(Vec::new()), Ok(false)),
        (Ok(vec![vec![SqlValue::Integer(1)]]), Ok(true)),
        (Err(SqlError::NotReady), Err(SqlError::NotReady)),
    ] {
        let copy = Copy { rows, parameters: vec![text("s1")] };
        assert_eq!(block_on(is_revoked(&copy, "s1")), expected);
    }
}

#[test]
fn the_statements_name_tables_and_columns_that_the_feed_fills() {
    for (statement, table, columns) in [
        (KEYS_QUERY, "signing_keys", &["kid", "jwk_json", "expires_at_ms"][..]),
        (REVOKED_QUERY, "revocations", &["session_id"]),
    ] {
        let known = TABLES.iter().find(|known| known.name == table).unwrap();
        assert!(statement.contains(&format!("FROM {table} ")));
        for column in columns {
            assert!(statement.contains(column) && known.columns.contains(column), "{column}");
        }
    }
    assert!(KEYS_QUERY.ends_with(&format!("LIMIT {SIGNING_KEYS_MAX}")));
}
