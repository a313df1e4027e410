//! The sentences in the how-to are the ones that are said.

use super::*;

const PAGE: &str = include_str!("../../../../../docs/how-to/run-a-spin-application.md");

/// Rows of the table after the line `lead`: what is written, and what is said of it.
fn rows(lead: &str) -> Vec<(&'static str, &'static str)> {
    let after = PAGE.split_once(lead).expect("is in the page").1;
    let lines = after.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells = row.trim_matches('|').split_once(" | ").expect("has two cells");
        (cells.0.trim().trim_matches('`'), cells.1.trim())
    })
    .collect()
}

#[test]
fn the_page_says_what_the_node_says() {
    let component = rows("In `[component.api]`:");
    let trigger = rows("In `[[trigger.http]]` with `route = \"/x\"`:");
    assert!(component.len() >= 8 && trigger.len() >= 6, "the tables are there");
    for (in_component, (written, said)) in
        component.iter().map(|row| (true, row)).chain(trigger.iter().map(|row| (false, row)))
    {
        let mut lines = vec!["spin_manifest_version = 2", "[application]", "name = \"a\""];
        lines.extend(["[[trigger.http]]", "route = \"/x\"", "component = \"api\""]);
        lines.extend((!in_component).then_some(*written));
        lines.push("[component.api]");
        lines.extend((!written.starts_with("source") || !in_component).then_some("source = \"a\""));
        lines.extend(in_component.then_some(*written));
        let error = resolve(&lines.join("\n"), &[]).expect_err(written).to_string();
        let error = error.split_once(": ").expect("has a line").1;
        match said.strip_suffix('…') {
            Some(start) => assert!(error.starts_with(start.trim()), "{written}: {error}"),
            None => assert_eq!(error, *said, "{written}"),
        }
    }
}
