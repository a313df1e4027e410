//! Lists, filters, orders, pages, currencies, products; and every way to ask for them wrongly.

use crate::case::{Case, Place, Want, get};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = lists();
    cases.extend(pages());
    cases.extend(filters());
    cases.extend(currencies());
    cases.extend(products());
    cases.extend(bad_input());
    cases.extend(not_there());
    cases
}

fn list(query: &str, name: &str) -> Case {
    get(&format!("/v1/products{query}"), name)
        .route("GET /v1/products")
        .header("content-type", "application/json")
        .header("vitrine-cache", "replica")
}

/// Expects the first handles of a list, in order.
fn starts(case: Case, handles: &[&str]) -> Case {
    handles
        .iter()
        .enumerate()
        .fold(case, |case, (index, handle)| case.json(&format!("/items/{index}/handle"), *handle))
}

fn lists() -> Vec<Case> {
    vec![
        starts(
            list("", "a list has 24 items, newest first"),
            &["piazza-bistro-table", "lumen-candleholders", "mesa-coffee-table", "linea-sideboard"],
        )
        .json_want("/items", Want::Long(24))
        .json_want("/next_cursor", Want::There)
        .json("/items/0/price/currency", "EUR")
        .json("/items/0/price/minor", 59_000)
        .json("/items/0/sku", "TBL-PIAZ-BRS")
        .json("/items/0/category", "tables")
        .json("/items/0/has_ar", true)
        .json("/items/0/available", true)
        .json("/items/0/availability", "in_stock")
        .json_want("/items/0/image_url", Want::Starts("/m/".into()))
        .json_want("/items/0/image_alt", Want::There),
        starts(list("?sort=newest", "newest is an order"), &["piazza-bistro-table"]),
        starts(
            list("?sort=price_asc", "cheapest first"),
            &["onda-bowl", "corda-basket", "lumen-candleholders", "palma-planter", "terra-vase"],
        ),
        starts(
            list("?sort=price_desc", "dearest first"),
            &["halden-sofa", "linea-sideboard", "fjord-dining-table", "mesa-coffee-table"],
        ),
        starts(
            list("?sort=title", "by title"),
            &["alba-bench", "arca-floor-lamp", "arco-mirror", "bruma-pouf", "corda-basket"],
        ),
        list("?limit=1", "a page of one").json_want("/items", Want::Long(1)),
        starts(
            list("?available=true&sort=title", "what can be bought, by title"),
            &["alba-bench", "arca-floor-lamp", "arco-mirror", "bruma-pouf", "corda-basket"],
        )
        .json("/items/0/available", true),
        list("?limit=100", "a page of all")
            .json_want("/items", Want::Long(30))
            .json("/next_cursor", serde_json::Value::Null),
        list("?limit=30", "a page that just ends")
            .json_want("/items", Want::Long(30))
            .json("/next_cursor", serde_json::Value::Null),
        list("?limit=&sort=&q=&category=&currency=&cursor=", "empty parameters are absent")
            .json_want("/items", Want::Long(24)),
        list("?utm_source=x&gclid=1&unknown=%ff", "unknown parameters are ignored")
            .json_want("/items", Want::Long(24)),
        get("/v1/categories", "categories stand in the shop's order")
            .route("GET /v1/categories")
            .json_want("/items", Want::Long(5))
            .json("/items/0/handle", "seating")
            .json("/items/0/product_count", 7)
            .json("/items/1/handle", "tables")
            .json("/items/4/title", "Decor")
            .json("/next_cursor", serde_json::Value::Null),
        get("/v1/categories?limit=0", "categories take no parameters")
            .json_want("/items", Want::Long(5)),
    ]
}

/// Walks every order to its end: nothing twice, nothing left out.
fn pages() -> Vec<Case> {
    let mut cases = Vec::new();
    for (sort, first, second, last) in [
        ("newest", "piazza-bistro-table", "onda-bowl", "ramo-coat-stand"),
        ("price_asc", "onda-bowl", "nodo-sculpture", "alba-bench"),
        ("price_desc", "halden-sofa", "arco-mirror", "orbit-side-table"),
        ("title", "Alba Bench", "Kontor Desk", "Onda Bowl"),
    ] {
        let field = if sort == "title" { "title" } else { "handle" };
        let pointer = format!("/items/0/{field}");
        let address = format!("?sort={sort}&limit=10");
        cases.push(
            list(&address, &format!("{sort}: the first page of three"))
                .json(&pointer, first)
                .json_want("/items", Want::Long(10))
                .keep("cursor", Place::Json("/next_cursor")),
        );
        cases.push(
            list(&format!("{address}&cursor={{cursor}}"), &format!("{sort}: the second page"))
                .json(&pointer, second)
                .json_want("/items", Want::Long(10))
                .keep("cursor", Place::Json("/next_cursor")),
        );
        cases.push(
            list(&format!("{address}&cursor={{cursor}}"), &format!("{sort}: the last page"))
                .json_want("/items", Want::Long(10))
                .json("/next_cursor", serde_json::Value::Null),
        );
        cases.push(
            list(
                &format!("?cursor={{cursor}}&limit=1&sort={sort}"),
                &format!("{sort}: pages may change their length"),
            )
            .json_want("/items", Want::Long(1))
            .json(&pointer, last),
        );
    }
    cases.push(
        list("?sort=title&cursor={cursor}&category=decor", "a cursor of another list is refused")
            .problem(422, "invalid-input")
            .fault("cursor", "mismatch"),
    );
    cases.push(
        list("?sort=newest&cursor={cursor}", "a cursor of another order is refused")
            .problem(422, "invalid-input")
            .fault("cursor", "mismatch"),
    );
    cases.push(
        list("?sort=title&currency=JPY&cursor={cursor}", "a cursor of another currency is refused")
            .problem(422, "invalid-input")
            .fault("cursor", "mismatch"),
    );
    cases
}

fn filters() -> Vec<Case> {
    vec![
        starts(
            list("?category=seating", "a category has its products only"),
            &["halden-sofa", "nido-armchair", "alba-bench", "bruma-pouf", "lyra-chair"],
        )
        .json_want("/items", Want::Long(7)),
        starts(
            list("?category=decor&sort=price_asc", "a category in another order"),
            &["onda-bowl", "lumen-candleholders", "palma-planter", "terra-vase"],
        ),
        list("?category=nothing-here", "an unknown category is empty")
            .json_want("/items", Want::Long(0)),
        list("?category=tables&limit=2", "a category by pages, the first")
            .json_want("/items", Want::Long(2))
            .keep("cursor", Place::Json("/next_cursor")),
        list("?category=tables&limit=2&cursor={cursor}", "a category by pages, the second")
            .json("/items/0/handle", "fjord-dining-table"),
        list("?q=lamp&category=lighting", "words within a category")
            .json_want("/items/0/category", Want::Is("lighting".into())),
        list("?q=chair&category=decor&sort=price_asc", "words that the category does not have")
            .json_want("/items", Want::Long(0)),
    ]
}

fn currencies() -> Vec<Case> {
    vec![
        list("?currency=JPY&sort=price_asc", "prices in yen have no decimals")
            .json("/items/0/price/currency", "JPY"),
        list("?currency=USD&sort=price_desc", "prices in dollars")
            .json("/items/0/price/currency", "USD"),
        get("/v1/products/lyra-chair?currency=USD", "a product in dollars")
            .json("/price/currency", "USD")
            .json("/price/minor", 38_900)
            .json("/variants/1/price/minor", 42_900),
        get("/v1/products/lyra-chair?currency=JPY", "a product in yen")
            .json("/price/minor", 56_000),
        list("?currency=GBP", "a currency that nothing is sold in is refused")
            .problem(422, "invalid-input")
            .fault("currency", "unknown"),
        get("/v1/products/lyra-chair?currency=KWD", "for a product too")
            .problem(422, "invalid-input")
            .fault("currency", "unknown"),
        get("/v1/products/lyra-chair?currency=eur", "a currency is written in capitals")
            .problem(422, "invalid-input")
            .fault("currency", "unknown"),
    ]
}

fn products() -> Vec<Case> {
    let product = |handle: &str, name: &str| {
        get(&format!("/v1/products/{handle}"), name)
            .route("GET /v1/products/{handle}")
            .header("content-type", "application/json")
            .json("/handle", handle)
    };
    vec![
        product("lyra-chair", "a product has all that its page shows")
            .json("/sku", "CHR-LYRA-OAK")
            .json("/title", "Lyra Dining Chair")
            .json("/price/minor", 34_900)
            .json_want("/variants", Want::Long(3))
            .json("/variants/0/sku", "CHR-LYRA-OAK")
            .json("/variants/0/options/Wood", "Oak")
            .json("/options/0/name", "Wood")
            .json_want("/options/0/values", Want::Long(3))
            .json_want("/images", Want::Long(4))
            .json("/tags/0", "chair")
            .json("/model/dimensions_m/0", 0.482)
            .json("/model/triangles", 10_400)
            .json("/ar/manifest_url", "/v1/ar/CHR-LYRA-OAK")
            .json("/ar/manifests/CHR-LYRA-WAL", "/v1/ar/CHR-LYRA-WAL"),
        product("nido-armchair", "a variant that is sold out says so")
            .json("/variants/3/sku", "ARM-NIDO-SLT")
            .json("/variants/3/availability", "out_of_stock"),
        product("halden-sofa", "a variant of which few are left says so")
            .json("/variants/2/availability", "low"),
        product("terra-vase", "a variant of which there are many says so")
            .json("/variants/0/availability", "in_stock"),
        get("/v1/products/lyra-chair?limit=0&q=%ff", "parameters of lists are not a product's")
            .problem(422, "invalid-input"),
    ]
}

fn bad_input() -> Vec<Case> {
    [
        ("limit=0", "limit", "out_of_range"),
        ("limit=101", "limit", "out_of_range"),
        ("limit=-1", "limit", "out_of_range"),
        ("limit=many", "limit", "out_of_range"),
        ("limit=1e1", "limit", "out_of_range"),
        ("limit=99999999999999999999", "limit", "out_of_range"),
        ("limit=1&limit=2", "limit", "repeated"),
        ("limit=%ff", "limit", "unreadable"),
        ("sort=best", "sort", "unknown"),
        ("sort=NEWEST", "sort", "unknown"),
        ("sort=relevance", "sort", "needs_q"),
        ("sort=newest&sort=title", "sort", "repeated"),
        ("category=Chairs", "category", "invalid"),
        ("category=%2e%2e%2f", "category", "invalid"),
        ("category=a--b", "category", "invalid"),
        ("currency=XXX", "currency", "unknown"),
        ("currency=%E2%82%AC", "currency", "unknown"),
        ("cursor=invented", "cursor", "mismatch"),
        ("cursor=AAAA", "cursor", "mismatch"),
        ("available=yes", "available", "unknown"),
        ("q=%ff", "q", "unreadable"),
        ("q=%c3%28", "q", "unreadable"),
        ("q=a&q=b", "q", "repeated"),
    ]
    .into_iter()
    .map(|(query, field, code)| {
        list(&format!("?{query}"), &format!("{query} is refused by name"))
            .problem(422, "invalid-input")
            .fault(field, code)
    })
    .chain([
        list("?limit=0&sort=best&currency=XXX", "every wrong parameter is named")
            .problem(422, "invalid-input")
            .json_want("/errors", Want::Long(3)),
        list("?limit=0&cursor=x", "a cursor is not judged beside other faults")
            .problem(422, "invalid-input")
            .json_want("/errors", Want::Long(1)),
    ])
    .collect()
}

fn not_there() -> Vec<Case> {
    [
        "/v1/products/no-such-piece",
        "/v1/products/Lyra-Chair",
        "/v1/products/lyra-chair/reviews",
        "/v1/products/-lyra",
        "/v1/products/lyra_chair",
        "/v1/products/a;b",
        "/v1/categories/seating",
        "/v1/search/chair",
    ]
    .into_iter()
    .map(|path| get(path, &format!("{path} is not there")).problem(404, "not-found"))
    .collect()
}
