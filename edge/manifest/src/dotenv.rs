//! The lines of a `.env` file: names and values, as the environment would hold them.

use crate::Secret;

/// Why a `.env` file is refused, without the value in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DotenvError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

/// Reads `NAME=value` lines: comments, `export`, and values bare, in `'…'` or in `"…"`. Of two equal names the last
/// counts.
///
/// # Errors
/// At the first line that is none of these. A `$` that would be replaced elsewhere is refused instead of misread: write
/// it in single quotes or as `\$`.
pub fn dotenv(text: &str) -> Result<Vec<(String, Secret)>, DotenvError> {
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let refused = |reason| DotenvError { line: at.saturating_add(1), reason };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, value) = line.split_once('=').ok_or_else(|| refused("it has no `=`"))?;
        let name = name.trim_end();
        if !is_name(name) {
            return Err(refused("its name is none: letters, digits, `_` and `.`, no digit first"));
        }
        pairs
            .push((name.to_owned(), Secret::new(read_value(value.trim_start()).map_err(refused)?)));
    }
    Ok(pairs)
}

fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(is_good)
}

/// How the next character of a value is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

fn read_value(text: &str) -> Result<String, &'static str> {
    let (mut value, mut quotes) = (String::new(), Quotes::None);
    // What follows a bare word's spaces decides whether they belonged to it.
    let mut spaces = false;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if spaces && letter == '#' {
            return Ok(value);
        }
        match (quotes, letter) {
            (Quotes::None, ' ' | '\t' | '\r') => {
                spaces = true;
                continue;
            }
            _ if spaces => return Err("a value with spaces needs quotes"),
            (Quotes::None, '\'') => quotes = Quotes::Single,
            (Quotes::None, '"') => quotes = Quotes::Double,
            (Quotes::Single, '\'') | (Quotes::Double, '"') => quotes = Quotes::None,
            (Quotes::None | Quotes::Double, '$') => {
                return Err("`$` is not replaced here: write it in single quotes or as `\\$`");
            }
            (Quotes::None | Quotes::Double, '\\') => {
                value.push(escaped(letters.next(), quotes)?);
            }
            (_, letter) => value.push(letter),
        }
    }
    if quotes == Quotes::None { Ok(value) } else { Err("a quote is never closed") }
}

fn escaped(letter: Option<char>, quotes: Quotes) -> Result<char, &'static str> {
    match letter {
        Some('n') if quotes == Quotes::Double => Ok('\n'),
        Some(letter @ ('\\' | '"' | '\'' | '$' | ' ')) => Ok(letter),
        _ => Err("a `\\` stands before something that needs none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, DotenvError> {
        let pairs = dotenv(text)?.into_iter();
        Ok(pairs.map(|(name, value)| (name, value.expose().to_owned())).collect())
    }

    #[test]
    fn reads_lines_as_the_environment_would_hold_them() {
        for (text, expected) in [
            ("", vec![]),
            ("# a\n\n  \n", vec![]),
            ("A=1\nB = 2\n", vec![("A", "1"), ("B", "2")]),
            ("export A=1\r\n", vec![("A", "1")]),
            ("A=", vec![("A", "")]),
            ("A=x # note", vec![("A", "x")]),
            ("A=x#y", vec![("A", "x#y")]),
            ("A='a b $c'", vec![("A", "a b $c")]),
            (r#"A="a \"b\"\n\$c""#, vec![("A", "a \"b\"\n$c")]),
            (r"A=p\$w", vec![("A", "p$w")]),
            ("A=a=b", vec![("A", "a=b")]),
            ("A='a'\"b\"c", vec![("A", "abc")]),
        ] {
            let expected = expected.into_iter().map(|(name, value)| (name.into(), value.into()));
            assert_eq!(read(text), Ok(expected.collect()), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_would_misread_and_shows_no_value() {
        for text in [
            "A",
            "=s3cret",
            "1A=s3cret",
            "A=s3cret b",
            "A='s3cret",
            "A=\"s3cret",
            "A=$s3cret",
            "A=s3cret\\x",
            "A-B=s3cret",
        ] {
            let error = read(&format!("# note\n{text}")).expect_err(text);
            assert_eq!(error.line, 2, "{text}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
