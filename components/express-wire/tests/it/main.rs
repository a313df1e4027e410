//! Every message comes out as it went in, and no bytes make reading panic or read past their end.

use express_wire::{
    Body, Edit, Failure, Malformed, Next, Question, Request, Results, ResultsWriter, RowReader,
    RowWriter, Value, Verdict, Writer,
};
use proptest::prelude::*;

const FIELDS: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"accept", b""), (b"x-bytes", &[0xff, 0x00])];

#[test]
fn a_request_comes_out_as_it_went_in() {
    let message = Request::write(["GET", "http", "a.example:81", "/x?y=%20"], FIELDS, true);
    let read = Request::read(&message).expect("is a request");
    assert_eq!(
        [read.method, read.scheme, read.authority, read.target],
        ["GET", "http", "a.example:81", "/x?y=%20"]
    );
    assert!(read.has_body && read.fields.remaining() == 3);
    assert_eq!(read.fields.collect::<Vec<_>>(), FIELDS);
}

#[test]
fn an_answer_comes_out_as_it_went_in() {
    for body in [Body::Whole(b"hello"), Body::Whole(b""), Body::Unread] {
        let message = Verdict::write_answer(206, FIELDS, body);
        let Ok(Verdict::Answer { status, fields, body: read }) = Verdict::read(&message) else {
            panic!("is an answer");
        };
        assert_eq!((status, read, fields.collect::<Vec<_>>()), (206, body, FIELDS.to_vec()));
    }
}

#[test]
fn a_request_that_goes_on_and_what_came_of_it_come_out_as_they_went_in() {
    let words = ["POST", "https", "b", "/"];
    let message = Verdict::write_forward(words, FIELDS, Body::Unread);
    let Ok(Verdict::Forward { method, scheme, authority, target, fields, body }) =
        Verdict::read(&message)
    else {
        panic!("goes on");
    };
    assert_eq!(([method, scheme, authority, target], body), (words, Body::Unread));
    assert_eq!(fields.collect::<Vec<_>>(), FIELDS);
    let message = Next::write_answer(404, FIELDS);
    let Ok(Next::Answered { status: 404, fields }) = Next::read(&message) else {
        panic!("was answered");
    };
    assert_eq!(fields.collect::<Vec<_>>(), FIELDS);
    assert!(matches!(Next::read(&Next::write_failure()), Ok(Next::Failed)));
}

#[test]
fn edits_come_out_as_they_went_in() {
    let kinds: Vec<(&str, &[u8])> = vec![("text/html", b"a"), ("image/png", b"")];
    let asked = vec![
        Edit::Remove("cookie"),
        Edit::RemoveStarting("x-"),
        Edit::RemoveConnection,
        Edit::Set("a", b"1"),
        Edit::Append("b", &[0xff]),
    ];
    let back = vec![
        Edit::SetByType { name: "c", kinds, otherwise: Some(b"other") },
        Edit::SetByType { name: "d", kinds: vec![], otherwise: None },
    ];
    let message = Verdict::write_pass(asked.clone(), Body::Unread, back.clone());
    let Ok(Verdict::Pass { request, body, answer }) = Verdict::read(&message) else {
        panic!("passes on");
    };
    assert_eq!((request, body, answer), (asked, Body::Unread, back));
}

#[test]
fn questions_come_out_as_they_went_in() {
    let parameters = vec![
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(-0.5),
        Value::Text("wörter"),
        Value::Blob(&[0, 255]),
    ];
    let asked = [
        Question::Sql { database: "default", statement: "SELECT ?1", parameters },
        Question::Variable("edge_secret"),
        Question::KeyGet { store: "default", key: "k" },
        Question::KeySet { store: "default", key: "k", value: &[1, 2] },
        Question::KeyDelete { store: "s", key: "" },
        Question::Body { bytes_max: 65_536 },
    ];
    let mut out = Verdict::start_ask(asked.len(), 0);
    asked.iter().for_each(|question| question.write(&mut out));
    let message = out.finish();
    let Ok(Verdict::Ask(read)) = Verdict::read(&message) else { panic!("asks") };
    assert_eq!(read, asked);
}

#[test]
fn results_and_rows_come_out_as_they_went_in() {
    let mut out = ResultsWriter::new(5);
    out.add(|out| {
        let mut rows = RowWriter::new(out, ["a", "b"].into_iter());
        for number in 0..3 {
            rows.row();
            rows.value(Value::Integer(number));
            rows.value(Value::Text("x"));
        }
        rows.finish();
        Ok(())
    });
    out.add(|out| {
        out.bytes("is forgotten");
        Err(Failure::Other("disk I/O error".into()))
    });
    out.add(|out| {
        out.raw(b"abc");
        Ok(())
    });
    out.add(|_| Err(Failure::Denied));
    out.add(|_| Err(Failure::TooLarge));
    let message = out.finish();
    let mut results = Results::read(&message).expect("are results");
    let mut next = || {
        let result = results.next_result().expect("is whole").expect("is there");
        Results::parse(result).expect("is a result")
    };
    let mut rows = RowReader::new(next().expect("is good")).expect("are rows");
    assert_eq!(rows.columns().collect::<Result<Vec<_>, _>>(), Ok(vec!["a", "b"]));
    assert_eq!((rows.rows(), rows.width()), (3, 2));
    for number in 0..3 {
        assert_eq!(rows.value(), Ok(Value::Integer(number)));
        assert_eq!(rows.value(), Ok(Value::Text("x")));
    }
    assert_eq!(rows.end(), Ok(()));
    assert_eq!(next(), Err(Failure::Other("disk I/O error".into())));
    assert_eq!(next(), Ok(&b"abc"[..]));
    assert_eq!(next(), Err(Failure::Denied));
    assert_eq!(next(), Err(Failure::TooLarge));
    assert_eq!(results.next_result(), Ok(None));
}

#[test]
fn a_message_that_is_cut_or_goes_on_is_malformed() {
    let whole = Verdict::write_answer(200, FIELDS, Body::Whole(b"body"));
    for length in 0..whole.len() {
        assert_eq!(Verdict::read(&whole[..length]).err(), Some(Malformed), "{length} bytes");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(Verdict::read(&longer).err(), Some(Malformed));
    let mut none = Writer::default();
    none.byte(2);
    none.number(0);
    assert_eq!(Verdict::read(&none.finish()).err(), Some(Malformed), "asks nothing");
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::read(&bytes);
        let _ = Verdict::read(&bytes);
        let _ = Next::read(&bytes);
        if let Ok(mut results) = Results::read(&bytes) {
            while let Ok(Some(result)) = results.next_result() {
                let _ = Results::parse(result);
            }
        }
        if let Ok(mut rows) = RowReader::new(&bytes) {
            while rows.value().is_ok() {}
        }
    }
}
