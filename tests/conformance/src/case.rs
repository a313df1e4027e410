//! One case: a request, and what every host must answer.
//!
//! Targets, headers, bodies and expected values may hold `{names}`: values that earlier cases of the group captured,
//! `{host}` (sixteen letters that differ per host) and those of [`crate::run`].

use std::time::Duration;

use serde_json::Value;

use crate::values::Values;

/// A request and its expected answer.
#[derive(Debug, Clone)]
pub struct Case {
    /// A sentence: what is so.
    pub name: String,
    /// `METHOD /path/{name}` of the contract (`openapi.json`) that it exercises.
    pub route: Option<&'static str>,
    /// What is sent.
    pub request: Sent,
    /// How often; the last answer counts.
    pub times: u32,
    /// What must come back.
    pub expected: Expected,
    /// What later cases use: a name and where it stands in the answer.
    pub captures: Vec<(&'static str, Place)>,
    /// Values that are computed once the answer is there.
    pub makes: Vec<(&'static str, Make)>,
    /// JSON pointers of what a job of the origin changes at a moment of its own: hosts are not compared by it.
    pub moving: Vec<&'static str>,
    /// How long the answer may take to become the expected one: 0 unless something has to reach the edge first.
    pub patience: Duration,
    /// Whether the origin can be reached.
    pub origin: Origin,
}

/// A request with its `{names}`.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Beside those that every request has.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Headers that every request has, and this one has not.
    pub without: Vec<&'static str>,
}

/// What must come back.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The status.
    pub status: u16,
    /// Headers that matter.
    pub headers: Vec<(String, Want)>,
    /// Values of the JSON body, by pointer.
    pub json: Vec<(String, Want)>,
    /// Pieces of the body's text.
    pub body: Vec<Want>,
}

/// What a header, a JSON value or a body must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// This text; of JSON, this string.
    Is(String),
    /// This JSON.
    Json(Value),
    /// There, whatever it is.
    There,
    /// Not there. Of a body: empty.
    Absent,
    /// Text that begins so.
    Starts(String),
    /// Text that holds this.
    Has(String),
    /// Text that does not hold this.
    HasNot(String),
    /// So many elements, or bytes.
    Long(usize),
    /// These bytes of a file of the clone, from the first to before the last.
    Part(usize, usize, String),
}

/// Where a captured value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a JSON pointer of the body.
    Json(&'static str),
    /// In a header.
    Header(&'static str),
}

/// Computes a value from others; an empty text when one is missing.
pub type Make = fn(&Values) -> String;

/// The origin's state during a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It answers.
    Up,
    /// Connections are refused.
    Down,
}

/// Cases that follow one another: later ones may use what earlier ones captured.
#[derive(Debug, Clone)]
pub struct Group {
    /// A word.
    pub name: &'static str,
    /// In this order.
    pub cases: Vec<Case>,
}

/// Starts a case with any method.
#[must_use]
pub fn request(method: &str, target: &str, name: &str) -> Case {
    let (method, target) = (method.to_owned(), target.to_owned());
    Case {
        name: name.to_owned(),
        route: None,
        request: Sent { method, target, headers: vec![], body: String::new(), without: vec![] },
        times: 1,
        expected: Expected { status: 200, ..Expected::default() },
        captures: vec![],
        makes: vec![],
        moving: vec![],
        patience: Duration::ZERO,
        origin: Origin::Up,
    }
}

/// Starts a case with GET.
#[must_use]
pub fn get(target: &str, name: &str) -> Case {
    request("GET", target, name)
}

/// Starts a case with HEAD.
#[must_use]
pub fn head(target: &str, name: &str) -> Case {
    request("HEAD", target, name).empty()
}

/// Starts a case that posts JSON.
#[must_use]
pub fn post(target: &str, body: &Value, name: &str) -> Case {
    let mut case = request("POST", target, name).send("content-type", "application/json");
    case.request.body = body.to_string();
    case
}

impl Case {
    /// Says which operation of the contract it exercises: `GET /v1/carts/{cart_id}`.
    #[must_use]
    pub fn route(mut self, route: &'static str) -> Self {
        self.route = Some(route);
        self
    }

    /// Sends a header more.
    #[must_use]
    pub fn send(mut self, name: &str, value: &str) -> Self {
        self.request.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves out a header that every request has.
    #[must_use]
    pub fn without(mut self, name: &'static str) -> Self {
        self.request.without.push(name);
        self
    }

    /// Sends this body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.request.body);
        self
    }

    /// Sends it so often, from one address; the last answer counts.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Makes the origin unreachable.
    #[must_use]
    pub const fn origin_down(mut self) -> Self {
        self.origin = Origin::Down;
        self
    }

    /// Expects a status; 200 unless said.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.expected.status = status;
        self
    }

    /// Expects exactly this header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.want(name, Want::Is(value.to_owned()))
    }

    /// Expects something of a header.
    #[must_use]
    pub fn want(mut self, name: &str, want: Want) -> Self {
        self.expected.headers.push((name.to_owned(), want));
        self
    }

    /// Expects that a header is there.
    #[must_use]
    pub fn has(self, name: &str) -> Self {
        self.want(name, Want::There)
    }

    /// Expects that a header is not there.
    #[must_use]
    pub fn lacks(self, name: &str) -> Self {
        self.want(name, Want::Absent)
    }

    /// Expects this value at a JSON pointer.
    #[must_use]
    pub fn json(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.expected.json.push((pointer.to_owned(), Want::Json(value.into())));
        self
    }

    /// Expects something at a JSON pointer.
    #[must_use]
    pub fn json_want(mut self, pointer: &str, want: Want) -> Self {
        self.expected.json.push((pointer.to_owned(), want));
        self
    }

    /// Expects no body.
    #[must_use]
    pub fn empty(self) -> Self {
        self.text(Want::Absent)
    }

    /// Expects something of the body's text.
    #[must_use]
    pub fn text(mut self, want: Want) -> Self {
        self.expected.body.push(want);
        self
    }

    /// Keeps a value of the answer for later cases.
    #[must_use]
    pub fn keep(mut self, name: &'static str, place: Place) -> Self {
        self.captures.push((name, place));
        self
    }

    /// Computes a value for later cases from those that are kept.
    #[must_use]
    pub fn make(mut self, name: &'static str, make: Make) -> Self {
        self.makes.push((name, make));
        self
    }

    /// Does not compare hosts by a value of the JSON body, which may change between two requests.
    #[must_use]
    pub fn moving(mut self, pointer: &'static str) -> Self {
        self.moving.push(pointer);
        self
    }

    /// Asks again, for so long, until the answer is the expected one.
    #[must_use]
    pub const fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Expects a problem with this status and code.
    #[must_use]
    pub fn problem(mut self, status: u16, code: &str) -> Self {
        // What the address usually answers with does not count.
        let usual = ["content-type", "cache-control"];
        self.expected.headers.retain(|(name, _)| !usual.contains(&name.as_str()));
        self.status(status)
            .header("content-type", "application/problem+json")
            .header("cache-control", "no-store")
            .json("/status", status)
            .json_want("/type", Want::Has(format!("/{code}")))
            .json_want("/title", Want::There)
            .json_want("/request_id", Want::There)
    }

    /// Expects that a problem names this field with this code, first.
    #[must_use]
    pub fn fault(self, field: &str, code: &str) -> Self {
        self.json("/errors/0/pointer", field).json("/errors/0/code", code)
    }
}
