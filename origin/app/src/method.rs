//! How an order is paid: what the payer chose, and what of it is kept until the provider has it.
//!
//! A token is written with its order, sealed, so that a checkout whose process died can still be paid; it is gone as soon
//! as the provider has answered (ADR 0035).

use api_types::order::{NextAction, PaymentChoice};
use api_types::payment::{PaymentField, PaymentMethods, PaymentOption};
use domain::payment::{KeptMethod, TestMethod};
use domain::{OrderId, OrderStatus, PaymentId, PaymentStatus};
use providers::payment::{CaptureMode, Method, MethodError, PayerAction, PaymentProvider, Token};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use store::{PaymentRecord, SealedToken};

use crate::validate::required_or_invalid;
use crate::{App, Error, Refusal, random};

/// The provider that plays; its methods can be asked for whoever moves the money.
const TEST: &str = "test";
/// The word for a method that the provider's own field gives.
const TOKEN: &str = "token";

/// Reads what the payer chose; what is wrong with it is added to the refusal.
pub(crate) fn choose(
    choice: &PaymentChoice,
    provider: &dyn PaymentProvider,
    mut refusal: Refusal,
) -> (Option<Method>, Refusal) {
    let name = provider.name();
    let (is_played, is_ours) = (choice.provider == TEST, choice.provider == name);
    if !is_played && !is_ours {
        let is_ours_to_play = name == TEST;
        let own = if is_ours_to_play { String::new() } else { format!(" or \"{name}\"") };
        let code = required_or_invalid(&choice.provider);
        refusal = refusal.field("/payment/provider", code, format!("must be \"{TEST}\"{own}"));
    }
    let method = match KeptMethod::parse(&choice.method) {
        Some(KeptMethod::Test(test)) => Method::Test(test),
        Some(KeptMethod::Hosted) => Method::Hosted,
        Some(KeptMethod::Token) => {
            let text = choice.token.as_deref().unwrap_or_default().trim();
            match Token::parse(text) {
                Ok(token) => Method::Token(token),
                Err(error) => return (None, refuse_token(refusal, text, error)),
            }
        }
        None => {
            let tests = TestMethod::ALL.map(TestMethod::as_str).join(", ");
            let code = required_or_invalid(&choice.method);
            let detail = format!("must be one of token, hosted, {tests}");
            return (None, refusal.field("/payment/method", code, detail));
        }
    };
    let is_fitting = if matches!(method, Method::Test(_)) { is_played } else { is_ours };
    if (is_played || is_ours) && !(is_fitting && provider.accepts(&method).is_ok()) {
        refusal =
            refusal.field("/payment/method", "not-accepted", "this provider does not take it here");
    }
    (Some(method), refusal)
}

/// Says what is wrong with a token, and never repeats it.
fn refuse_token(refusal: Refusal, text: &str, error: MethodError) -> Refusal {
    let code = match error {
        MethodError::CardNumber => "card-number",
        MethodError::Malformed => required_or_invalid(text),
    };
    let detail = match error {
        MethodError::CardNumber => "a card number must never be sent here",
        MethodError::Malformed => "must be a token of the provider's own field",
    };
    refusal.field("/payment/token", code, detail)
}

/// Returns how a method is kept.
pub(crate) const fn kept(method: &Method) -> KeptMethod {
    match method {
        Method::Test(test) => KeptMethod::Test(*test),
        Method::Token(_) => KeptMethod::Token,
        Method::Hosted => KeptMethod::Hosted,
    }
}

impl App {
    /// Says who can be asked for money and what each takes, as far as that is known without asking them.
    #[must_use]
    pub fn payment_methods(&self) -> PaymentMethods {
        let (provider, name) = (self.payments.as_ref(), self.payments.name());
        let takes = |method: &Method| provider.accepts(method).is_ok();
        let word = |method: &Method| method.as_str().to_owned();
        let played = TestMethod::ALL.map(Method::Test);
        let mut played: Vec<String> = played.iter().filter(|m| takes(m)).map(word).collect();
        let hosted = takes(&Method::Hosted).then(|| word(&Method::Hosted));
        if name == TEST {
            played.extend(hosted);
            let option = PaymentOption { provider: name.to_owned(), methods: played, field: None };
            return PaymentMethods { providers: vec![option] };
        }
        let mut methods = vec![TOKEN.to_owned()];
        methods.extend(hosted);
        let own = PaymentOption { provider: name.to_owned(), methods, field: self.field() };
        let test = PaymentOption { provider: TEST.to_owned(), methods: played, field: None };
        let mut providers = vec![own];
        providers.extend((!test.methods.is_empty()).then_some(test));
        PaymentMethods { providers }
    }

    fn field(&self) -> Option<PaymentField> {
        let field = self.settings.field.as_ref()?;
        let capture = match self.settings.capture {
            CaptureMode::Automatic => "automatic",
            CaptureMode::Manual => "manual",
        };
        Some(PaymentField {
            publishable_key: field.publishable_key().to_owned(),
            script_url: field.script_url().to_owned(),
            capture: capture.to_owned(),
        })
    }

    /// Seals what pays, where that is a token. It opens for this payment alone.
    pub(crate) fn seal(
        &self,
        payment: PaymentId,
        method: &Method,
    ) -> Result<Option<SealedToken>, Error> {
        let Method::Token(token) = method else { return Ok(None) };
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut text = token.as_str().as_bytes().to_vec();
        self.token_key()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(payment.as_bytes()),
                &mut text,
            )
            .map_err(|_unspecified| Error::Fault("seal a token", "the cipher refused".into()))?;
        Ok(Some(SealedToken([nonce.as_slice(), &text].concat())))
    }

    /// Returns how to ask the provider for a payment; nothing when its token is gone or does not open.
    pub(crate) fn method_of(&self, payment: &PaymentRecord) -> Option<Method> {
        match payment.method {
            KeptMethod::Test(test) => Some(Method::Test(test)),
            KeptMethod::Hosted => Some(Method::Hosted),
            KeptMethod::Token => self.open(payment.id, payment.token.as_ref()?).map(Method::Token),
        }
    }

    fn open(&self, payment: PaymentId, sealed: &SealedToken) -> Option<Token> {
        let (nonce, text) = sealed.0.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .token_key()
            .ok()?
            .open_in_place(nonce, Aad::from(payment.as_bytes()), &mut text)
            .ok()?;
        Token::parse(std::str::from_utf8(opened).ok()?).ok()
    }

    fn token_key(&self) -> Result<LessSafeKey, Error> {
        let key = self.secret.mac("payment token", &[]);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key)
            .map_err(|_unspecified| Error::Fault("make a key", "the cipher refused".into()))?;
        Ok(LessSafeKey::new(key))
    }

    /// Says where the payer comes back to after a page of the provider or the bank.
    pub(crate) fn return_url(&self, order: OrderId) -> Option<String> {
        let template = self.settings.return_url.as_ref()?;
        Some(template.replace(crate::ORDER_IN_URL, &order.to_string()))
    }
}

/// Tells whether the payer has to do something.
pub(crate) fn is_waiting(status: OrderStatus, payment: PaymentStatus) -> bool {
    status == OrderStatus::PendingPayment && payment == PaymentStatus::RequiresAction
}

/// Says what the payer has to do. `action` is what the provider said just now; it is told to the payer alone and kept
/// nowhere.
pub(crate) fn next_action(
    order: OrderId,
    payment: &PaymentRecord,
    action: Option<PayerAction>,
) -> NextAction {
    let path = format!("/v1/orders/{order}/payment/actions");
    let say =
        |kind: &str, url, client_secret| NextAction { kind: kind.to_owned(), url, client_secret };
    // The shop itself asks the payer, where the provider only plays.
    let is_played = payment.provider == TEST && matches!(payment.method, KeptMethod::Test(_));
    match action {
        _ if is_played => say("approve", path, None),
        Some(PayerAction::Redirect { url }) => say("redirect", url, None),
        Some(PayerAction::ClientSecret { secret }) => {
            say("use_sdk", path, Some(secret.expose().to_owned()))
        }
        None => say("resume", path, None),
    }
}
