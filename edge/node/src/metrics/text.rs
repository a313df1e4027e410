//! The text format of Prometheus.

use std::fmt::Write as _;

/// The exposition format.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Returns all of it.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Begins a metric: its name, its type, what it is.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Writes one value of the metric.
    pub(super) fn line(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_lines_that_prometheus_reads() {
        let mut text = Text::default();
        text.head("a_total", "counter", "Help.");
        text.line("a_total", &[("route", "/\"x\"")], 3_u64);
        text.line("b", &[], 0.5);
        let expected = "# HELP a_total Help.\n# TYPE a_total counter\na_total{route=\"/\\\"x\\\"\"} 3\nb 0.5\n";
        assert_eq!(text.0, expected);
    }
}
