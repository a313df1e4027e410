//! Checks a checkout's words; says every wrong field at once.

use api_types::order::{Address, CheckoutRequest};
use domain::Email;
use domain::pricing::Region;
use providers::payment::{Method, PaymentProvider};

use crate::{Refusal, method};

/// Longest line of an address: 200 characters.
const LINE_CHARS_MAX: usize = 200;
/// Longest postal code: 20 characters.
const POSTAL_CODE_CHARS_MAX: usize = 20;

/// A checkout that can be carried out.
#[derive(Debug)]
pub(crate) struct CheckoutInput {
    pub(crate) email: Email,
    pub(crate) address: Address,
    pub(crate) method: Method,
}

pub(crate) fn checkout(
    request: &CheckoutRequest,
    provider: &dyn PaymentProvider,
) -> Result<CheckoutInput, Refusal> {
    let mut refusal = Refusal::invalid();
    let email = request.email.parse::<Email>();
    if email.is_err() {
        refusal = refusal.field(
            "/email",
            required_or_invalid(&request.email),
            "must be an e-mail address",
        );
    }
    let address = tidy(&request.shipping_address);
    for (name, text, chars_max) in [
        ("name", &address.name, LINE_CHARS_MAX),
        ("line1", &address.line1, LINE_CHARS_MAX),
        ("postal_code", &address.postal_code, POSTAL_CODE_CHARS_MAX),
        ("city", &address.city, LINE_CHARS_MAX),
    ] {
        if !(1..=chars_max).contains(&text.chars().count()) {
            let detail = format!("must have 1 to {chars_max} characters");
            refusal = refusal.field(
                format!("/shipping_address/{name}"),
                required_or_invalid(text),
                detail,
            );
        }
    }
    if address.line2.as_ref().is_some_and(|text| text.chars().count() > LINE_CHARS_MAX) {
        let detail = format!("must have at most {LINE_CHARS_MAX} characters");
        refusal = refusal.field("/shipping_address/line2", "invalid", detail);
    }
    if address.country.len() != 2 || !address.country.bytes().all(|byte| byte.is_ascii_uppercase())
    {
        let code = required_or_invalid(&address.country);
        refusal =
            refusal.field("/shipping_address/country", code, "must be a two-letter country code");
    }
    if address.region.as_ref().is_some_and(|region| region.parse::<Region>().is_err()) {
        let detail = "must be 1 to 3 letters or digits, as after the hyphen of ISO 3166-2";
        refusal = refusal.field("/shipping_address/region", "invalid", detail);
    }
    let (method, refusal) = method::choose(&request.payment, provider, refusal);
    match (email, method, refusal.fields.is_empty()) {
        (Ok(email), Some(method), true) => Ok(CheckoutInput { email, address, method }),
        _ => Err(refusal),
    }
}

fn tidy(address: &Address) -> Address {
    let trim = |text: &str| text.trim().to_owned();
    Address {
        name: trim(&address.name),
        line1: trim(&address.line1),
        line2: address.line2.as_deref().map(trim).filter(|text| !text.is_empty()),
        postal_code: trim(&address.postal_code),
        city: trim(&address.city),
        region: address.region.as_deref().map(trim).filter(|text| !text.is_empty()),
        country: trim(&address.country).to_uppercase(),
    }
}

pub(crate) fn required_or_invalid(text: &str) -> &'static str {
    if text.trim().is_empty() { "required" } else { "invalid" }
}

#[cfg(test)]
mod tests {
    use domain::payment::TestMethod;
    use providers::http_payment::HttpPaymentProvider;

    use super::*;

    fn nobody() -> HttpPaymentProvider {
        HttpPaymentProvider::new("http://127.0.0.1:1", String::new(), std::time::Duration::ZERO)
    }

    fn good() -> CheckoutRequest {
        serde_json::from_value(serde_json::json!({
            "email": "ada@example.org",
            "shipping_address": {"name": "Ada", "line1": "Street 1", "line2": "", "postal_code": "10115",
                "city": "Berlin", "country": "de"},
            "payment": {"provider": "test", "method": "success"}
        }))
        .unwrap()
    }

    #[test]
    fn takes_a_whole_request_and_tidies_it() {
        let input = checkout(&good(), &nobody()).unwrap();
        assert_eq!((input.address.country.as_str(), input.address.line2), ("DE", None));
        assert_eq!(input.method, Method::Test(TestMethod::Success));
    }

    #[test]
    fn names_every_wrong_field_at_once() {
        let refusal = checkout(&CheckoutRequest::default(), &nobody()).unwrap_err();
        let pointers: Vec<&str> =
            refusal.fields.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/email",
                "/shipping_address/name",
                "/shipping_address/line1",
                "/shipping_address/postal_code",
                "/shipping_address/city",
                "/shipping_address/country",
                "/payment/provider",
                "/payment/method"
            ]
        );
        assert!(refusal.fields.iter().all(|field| field.code == "required"));
    }

    #[test]
    fn a_token_is_taken_where_it_is_one_and_a_card_number_is_refused_and_never_repeated() {
        let choose = |provider: &str, method: &str, token: Option<&str>| {
            let mut request = good();
            request.payment.provider = provider.to_owned();
            request.payment.method = method.to_owned();
            request.payment.token = token.map(str::to_owned);
            assert!(!format!("{request:?}").contains("tok_success"));
            checkout(&request, &nobody()).map(|input| input.method).map_err(|refusal| {
                let said = format!("{refusal:?}");
                assert!(!said.contains("4242"), "{said}");
                let field = refusal.fields.first().unwrap();
                (field.pointer.clone(), field.code.clone())
            })
        };
        assert!(matches!(choose("test", "token", Some("tok_success")), Ok(Method::Token(_))));
        assert!(matches!(choose("test", "hosted", None), Ok(Method::Hosted)));
        for (provider, method, token, pointer, code) in [
            ("test", "token", None, "/payment/token", "required"),
            ("test", "token", Some("4242 4242 4242 4242"), "/payment/token", "card-number"),
            ("test", "token", Some("a b"), "/payment/token", "invalid"),
            ("test", "token", Some("pm_card_visa"), "/payment/method", "not-accepted"),
            ("stripe", "token", Some("pm_card_visa"), "/payment/provider", "invalid"),
            ("test", "cash", None, "/payment/method", "invalid"),
        ] {
            let refused = choose(provider, method, token).unwrap_err();
            assert_eq!(refused, (pointer.to_owned(), code.to_owned()), "{provider} {method}");
        }
    }
}
