//! From an address to a file, by a list of what is allowed. Nothing is decoded, joined or resolved.
//!
//! A path is cut at `/` and every piece must be a plain name: letters, digits, `.`, `-`, `_`, and no dot in front.
//! So `..`, `%2e%2e`, `\`, NUL and hidden files are not refused one by one; they cannot be said.

use http_semantics::media_type;

/// A folder that the manifest mounts into the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mount {
    /// The built storefront.
    Storefront,
    /// Models and pictures, named by their content.
    Media,
}

impl Mount {
    /// Returns where it is mounted.
    #[must_use]
    pub const fn root(self) -> &'static str {
        match self {
            Self::Storefront => "/storefront",
            Self::Media => "/media",
        }
    }
}

/// How long a file may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Its name changes with its content: for a year, without asking again.
    Immutable,
    /// Its content may change: always ask again.
    Revalidate,
}

/// A file below a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below which mount.
    pub mount: Mount,
    /// Its path there, for instance `assets/shop-ABCD1234.js`.
    pub path: String,
    /// How long it may be kept.
    pub freshness: Freshness,
}

impl File {
    /// Returns its full path.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}/{}", self.mount.root(), self.path)
    }

    /// Returns what follows the last dot.
    #[must_use]
    pub fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A file.
    File(File),
    /// A page of the storefront: its shell answers, whatever the page.
    Page,
    /// Nothing.
    Unknown,
}

/// Longest path that is looked at, in bytes.
const PATH_BYTES_MAX: usize = 255;
/// Deepest folder below `/assets`.
const DEPTH_MAX: usize = 4;
/// Digits of a content-addressed name: 128 bits.
const HASH_DIGITS: usize = 32;

impl Route {
    /// Reads a path, as it stands in the request line.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path.len() > PATH_BYTES_MAX {
            return Self::Unknown;
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let trimmed = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
        let segments: Vec<&str> = trimmed.split('/').collect();
        let file = match segments.as_slice() {
            ["assets", names @ ..] => asset(names),
            ["m", name] => media(name),
            [name] => root_file(name),
            _ => None,
        };
        match file {
            Some(file) => Self::File(file),
            None if is_page(&segments) => Self::Page,
            None => Self::Unknown,
        }
    }

    /// Returns the storefront's shell, which answers for every page.
    #[must_use]
    pub fn shell() -> File {
        let path = "index.html".to_owned();
        File { mount: Mount::Storefront, path, freshness: Freshness::Revalidate }
    }
}

fn is_page(segments: &[&str]) -> bool {
    match segments {
        ["" | "search" | "cart" | "checkout" | "login" | "account"] => true,
        ["c" | "p" | "orders", one] => is_plain(one),
        _ => false,
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn asset(names: &[&str]) -> Option<File> {
    let name = names.last()?;
    if names.len() > DEPTH_MAX || !names.iter().all(|name| is_plain(name)) {
        return None;
    }
    let freshness = if is_hashed(name) { Freshness::Immutable } else { Freshness::Revalidate };
    let file =
        File { mount: Mount::Storefront, path: format!("assets/{}", names.join("/")), freshness };
    // What is beside a file to be sent in its place has no address of its own.
    let is_sibling = matches!(file.extension(), "br" | "gz" | "zst");
    (media_type::of(file.extension()).is_some() && !is_sibling).then_some(file)
}

/// Tells a name that changes with its content: a hyphen, a hash of eight characters, a dot.
fn is_hashed(name: &str) -> bool {
    let mut parts = name.split('.').rev().skip(1);
    parts.any(|part| part.rsplit_once('-').is_some_and(|(_, hash)| is_hash(hash)))
}

/// Eight capitals or digits (esbuild's), or eight hexadecimal digits with a number among them, so no word.
fn is_hash(text: &str) -> bool {
    let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && text.bytes().any(|b| b.is_ascii_digit());
    let is_base32 = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    text.len() == 8 && (is_hex || is_base32)
}

fn media(name: &str) -> Option<File> {
    let (hash, extension) = name.split_once('.')?;
    let is_hash = hash.len() == HASH_DIGITS
        && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_served = matches!(extension, "glb" | "usdz" | "jpg" | "png" | "webp");
    let path = name.to_owned();
    (is_hash && is_served).then_some(File {
        mount: Mount::Media,
        path,
        freshness: Freshness::Immutable,
    })
}

/// Files that tools look for at the root: icons, manifests, `robots.txt`, a service worker.
fn root_file(name: &str) -> Option<File> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension)?;
    let is_served =
        matches!(extension, "ico" | "svg" | "png" | "webmanifest" | "txt" | "js" | "xml");
    let path = name.to_owned();
    (is_plain(name) && is_served).then_some(File {
        mount: Mount::Storefront,
        path,
        freshness: Freshness::Revalidate,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(path: &str) -> Option<(String, Freshness)> {
        match Route::of(path) {
            Route::File(file) => Some((file.location(), file.freshness)),
            Route::Page | Route::Unknown => None,
        }
    }

    #[test]
    fn finds_files_by_their_address() {
        use Freshness::{Immutable, Revalidate};
        let glb = "/m/0123456789abcdef0123456789abcdef.glb";
        for (path, location, freshness) in [
            ("/assets/shop-ABCD2345.js", "/storefront/assets/shop-ABCD2345.js", Immutable),
            (
                "/assets/a-ABCD2345.js.LEGAL.txt",
                "/storefront/assets/a-ABCD2345.js.LEGAL.txt",
                Immutable,
            ),
            (
                "/assets/fonts/f-ABCD2345.woff2",
                "/storefront/assets/fonts/f-ABCD2345.woff2",
                Immutable,
            ),
            ("/assets/icon-bf88e71d.svg", "/storefront/assets/icon-bf88e71d.svg", Immutable),
            ("/assets/well-defaaced.svg", "/storefront/assets/well-defaaced.svg", Revalidate),
            ("/assets/plain.css", "/storefront/assets/plain.css", Revalidate),
            ("/assets/not-a-hash.css", "/storefront/assets/not-a-hash.css", Revalidate),
            (glb, "/media/0123456789abcdef0123456789abcdef.glb", Immutable),
            ("/favicon.ico", "/storefront/favicon.ico", Revalidate),
            ("/manifest.webmanifest", "/storefront/manifest.webmanifest", Revalidate),
            ("/robots.txt", "/storefront/robots.txt", Revalidate),
        ] {
            assert_eq!(found(path), Some((location.to_owned(), freshness)), "{path}");
        }
    }

    #[test]
    fn gives_the_shell_for_every_page_of_the_storefront() {
        for page in [
            "/",
            "",
            "/c/chairs",
            "/c/chairs/",
            "/p/lyra-chair",
            "/search",
            "/search/",
            "/cart",
            "/checkout",
            "/orders/018f-1",
            "/login",
            "/account",
        ] {
            assert_eq!(Route::of(page), Route::Page, "{page}");
        }
        for unknown in [
            "/c",
            "/p",
            "/orders",
            "/p/a/b",
            "/cart/x",
            "/nope",
            "/admin",
            "/index.html",
            "/p/..",
            "/p/%2e%2e",
            "//",
            "/.env",
            "/.git/config",
            "/wp-login.php",
        ] {
            assert_eq!(Route::of(unknown), Route::Unknown, "{unknown}");
        }
    }

    #[test]
    fn cannot_be_led_elsewhere() {
        let hash = "0123456789abcdef0123456789abcdef";
        for path in [
            "/assets/../index.html",
            "/assets/%2e%2e/secret.txt",
            "/assets/..%2fsecret.txt",
            "/assets//etc/passwd.txt",
            "/assets/.hidden.js",
            "/assets/a\\..\\b.js",
            "/assets/a\0.js",
            "/assets/",
            "/assets",
            "/assets/a",
            "/assets/a.exe",
            "/assets/a/b/c/d/e.js",
            "/m/../a.glb",
            "/m/a.glb",
            "/m/x/y.glb",
            "/robots.txt/../x.txt",
        ] {
            assert_eq!(Route::of(path), Route::Unknown, "{path}");
        }
        for name in [
            format!("{}.glb", hash.to_uppercase()),
            format!("{hash}.exe"),
            format!("{hash}0.glb"),
            format!("{hash}.glb.br"),
            hash.to_owned(),
            format!("{hash}."),
        ] {
            assert_eq!(Route::of(&format!("/m/{name}")), Route::Unknown, "{name}");
        }
        assert_eq!(Route::of(&format!("/assets/{}.js", "a".repeat(300))), Route::Unknown);
    }

    proptest! {
        #[test]
        fn every_file_stays_below_its_mount(path in "/(assets/|m/)?[-a-zA-Z0-9./%_\\\\]{0,40}") {
            if let Route::File(file) = Route::of(&path) {
                prop_assert!(!file.path.starts_with('/') && !file.path.contains('\\'));
                prop_assert!(file.path.split('/').all(|name| !name.is_empty() && !name.starts_with('.')));
            }
        }
    }
}
