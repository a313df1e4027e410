//! Every row of `devices.tsv`: headers as real devices send them, and what they must be told.

use std::collections::BTreeSet;

use ar_core::device;
use ar_core::hints::Hints;
use http::{HeaderMap, HeaderName, HeaderValue};

struct Device<'a> {
    expected: String,
    headers: HeaderMap,
    line: &'a str,
}

fn devices() -> Vec<Device<'static>> {
    let lines = include_str!("devices.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let [viewer, why, tier, hints, agent] = fields[..] else {
                panic!("five fields: {line}")
            };
            let mut headers = HeaderMap::new();
            for hint in hints.split("; ").filter(|hint| *hint != "-") {
                let (name, value) = hint.split_once('=').unwrap();
                let name: HeaderName = name.parse().unwrap();
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
            if agent != "-" {
                headers.insert("user-agent", HeaderValue::from_str(agent).unwrap());
            }
            Device { expected: format!("viewer={viewer};why={why};tier={tier}"), headers, line }
        })
        .collect()
}

#[test]
fn tells_every_device_what_it_can_open() {
    let devices = devices();
    let wrong: Vec<_> = devices
        .iter()
        .filter_map(|device| {
            let decided = device::decide(None, &Hints::new(&device.headers)).header();
            (decided != device.expected).then(|| format!("{decided}\n  for {}", device.line))
        })
        .collect();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    let distinct: BTreeSet<_> = devices.iter().map(|device| device.line).collect();
    assert!(distinct.len() >= 200, "only {} rows", distinct.len());
}

#[test]
fn changing_a_header_outside_vary_changes_nothing() {
    for device in devices() {
        let hints = Hints::new(&device.headers);
        let decided = device::decide(None, &hints);
        let vary = hints.vary().unwrap();
        let mut other = device.headers.clone();
        for name in ["Save-Data", "ECT", "Downlink", "Device-Memory", "Sec-CH-UA-Platform"] {
            if !vary.to_str().unwrap().split(", ").any(|read| read == name) {
                for value in ["on", "2g", "0.1", "\"Android\""] {
                    other.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
                    assert_eq!(
                        device::decide(None, &Hints::new(&other)),
                        decided,
                        "{name}: {}",
                        device.line
                    );
                }
            }
        }
    }
}

#[test]
fn a_wish_beats_every_guess() {
    for device in devices() {
        for viewer in ["scene_viewer", "quick_look", "webxr", "page"] {
            let hints = Hints::new(&device.headers);
            let decided = device::decide(device::viewer_named(viewer), &hints);
            assert_eq!((device::viewer_name(decided.viewer), decided.why), (viewer, "asked"));
            assert!(!hints.vary().unwrap().to_str().unwrap().contains("User-Agent"));
        }
    }
}
