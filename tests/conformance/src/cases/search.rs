//! Search as people type, and nothing of the engine's own language.

use crate::case::{Case, Place, Want, get};

fn search(query: &str, name: &str) -> Case {
    get(&format!("/v1/search?{query}"), name)
        .route("GET /v1/search")
        .header("content-type", "application/json")
        .header("vitrine-cache", "replica")
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = typing();
    cases.extend(odd_characters());
    cases.extend(engine_language());
    cases.extend(orders());
    cases.extend(bad_input());
    cases
}

/// Each letter more finds the same or less.
fn typing() -> Vec<Case> {
    let mut cases: Vec<Case> = ["l", "ly", "lyr", "lyra", "lyra+", "lyra+d", "lyra+dining+cha"]
        .into_iter()
        .map(|typed| {
            search(&format!("q={typed}"), &format!("`{typed}` finds as one types"))
                .json_want("/items/0/handle", Want::There)
        })
        .collect();
    cases.extend([
        search("q=lyra", "a word finds its product").json("/items/0/handle", "lyra-chair"),
        search("q=LYRA", "capitals do not matter").json("/items/0/handle", "lyra-chair"),
        search("q=lyra+chair", "every word must occur").json("/items/0/handle", "lyra-chair"),
        search("q=chair+lyra", "in any order").json("/items/0/handle", "lyra-chair"),
        search("q=lyra+sofa", "words that do not occur together find nothing")
            .json_want("/items", Want::Long(0)),
        search("q=plywood", "tags are searched").json("/items/0/handle", "lyra-chair"),
        search("q=zzzz", "a word that is nowhere finds nothing")
            .json_want("/items", Want::Long(0))
            .json("/next_cursor", serde_json::Value::Null),
        search("q=vas&limit=3", "search takes a limit").json("/items/0/handle", "terra-vase"),
    ]);
    cases
}

fn odd_characters() -> Vec<Case> {
    [
        ("q=%C3%BCber", "umlauts are letters"),
        ("q=caf%C3%A9", "accents are letters"),
        ("q=%E6%A4%85%E5%AD%90", "other scripts are words"),
        ("q=%F0%9F%AA%91", "a picture of a chair is no word"),
        ("q=%00", "a zero byte is no word"),
        ("q=a%00b", "a zero byte parts words"),
        ("q=%D8%A7%D9%84%D9%83%D8%B1%D8%B3%D9%8A", "right to left is read too"),
        ("q=cha%CC%88ir", "combining marks part words or join them, the same everywhere"),
        ("q=%EF%BC%AC%EF%BD%99%EF%BD%92%EF%BD%81", "wide letters are letters"),
        ("q=%C4%B0%C4%B1", "a dotted capital and a dotless small letter"),
        ("q=%E2%80%8Blyra", "an invisible space"),
        ("q=%EF%B7%90", "a noncharacter"),
        ("q=%EF%BB%BFlyra", "a byte order mark"),
        ("q=***", "stars alone are nothing"),
        ("q=!!", "marks alone are nothing"),
        ("q=---", "hyphens alone are nothing"),
        ("q=%27", "a quote is nothing"),
        ("q=lyra%2Bchair", "an encoded plus parts words"),
        ("q=lyra%20chair", "an encoded space too"),
    ]
    .into_iter()
    .map(|(query, name)| search(query, name).json_want("/items", Want::There))
    .collect()
}

/// FTS5 would make operators of these; here they are words or nothing.
fn engine_language() -> Vec<Case> {
    [
        "q=lyra+OR+sofa",
        "q=lyra+NOT+chair",
        "q=lyra+AND+chair",
        "q=NEAR(lyra+chair,+2)",
        "q=title:lyra",
        "q=%5Elyra",
        "q=lyra*",
        "q=*lyra",
        "q=%22lyra+dining%22",
        "q=%22",
        "q=lyra%22",
        "q=-lyra",
        "q=(lyra",
        "q=%7Btitle+subtitle%7D:lyra",
        "q=lyra%27;+DROP+TABLE+products;+--",
        "q=%27+OR+1=1+--",
        "q=rowid:1",
        "q=rank",
    ]
    .into_iter()
    .map(|query| {
        search(query, &format!("{query} is words and nothing else"))
            .json_want("/items", Want::There)
    })
    .collect()
}

fn orders() -> Vec<Case> {
    vec![
        search("q=lamp", "best match first, and all of them").json_want("/items/0", Want::There),
        search("q=lamp&sort=relevance", "relevance is the order of search")
            .json_want("/items/0", Want::There),
        search("q=lamp&sort=price_asc", "a search by price")
            .json_want("/items/0/handle", Want::There),
        search("q=lamp&sort=price_desc", "and the other way")
            .json("/items/0/handle", "arca-floor-lamp"),
        search("q=lamp&sort=title", "a search by title").json("/items/0/handle", "arca-floor-lamp"),
        search("q=lamp&sort=newest", "a search by age").json("/items/0/handle", "arca-floor-lamp"),
        search("q=lamp&category=lighting&currency=USD", "a search within a category, in dollars")
            .json("/items/0/price/currency", "USD"),
        search("q=o&limit=3", "a search by pages, the first")
            .json_want("/items", Want::Long(3))
            .keep("cursor", Place::Json("/next_cursor")),
        search("q=o&limit=3&cursor={cursor}", "a search by pages, the second")
            .json_want("/items", Want::Long(3)),
        search("q=w&limit=3&cursor={cursor}", "a cursor of another search is refused")
            .problem(422, "invalid-input")
            .fault("cursor", "mismatch"),
        get("/v1/products?q=lyra", "lists search too").json("/items/0/handle", "lyra-chair"),
    ]
}

fn bad_input() -> Vec<Case> {
    let long = format!("q={}", "a".repeat(201));
    [
        ("", "q", "required"),
        ("q=", "q", "required"),
        ("q=+", "q", "required"),
        ("q=%20%20", "q", "required"),
        ("q=%ff", "q", "unreadable"),
        ("q=%ed%a0%80", "q", "unreadable"),
        (long.as_str(), "q", "too_long"),
        ("q=a&sort=best", "sort", "unknown"),
        ("q=a&limit=0", "limit", "out_of_range"),
        ("q=zzzz&currency=GBP", "currency", "unknown"),
    ]
    .into_iter()
    .map(|(query, field, code)| {
        let shown: String = query.chars().take(20).collect();
        search(query, &format!("`{shown}` is refused by name"))
            .problem(422, "invalid-input")
            .fault(field, code)
    })
    .chain([search(&format!("q={}", "a".repeat(200)), "200 characters are looked for")])
    .collect()
}
