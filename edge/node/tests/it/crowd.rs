//! One of a thousand requests in flight fails: exactly that one.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Answer, Node, manifest};

/// Requests that are in their instances at the same time.
const CROWD: usize = 1000;
/// Bytes of each request's body, which says whose it is.
const BODY_BYTES: usize = 8;

#[test]
fn a_trap_among_a_thousand_requests_in_flight_fails_that_one_and_no_other() {
    one_fault("/trap-reading", |answer| answer.assert_problem(500, "guest-trap"));
}

#[test]
fn a_loop_among_a_thousand_requests_in_flight_fails_that_one_and_no_other() {
    one_fault("/loop", |answer| answer.assert_problem(504, "guest-cpu"));
}

#[test]
fn a_trap_in_mid_answer_among_a_thousand_requests_in_flight_fails_that_one_and_no_other() {
    one_fault("/late-trap", Answer::assert_cut_short);
}

/// Puts one request for `fault` among 999 others, at a random place.
fn one_fault(fault: &str, is_failed: impl Fn(&Answer)) {
    let mut random = Random::seeded();
    let mut order: Vec<usize> = (0..CROWD).collect();
    for last in (1..CROWD).rev() {
        order.swap(last, random.below(last + 1));
    }
    let faulty = random.below(CROWD);
    let count = CROWD.to_string();
    let patient = ["--request-timeout-ms", "120000", "--cpu-budget-ms", "1000"];
    let crowd = ["--instances-max", &count, "--queue-max", "0"];
    let node = Node::start(&manifest(""), &[crowd, patient].concat());
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answers = tasks.expect("starts").block_on(ask(&node, fault, faulty, &order));
    for (number, answer) in answers.iter().enumerate() {
        if number == faulty {
            is_failed(answer);
        } else {
            assert_eq!((answer.status, answer.text()), (200, body(number)), "{number}");
        }
    }
    node.until_metric("busy_instances{component=\"guest\"} 0");
    let metrics = node.get("/metrics", &[]).text();
    for (name, sum) in [("calls", CROWD), ("refused", 0), ("timeouts", 0), ("failures", 0)] {
        let line = format!("{name}_total{{component=\"guest\"}} {sum}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

/// Returns all answers, by number.
async fn ask(node: &Node, fault: &str, faulty: usize, order: &[usize]) -> Vec<Answer> {
    let mut streams = Vec::new();
    for _ in 0..CROWD {
        streams.push(TcpStream::connect(node.address()).await.expect("connects"));
    }
    // Each of the others holds an instance, which waits for the body.
    for &number in order.iter().filter(|number| **number != faulty) {
        streams[number].write_all(head("/echo").as_bytes()).await.expect("is sent");
    }
    node.until_metric(&format!("busy_instances{{component=\"guest\"}} {}", CROWD - 1));
    // The fault happens while half of them go on.
    let (some, others) = order.split_at(CROWD / 2);
    let others = std::iter::once(&faulty).chain(others.iter().filter(|number| **number != faulty));
    for &number in some.iter().filter(|number| **number != faulty).chain(others) {
        let mut words = body(number);
        if number == faulty {
            words.insert_str(0, &head(fault));
        }
        streams[number].write_all(words.as_bytes()).await.expect("is sent");
    }
    let mut answers = Vec::new();
    for mut stream in streams {
        let mut bytes = Vec::new();
        // A connection that is cut ends with an error.
        let _ = stream.read_to_end(&mut bytes).await;
        answers.push(Answer::parse(&bytes));
    }
    answers
}

fn head(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
    )
}

fn body(number: usize) -> String {
    format!("{number:0BODY_BYTES$}")
}

/// Marsaglia's xorshift: enough to choose, and the same again from its seed.
struct Random(u64);

impl Random {
    /// Takes the seed from `SEED`, otherwise another one each time.
    #[expect(clippy::print_stderr, reason = "whoever repeats a failure needs it")]
    fn seeded() -> Self {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("SEED={seed}");
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).expect("fits")).expect("fits")
    }
}
