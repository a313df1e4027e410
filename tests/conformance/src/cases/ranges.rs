//! Parts of files: what viewers and downloads ask for.

use crate::case::{Case, Place, Want, get, head};
use crate::facts::{FACTS, Served};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = parts(&FACTS.glb);
    cases.extend(parts(&FACTS.page));
    cases.extend(parts(&FACTS.jpg));
    cases.extend(unusual(&FACTS.glb));
    cases.extend(unusual(&FACTS.page));
    cases.extend(conditional(&FACTS.glb));
    cases.extend(conditional(&FACTS.page));
    cases.extend(encoded());
    cases
}

fn asked(file: &Served, range: &str, name: &str) -> Case {
    get(&file.path, &format!("{}: {range}, {name}", file.path)).send("range", range)
}

fn part(case: Case, file: &Served, start: usize, end: usize) -> Case {
    let last = end - 1;
    case.status(206)
        .header("content-range", &format!("bytes {start}-{last}/{}", file.length))
        .header("content-length", &(end - start).to_string())
        .header("accept-ranges", "bytes")
        .has("etag")
        .text(Want::Part(start, end, file.file.clone()))
}

fn whole(case: Case, file: &Served) -> Case {
    case.lacks("content-range").header("content-length", &file.length.to_string()).text(Want::Part(
        0,
        file.length,
        file.file.clone(),
    ))
}

fn none(case: Case, file: &Served) -> Case {
    case.problem(416, "range-not-satisfiable")
        .header("content-range", &format!("bytes */{}", file.length))
}

fn parts(file: &Served) -> Vec<Case> {
    let length = file.length;
    let cases = [
        ("bytes=0-0", "the first byte", 0, 1),
        ("bytes=0-99", "the first hundred", 0, 100),
        ("bytes=100-199", "from the middle", 100, 200),
        ("bytes=1-1", "one byte", 1, 2),
        ("bytes=-1", "the last byte", length - 1, length),
        ("bytes=-100", "the last hundred", length - 100, length),
        ("bytes=200-", "from somewhere to the end", 200, length),
        ("bytes=0-", "from the start to the end", 0, length),
        ("bytes=0-99999999", "to beyond the end", 0, length),
        ("bytes=-99999999", "more than there is from the end", 0, length),
    ];
    cases
        .into_iter()
        .map(|(range, name, start, end)| part(asked(file, range, name), file, start, end))
        .collect()
}

fn unusual(file: &Served) -> Vec<Case> {
    let length = file.length;
    vec![
        none(asked(file, &format!("bytes={length}-"), "right behind the end"), file),
        none(asked(file, "bytes=99999999-", "far behind the end"), file),
        none(asked(file, "bytes=99999999999999999999999-", "beyond all numbers"), file),
        none(asked(file, "bytes=-0", "the last none"), file),
        // They nearly touch: one part is sent (RFC 9110, section 15.3.7.2).
        part(asked(file, "bytes=0-1,3-4", "several that nearly touch"), file, 0, 5),
        whole(asked(file, "bytes=5-4", "backwards"), file),
        whole(asked(file, "bytes=a-b", "letters"), file),
        whole(asked(file, "bytes=-", "nothing"), file),
        whole(asked(file, "bytes=+1-2", "a sign"), file),
        whole(asked(file, "items=0-1", "another unit"), file),
        whole(asked(file, "bytes", "a unit alone"), file),
        part(asked(file, "bytes=2-4", "with another header of no concern"), file, 2, 5)
            .send("x-range", "bytes=0-0"),
        head(&file.path, &format!("{}: HEAD knows no ranges", file.path))
            .send("range", "bytes=0-0")
            .header("content-length", &length.to_string())
            .lacks("content-range"),
    ]
}

fn conditional(file: &Served) -> Vec<Case> {
    let first = |name: &str| asked(file, "bytes=0-9", name);
    vec![
        get(&file.path, &format!("{}: the tag of the version", file.path))
            .keep("etag", Place::Header("etag")),
        part(first("If-Range with the tag"), file, 0, 10).send("if-range", "{etag}"),
        whole(first("If-Range with another tag"), file).send("if-range", "\"0000000000000000\""),
        whole(first("If-Range with a weak tag"), file).send("if-range", "W/{etag}"),
        whole(first("If-Range with an old date"), file)
            .send("if-range", "Sun, 06 Nov 1994 08:49:37 GMT"),
        whole(first("If-Range with text"), file).send("if-range", "x"),
        first("If-None-Match goes before a range")
            .send("if-none-match", "{etag}")
            .status(304)
            .empty(),
        part(first("If-None-Match with another"), file, 0, 10)
            .send("if-none-match", "\"0000000000000000\""),
        first("If-Match goes before a range")
            .send("if-match", "\"0000000000000000\"")
            .problem(412, "precondition-failed"),
    ]
}

/// A range of a compressed page is a range of its compressed bytes.
fn encoded() -> Vec<Case> {
    [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .map(|(encoding, suffix)| {
            let length = FACTS.script.sibling_length(suffix);
            get(&FACTS.script.path, &format!("a range of a {encoding} script"))
                .send("accept-encoding", encoding)
                .send("range", "bytes=10-19")
                .status(206)
                .header("content-encoding", encoding)
                .header("content-range", &format!("bytes 10-19/{length}"))
                .text(Want::Part(10, 20, format!("{}{suffix}", FACTS.script.file)))
        })
        .collect()
}
