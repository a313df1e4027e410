//! Texts with `{{ variable }}` in them.

use std::collections::BTreeMap;

use crate::{ManifestError, Secret};

/// A text in which `{{ name }}` stands for a variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Reads `text`; `owner` says in errors where it stands.
    ///
    /// # Errors
    /// If `{{` is not closed or a name between the braces is not in lower snake case. `}}` alone is text, as in JSON.
    pub fn parse(text: &str, owner: &str) -> Result<Self, ManifestError> {
        let broken = |reason| ManifestError::Template { owner: owner.to_owned(), reason };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, tail)) = after.split_once("}}") else {
                return Err(broken("`{{` without `}}`"));
            };
            let name = name.trim();
            if !is_lower_snake(name) {
                return Err(broken("only the name of a variable may stand between `{{` and `}}`"));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Returns the names it refers to, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Puts `values` in; `owner` says in errors where the text stands.
    ///
    /// # Errors
    /// If a name has no value.
    pub fn fill(
        &self,
        values: &BTreeMap<String, Secret>,
        owner: &str,
    ) -> Result<Secret, ManifestError> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Variable(name) => match values.get(name) {
                    Some(value) => text.push_str(value.expose()),
                    None => {
                        return Err(ManifestError::TemplateUnknown {
                            owner: owner.to_owned(),
                            name: name.clone(),
                        });
                    }
                },
            }
        }
        Ok(Secret::new(text))
    }
}

/// Whether `name` is in lower snake case, the first word starting with a letter.
pub(crate) fn is_lower_snake(name: &str) -> bool {
    is_cased(name, '_') && !name.contains(|c: char| c.is_ascii_uppercase())
}

/// Whether `name` is kebab-case, the first word starting with a letter.
pub(crate) fn is_kebab(name: &str) -> bool {
    is_cased(name, '-')
}

/// Whether `name` may label a store or database.
pub(crate) fn is_label(name: &str) -> bool {
    is_kebab(name) || is_cased(name, '_')
}

/// Spin's rule for ids: words of letters and digits, each wholly in lower or wholly in upper case.
fn is_cased(name: &str, separator: char) -> bool {
    name.split(separator).enumerate().all(|(at, word)| {
        let first = word.bytes().next();
        first.is_some_and(|first| first.is_ascii_alphabetic() || (at > 0 && first.is_ascii_digit()))
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !(word.contains(|c: char| c.is_ascii_uppercase())
                && word.contains(|c: char| c.is_ascii_lowercase()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, ManifestError> {
        let values = BTreeMap::from([
            ("host".to_owned(), Secret::new("a.example")),
            ("port".to_owned(), Secret::new("81")),
        ]);
        let template = Template::parse(text, "test")?;
        template.fill(&values, "test").map(|value| value.expose().to_owned())
    }

    #[test]
    fn fills_values_where_names_stand() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("{{ host }}", "a.example"),
            ("http://{{host}}:{{ port }}/x", "http://a.example:81/x"),
            ("{ not a template }", "{ not a template }"),
            ("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"),
            ("}}{{host}}}}", "}}a.example}}"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_broken_braces_and_unknown_names() {
        for text in ["{{ host", "{{{ host }}", "{{ a b }}", "{{ Host }}", "{{}}", "{{ missing }}"] {
            assert!(filled(text).is_err(), "{text}");
        }
    }

    #[test]
    fn knows_kebab_and_snake() {
        for name in ["a", "shop-api", "shop2-api", "shop-2api", "shop-API"] {
            assert!(is_kebab(name), "{name}");
        }
        for name in ["", "-a", "a-", "shop--api", "2shop", "shopApi", "shop_api", "shöp"] {
            assert!(!is_kebab(name), "{name}");
        }
        for name in ["a", "edge_secret", "a2_b3", "a_2"] {
            assert!(is_lower_snake(name), "{name}");
        }
        for name in ["", "_a", "a__b", "Edge", "a-b", "2a"] {
            assert!(!is_lower_snake(name), "{name}");
        }
    }
}
