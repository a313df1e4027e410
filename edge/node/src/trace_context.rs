//! W3C Trace Context (`traceparent`, `tracestate`): what ties the spans of one request together, from whoever asks to
//! whoever is asked.
//!
//! Pure: random numbers come from the caller. A trace that a client began goes on under its id; what cannot be read is
//! as if it were not there, and a new trace begins (section 3.3 of the recommendation).

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field with the trace and the caller's span.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems add for themselves; it means nothing without the other field.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of a `traceparent` of version 00, and the least of any later version.
const LENGTH: usize = 55;
/// The caller may have recorded this trace.
const SAMPLED: u8 = 1;
/// The right half of the trace's id is random (level 2 of the recommendation).
const RANDOM: u8 = 2;

/// A trace's id; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId([u8; 16]);

/// A span's id; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanId([u8; 8]);

impl TraceId {
    /// Returns it as 32 digits.
    pub(crate) fn to_hex(self) -> Hex<32> {
        Hex::of(&self.0)
    }

    /// Returns a number that is the same wherever this trace is seen: what a share of traces is chosen by.
    pub(crate) fn draw(self) -> u64 {
        let [.., a, b, c, d, e, f, g] = self.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g])
    }
}

impl SpanId {
    /// Returns it as 16 digits.
    pub(crate) fn to_hex(self) -> Hex<16> {
        Hex::of(&self.0)
    }
}

/// Hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    fn of(bytes: &[u8]) -> Self {
        let mut digits = [b'0'; N];
        write_hex(&mut digits, bytes);
        Self(digits)
    }

    /// Returns them as text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' - 10 + half };
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// The place of one request in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: TraceId,
    /// This node's own span.
    pub(crate) span_id: SpanId,
    /// The span of whoever asked; `None` where the trace begins here.
    pub(crate) parent_id: Option<SpanId>,
    flags: u8,
}

impl TraceContext {
    /// Goes on with the trace of a request, or begins one. Of `random`, two numbers are for a new trace and one for the
    /// span.
    pub(crate) fn of(headers: &HeaderMap, random: [u64; 3]) -> Self {
        let [high, low, span] = random;
        // Zero means that there is none; any other number is as good as another.
        let span_id = SpanId(span.max(1).to_be_bytes());
        let mut given = headers.get_all(TRACEPARENT).iter();
        if let (Some(field), None) = (given.next(), given.next())
            && let Some((trace_id, parent_id, flags)) = parse(field.as_bytes())
        {
            return Self { trace_id, span_id, parent_id: Some(parent_id), flags };
        }
        let trace_id = u128::from(high) << 64 | u128::from(low.max(1));
        Self { trace_id: TraceId(trace_id.to_be_bytes()), span_id, parent_id: None, flags: RANDOM }
    }

    /// Returns the place of an attempt at an origin, whose request has this node's span in it; `None` where there is no
    /// trace, or nobody records it.
    pub(crate) fn below(headers: &HeaderMap, random: u64) -> Option<Self> {
        let context = Self::of(headers, [0, 0, random]);
        (context.parent_id.is_some() && context.is_sampled()).then_some(context)
    }

    /// Whether whoever asked may have recorded this trace.
    pub(crate) const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Says to whoever is asked next that this node records the trace.
    pub(crate) const fn sample(&mut self) {
        self.flags |= SAMPLED;
    }

    /// Returns what tells this node's span to whoever is asked next.
    pub(crate) fn text(&self) -> [u8; LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let parts: [(usize, usize, &[u8]); 3] =
            [(3, 35, &self.trace_id.0), (36, 52, &self.span_id.0), (53, 55, &[self.flags])];
        for (from, to, bytes) in parts {
            if let Some(digits) = text.get_mut(from..to) {
                write_hex(digits, bytes);
            }
        }
        text
    }

    /// Puts this node's span into a request that goes on. What tracing systems have added stays only with a trace that
    /// stays.
    pub(crate) fn hand_on(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_bytes(&self.text()) {
            headers.insert(TRACEPARENT, value);
        }
        if self.parent_id.is_none() {
            headers.remove(TRACESTATE);
        }
    }
}

/// Reads `version "-" trace-id "-" parent-id "-" trace-flags`, of which later versions may have more (section 3.2).
fn parse(field: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let (known, more) = field.split_at_checked(LENGTH)?;
    let [version] = bytes(known.get(..2)?)?;
    let dashes = [2, 35, 52].map(|at| known.get(at));
    let has_good_end = match version {
        0 => more.is_empty(),
        0xff => false,
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    if dashes != [Some(&b'-'); 3] || !has_good_end {
        return None;
    }
    let trace_id: [u8; 16] = bytes(known.get(3..35)?)?;
    let parent_id: [u8; 8] = bytes(known.get(36..52)?)?;
    let [flags] = bytes(known.get(53..)?)?;
    if trace_id == [0; 16] || parent_id == [0; 8] {
        return None;
    }
    // What the other bits will mean is not known: they are not handed on.
    Some((TraceId(trace_id), SpanId(parent_id), flags & (SAMPLED | RANDOM)))
}

/// Reads two digits for each byte; capital ones are refused, as the recommendation has it.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let half = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut read = [0; N];
    for (byte, pair) in read.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = half(*high)? << 4 | half(*low)?;
    }
    (digits.len() == N * 2).then_some(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    fn of(fields: &[&str], state: Option<&str>) -> (TraceContext, HeaderMap) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(TRACEPARENT, HeaderValue::from_str(field).expect("is a value"));
        }
        if let Some(state) = state {
            headers.insert(TRACESTATE, HeaderValue::from_str(state).expect("is a value"));
        }
        let context = TraceContext::of(&headers, [1, 2, 3]);
        context.hand_on(&mut headers);
        (context, headers)
    }

    #[test]
    fn goes_on_with_a_trace_under_a_new_span() {
        for (given, flags) in [
            (format!("00-{TRACE}-{PARENT}-00"), "00"),
            (format!("00-{TRACE}-{PARENT}-01"), "01"),
            (format!("00-{TRACE}-{PARENT}-03"), "03"),
            (format!("00-{TRACE}-{PARENT}-ff"), "03"),
            (format!("cc-{TRACE}-{PARENT}-01"), "01"),
            (format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings"), "01"),
        ] {
            let (context, headers) = of(&[&given], Some("vendor=1,other=2"));
            assert_eq!(
                context.parent_id.map(|id| id.to_hex().as_str().to_owned()).as_deref(),
                Some(PARENT)
            );
            assert_eq!(context.trace_id.to_hex().as_str(), TRACE);
            assert_eq!(headers[TRACEPARENT], format!("00-{TRACE}-0000000000000003-{flags}"));
            assert_eq!(headers[TRACESTATE], "vendor=1,other=2");
            assert_eq!(context.is_sampled(), flags != "00");
        }
    }

    #[test]
    fn begins_a_trace_where_none_can_be_read() {
        let zero = "0".repeat(32);
        for given in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{PARENT}-0"),
            format!("00-{TRACE}-{PARENT}-011"),
            format!("00-{TRACE}-{PARENT}-01-x"),
            format!("cc-{TRACE}-{PARENT}-01x"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{zero}-{PARENT}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("0X-{TRACE}-{PARENT}-01"),
            format!("00_{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}_{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}_01"),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!("00-{TRACE}-{PARENT}-é1"),
        ] {
            let (context, headers) = of(&[&given], Some("vendor=1"));
            assert_eq!(context.parent_id, None, "{given}");
            let expected = "00-00000000000000010000000000000002-0000000000000003-02";
            assert_eq!(headers[TRACEPARENT], expected, "{given}");
            assert!(!headers.contains_key(TRACESTATE), "{given}");
        }
        let one = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(of(&[&one, &one], None).0.parent_id, None);
        assert_eq!(of(&[], None).0.parent_id, None);
    }

    #[test]
    fn what_is_recorded_here_is_said_to_whoever_is_asked() {
        let mut context = TraceContext::of(&HeaderMap::new(), [0, 0, 0]);
        assert!(!context.is_sampled());
        context.sample();
        let mut headers = HeaderMap::new();
        context.hand_on(&mut headers);
        let expected = "00-00000000000000000000000000000001-0000000000000001-03";
        assert_eq!(headers[TRACEPARENT], expected);
        assert_eq!(context.trace_id.draw(), 1);
    }

    #[test]
    fn an_attempt_has_a_place_below_the_request_if_that_is_recorded() {
        for (flags, is_recorded) in [("00", false), ("02", false), ("01", true), ("03", true)] {
            let field = format!("00-{TRACE}-{PARENT}-{flags}");
            let value = HeaderValue::from_str(&field).expect("is a value");
            let headers = HeaderMap::from_iter([(TRACEPARENT, value)]);
            let below = TraceContext::below(&headers, 9);
            assert_eq!(below.is_some(), is_recorded, "{flags}");
            let parent = below.and_then(|context| context.parent_id);
            assert_eq!(parent.is_some_and(|id| id.to_hex().as_str() == PARENT), is_recorded);
        }
        assert_eq!(TraceContext::below(&HeaderMap::new(), 9), None);
    }

    proptest! {
        #[test]
        fn whatever_is_handed_on_can_be_read(field in ".{0,80}", random: [u64; 3]) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(field.as_bytes()) {
                headers.insert(TRACEPARENT, value);
            }
            let context = TraceContext::of(&headers, random);
            context.hand_on(&mut headers);
            let (trace_id, span_id, flags) = parse(headers[TRACEPARENT].as_bytes()).expect("is read");
            prop_assert_eq!((trace_id, span_id, flags), (context.trace_id, context.span_id, context.flags));
        }
    }
}
