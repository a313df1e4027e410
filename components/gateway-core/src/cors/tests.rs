//! The CORS protocol, row by row.

use super::*;

fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
    of.iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn reads_the_variable() {
    let listed =
        |of: &[&str]| Some(Origins::Listed(of.iter().map(|&one| one.to_owned()).collect()));
    for (text, expected) in [
        ("", listed(&[])),
        ("*", Some(Origins::All)),
        (" * ", Some(Origins::All)),
        ("https://a.example", listed(&["https://a.example"])),
        ("https://A.example:443, http://b:8080 ,", listed(&["https://a.example", "http://b:8080"])),
        ("http://[::1]:3000", listed(&["http://[::1]:3000"])),
        ("https://a.example/", None),
        ("https://a.example/path", None),
        ("a.example", None),
        ("null", None),
        ("https://*.example", listed(&["https://*.example"])),
        ("ftp://a", None),
        ("https://u@a", None),
        ("https://a, *", None),
    ] {
        assert_eq!(Origins::parse(text), expected, "{text}");
    }
}

#[test]
fn answers_name_the_origin_that_may_read_them() {
    let list = Origins::parse("https://a.example,http://localhost:5173").unwrap();
    let none = Origins::parse("").unwrap();
    let a = Some("https://a.example");
    for (policy, origins, origin, allow, varies) in [
        (Cors::Listed, &list, a, a, true),
        (Cors::Listed, &list, Some("http://localhost:5173"), Some("http://localhost:5173"), true),
        (Cors::Listed, &list, None, None, true),
        (Cors::Listed, &list, Some("https://b.example"), None, true),
        (Cors::Listed, &list, Some("https://a.example.evil"), None, true),
        (Cors::Listed, &list, Some("http://a.example"), None, true),
        (Cors::Listed, &list, Some("https://a.example:444"), None, true),
        (Cors::Listed, &list, Some("null"), None, true),
        (Cors::Listed, &list, Some(""), None, true),
        (Cors::Listed, &none, a, None, false),
        (Cors::Listed, &Origins::All, a, Some("*"), false),
        (Cors::Listed, &Origins::All, None, Some("*"), false),
        (Cors::Everybody, &none, a, Some("*"), false),
        (Cors::Never, &Origins::All, a, None, false),
        (Cors::Never, &list, a, None, false),
    ] {
        let request = origin.map_or_else(HeaderMap::new, |origin| headers(&[("origin", origin)]));
        let mut answer = headers(&[
            ("vary", "accept"),
            ("access-control-allow-origin", "https://evil"),
            ("access-control-allow-credentials", "true"),
        ]);
        let mut edits = Vec::new();
        decide(policy, origins, &request).edit(&mut edits);
        header_edits::apply(edits, &mut answer);
        let case = format!("{policy:?} {origins:?} {origin:?}");
        let found = answer.get("access-control-allow-origin").map(|v| v.to_str().unwrap());
        assert_eq!(found, allow, "{case}");
        assert_eq!(answer.contains_key("access-control-expose-headers"), allow.is_some(), "{case}");
        assert!(!answer.contains_key("access-control-allow-credentials"), "{case}");
        let vary: Vec<_> = answer.get_all("vary").iter().collect();
        assert_eq!(vary.contains(&&HeaderValue::from_static("origin")), varies, "{case}");
        assert!(vary.contains(&&HeaderValue::from_static("accept")), "{case}");
    }
}

#[test]
fn preflights_are_recognised_by_method_and_both_headers() {
    let both = [("origin", "https://a"), ("access-control-request-method", "PUT")];
    assert!(is_preflight(&Method::OPTIONS, &headers(&both)));
    assert!(!is_preflight(&Method::GET, &headers(&both)));
    assert!(!is_preflight(&Method::OPTIONS, &headers(&both[..1])));
    assert!(!is_preflight(&Method::OPTIONS, &headers(&both[1..])));
}

#[test]
fn a_preflight_is_a_yes_with_all_headers_or_a_no_with_none() {
    let origins = Origins::parse("https://a.example").unwrap();
    for (origin, private, is_yes) in [
        ("https://a.example", false, true),
        ("https://a.example", true, true),
        ("https://b.example", true, false),
        ("null", false, false),
    ] {
        let mut asked = headers(&[("origin", origin), ("access-control-request-method", "PATCH")]);
        if private {
            asked.insert(PRIVATE_NETWORK_ASKED, HeaderValue::from_static("true"));
        }
        let mut answer = HeaderMap::new();
        decide(Cors::Listed, &origins, &asked).write_preflight(&asked, "GET, PATCH", &mut answer);
        for name in ["origin", "methods", "headers"] {
            let name = format!("access-control-allow-{name}");
            assert_eq!(answer.contains_key(&name), is_yes, "{origin} {name}");
        }
        assert_eq!(answer.contains_key("access-control-max-age"), is_yes, "{origin}");
        assert_eq!(answer.contains_key(PRIVATE_NETWORK_ALLOWED), is_yes && private, "{origin}");
        assert!(!answer.contains_key("access-control-allow-credentials"), "{origin}");
        assert!(answer["vary"].to_str().unwrap().contains("access-control-request-headers"));
    }
}
