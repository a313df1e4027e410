//! Counts, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use app::WriterReport;

/// Requests by method, route and status. Routes are patterns, so the number of series is bounded.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<(String, String, u16), Count>>);

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    requests: u64,
    duration: Duration,
}

impl Metrics {
    pub(crate) fn count(&self, method: &str, route: &str, status: u16, took: Duration) {
        // Any token is a method to HTTP; one series for all that mean nothing here.
        let method = if matches!(method, "GET" | "HEAD" | "POST" | "PATCH" | "DELETE") {
            method
        } else {
            "other"
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((method.to_owned(), route.to_owned(), status)).or_default();
        count.requests += 1;
        count.duration += took;
    }

    pub(crate) fn write(&self, in_flight: usize, position: u64, writer: WriterReport) -> String {
        let mut text = String::new();
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        line(&mut text, "# TYPE origin_requests_total counter");
        for ((method, route, status), count) in &counts {
            let labels = format!("{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}");
            line(&mut text, &format!("origin_requests_total{labels} {}", count.requests));
        }
        line(&mut text, "# TYPE origin_request_duration_seconds summary");
        for ((method, route, status), count) in &counts {
            let labels = format!("{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}");
            line(
                &mut text,
                &format!(
                    "origin_request_duration_seconds_sum{labels} {}",
                    count.duration.as_secs_f64()
                ),
            );
            line(
                &mut text,
                &format!("origin_request_duration_seconds_count{labels} {}", count.requests),
            );
        }
        for (name, kind, value) in [
            ("origin_requests_in_flight", "gauge", u64::try_from(in_flight).unwrap_or(u64::MAX)),
            ("origin_feed_position", "gauge", position),
            ("origin_store_commands_total", "counter", writer.commands),
            ("origin_store_commits_total", "counter", writer.commits),
            ("origin_store_refused_total", "counter", writer.refused),
        ] {
            line(&mut text, &format!("# TYPE {name} {kind}\n{name} {value}"));
        }
        text
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{line}");
}
