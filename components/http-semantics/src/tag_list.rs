//! Lists of entity tags, as `If-Match` and `If-None-Match` have them (RFC 9110, sections 13.1.1 and 13.1.2).

use http::{HeaderMap, HeaderName};

/// Returns the members of a list over all lines of a field. A comma inside quotes is part of its tag (section 8.8.3 lets
/// it be there).
pub fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().flat_map(|line| split(line.as_bytes()))
}

fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let members = line.split(move |byte| {
        is_quoted ^= *byte == b'"';
        *byte == b',' && !is_quoted
    });
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn rfc9110_8_8_3_splits_at_commas_outside_quotes_over_all_lines() {
        for (lines, expected) in [
            (&["\"a\""][..], &["\"a\""][..]),
            (&["\"a\", W/\"b\",\"c\""], &["\"a\"", "W/\"b\"", "\"c\""]),
            (&["\"a,b\", \",\""], &["\"a,b\"", "\",\""]),
            (&["\"a\"", "*", " \"b\" "], &["\"a\"", "*", "\"b\""]),
            (&[", ,\"a\",,"], &["\"a\""]),
            (&["\"open, \"a\""], &["\"open, \"a\""]),
            (&["\"é\""], &["\"é\""]),
            (&[""], &[]),
            (&[], &[]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
                headers.append(header::IF_MATCH, value);
            }
            let found: Vec<_> = members(&headers, &header::IF_MATCH).collect();
            let expected: Vec<_> = expected.iter().map(|member| member.as_bytes()).collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
