//! Pages, scripts, pictures, models: as what they are, in the best encoding that is asked for.

use crate::case::{Case, Want, get, head};
use crate::facts::{FACTS, Served};

const HTML: &str = "text/html; charset=utf-8";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(encodings());
    cases.extend(history());
    cases.extend(not_there());
    cases
}

fn whole(file: &Served) -> Want {
    Want::Part(0, file.length, file.file.clone())
}

fn types() -> Vec<Case> {
    [
        (&FACTS.page, HTML),
        (&FACTS.script, "text/javascript; charset=utf-8"),
        (&FACTS.style, "text/css; charset=utf-8"),
        (&FACTS.svg, "image/svg+xml"),
        (&FACTS.text, "text/plain; charset=utf-8"),
        (&FACTS.font, "font/woff2"),
        (&FACTS.glb, "model/gltf-binary"),
        (&FACTS.usdz, "model/vnd.usdz+zip"),
        (&FACTS.jpg, "image/jpeg"),
    ]
    .into_iter()
    .map(|(file, kind)| {
        get(&file.path, &format!("{} is what it is, byte for byte", file.path))
            .header("content-type", kind)
            .header("content-length", &file.length.to_string())
            .header("accept-ranges", "bytes")
            .header("vitrine-cache", "static")
            .lacks("content-encoding")
            .text(whole(file))
    })
    .collect()
}

/// Texts lie compressed beside themselves; the best one that the asker takes is sent.
fn encodings() -> Vec<Case> {
    let sent = |file: &Served, accept: &str, encoding: Option<&'static str>| {
        let name = format!("{} with accept-encoding `{accept}`", file.path);
        let suffix = match encoding {
            Some("br") => ".br",
            Some(_) => ".gz",
            None => "",
        };
        let length = file.sibling_length(suffix);
        let case = get(&file.path, &name)
            .send("accept-encoding", accept)
            .header("content-length", &length.to_string())
            .text(Want::Part(0, length, format!("{}{suffix}", file.file)));
        match encoding {
            Some(encoding) => case.header("content-encoding", encoding),
            None => case.lacks("content-encoding"),
        }
    };
    let mut cases = Vec::new();
    for file in [&FACTS.page, &FACTS.script, &FACTS.style, &FACTS.svg, &FACTS.text] {
        cases.push(sent(file, "gzip, deflate, br, zstd", Some("br")));
        cases.push(sent(file, "gzip", Some("gzip")));
        cases.push(sent(file, "identity", None));
    }
    let script = &FACTS.script;
    cases.extend([
        sent(script, "br", Some("br")),
        sent(script, "BR", Some("br")),
        sent(script, "gzip;q=1.0, br;q=0.1", Some("gzip")),
        sent(script, "br;q=0, gzip", Some("gzip")),
        sent(script, "br;q=0, gzip;q=0", None),
        sent(script, "deflate, zstd", None),
        sent(script, "*", Some("br")),
        sent(script, "brotli", None),
        sent(&FACTS.glb, "br, gzip", None),
        sent(&FACTS.font, "br, gzip", None),
        sent(&FACTS.jpg, "br, gzip", None),
        head(&script.path, "HEAD speaks of the encoding that GET would send")
            .send("accept-encoding", "br")
            .header("content-encoding", "br")
            .header("content-length", &script.sibling_length(".br").to_string()),
        get(&script.path, "encodings have tags of their own, the plain one")
            .keep("etag", crate::case::Place::Header("etag")),
        get(&script.path, "encodings have tags of their own, the compressed one")
            .send("accept-encoding", "br")
            .send("if-none-match", "{etag}")
            .header("content-encoding", "br"),
        get("/v1/products", "answers of the API are not compressed by the application")
            .send("accept-encoding", "gzip, br")
            .json_want("/items", Want::Long(24)),
    ]);
    cases
}

/// Every address of the storefront is its one page, so that a reload shows what was there.
fn history() -> Vec<Case> {
    let page = |path: &str| {
        get(path, &format!("{path} is the storefront's page"))
            .header("content-type", HTML)
            .header("cache-control", "no-cache")
            .text(whole(&FACTS.page))
    };
    [
        "/",
        "/c/seating",
        "/c/seating/",
        "/p/lyra-chair",
        "/p/no-such-piece",
        "/search",
        "/search?q=lamp",
        "/cart",
        "/checkout",
        "/orders/018f0000-0000-7000-8000-000000000000",
        "/login",
        "/account",
    ]
    .into_iter()
    .map(page)
    .collect()
}

fn not_there() -> Vec<Case> {
    let lost = |path: &str| {
        get(path, &format!("{path} is the page with a 404 to a browser"))
            .send("accept", "text/html")
            .status(404)
            .header("content-type", HTML)
            .header("cache-control", "no-store")
            .lacks("etag")
            .lacks("accept-ranges")
            .text(whole(&FACTS.page))
    };
    let hash = "00000000000000000000000000000000";
    let missing =
        |path: &str| get(path, &format!("{path} is not served")).problem(404, "not-found");
    vec![
        lost("/nope"),
        lost("/c"),
        lost("/p/a/b"),
        lost("/cart/x"),
        lost("/admin"),
        lost("/index.html"),
        lost(&format!("/m/{hash}.glb")),
        lost("/lost").send("if-none-match", "*"),
        missing(&format!("/m/{hash}.glb")),
        missing(&format!("/m/{hash}.exe")),
        missing(&format!("/m/{hash}")),
        missing(&format!("/m/{}.glb.br", hash)),
        missing(&FACTS.glb.path.to_uppercase().replace("/M/", "/m/").replace(".GLB", ".glb")),
        missing("/m/x/y.glb"),
        missing("/assets/shop.js"),
        missing("/assets/a/b/c/d/e.js"),
        missing(&format!("{}.br", FACTS.script.path)),
        missing(&format!("{}.gz", FACTS.script.path)),
        missing("/assets/.hidden.js"),
        missing("/storefront/index.html"),
        missing("/media/x.glb"),
        missing("/index.html.br"),
        missing("/spin.toml"),
    ]
}
