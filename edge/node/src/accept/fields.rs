//! What HTTP/2 and HTTP/3 ask of a message's fields, and `http1` sees to by itself.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What is about a connection of HTTP/1.1 and must not be sent (RFC 9113, section 8.2.2; RFC 9114, section 4.2).
const CONNECTION_ONLY: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What a head says of its body: nothing, or how long it is. `None` when it says what it must not (RFC 9113, section
/// 8.1.1; RFC 9114, section 4.1.2): whoever is asked next might read it otherwise than we do.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<Option<u64>> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Some(None),
        (Some(length), None) => {
            let text = length.to_str().ok()?;
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten().map(Some)
        }
        (Some(_), Some(_)) => None,
    }
}

/// Whether an answer has content, whatever is said of it (RFC 9110, section 6.4.1).
pub(super) fn has_content(status: StatusCode, is_head: bool) -> bool {
    !is_head
        && !status.is_informational()
        && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// Takes away what must not be sent.
pub(super) fn clean(headers: &mut HeaderMap) {
    for name in CONNECTION_ONLY {
        headers.remove(name);
    }
}

/// Takes away what must not be sent with an answer, and adds what is missing: a date, and the length if it is known.
pub(super) fn complete(
    headers: &mut HeaderMap,
    status: StatusCode,
    length: Option<u64>,
    is_head: bool,
) {
    clean(headers);
    if status == StatusCode::NO_CONTENT {
        // RFC 9110, section 8.6.
        headers.remove(header::CONTENT_LENGTH);
    } else if status != StatusCode::NOT_MODIFIED
        // Nobody knows what GET would have had, unless it is said.
        && let Some(length) = length.filter(|length| !is_head || *length > 0)
    {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    headers.entry(header::DATE).or_insert_with(date);
}

/// Returns the present second as `Date` wants it; each thread formats it once.
fn date() -> HeaderValue {
    thread_local! {
        static WRITTEN: RefCell<(u64, HeaderValue)> =
            const { RefCell::new((0, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))) };
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    WRITTEN.with_borrow_mut(|(second, written)| {
        if *second != now
            && let Ok(date) = HeaderValue::try_from(write_date(now))
        {
            (*second, *written) = (now, date);
        }
        written.clone()
    })
}

/// Writes seconds since 1970 as an IMF-fixdate (RFC 9110, section 5.6.7).
pub(super) fn write_date(seconds: u64) -> String {
    let ms = i64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
    http_semantics::date::write(Timestamp::from_unix_ms(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::try_from(*name).expect("is a name");
            headers.append(name, HeaderValue::try_from(*value).expect("is a value"));
        }
        headers
    }

    #[test]
    fn believes_a_head_only_where_it_is_clear() {
        let declared = |said: &[(&str, &str)]| declared_length(&fields(said));
        assert_eq!(declared(&[]), Some(None));
        assert_eq!(declared(&[("content-length", "0")]), Some(Some(0)));
        assert_eq!(declared(&[("content-length", "12")]), Some(Some(12)));
        for bad in ["", "+1", "-1", "1, 1", " 1", "99999999999999999999", "0x1"] {
            assert_eq!(declared(&[("content-length", bad)]), None, "{bad}");
        }
        assert_eq!(declared(&[("content-length", "1"), ("content-length", "1")]), None);
        assert_eq!(declared(&[("transfer-encoding", "chunked")]), None);
    }

    #[test]
    fn an_answer_has_a_date_and_its_length_and_nothing_of_a_connection() {
        let completed = |status, length, is_head| {
            let mut headers = fields(&[
                ("connection", "close"),
                ("keep-alive", "timeout=5"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
            ]);
            complete(&mut headers, status, length, is_head);
            assert_eq!(headers[header::DATE].len(), 29);
            let length = headers.remove(header::CONTENT_LENGTH);
            assert_eq!(headers.len(), 1, "{headers:?}");
            length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok())
        };
        let (ok, nothing) = (StatusCode::OK, StatusCode::NO_CONTENT);
        assert_eq!(completed(ok, Some(5), false), Some(5));
        assert_eq!(completed(ok, Some(0), false), Some(0));
        assert_eq!(completed(ok, None, false), None);
        assert_eq!(completed(ok, Some(5), true), Some(5));
        assert_eq!(completed(ok, Some(0), true), None);
        assert_eq!(completed(nothing, Some(0), false), None);
        assert_eq!(completed(StatusCode::NOT_MODIFIED, Some(0), false), None);
        let mut said = fields(&[("content-length", "7"), ("date", "then")]);
        complete(&mut said, ok, Some(5), false);
        assert_eq!(
            (said["content-length"].as_bytes(), said["date"].as_bytes()),
            (&b"7"[..], &b"then"[..])
        );
    }
}
