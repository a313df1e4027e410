//! What a page needs to show Stripe's own field.

use api_types::payment::{NotStripeJs, StripeJs};

use crate::secret::Secret;

/// The key and the script of Stripe's field. Neither is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    publishable_key: String,
    script_url: String,
}

/// What cannot be shown to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It is not a key for browsers. It is not repeated: it may be a secret one.
    #[error("Stripe's publishable key must begin with pk_live_ or pk_test_")]
    Key,
    /// What the field makes for one mode does not exist in the other: every payment would be refused.
    #[error("Stripe's publishable key and secret key must be of the same mode, live or test")]
    Mode,
    /// The script is neither Stripe's nor one of this machine.
    #[error("the address of Stripe's script")]
    Script(#[source] NotStripeJs),
    /// There is no script.
    #[error("the address of Stripe's script is empty")]
    NoScript,
}

impl Field {
    /// Checks a publishable key beside the secret key that it belongs to, and the script's address.
    ///
    /// # Errors
    /// See [`FieldError`].
    pub fn new(publishable_key: &str, script_url: &str, key: &Secret) -> Result<Self, FieldError> {
        let is_test = publishable_key.starts_with("pk_test_");
        let is_printable = publishable_key.bytes().all(|byte| byte.is_ascii_graphic());
        if !(is_test || publishable_key.starts_with("pk_live_")) || !is_printable {
            return Err(FieldError::Key);
        }
        if is_test != super::is_test_key(key) {
            return Err(FieldError::Mode);
        }
        if StripeJs::parse(script_url).map_err(FieldError::Script)? == StripeJs::Off {
            return Err(FieldError::NoScript);
        }
        Ok(Self { publishable_key: publishable_key.to_owned(), script_url: script_url.to_owned() })
    }

    /// Returns the key for browsers.
    #[must_use]
    pub fn publishable_key(&self) -> &str {
        &self.publishable_key
    }

    /// Returns where the script is.
    #[must_use]
    pub fn script_url(&self) -> &str {
        &self.script_url
    }
}

#[cfg(test)]
mod tests {
    use api_types::payment::STRIPE_JS_URL;

    use super::*;

    #[test]
    fn a_key_for_browsers_fits_the_secret_one_and_the_script_is_stripes() {
        let (test, live) = ("sk_test_1", "rk_live_1");
        for (publishable, script, secret, expected) in [
            ("pk_test_1", STRIPE_JS_URL, test, Ok(())),
            ("pk_live_1", STRIPE_JS_URL, live, Ok(())),
            ("pk_test_1", "http://127.0.0.1:1/stripe.js", test, Ok(())),
            ("pk_live_1", STRIPE_JS_URL, test, Err(FieldError::Mode)),
            ("pk_test_1", STRIPE_JS_URL, live, Err(FieldError::Mode)),
            ("sk_test_1", STRIPE_JS_URL, test, Err(FieldError::Key)),
            ("pk_test_\n", STRIPE_JS_URL, test, Err(FieldError::Key)),
            ("", STRIPE_JS_URL, test, Err(FieldError::Key)),
            ("pk_test_1", "", test, Err(FieldError::NoScript)),
            (
                "pk_test_1",
                "https://cdn.example/stripe.js",
                test,
                Err(FieldError::Script(NotStripeJs)),
            ),
        ] {
            let field = Field::new(publishable, script, &Secret::new(secret.to_owned()));
            assert_eq!(field.map(drop), expected, "{publishable} {script} {secret}");
        }
        let secret = Secret::new(test.to_owned());
        let error = Field::new("sk_live_abc", STRIPE_JS_URL, &secret).unwrap_err().to_string();
        assert!(!error.contains("abc"), "{error}");
    }
}
