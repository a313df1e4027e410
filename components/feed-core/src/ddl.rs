//! Reads just enough of a `CREATE …` statement to know what it creates, and that it does nothing else.

use serde::{Deserialize, Serialize};

use crate::names;

/// What a statement of a schema creates. Indexes are left out: they go with their table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    // In the order in which objects are dropped: a trigger first, for it names the tables below, then a virtual table,
    // whose content may be a table.
    Trigger,
    VirtualTable,
    Table,
}

/// One object that a schema created, to be dropped with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Object {
    pub(crate) fn drop_sql(&self) -> String {
        let kind = if self.kind == Kind::Trigger { "TRIGGER" } else { "TABLE" };
        format!("DROP {kind} IF EXISTS {}", names::quoted(&self.name))
    }
}

/// Longest statement: 64 KiB. D1 takes 100 KB.
const STATEMENT_BYTES_MAX: usize = 64 * 1024;

/// Says what `statement` creates; `None` for an index. Refuses everything else, and a second statement behind the first.
pub(crate) fn object(statement: &str) -> Result<Option<Object>, String> {
    let refuse = |why: &str| Err(format!("schema statement {why}: {}", shown(statement)));
    if statement.len() > STATEMENT_BYTES_MAX {
        return refuse("is too long");
    }
    let Some(tokens) = tokens(statement) else {
        return refuse("has a comment or an open quote");
    };
    let lower: Vec<String> = tokens.iter().map(|token| token.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    let (kind, name) = match words.as_slice() {
        ["create", "table", name, "(", ..] => (Some(Kind::Table), name),
        ["create", "virtual", "table", name, "using", ..] => (Some(Kind::VirtualTable), name),
        ["create", "index", name, "on", ..] | ["create", "unique", "index", name, "on", ..] => {
            (None, name)
        }
        ["create", "trigger", name, ..] => (Some(Kind::Trigger), name),
        _ => return refuse("creates no table, index or trigger"),
    };
    if !tokens.iter().any(|token| token == name) || !names::is_object(name) {
        return refuse("has a name that is not allowed");
    }
    let is_one =
        if kind == Some(Kind::Trigger) { is_one_trigger(&words) } else { !words.contains(&";") };
    if !is_one {
        return refuse("is not one statement");
    }
    Ok(kind.map(|kind| Object { kind, name: (*name).to_owned() }))
}

/// Whether the `END` that closes the trigger's body is the last word, and semicolons are within the body only.
fn is_one_trigger(words: &[&str]) -> bool {
    let Some(begin) = words.iter().position(|word| *word == "begin") else { return false };
    let (head, body) = words.split_at(begin);
    let mut cases = 0_usize;
    let mut rest = body.iter();
    while let Some(word) = rest.next() {
        match *word {
            "case" => cases = cases.saturating_add(1),
            "end" if cases == 0 => return rest.next().is_none() && !head.contains(&";"),
            "end" => cases = cases.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Splits into words, single signs and whole quotations (as `'`, their text does not matter). `None` when a quotation
/// does not end, or at a comment: nothing here needs one.
fn tokens(statement: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut signs = statement.chars().peekable();
    while let Some(sign) = signs.next() {
        if sign.is_alphanumeric() || matches!(sign, '_' | '$') || !sign.is_ascii() {
            word.push(sign);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        match sign {
            '\0' => return None,
            '-' if signs.peek() == Some(&'-') => return None,
            '/' if signs.peek() == Some(&'*') => return None,
            // A doubled quote inside is two quotations side by side: the same extent.
            '\'' | '"' | '`' | '[' => {
                let end = if sign == '[' { ']' } else { sign };
                signs.find(|sign| *sign == end)?;
                tokens.push("'".to_owned());
            }
            space if space.is_ascii_whitespace() => {}
            other => tokens.push(other.to_string()),
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    Some(tokens)
}

fn shown(statement: &str) -> String {
    statement.chars().take(60).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use api_types::read_model;

    use super::*;

    #[track_caller]
    fn check(statement: &str, kind: Option<Kind>, name: &str) {
        let expected = kind.map(|kind| Object { kind, name: name.to_owned() });
        assert_eq!(object(statement), Ok(expected), "{statement}");
    }

    #[test]
    fn knows_what_is_created() {
        check("CREATE TABLE t (a TEXT DEFAULT ';')", Some(Kind::Table), "t");
        check("create virtual table f USING fts5 (a)", Some(Kind::VirtualTable), "f");
        check("CREATE UNIQUE INDEX i ON t (a)", None, "i");
        check(
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 'END'; END",
            Some(Kind::Trigger),
            "x",
        );
    }

    #[test]
    fn knows_everything_that_edges_hold() {
        let objects: Vec<Object> =
            read_model::DDL.iter().filter_map(|statement| object(statement).unwrap()).collect();
        for table in read_model::TABLES {
            let object = Object { kind: Kind::Table, name: table.name.to_owned() };
            assert!(objects.contains(&object), "{}", table.name);
        }
        assert_eq!(objects.iter().filter(|object| object.kind == Kind::Trigger).count(), 3);
    }

    #[test]
    fn refuses_whatever_does_more_or_something_else() {
        for statement in [
            "",
            "CREATE",
            "CREATE TABLE",
            "DROP TABLE t",
            "PRAGMA x",
            "ATTACH 'x' AS y",
            "CREATE TABLE t (a); DROP TABLE t",
            "CREATE TABLE t (a);",
            "CREATE TABLE main.t (a)",
            "CREATE TABLE T (a)",
            "CREATE TABLE \"t\" (a)",
            "CREATE TABLE IF NOT EXISTS t (a)",
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE _vitrine_replica (a)",
            "CREATE TABLE sqlite_x (a)",
            "CREATE TEMP TABLE t (a)",
            "CREATE VIEW v AS SELECT 1",
            "CREATE TABLE t (a) -- x",
            "CREATE TABLE t (a /* x */)",
            "CREATE TABLE t (a DEFAULT 'x)",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DROP TABLE t",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DROP TABLE t; SELECT 1; END",
            "CREATE TRIGGER x AFTER INSERT ON t; BEGIN SELECT 1; END",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;",
            "CREATE TRIGGER x AFTER INSERT ON t",
        ] {
            assert!(object(statement).is_err(), "{statement}");
        }
    }
}
