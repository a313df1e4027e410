//! Turns what a shopper typed into a match expression that says nothing but words.
//!
//! FTS5 has a query language (`AND`, `NEAR`, `column:`, `^`, `-`); none of the shopper's text may reach it. Only
//! letters and digits survive, each word in quotes, so the expression cannot be anything but a list of words.

/// Most words looked for; further ones are dropped. Each costs one walk of a posting list.
pub const TERMS_MAX: usize = 8;
/// Longest part of a word that is looked for, in characters.
pub const TERM_CHARS_MAX: usize = 32;
/// Longest `q`, in characters; longer is refused.
pub const QUERY_CHARS_MAX: usize = 200;

/// Returns the match expression for `text`: every word must occur, the last one as a prefix (it may be half typed).
/// `None` when there is no letter and no digit in it.
#[must_use]
pub fn match_expression(text: &str) -> Option<String> {
    let mut expression = String::with_capacity(text.len().saturating_add(16));
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words.take(TERMS_MAX) {
        if !expression.is_empty() {
            expression.push(' ');
        }
        expression.push('"');
        expression.extend(word.chars().take(TERM_CHARS_MAX));
        expression.push('"');
    }
    if expression.is_empty() {
        return None;
    }
    expression.push('*');
    Some(expression)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_words_and_nothing_of_the_query_language() {
        for (typed, expected) in [
            ("oak", Some("\"oak\"*")),
            ("  Oak   chai", Some("\"Oak\" \"chai\"*")),
            ("title:oak OR NOT -chair", Some("\"title\" \"oak\" \"OR\" \"NOT\" \"chair\"*")),
            ("\"oak\" * ^ ( NEAR", Some("\"oak\" \"NEAR\"*")),
            ("x\"; DROP TABLE products; --", Some("\"x\" \"DROP\" \"TABLE\" \"products\"*")),
            ("Stühle 椅子", Some("\"Stühle\" \"椅子\"*")),
            ("***", None),
            ("", None),
        ] {
            assert_eq!(match_expression(typed).as_deref(), expected, "{typed}");
        }
    }

    proptest! {
        #[test]
        fn every_expression_is_quoted_words_and_a_star(text in ".{0,300}") {
            if let Some(expression) = match_expression(&text) {
                let words = expression.strip_suffix('*').unwrap();
                prop_assert!(words.split(' ').count() <= TERMS_MAX);
                for word in words.split(' ') {
                    let inner = word.strip_prefix('"').and_then(|w| w.strip_suffix('"')).unwrap();
                    prop_assert!(!inner.is_empty() && inner.chars().all(char::is_alphanumeric));
                }
            }
        }
    }
}
