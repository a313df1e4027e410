//! The express lane: the same answers as the standard lane, its own limits, and what a broken component costs.

use std::path::PathBuf;

use crate::support::{Answer, Node};

/// Returns the wasm file of a guest of this lane: `answering`, `gating` or `raw`.
pub(crate) fn guest(kind: &str) -> PathBuf {
    let folder = std::env::var_os("VITRINE_GUESTS_EXPRESS_DIR").expect(
        "VITRINE_GUESTS_EXPRESS_DIR is not set: run `cargo xtask test`, which builds the guests of the express lane",
    );
    PathBuf::from(folder).join(format!("{kind}.wasm"))
}

/// A manifest with component `guest` behind everything, below `/gated` behind the middleware.
fn manifest(extra: &str) -> String {
    let (answering, gating, raw) = (guest("answering"), guest("gating"), guest("raw"));
    format!(
        "spin_manifest_version = 2\n[application]\nname = \"guests\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"guest\"\n\
         dependencies.middleware = [{{ component = \"gate\", inherit_configuration = true }}]\n\
         [[trigger.http]]\nroute = \"/alone/...\"\ncomponent = \"guest\"\n\
         [[trigger.http]]\nroute = \"/raw\"\ncomponent = \"raw\"\n\
         [component.gate]\nsource = {gating:?}\n[component.raw]\nsource = {raw:?}\n\
         [component.guest]\nsource = {answering:?}\n{extra}\n"
    )
}

const GRANTS: &str = "key_value_stores = [\"default\"]\nsqlite_databases = [\"default\"]\n\
                      variables = { word = \"{{ word }}\" }\n[variables]\nword = { default = \"said\" }";

fn metric(node: &Node, name: &str, component: &str) -> u64 {
    let metrics = node.get("/metrics", &[]).text();
    let start = format!("vitrine_edge_component_{name}{{component=\"{component}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
    value.unwrap_or_else(|| panic!("no {start}: {metrics}"))
}

#[test]
fn serves_a_component_in_the_lane_that_it_has() {
    for (arguments, lane) in [(&[][..], "express"), (&["--standard-lane"][..], "standard")] {
        let node = Node::start(&manifest(GRANTS), arguments);
        let answer = node.get("/lane", &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, lane));
        assert_eq!(answer.header("x-gate"), Some(lane));
        let counted = metric(&node, "express_total", "guest");
        assert_eq!(counted, u64::from(lane == "express"));
    }
}

/// Method, path, headers, body.
type Asked = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static [u8]);

/// A request on which every edit of the guest's has something to do.
const EDITED: &[(&str, &str)] = &[
    ("x-gate-does", "pass"),
    ("x-many", "1"),
    ("x-many", "2"),
    ("cookie", "a=1"),
    ("x-secret-a", "1"),
    ("x-secret-b", "2"),
    ("accept", "text/plain"),
    ("te", "trailers"),
];

/// What both lanes must answer alike.
const ASKED: [Asked; 21] = [
    ("GET", "/hello", &[], b""),
    ("HEAD", "/hello", &[], b""),
    ("GET", "/headers?a=%20b", &[("x-many", "1"), ("x-many", "2"), ("cookie", "a=1")], b""),
    ("POST", "/echo", &[], b"a body"),
    ("POST", "/echo", &[("x-gate-does", "read")], b"a body"),
    ("GET", "/echo", &[("x-gate-does", "read")], b""),
    ("GET", "/hello", &[("x-gate-does", "refuse")], b""),
    ("GET", "/trap", &[], b""),
    ("GET", "/trap", &[("x-gate-does", "mend")], b""),
    ("GET", "/hello", &[("x-gate-does", "trap-before")], b""),
    ("GET", "/hello", &[("x-gate-does", "trap-after")], b""),
    ("GET", "/content-length", &[], b""),
    ("GET", "/nothing-here", &[], b""),
    ("GET", "/standard", &[], b""),
    ("GET", "/hello", &[("x-gate-does", "pass")], b""),
    ("HEAD", "/hello", &[("x-gate-does", "pass")], b""),
    ("GET", "/headers?a=%20b", EDITED, b""),
    ("POST", "/echo", &[("x-gate-does", "pass"), ("content-type", "text/plain; a=b")], b"a body"),
    ("POST", "/echo", &[("x-gate-does", "pass-read")], b"a body"),
    ("GET", "/trap", &[("x-gate-does", "pass")], b""),
    ("GET", "/standard", &[("x-gate-does", "pass")], b""),
];

#[test]
fn answers_the_same_in_both_lanes() {
    let nodes = [&[][..], &["--standard-lane"][..]]
        .map(|arguments| Node::start(&manifest(GRANTS), arguments));
    for (method, path, headers, body) in ASKED {
        let [express, standard] = nodes.each_ref().map(|node| {
            let id = [("x-request-id", "the-same-id")];
            let headers: Vec<_> = headers.iter().copied().chain(id).collect();
            plain(node.send(method, path, &headers, body))
        });
        assert_eq!(express, standard, "{method} {path} {headers:?}");
    }
    // A component that is asked for the standard lane there is in it.
    assert_eq!(nodes[0].get("/standard", &[]).text(), "standard");
}

#[test]
fn a_middleware_that_passes_a_request_on_edits_its_headers_and_the_answers() {
    for arguments in [&[][..], &["--standard-lane"][..]] {
        let node = Node::start(&manifest(GRANTS), arguments);
        let answer = node.get("/headers", EDITED);
        let seen = answer.text();
        for line in
            ["x-many: one", "accept: text/plain", "accept: more/accepted", "x-kind: no text"]
        {
            assert_eq!(seen.matches(&format!("{line}\n")).count(), 1, "{line}: {seen}");
        }
        for gone in ["cookie", "x-secret-", "te:", "x-many: 1", "host:"] {
            assert!(!seen.lines().any(|line| line.starts_with(gone)), "{gone}: {seen}");
        }
        assert_eq!(answer.header("vary"), Some("x-gate-does"));
        // It answers without a type.
        assert_eq!(answer.header("x-is-text"), None);
        assert_eq!(answer.header("x-is-page"), Some("no page"));
        assert_eq!(answer.header("keep-alive"), None);
        assert!(answer.header("x-gate").is_some());
        let typed = [("x-gate-does", "pass"), ("content-type", "Text/Plain; charset=utf-8")];
        assert!(node.get("/headers", &typed).text().contains("x-kind: text\n"));
    }
}

/// An answer without what is about the moment, the port or the lane.
fn plain(answer: Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    // The length of what `/headers` answers depends on them, too.
    headers.retain(|(name, _)| !["date", "x-gate", "content-length"].contains(&name.as_str()));
    headers.sort();
    let lines = answer.text();
    let kept = lines.lines().filter(|line| {
        !["x-gate: ", "spin-client-addr: ", "traceparent: "]
            .iter()
            .any(|name| line.starts_with(name))
    });
    (answer.status, headers, kept.collect::<Vec<_>>().join("\n"))
}

#[test]
fn asks_for_what_was_granted_and_is_denied_the_rest() {
    let node = Node::start(&manifest(GRANTS), &[]);
    let sql = |words: &str, parameter: &str| {
        let headers = [("x-database", "default"), ("x-sql", words), ("x-parameter", parameter)];
        node.get("/sql", &headers)
    };
    let made = sql("CREATE TABLE t (a, b)", "");
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(sql("INSERT INTO t VALUES (1, ?1), (2.5, x'00ff')", "words").status, 200);
    let rows = "Integer(1)|Text(\"words\")\nReal(2.5)|Blob([0, 255])";
    assert_eq!(sql("SELECT a, b FROM t", "").text(), rows);
    assert_eq!(sql("SELECT nonsense", "").status, 422);
    assert_eq!(sql("SELECT ?1, ?2", "one").status, 422);
    let other = node.get("/sql", &[("x-database", "other"), ("x-sql", "SELECT 1")]);
    assert_eq!((other.status, other.text().as_str()), (422, "Denied"));
    let key = [("x-store", "default"), ("x-key", "k"), ("x-value", "v")];
    assert_eq!(node.get("/kv", &key).text(), "v");
    assert_eq!(node.get("/kv", &[("x-store", "default"), ("x-key", "absent")]).status, 404);
    assert_eq!(node.get("/kv", &[("x-store", "other"), ("x-key", "k")]).status, 403);
    assert_eq!(node.get("/variable", &[("x-name", "word")]).text(), "said");
    assert_eq!(node.get("/variable", &[("x-name", "other")]).status, 404);
    assert_eq!(metric(&node, "express_total", "guest"), 11, "nothing took the standard lane");
}

#[test]
fn a_body_over_the_components_limit_is_its_to_refuse() {
    let node = Node::start(&manifest(GRANTS), &[]);
    let large = vec![b'x'; 64 * 1024 + 1];
    for headers in [&[][..], &[("x-gate-does", "read")]] {
        assert_eq!(node.send("POST", "/echo", headers, &large[1..]).body.len(), 64 * 1024);
        assert_eq!(node.send("POST", "/echo", headers, &large).status, 413);
    }
}

#[test]
fn a_fault_costs_its_own_request_and_the_next_one_is_served() {
    // Little, so that it is used up before the time is: a page of it costs a fault of the processor.
    let node = Node::start(&manifest(GRANTS), &["--memory-mib", "6"]);
    for (path, status, code) in [
        ("/trap", 500, "guest-trap"),
        ("/loop", 504, "guest-cpu"),
        ("/print-for-ever", 504, "guest-cpu"),
        ("/hog", 500, "guest-limit"),
        ("/ask-for-ever", 500, "guest-error"),
        ("/wait-for-nothing", 500, "guest-error"),
        ("/standard-too-late", 500, "guest-error"),
    ] {
        let answer = node.get(path, &[]);
        assert_eq!(answer.status, status, "{path}");
        answer.assert_problem(status, code);
        assert_eq!(node.get("/hello", &[]).text(), "hello", "after {path}");
    }
    let traps = [("x-gate-does", "trap-after")];
    node.get("/hello", &traps).assert_problem(500, "guest-trap");
    assert_eq!(metric(&node, "traps_total", "gate>guest"), 1);
    assert_eq!(metric(&node, "traps_total", "guest"), 1);
}

#[test]
fn traps_and_loops_leave_their_neighbours_alone() {
    let node = Node::start(&manifest(GRANTS), &[]);
    std::thread::scope(|scope| {
        let bad: Vec<_> = (0..12)
            .map(|number| if number % 3 == 0 { "/loop" } else { "/trap" })
            .map(|path| scope.spawn(|| node.get(path, &[]).status))
            .collect();
        let good: Vec<_> =
            (0..60).map(|_| scope.spawn(|| node.get("/hello", &[]).text())).collect();
        for answer in good {
            assert_eq!(answer.join().expect("answers"), "hello");
        }
        let statuses: Vec<u16> = bad.into_iter().map(|bad| bad.join().expect("answers")).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 504).count(), 4, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 8, "{statuses:?}");
    });
}

#[test]
fn verdicts_that_make_no_sense_are_answered_with_500() {
    let node = Node::start(&manifest(GRANTS), &[]);
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let number = |number: u32| number.to_le_bytes();
    let good = [&[0, 200, 0][..], &number(0), &[0], &number(2), b"ok"].concat();
    assert_eq!(node.get("/raw", &[("x-verdict", &hex(&good))]).text(), "ok");
    assert_eq!(node.get("/raw", &[("x-verdict", "03")]).text(), "standard");
    let field = |name: &[u8], value: &[u8]| {
        [
            &number(1)[..],
            &number(u32::try_from(name.len()).expect("fits")),
            name,
            &number(u32::try_from(value.len()).expect("fits")),
            value,
        ]
        .concat()
    };
    let with = |fields: &[u8]| [&[0, 200, 0][..], fields, &[0], &number(0)].concat();
    let edit = |kind: u8, name: &[u8], value: &[u8]| {
        let length = |bytes: &[u8]| number(u32::try_from(bytes.len()).expect("fits"));
        [&[kind][..], &length(name), name, &length(value), value].concat()
    };
    let passing = |asked: &[&[u8]], answer: &[&[u8]]| {
        let list = |edits: &[&[u8]]| {
            let count = number(u32::try_from(edits.len()).expect("fits"));
            [&count[..], &edits.concat()].concat()
        };
        [&[5][..], &list(asked), &[1], &list(answer)].concat()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("an unknown choice", vec![9]),
        ("half an answer", good[..7].to_vec()),
        ("more than an answer", [&good[..], &[0]].concat()),
        (
            "a length beyond the end",
            [&[0, 200, 0][..], &number(0), &[0], &number(u32::MAX)].concat(),
        ),
        ("fields without number", [&[0, 200, 0][..], &number(u32::MAX)].concat()),
        ("a status that is none", [&[0, 99, 0][..], &number(0), &[0], &number(0)].concat()),
        ("an interim status", [&[0, 100, 0][..], &number(0), &[0], &number(0)].concat()),
        ("somebody else's body", [&[0, 200, 0][..], &number(0), &[1]].concat()),
        ("a forbidden header", with(&field(b"connection", b"close"))),
        ("a header with a line break", with(&field(b"x", b"a\r\nb: c"))),
        ("a header without a name", with(&field(b"", b"x"))),
        (
            "going on from a component that answers",
            [&[1][..], &number(0), &number(0), &number(0), &number(0), &number(0), &[1]].concat(),
        ),
        ("passing on from a component that answers", passing(&[], &[])),
        ("edits without end", [&[5][..], &number(u32::MAX)].concat()),
        ("an edit that is none", passing(&[&[9][..]], &[])),
        ("an edit of the connection", passing(&[&edit(3, b"upgrade", b"h2c")[..]], &[])),
        ("an edit with a line break", passing(&[], &[&edit(3, b"x", b"a\r\nb: c")[..]])),
        ("an edit of a name that is none", passing(&[], &[&edit(4, b"a b", b"")[..]])),
        ("a failure", [&[4][..], &number(3), b"why"].concat()),
        ("no question", [&[2][..], &number(0)].concat()),
        ("questions without number", [&[2][..], &number(u32::MAX)].concat()),
        // Its resume returns the results as they are, which are no verdict.
        ("a question, then nonsense", [&[2][..], &number(1), &[1], &number(1), b"x"].concat()),
    ];
    for (what, verdict) in cases {
        let answer = node.get("/raw", &[("x-verdict", &hex(&verdict))]);
        assert_eq!(answer.status, 500, "{what}");
        answer.assert_problem(500, "guest-error");
    }
    assert_eq!(node.get("/hello", &[]).text(), "hello");
}
