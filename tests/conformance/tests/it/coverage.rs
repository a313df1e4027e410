//! No route without a case, no case without a route, no difference without its words.

use std::collections::BTreeSet;

use conformance::case::Group;
use conformance::differences::{DIFFERENCES, MASKED, What};
use conformance::{cases, coverage, hosts, repository};

#[test]
fn every_route_of_the_manifest_has_a_case() {
    let app = coverage::app().unwrap();
    assert_eq!(coverage::routes_without_case(&app, &cases::all()), Vec::<String>::new());
}

#[test]
fn every_row_of_the_gateway_has_a_case() {
    assert_eq!(coverage::policies_without_case(&cases::all()), Vec::<String>::new());
}

#[test]
fn every_operation_of_the_contract_has_a_good_answer() {
    assert_eq!(coverage::operations_without_case(&cases::all()).unwrap(), Vec::<String>::new());
}

#[test]
fn every_route_of_the_worker_has_a_case() {
    assert!(coverage::worker_patterns().unwrap().contains(&"/v1/products/...".to_owned()));
    assert_eq!(coverage::worker_routes_without_case(&cases::all()).unwrap(), Vec::<String>::new());
}

#[test]
fn no_case_names_a_route_that_does_not_exist() {
    assert_eq!(coverage::cases_without_operation(&cases::all()).unwrap(), Vec::<String>::new());
}

#[test]
fn no_two_cases_of_a_group_have_the_same_name() {
    for group in cases::all() {
        let mut names = BTreeSet::new();
        for case in &group.cases {
            assert!(names.insert(&case.name), "{}: {}", group.name, case.name);
        }
    }
}

#[test]
fn what_is_missing_would_be_found() {
    let app = coverage::app().unwrap();
    assert!(coverage::routes_without_case(&app, &[]).contains(&"/v1/ar/...".to_owned()));
    assert!(!coverage::policies_without_case(&[]).is_empty());
    assert!(!coverage::operations_without_case(&[]).unwrap().is_empty());
    assert!(!coverage::worker_routes_without_case(&[]).unwrap().is_empty());
    let mut groups = cases::all();
    groups[0].cases[0].route = Some("GET /v1/nowhere");
    assert_eq!(coverage::cases_without_operation(&groups).unwrap().len(), 1);
}

#[test]
fn every_difference_is_of_a_host_and_of_cases_that_exist() {
    let groups = cases::all();
    for difference in DIFFERENCES {
        let is_host =
            difference.host == "*" || hosts::ALL.iter().any(|host| host.name == difference.host);
        assert!(is_host, "{difference:?}");
        let concerns = groups.iter().any(|group| {
            group.cases.iter().any(|case| {
                let name = format!("{}: {}", group.name, case.name);
                hosts::ALL.iter().any(|host| difference.concerns(host.name, &name))
            })
        });
        assert!(concerns, "{difference:?} is about no case");
    }
}

/// `docs/HOSTS.md` has a row for each difference, that names its hosts, and one for each header that is not compared.
#[test]
fn every_difference_is_written_down_with_its_reason() {
    let document = String::from_utf8(repository::file("docs/HOSTS.md").unwrap()).unwrap();
    let row = |mark: &str| document.lines().find(|line| line.starts_with(&format!("| `{mark}` |")));
    for difference in DIFFERENCES {
        let row = row(difference.id).unwrap_or_else(|| panic!("{} has no row", difference.id));
        let host = if difference.host == "*" { "all" } else { difference.host };
        assert!(row.contains(host), "{row} does not name {host}");
        if let What::Header(name) = difference.what {
            assert!(row.contains(&format!("`{name}`")), "{row} does not name {name}");
        }
    }
    for name in MASKED {
        assert!(row(name).is_some(), "{name} has no row");
    }
    let known: BTreeSet<&str> =
        DIFFERENCES.iter().map(|one| one.id).chain(MASKED.iter().copied()).collect();
    let marks = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for mark in marks {
        assert!(known.contains(mark), "{mark} is written down and is no difference");
    }
}

/// The counts in `docs/HOSTS.md` are the table's: a line per group, and the sum.
#[test]
fn the_document_says_how_many_cases_there_are() {
    let document = String::from_utf8(repository::file("docs/HOSTS.md").unwrap()).unwrap();
    let groups = cases::all();
    let count = |group: &Group| format!("| {} | {} |\n", group.name, group.cases.len());
    let table: String = groups.iter().map(count).collect();
    let total: usize = groups.iter().map(|group| group.cases.len()).sum();
    assert!(document.contains(&table), "docs/HOSTS.md should say:\n{table}");
    assert!(document.contains(&format!("{total} cases")), "docs/HOSTS.md should say {total} cases");
}
