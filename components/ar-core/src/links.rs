//! The links that launch a viewer: what each demands, and how each wants its text escaped.

use std::fmt::Write as _;

use domain::{Currency, Money};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Longest title that Scene Viewer shows, in characters.
pub const TITLE_CHARS_MAX: usize = 60;

/// Everything but RFC 3986's unreserved characters: what a value inside another URL needs.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Escapes a value for a query or a fragment. An already escaped URL comes out escaped twice, as it must: the viewer
/// undoes one layer and fetches the rest as it stands.
#[must_use]
pub fn escape(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

/// Puts a path of ours behind the public address; a full URL stays as it is.
#[must_use]
pub fn absolute(base: &str, path: &str) -> String {
    if path.starts_with("https://") || path.starts_with("http://") {
        return path.to_owned();
    }
    format!("{}{path}", base.trim_end_matches('/'))
}

/// Writes the intent link for Android.
///
/// Version 1.2 with `ar_preferred`, opened by the Google app: phones without `ARCore` then show 3D instead of nothing
/// (`com.google.ar.core` would not open there at all). A phone without the Google app goes to `page`. All arguments
/// are full URLs.
#[must_use]
pub fn scene_viewer(plain_glb: &str, title: &str, page: &str) -> String {
    let title: String = title.chars().take(TITLE_CHARS_MAX).collect();
    let (file, title, page) = (escape(plain_glb), escape(&title), escape(page));
    format!(
        "intent://arvr.google.com/scene-viewer/1.2?file={file}&mode=ar_preferred&title={title}&link={page}\
         &resizable=false#Intent;scheme=https;package=com.google.android.googlequicksearchbox;\
         action=android.intent.action.VIEW;S.browser_fallback_url={page};end;"
    )
}

/// What Quick Look shows below the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner<'a> {
    /// Name of the product.
    pub title: &'a str,
    /// Which one of it.
    pub subtitle: &'a str,
    /// What it costs; without a price there is no banner.
    pub price: Option<Money>,
    /// The product page, as a full URL: what is shared from Quick Look.
    pub page: &'a str,
}

/// Writes the link for `<a rel="ar">`. Scaling is off: the point is whether it fits the room.
#[must_use]
pub fn quick_look(usdz: &str, banner: &Banner<'_>) -> String {
    let page = escape(banner.page);
    let mut link = format!("{usdz}#allowsContentScaling=0&canonicalWebPageURL={page}");
    if let Some(price) = banner.price {
        let (title, subtitle) = (escape(banner.title), escape(banner.subtitle));
        let (action, price) = (escape("Add to cart"), escape(&price_text(price)));
        // Writing to a string cannot fail.
        let _ = write!(
            link,
            "&callToAction={action}&checkoutTitle={title}&checkoutSubtitle={subtitle}&price={price}"
        );
    }
    link
}

/// Writes an amount for people who read English: `€1,299.00`, `¥25,800`, `CHF 99.00`.
#[must_use]
pub fn price_text(money: Money) -> String {
    let exponent = usize::try_from(money.currency.exponent()).unwrap_or(0);
    let sign = if money.minor < 0 { "-" } else { "" };
    let digits =
        format!("{:0width$}", money.minor.unsigned_abs(), width = exponent.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(exponent));
    let mut text = format!("{sign}{}", symbol(money.currency));
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len().saturating_sub(at);
        if at > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

const fn symbol(currency: Currency) -> &'static str {
    match currency {
        Currency::Eur => "€",
        Currency::Gbp => "£",
        Currency::Jpy => "¥",
        Currency::Usd => "$",
        Currency::Chf => "CHF ",
        Currency::Kwd => "KWD ",
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_the_intent_that_scene_viewer_documents() {
        assert_eq!(
            scene_viewer(
                "https://shop.example/m/a.glb",
                "Lyra – Oak & ash",
                "https://shop.example/p/lyra"
            ),
            "intent://arvr.google.com/scene-viewer/1.2?file=https%3A%2F%2Fshop.example%2Fm%2Fa.glb&mode=ar_preferred\
             &title=Lyra%20%E2%80%93%20Oak%20%26%20ash&link=https%3A%2F%2Fshop.example%2Fp%2Flyra&resizable=false\
             #Intent;scheme=https;package=com.google.android.googlequicksearchbox;\
             action=android.intent.action.VIEW;S.browser_fallback_url=https%3A%2F%2Fshop.example%2Fp%2Flyra;end;"
        );
    }

    #[test]
    fn writes_the_fragment_that_quick_look_documents() {
        let banner = Banner {
            title: "Lyra & Co",
            subtitle: "Oak",
            price: Some(Money::new(129_900, Currency::Eur)),
            page: "https://shop.example/p/lyra",
        };
        assert_eq!(
            quick_look("/m/a.usdz", &banner),
            "/m/a.usdz#allowsContentScaling=0&canonicalWebPageURL=https%3A%2F%2Fshop.example%2Fp%2Flyra\
             &callToAction=Add%20to%20cart&checkoutTitle=Lyra%20%26%20Co&checkoutSubtitle=Oak&price=%E2%82%AC1%2C299.00"
        );
        let banner = Banner { price: None, ..banner };
        assert!(!quick_look("/m/a.usdz", &banner).contains("callToAction"));
    }

    #[test]
    fn writes_prices_with_the_decimals_of_their_currency() {
        for (minor, currency, expected) in [
            (129_900, Currency::Eur, "€1,299.00"),
            (5, Currency::Usd, "$0.05"),
            (25_800, Currency::Jpy, "¥25,800"),
            (0, Currency::Jpy, "¥0"),
            (12_345, Currency::Kwd, "KWD 12.345"),
            (100_000_000, Currency::Chf, "CHF 1,000,000.00"),
            (-150, Currency::Gbp, "-£1.50"),
        ] {
            assert_eq!(price_text(Money::new(minor, currency)), expected);
        }
    }

    fn parameter(link: &str, start: &str, end: char) -> String {
        let (_, rest) = link.split_once(start).unwrap();
        let value = rest.split(end).next().unwrap();
        percent_decode_str(value).decode_utf8().unwrap().into_owned()
    }

    proptest! {
        #[test]
        fn every_text_survives_and_none_breaks_out(title in "\\PC{0,90}", path in "[ -~]{0,60}") {
            let (file, page) = (format!("https://x/m/{path}"), format!("https://x/p/{path}"));
            let link = scene_viewer(&file, &title, &page);
            prop_assert_eq!(parameter(&link, "?file=", '&'), file);
            let shown: String = title.chars().take(TITLE_CHARS_MAX).collect();
            prop_assert_eq!(parameter(&link, "&title=", '&'), shown);
            let fallback = parameter(&link, "S.browser_fallback_url=", ';');
            prop_assert_eq!(&fallback, &page);
            prop_assert_eq!((link.matches('#').count(), link.matches(';').count()), (1, 6));
            let banner = Banner { title: &title, subtitle: &path, price: Some(Money::new(1, Currency::Eur)), page: &page };
            let link = quick_look("/m/a.usdz", &banner);
            prop_assert_eq!(parameter(&link, "&checkoutTitle=", '&'), title);
            prop_assert_eq!(parameter(&link, "&checkoutSubtitle=", '&'), path);
            prop_assert_eq!(link.matches('#').count(), 1);
        }
    }
}
