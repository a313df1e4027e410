//! Real files in a real folder.

use std::{fs, os::unix::fs::symlink};

use domain::Timestamp;
use http_body_util::BodyExt as _;

use super::*;
use crate::{Piece, Pieces};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("makes a folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("sub")).expect("is made");
    for (name, text) in [
        ("root/a.txt", "plain".to_owned()),
        ("root/a.txt.gz", "packed".to_owned()),
        ("root/a.txt.br", "pressed".to_owned()),
        ("root/sub/index.html", "index".to_owned()),
        ("root/m.glb", "m".repeat(100_000)),
        ("root/m.glb.gz", "never".to_owned()),
        ("root/.hidden", "hidden".to_owned()),
        ("root/x y.txt", "space".to_owned()),
        ("secret.txt", "secret".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).expect("is written");
    }
    symlink("../secret.txt", root.join("out.txt")).expect("is linked");
    symlink("a.txt", root.join("in.txt")).expect("is linked");
    folder
}

fn files(folder: &tempfile::TempDir) -> FilesSettings {
    let (root, index) = (folder.path().join("root"), Some("index.html".to_owned()));
    FilesSettings { root, index, ..FilesSettings::default() }
}

fn get(
    files: &Files,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> (u16, HeaderMap, String) {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().expect("is a name"), HeaderValue::from_static(value)))
        .collect();
    let mut answer = files.answer(&Method::GET, path, &headers);
    answer.gather();
    let body = match answer.content {
        Content::Whole(bytes) => bytes,
        Content::File(part) => {
            futures::executor::block_on(Pieces::from(Piece::File(part)).collect())
                .expect("is read")
                .to_bytes()
        }
        Content::Pieces(pieces) => {
            futures::executor::block_on(pieces.collect()).expect("is read").to_bytes()
        }
        other => panic!("{other:?}"),
    };
    (answer.status.as_u16(), answer.headers, String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn finds_what_is_in_the_folder_and_nothing_else() {
    let folder = folder();
    let files = Files::new(files(&folder)).expect("is there");
    for (path, status, body) in [
        ("/a.txt", 200, "plain"),
        ("//a.txt", 200, "plain"),
        ("/x%20y.txt", 200, "space"),
        ("/in.txt", 200, "plain"),
        ("/sub/", 200, "index"),
        ("/sub", 404, ""),
        ("/", 404, ""),
        ("/none", 404, ""),
        ("/out.txt", 404, ""),
        ("/../secret.txt", 404, ""),
        ("/%2e%2e/secret.txt", 404, ""),
        ("/sub/..%2f..%2fsecret.txt", 404, ""),
        ("/..\\secret.txt", 404, ""),
        ("/.hidden", 404, ""),
        ("/a.txt%00.png", 404, ""),
        ("/%ff", 404, ""),
        ("/a.txt/", 404, ""),
    ] {
        let (found, _, text) = get(&files, path, &[]);
        assert_eq!((found, text.as_str()), (status, body), "{path}");
    }
    assert_eq!(files.answer(&Method::POST, "/a.txt", &HeaderMap::new()).status, 405);
    let head = files.answer(&Method::HEAD, "/a.txt", &HeaderMap::new());
    assert!(matches!(head.content, Content::Whole(bytes) if bytes.is_empty()));
}

#[test]
fn rfc9110_12_5_3_precompressed_siblings_go_to_who_understands_them() {
    let folder = folder();
    let files = Files::new(files(&folder)).expect("is there");
    let mut tags = std::collections::BTreeSet::new();
    for (accepted, coding, body) in [
        ("gzip, br", Some("br"), "pressed"),
        ("gzip;q=1, br;q=0.5", Some("gzip"), "packed"),
        ("gzip;q=0, zstd", None, "plain"),
        ("*", Some("br"), "pressed"),
        ("identity", None, "plain"),
    ] {
        let (_, headers, text) = get(&files, "/a.txt", &[("accept-encoding", accepted)]);
        let told = headers.get("content-encoding").map(|coding| coding.to_str().expect("is text"));
        assert_eq!((told, text.as_str()), (coding, body), "{accepted}");
        assert_eq!(headers["vary"], "Accept-Encoding");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        tags.insert(headers["etag"].clone().as_bytes().to_vec());
    }
    assert_eq!(tags.len(), 3, "each coding has its own");
    let (_, headers, text) = get(&files, "/m.glb", &[("accept-encoding", "gzip")]);
    assert_eq!((headers.get("content-encoding"), text.len()), (None, 100_000));
    assert_eq!(headers["content-type"], "model/gltf-binary");
}

#[test]
fn rfc9110_13_and_14_conditions_and_ranges_are_kept() {
    let folder = folder();
    let files = Files::new(files(&folder)).expect("is there");
    let (_, headers, _) = get(&files, "/m.glb", &[]);
    let etag: &'static str = headers["etag"].to_str().expect("is text").to_owned().leak();
    for (asked, status, length) in [
        (&[("range", "bytes=5-9")][..], 206, 5),
        (&[("range", "bytes=-7")], 206, 7),
        (&[("range", "bytes=100000-")], 416, 0),
        (&[("if-none-match", etag)], 304, 0),
        (&[("if-match", "\"other\"")], 412, 0),
        (&[("if-match", etag), ("range", "bytes=0-0")], 206, 1),
        (&[("if-range", "\"other\""), ("range", "bytes=0-0")], 200, 100_000),
        (&[("if-range", etag), ("range", "bytes=0-0")], 206, 1),
    ] {
        let (found, _, body) = get(&files, "/m.glb", asked);
        assert_eq!((found, body.len()), (status, length), "{asked:?}");
    }
}

#[test]
fn a_changed_file_is_seen_and_an_unchanged_one_keeps_its_tag() {
    let folder = folder();
    let files = Files::new(files(&folder)).expect("is there");
    let (_, before, _) = get(&files, "/a.txt", &[]);
    files.open.lock().expect("is not poisoned").values_mut().for_each(|found| found.at -= BELIEVED);
    assert_eq!(get(&files, "/a.txt", &[]).1["etag"], before["etag"]);
    fs::write(folder.path().join("root/a.txt"), "other").expect("is written");
    files.open.lock().expect("is not poisoned").values_mut().for_each(|found| found.at -= BELIEVED);
    let (_, after, text) = get(&files, "/a.txt", &[]);
    assert_eq!(text, "other");
    assert_ne!(after["etag"], before["etag"]);
}

#[test]
fn signed_paths_open_for_who_has_one_until_they_end() {
    let folder = folder();
    let key = SigningKey::new(b"sixteen bytes ok").expect("is long enough");
    assert!(SigningKey::new(b"short").is_none());
    let keys = [("k1".to_owned(), key.clone())].into();
    let files = Files::new(FilesSettings { signed: Some(SignedPaths { keys }), ..files(&folder) })
        .expect("is there");
    let at = |seconds: i64| {
        Timestamp::from_unix_ms(now().unix_s().saturating_add(seconds).saturating_mul(1000))
    };
    let good = sign("k1", &key, "/a.txt", at(60)).expect("is signed");
    assert_eq!(get(&files, &good, &[]).2, "plain");
    let other = SigningKey::new(b"another sixteen bytes").expect("is long enough");
    for (path, status) in [
        (sign("k1", &key, "/a.txt", at(-60)).expect("is signed"), 410),
        (sign("k1", &other, "/a.txt", at(60)).expect("is signed"), 403),
        (sign("k2", &key, "/a.txt", at(60)).expect("is signed"), 403),
        (good.replace("/a.txt", "/m.glb"), 403),
        (good.replace("k1.", "k1.9"), 403),
        ("/a.txt".to_owned(), 403),
        ("/k1.x.y/a.txt".to_owned(), 403),
        (good.replace("/a.txt", ""), 403),
    ] {
        assert_eq!(get(&files, &path, &[]).0, status, "{path}");
    }
    assert!(sign("k.1", &key, "/a", at(1)).is_none() && sign("k1", &key, "a", at(1)).is_none());
    assert_eq!(format!("{key:?}"), "***");
}
