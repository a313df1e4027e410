//! Spellings of paths.

use proptest::prelude::*;

use super::*;

#[test]
fn one_reading_is_normalised_and_two_are_refused() {
    use PathError::{Ambiguous, BadCharacter, BadEncoding};
    for (raw, expected) in [
        ("/", Ok("/")),
        ("//", Ok("/")),
        ("/v1/products", Ok("/v1/products")),
        ("/v1/products/", Ok("/v1/products")),
        ("//v1///products//", Ok("/v1/products")),
        ("/%761/products", Ok("/v1/products")),
        ("/v1/%70roducts", Ok("/v1/products")),
        ("/v1/%70%72oducts", Ok("/v1/products")),
        ("/caf%c3%a9", Ok("/caf%C3%A9")),
        ("/a%20b", Ok("/a%20b")),
        ("/a+b:c@d;e=f,g", Ok("/a+b:c@d;e=f,g")),
        ("/.well-known/jwks.json", Ok("/.well-known/jwks.json")),
        ("/...", Ok("/...")),
        ("/a%3Fb", Ok("/a%3Fb")),
        ("/a%7eb", Ok("/a~b")),
        ("", Err(BadCharacter)),
        ("v1", Err(BadCharacter)),
        ("*", Err(BadCharacter)),
        ("/a\\b", Err(BadCharacter)),
        ("/a b", Err(BadCharacter)),
        ("/caf\u{e9}", Err(BadCharacter)),
        ("/a\u{0}", Err(BadCharacter)),
        ("/a\"b", Err(BadCharacter)),
        ("/<script>", Err(BadCharacter)),
        ("/a%", Err(BadEncoding)),
        ("/a%2", Err(BadEncoding)),
        ("/a%zz", Err(BadEncoding)),
        ("/a%u0041", Err(BadEncoding)),
        ("/v1%2fcarts", Err(Ambiguous)),
        ("/v1%2Fcarts", Err(Ambiguous)),
        ("/v1/%5ccarts", Err(Ambiguous)),
        ("/v1/%2e%2e/x", Err(Ambiguous)),
        ("/v1/.%2e/x", Err(Ambiguous)),
        ("/v1/../x", Err(Ambiguous)),
        ("/v1/./x", Err(Ambiguous)),
        ("/..", Err(Ambiguous)),
        ("/%252e", Err(Ambiguous)),
        ("/a%00", Err(Ambiguous)),
        ("/a%0d%0aset-cookie:x", Err(Ambiguous)),
        ("/a%7f", Err(Ambiguous)),
    ] {
        assert_eq!(normalise(raw), expected.map(Cow::Borrowed), "{raw}");
        assert_eq!(is_normal(raw), expected == Ok(raw) && !raw.contains('%'), "{raw}");
    }
    assert_eq!(normalise(&"/a".repeat(2_000)), Err(PathError::TooLong));
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(raw in "/[a-zA-Z0-9%./~_-]{0,40}") {
        if let Ok(once) = normalise(&raw) {
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.contains("//"));
            prop_assert_eq!(is_normal(&once), !once.contains('%'));
            prop_assert_eq!(normalise(&once), Ok(once.clone()));
        }
    }

    #[test]
    fn every_input_is_answered(raw in "\\PC{0,60}") {
        let _ = normalise(&raw);
    }
}
