//! What clients show and are told.

use super::*;

fn at(s: i64) -> Timestamp {
    Timestamp::from_unix_ms(s.saturating_mul(1_000))
}

fn seal() -> Seal {
    Seal::for_waiting(b"secret").unwrap()
}

fn headers(of: &[(HeaderName, String)]) -> HeaderMap {
    of.iter().map(|(name, text)| (name.clone(), HeaderValue::from_str(text).unwrap())).collect()
}

fn visit<'a>(headers: &'a HeaderMap, path: &'a str) -> Visit<'a> {
    Visit { room: "drop", headers, path, is_https: true, request_id: "r1" }
}

fn body(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

#[test]
fn a_pass_or_a_ticket_counts_from_a_header_or_a_cookie() {
    let now = at(100);
    let given = Ticket { number: 7, issued_at: at(90) };
    let (pass, ticket) = (seal().pass("drop", 7, at(200)), seal().ticket("drop", given));
    let over = seal().pass("drop", 7, at(99));
    let cookie = |text: String| (header::COOKIE, text);
    for (sent, expected) in [
        (vec![], Shown::Nothing),
        (vec![(PASS, pass.clone())], Shown::Pass),
        (vec![cookie(format!("a=b; vitrine-pass={pass}"))], Shown::Pass),
        (vec![(TICKET, ticket.clone())], Shown::Ticket(given)),
        (vec![cookie(format!("vitrine-ticket={ticket};x=y"))], Shown::Ticket(given)),
        (vec![(PASS, over.clone()), (TICKET, ticket.clone())], Shown::Ticket(given)),
        (vec![(PASS, over), cookie(format!("vitrine-pass={pass}"))], Shown::Pass),
        (vec![(TICKET, pass)], Shown::Nothing),
        (vec![(PASS, ticket)], Shown::Nothing),
        (vec![(TICKET, "garbage".to_owned())], Shown::Nothing),
    ] {
        assert_eq!(shown(&seal(), "drop", &headers(&sent), now), expected, "{sent:?}");
    }
}

#[test]
fn a_program_gets_a_problem_with_its_ticket_and_a_person_a_page_that_asks_again() {
    let place = PlaceAnswer::Waiting { ticket: 9, ahead: 4, wait_ms: 50_001 };
    let none = HeaderMap::new();
    let answer = wait(&seal(), &visit(&none, "/v1/carts/1/checkout"), &place, at(100));
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "26");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    let told: WaitingProblem = rooms::read(answer.body()).unwrap();
    assert_eq!((told.waiting.place, told.waiting.estimate_s), (5, 51));
    assert_eq!(told.problem.code(), "waiting-room");
    let held = seal().read_ticket("drop", &told.waiting.ticket, at(100));
    assert_eq!(held, Some(Ticket { number: 9, issued_at: at(100) }));
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("vitrine-ticket=wt1.drop.9.") && cookie.ends_with("Lax; Secure"));

    let person = headers(&[(header::ACCEPT, "text/html".to_owned())]);
    let answer = wait(&seal(), &visit(&person, "/p/lyra-chair"), &place, at(100));
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let page = body(&answer);
    assert!(page.contains("content=\"26\"") && page.contains("<strong>5</strong>"));
    assert!(!page.contains("<script") && !page.contains("wt1."));
}

#[test]
fn asking_tells_the_place_then_gives_the_pass_then_knows_no_more() {
    let ticket = Ticket { number: 9, issued_at: at(50) };
    let none = HeaderMap::new();
    let visit = visit(&none, "/v1/waiting-room");
    let ask = |place| status(&seal(), &visit, ticket, &place, at(100));
    let waits = ask(PlaceAnswer::Waiting { ticket: 9, ahead: 0, wait_ms: 900 });
    assert_eq!(
        (waits.status(), &waits.headers()[header::RETRY_AFTER]),
        (StatusCode::OK, &HeaderValue::from(1))
    );
    assert!(body(&waits).starts_with(r#"{"state":"waiting","room":"drop","#));
    let turn = ask(PlaceAnswer::Turn { ticket: 9, ends_at_ms: 160_500 });
    let told: WaitingStatus = rooms::read(turn.body()).unwrap();
    let WaitingStatus::Admitted { pass, expires_in_s, .. } = told else { panic!("{told:?}") };
    assert_eq!((expires_in_s, seal().read_pass("drop", &pass, at(159))), (60, Some(at(160))));
    assert_eq!(turn.headers()[PASS], *pass);
    assert_eq!(ask(PlaceAnswer::Lost).status(), StatusCode::GONE);
}

#[test]
fn without_a_ticket_the_answer_says_what_is_missing() {
    let none = HeaderMap::new();
    let visit = visit(&none, "/v1/waiting-room");
    assert_eq!(no_ticket(&visit, false).status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(no_ticket(&visit, true).status(), StatusCode::GONE);
    assert_eq!(body(&open()), r#"{"state":"open"}"#);
    let full = wait(&seal(), &visit, &PlaceAnswer::Full { wait_ms: 1 }, at(0));
    assert!(body(&full).contains("waiting-room-full"));
}
