//! What is added to every answer on its way out.

use std::borrow::Cow;

use api_types::payment::StripeJs;
use header_edits::{Edit, Kind};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::cors::Verdict;
use crate::hygiene;
use crate::limit::Standing;
use crate::policy::{Class, Quota, WINDOW};

/// For pages: everything from here, images and workers also from memory, WebAssembly for the 3D decoders.
const PAGE_CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' blob: data:; worker-src 'self' blob:; \
     script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'self'",
);

/// The same, with what Stripe documents for its script, its fields and the pages of banks in them
/// (docs.stripe.com/security/guide, "Content security policy"), and nothing more.
const PAGE_CSP_WITH_STRIPE: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' blob: data: https://api.stripe.com; \
     worker-src 'self' blob:; script-src 'self' 'wasm-unsafe-eval' https://js.stripe.com https://*.js.stripe.com; \
     style-src 'self' 'unsafe-inline'; \
     frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; frame-ancestors 'none'; \
     base-uri 'self'",
);

/// For pictures that could carry scripts: opened alone they are inert.
const SVG_CSP: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// For everything else: nothing in it is ever run or framed.
const DATA_CSP: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The camera is for WebXR on our own pages; the rest is for nobody.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(self), xr-spatial-tracking=(self), fullscreen=(self), geolocation=(), microphone=(), payment=()",
);

/// The type of pages.
const PAGE: &str = "text/html";

static PERMISSIONS_BY_TYPE: [Kind; 1] = [(Cow::Borrowed(PAGE), PERMISSIONS)];
static CSP_BY_TYPE: [Kind; 2] =
    [(Cow::Borrowed(PAGE), PAGE_CSP), (Cow::Borrowed("image/svg+xml"), SVG_CSP)];
static CSP_BY_TYPE_WITH_STRIPE: [Kind; 2] =
    [(Cow::Borrowed(PAGE), PAGE_CSP_WITH_STRIPE), (Cow::Borrowed("image/svg+xml"), SVG_CSP)];

/// The edits of one answer.
#[derive(Debug, Clone, Default)]
pub struct ResponseEdits {
    pub(crate) class: Option<Class>,
    pub(crate) cors: Verdict,
    pub(crate) rate: Option<(Quota, Standing)>,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) stripe_js: StripeJs,
}

impl ResponseEdits {
    /// Says what becomes of an answer's headers, whoever made it.
    #[must_use]
    pub fn list(&self) -> Vec<Edit> {
        let mut edits = Vec::with_capacity(16);
        // What inner handlers may not say to clients.
        edits.push(Edit::RemoveConnection);
        edits.push(Edit::RemoveStarting(hygiene::OURS.into()));
        edits.push(Edit::RemoveStarting("spin-".into()));
        edits.push(Edit::Remove(header::SERVER));
        self.cors.edit(&mut edits);
        if let Some((quota, standing)) = &self.rate {
            write_rate(quota, standing, &mut edits);
        }
        if let Some(id) = &self.request_id {
            edits.push(Edit::Set(HeaderName::from_static("x-request-id"), id.clone()));
        }
        let nosniff = HeaderValue::from_static("nosniff");
        edits.push(Edit::Set(header::X_CONTENT_TYPE_OPTIONS, nosniff));
        let referrer = HeaderValue::from_static("strict-origin-when-cross-origin");
        edits.push(Edit::Set(header::REFERRER_POLICY, referrer));
        edits.push(Edit::SetByType {
            name: HeaderName::from_static("permissions-policy"),
            kinds: Cow::Borrowed(&PERMISSIONS_BY_TYPE),
            otherwise: None,
        });
        edits.push(Edit::SetByType {
            name: header::CONTENT_SECURITY_POLICY,
            kinds: csp_by_type(self.stripe_js),
            otherwise: Some(DATA_CSP),
        });
        if self.class == Some(Class::Media) {
            let name = HeaderName::from_static("cross-origin-resource-policy");
            edits.push(Edit::Set(name, HeaderValue::from_static("cross-origin")));
        }
        edits
    }
}

fn csp_by_type(stripe_js: StripeJs) -> Cow<'static, [Kind]> {
    match stripe_js {
        StripeJs::Off => Cow::Borrowed(&CSP_BY_TYPE),
        StripeJs::Official => Cow::Borrowed(&CSP_BY_TYPE_WITH_STRIPE),
        StripeJs::Here(port) => with_stand_in(port),
    }
}

/// The policies of pages that load the script of a stand-in on this machine: that port may do what Stripe's hosts may.
fn with_stand_in(port: u16) -> Cow<'static, [Kind]> {
    let here = format!("http://127.0.0.1:{port}");
    let policy = format!(
        "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' blob: data: {here}; \
         worker-src 'self' blob:; script-src 'self' 'wasm-unsafe-eval' {here}; style-src 'self' 'unsafe-inline'; \
         frame-src {here}; frame-ancestors 'none'; base-uri 'self'"
    );
    // A number between letters is always a value.
    let policy = HeaderValue::try_from(policy).unwrap_or(PAGE_CSP);
    Cow::Owned(vec![(Cow::Borrowed(PAGE), policy), (Cow::Borrowed("image/svg+xml"), SVG_CSP)])
}

/// Applies the edits to an answer's headers.
pub fn finish(edits: &ResponseEdits, headers: &mut HeaderMap) {
    header_edits::apply(edits.list(), headers);
}

/// Writes `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): structured fields, one item.
fn write_rate(quota: &Quota, standing: &Standing, edits: &mut Vec<Edit>) {
    let Quota { name, .. } = quota;
    let Standing { limit, remaining, reset_s, .. } = standing;
    let policy = format!("\"{name}\";q={limit};w={}", WINDOW.as_secs());
    let now = format!("\"{name}\";r={remaining};t={reset_s}");
    for (header, text) in [("ratelimit-policy", policy), ("ratelimit", now)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            edits.push(Edit::Set(HeaderName::from_static(header), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::OnFailure;

    fn finished(class: Class, kind: &'static str) -> HeaderMap {
        let quota = Quota { name: "read", requests_max: 5, on_failure: OnFailure::Open };
        let standing = Standing { is_admitted: true, limit: 5, remaining: 3, reset_s: 15 };
        let edits = ResponseEdits {
            class: Some(class),
            rate: Some((quota, standing)),
            request_id: Some(HeaderValue::from_static("r1")),
            ..ResponseEdits::default()
        };
        let mut headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::SERVER, HeaderValue::from_static("x")),
            (header::CONNECTION, HeaderValue::from_static("close")),
            (HeaderName::from_static("x-vitrine-identity"), HeaderValue::from_static("v1")),
            (HeaderName::from_static("spin-path-info"), HeaderValue::from_static("/")),
            (header::ETAG, HeaderValue::from_static("\"1\"")),
        ]);
        finish(&edits, &mut headers);
        headers
    }

    #[test]
    fn answers_leave_with_our_headers_and_without_inner_ones() {
        let headers = finished(Class::Edge, "application/json");
        assert_eq!(headers["ratelimit-policy"], "\"read\";q=5;w=60");
        assert_eq!(headers["ratelimit"], "\"read\";r=3;t=15");
        assert_eq!(headers["x-request-id"], "r1");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["etag"], "\"1\"");
        for gone in ["server", "connection", "x-vitrine-identity", "spin-path-info"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    fn page_policy(stripe_js: StripeJs) -> String {
        let edits = ResponseEdits { stripe_js, ..ResponseEdits::default() };
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        finish(&edits, &mut headers);
        headers["content-security-policy"].to_str().unwrap().to_owned()
    }

    /// What a policy says beyond that of a shop without Stripe, directive by directive.
    fn added(policy: &str) -> Vec<String> {
        let plain = page_policy(StripeJs::Off);
        let of = |policy: &str, name: &str| -> Vec<String> {
            let directive = policy.split("; ").find_map(|part| part.strip_prefix(name));
            directive.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let mut added = Vec::new();
        for directive in policy.split("; ") {
            let name = directive.split(' ').next().unwrap();
            let known = of(&plain, name);
            let new = of(policy, name).into_iter().filter(|source| !known.contains(source));
            added.extend(new.map(|source| format!("{name} {source}")));
        }
        for directive in plain.split("; ") {
            let name = directive.split(' ').next().unwrap();
            let kept = of(policy, name);
            assert!(of(&plain, name).iter().all(|source| kept.contains(source)), "{name}");
        }
        added
    }

    #[test]
    fn pages_may_ask_stripe_only_where_stripe_takes_the_money() {
        let plain = page_policy(StripeJs::Off);
        assert!(!plain.contains("stripe") && !plain.contains("frame-src"), "{plain}");
        assert_eq!(
            added(&page_policy(StripeJs::Official)),
            [
                "connect-src https://api.stripe.com",
                "script-src https://js.stripe.com",
                "script-src https://*.js.stripe.com",
                "frame-src https://js.stripe.com",
                "frame-src https://*.js.stripe.com",
                "frame-src https://hooks.stripe.com",
            ]
        );
        let here = "http://127.0.0.1:4711";
        let expected =
            ["connect-src", "script-src", "frame-src"].map(|name| format!("{name} {here}"));
        assert_eq!(added(&page_policy(StripeJs::Here(4711))), expected);
    }

    #[test]
    fn what_an_answer_may_run_depends_on_its_type() {
        for (class, kind, start) in [
            (Class::Page, "text/html; charset=utf-8", "default-src 'self';"),
            (Class::Page, "Text/HTML", "default-src 'self';"),
            (Class::Media, "image/svg+xml", "default-src 'none'; style-src"),
            (Class::Edge, "application/json", "default-src 'none'; frame-ancestors"),
            (Class::Media, "model/gltf-binary", "default-src 'none'; frame-ancestors"),
        ] {
            let headers = finished(class, kind);
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with(start), "{kind}: {policy}");
            assert_eq!(headers.contains_key("cross-origin-resource-policy"), class == Class::Media);
        }
    }
}
