//! What browsers and native viewers see.

use std::collections::BTreeMap;

use api_types::problem::Fault;
use bytes::Bytes;
use domain::Timestamp;
use files_core::{Content, Disk, FILE_BYTES_MAX, Facts, handle, load};
use futures::executor::block_on;
use http::{Request, Response, header};

const GLB: &str = "/m/0123456789abcdef0123456789abcdef.glb";
const USDZ: &str = "/m/0123456789abcdef0123456789abcdef.usdz";
const SHOP: &str = "/assets/shop-ABCD2345.js";
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[derive(Default)]
struct Memory(BTreeMap<String, Bytes>);

impl Memory {
    fn with(files: &[(&str, &'static str)]) -> Self {
        let files = files.iter();
        Self(
            files
                .map(|(path, text)| ((*path).to_owned(), Bytes::from_static(text.as_bytes())))
                .collect(),
        )
    }

    fn shop() -> Self {
        Self::with(&[
            ("/storefront/index.html", "<!doctype html>"),
            ("/storefront/robots.txt", "User-agent: *"),
            ("/storefront/assets/shop-ABCD2345.js", "let shop = 1;"),
            ("/storefront/assets/shop-ABCD2345.js.br", "br!"),
            ("/storefront/assets/shop-ABCD2345.js.gz", "gzip"),
            ("/storefront/assets/shop-ABCD2345.js.zst", "zst!"),
            ("/storefront/secret.html", "not served"),
            ("/media/0123456789abcdef0123456789abcdef.glb", "glTF0123456789"),
            ("/media/0123456789abcdef0123456789abcdef.usdz", "PK"),
        ])
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.ask("GET", path, headers)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        block_on(load(self, self.unread(method, path, headers)))
    }

    fn unread(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Content> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        block_on(handle(self, &request.body(()).unwrap()))
    }
}

impl Disk for Memory {
    async fn facts(&self, location: &str) -> Result<Option<Facts>, String> {
        let Some(content) = self.0.get(location) else { return Ok(None) };
        let length = u64::try_from(content.len()).unwrap();
        Ok(Some(Facts { length, modified: Some(Timestamp::from_unix_ms(1_795_348_800_500)) }))
    }

    async fn read(&self, location: &str, start: u64, length: u64) -> Result<Bytes, String> {
        let (start, length) = (usize::try_from(start).unwrap(), usize::try_from(length).unwrap());
        Ok(self.0.get(location).ok_or("gone")?.slice(start..start + length))
    }
}

fn text<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn models_are_typed_shared_and_kept_for_a_year() {
    let shop = Memory::shop();
    for (path, kind) in [(GLB, "model/gltf-binary"), (USDZ, "model/vnd.usdz+zip")] {
        let response = shop.get(path, &[]);
        assert_eq!(response.status(), 200);
        assert_eq!(text(&response, "content-type"), kind);
        assert_eq!(text(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(text(&response, "cross-origin-resource-policy"), "cross-origin");
        assert_eq!(text(&response, "access-control-allow-origin"), "*");
        assert_eq!(text(&response, "accept-ranges"), "bytes");
        assert_eq!(text(&response, "content-length"), response.body().len().to_string());
        assert_eq!(text(&response, "vitrine-cache"), "static");
        assert_eq!(text(&response, "vary"), "");
    }
}

#[test]
fn sends_parts_of_a_model() {
    let shop = Memory::shop();
    let response = shop.get(GLB, &[("range", "bytes=4-6")]);
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (206, b"012".as_slice()));
    assert_eq!(text(&response, "content-range"), "bytes 4-6/14");
    assert_eq!(text(&response, "content-length"), "3");
    let etag = text(&response, "etag").to_owned();
    let response = shop.get(GLB, &[("range", "bytes=-2"), ("if-range", &etag)]);
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (206, b"89".as_slice()));
    let response = shop.get(GLB, &[("range", "bytes=14-")]);
    assert_eq!(response.status(), 416);
    assert_eq!(text(&response, "content-range"), "bytes */14");
    assert_eq!(text(&response, "content-type"), "application/problem+json");
}

#[test]
fn sends_several_parts_of_a_model_as_one_body() {
    let file = "x".repeat(500) + &"y".repeat(500);
    let mut shop = Memory::shop();
    let location = "/media/0123456789abcdef0123456789abcdef.glb".to_owned();
    shop.0.insert(location, Bytes::from(file.clone()));
    shop.0.insert("/storefront/robots.txt".to_owned(), Bytes::from(file));
    for (path, part_kind) in
        [(GLB, "model/gltf-binary"), ("/robots.txt", "text/plain; charset=utf-8")]
    {
        let response = shop.get(path, &[("range", "bytes=498-501,0-1,-2")]);
        assert_eq!(response.status(), 206);
        let kind = text(&response, "content-type");
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let part = |range: &str, bytes: &str| {
            format!(
                "\r\n--{boundary}\r\nContent-Type: {part_kind}\r\nContent-Range: bytes {range}/1000\r\n\r\n{bytes}"
            )
        };
        let expected = part("498-501", "xxyy")
            + &part("0-1", "xx")
            + &part("998-999", "yy")
            + &format!("\r\n--{boundary}--\r\n");
        assert_eq!(response.body(), expected.as_bytes(), "{path}");
        assert_eq!(text(&response, "content-length"), expected.len().to_string());
        assert_eq!(text(&response, "content-range"), "");
        let again = shop.get(path, &[("range", "bytes=498-501,0-1,-2")]);
        assert_eq!(again.body(), response.body(), "the same on every node");
        let whole = shop.get(path, &[("range", "bytes=0-,0-")]);
        assert_eq!((whole.status().as_u16(), whole.body().len()), (200, 1_000));
        let one = shop.get(path, &[("range", "bytes=0-1,3-4")]);
        assert_eq!((one.status().as_u16(), text(&one, "content-range")), (206, "bytes 0-4/1000"));
    }
}

#[test]
fn parts_that_cannot_be_read_are_a_fault_of_ours() {
    let request = Request::get(GLB).header("range", "bytes=0-1,500-501").body(()).unwrap();
    let response = block_on(handle(&Unreadable(Ok(1_000)), &request));
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get::<Fault>().unwrap().0, "gone");
}

#[test]
fn pages_share_one_shell_that_is_always_asked_for_again() {
    let shop = Memory::shop();
    for page in ["/", "/c/chairs", "/p/lyra-chair?variant=LYRA-OAK", "/search?q=oak", "/orders/1"] {
        let response = shop.get(page, &[BROWSER]);
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (200, b"<!doctype html>".as_slice())
        );
        assert_eq!(text(&response, "cache-control"), "no-cache");
        assert_eq!(text(&response, "content-type"), "text/html; charset=utf-8");
        let etag = text(&response, "etag").to_owned();
        let again = shop.get(page, &[BROWSER, ("if-none-match", &etag)]);
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
        assert!(!again.headers().contains_key(header::CONTENT_LENGTH));
    }
}

#[test]
fn the_shells_tag_follows_its_content() {
    let one = Memory::with(&[("/storefront/index.html", "one")]).get("/", &[]);
    let two = Memory::with(&[("/storefront/index.html", "two")]).get("/", &[]);
    assert_ne!(one.headers()[header::ETAG], two.headers()[header::ETAG]);
}

#[test]
fn precompressed_siblings_go_to_who_can_read_them() {
    let shop = Memory::shop();
    for (accepted, encoding, body) in [
        ("gzip, deflate, br, zstd", "br", "br!"),
        ("gzip, zstd", "zstd", "zst!"),
        ("gzip, zstd;q=0.9", "gzip", "gzip"),
        ("*", "br", "br!"),
        ("identity, br;q=0.9", "", "let shop = 1;"),
        ("identity;q=0", "", "let shop = 1;"),
        ("gzip", "gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip", "gzip"),
        ("identity", "", "let shop = 1;"),
        ("", "", "let shop = 1;"),
    ] {
        let response = shop.get(SHOP, &[("accept-encoding", accepted)]);
        assert_eq!(text(&response, "content-encoding"), encoding, "{accepted}");
        assert_eq!(response.body(), body, "{accepted}");
        assert_eq!(text(&response, "vary"), "Accept-Encoding");
        assert_eq!(text(&response, "content-type"), "text/javascript; charset=utf-8");
    }
    let tags: std::collections::BTreeSet<_> = ["br", "zstd", "gzip", "identity"]
        .iter()
        .map(|accepted| text(&shop.get(SHOP, &[("accept-encoding", accepted)]), "etag").to_owned())
        .collect();
    assert_eq!(tags.len(), 4);
}

#[test]
fn unknown_addresses_are_a_page_for_browsers_and_a_problem_for_the_rest() {
    let shop = Memory::shop();
    for path in
        ["/nope", "/secret.html", "/m/x.glb", "/assets/none-ABCD2345.js", "/assets/../secret.html"]
    {
        let response = shop.get(path, &[BROWSER]);
        assert_eq!(
            (response.status().as_u16(), text(&response, "content-type")),
            (404, "text/html; charset=utf-8")
        );
        assert_eq!(text(&response, "cache-control"), "no-store");
        let response = shop.get(path, &[("accept", "*/*")]);
        assert_eq!(
            (response.status().as_u16(), text(&response, "content-type")),
            (404, "application/problem+json")
        );
    }
}

#[test]
fn says_so_when_the_storefront_is_not_built() {
    let empty = Memory::default();
    let response = empty.get("/", &[BROWSER]);
    assert_eq!(response.status(), 503);
    assert!(String::from_utf8_lossy(response.body()).contains("not built"));
    assert_eq!(empty.get("/nope", &[BROWSER]).status(), 404);
    assert_eq!(empty.get("/robots.txt", &[]).status(), 404);
}

#[test]
fn head_is_get_without_a_body_and_nothing_else_is_allowed() {
    let shop = Memory::shop();
    for path in ["/", GLB, SHOP, "/robots.txt", "/nope"] {
        let (get, head) = (shop.get(path, &[]), shop.ask("HEAD", path, &[]));
        assert_eq!((head.status(), head.headers()), (get.status(), get.headers()), "{path}");
        assert!(head.body().is_empty());
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let response = shop.ask(method, "/", &[]);
        assert_eq!((response.status().as_u16(), text(&response, "allow")), (405, "GET, HEAD"));
    }
}

#[test]
fn conditions_and_dates_work_on_files() {
    let shop = Memory::shop();
    let first = shop.get(GLB, &[]);
    let modified = text(&first, "last-modified").to_owned();
    assert_eq!(modified, "Sun, 22 Nov 2026 12:00:00 GMT");
    assert_eq!(shop.get(GLB, &[("if-modified-since", &modified)]).status(), 304);
    assert_eq!(shop.get(GLB, &[("if-match", "\"other\"")]).status(), 412);
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(shop.get(GLB, &[("if-unmodified-since", old)]).status(), 412);
    for (path, expected) in [(GLB, 206), ("/robots.txt", 200)] {
        let range = [("range", "bytes=0-1"), ("if-range", modified.as_str())];
        assert_eq!(shop.get(path, &range).status(), expected, "what is replaced has a weak date");
    }
}

#[test]
fn what_never_changes_is_left_to_the_shell_to_send() {
    let shop = Memory::shop();
    let location = "/media/0123456789abcdef0123456789abcdef.glb".to_owned();
    for (method, path, headers, expected) in [
        ("GET", GLB, &[][..], Some((location.clone(), 0, 14))),
        ("GET", GLB, &[("range", "bytes=4-6")], Some((location, 4, 3))),
        ("HEAD", GLB, &[], None),
        ("GET", GLB, &[("range", "bytes=14-")], None),
        ("GET", SHOP, &[], Some(("/storefront/assets/shop-ABCD2345.js".to_owned(), 0, 13))),
        ("GET", "/", &[], None),
        ("GET", "/nope", &[], None),
    ] {
        let part = match shop.unread(method, path, headers).into_body() {
            Content::Bytes(_) => None,
            Content::Part { location, start, length } => Some((location, start, length)),
        };
        assert_eq!(part, expected, "{method} {path} {headers:?}");
    }
}

/// A disk whose one file has this length and cannot be read.
struct Unreadable(Result<u64, &'static str>);

impl Disk for Unreadable {
    async fn facts(&self, _: &str) -> Result<Option<Facts>, String> {
        Ok(Some(Facts { length: self.0?, modified: None }))
    }

    async fn read(&self, _: &str, _: u64, _: u64) -> Result<Bytes, String> {
        Err("gone".to_owned())
    }
}

#[test]
fn a_file_that_is_too_large_or_cannot_be_read_is_a_fault_of_ours() {
    for (disk, path, expected) in [
        (Unreadable(Ok(FILE_BYTES_MAX + 1)), GLB, "has 10485761 bytes"),
        (Unreadable(Ok(7)), GLB, "gone"),
        (Unreadable(Ok(7)), "/", "gone"),
        (Unreadable(Err("no answer")), GLB, "no answer"),
    ] {
        let request = Request::get(path).body(()).unwrap();
        let response = block_on(async { load(&disk, handle(&disk, &request).await).await });
        assert_eq!((response.status().as_u16(), text(&response, "vitrine-cache")), (500, "static"));
        assert_eq!(text(&response, "content-type"), "application/problem+json");
        let fault = response.extensions().get::<Fault>().unwrap();
        assert!(fault.0.ends_with(expected), "{}", fault.0);
    }
}

#[test]
fn an_empty_file_needs_no_reading() {
    let request = Request::get(GLB).body(()).unwrap();
    let response = block_on(handle(&Unreadable(Ok(0)), &request));
    assert_eq!((response.status().as_u16(), text(&response, "content-length")), (200, "0"));
    assert_eq!(response.body(), &Content::Bytes(Bytes::new()));
}
