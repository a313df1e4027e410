//! A route as a pattern of path segments: how it is read, what it matches, and which of two patterns comes first.
//!
//! As Spin reads them, by the crate `routefinder`, except where that crate is wrong: with a segment that begins with a dot
//! its order depends on the order in the manifest, so that `/...` can win over everything, and such a segment swallows
//! the slash before it; a wildcard in the middle panics when a request comes. Here nothing depends on the order, a slash
//! is a slash, and such a wildcard is refused.

use std::cmp::{Ordering, Reverse};

/// A route, read.
#[derive(Debug)]
pub(crate) struct Pattern {
    segments: Vec<Vec<Piece>>,
    has_wildcard: bool,
}

/// A part of a segment.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Holds the name. Catches up to the next dot if something follows, or else the rest of the segment.
    Name(String),
}

/// What a pattern caught of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Caught<'pattern, 'path> {
    /// What stands for each `:name`.
    pub(crate) names: Vec<(&'pattern str, &'path str)>,
    /// What stands for the wildcard, without slashes at its ends.
    pub(crate) rest: Option<&'path str>,
}

impl Pattern {
    /// Reads a route whose wildcard is written `/*`.
    pub(crate) fn parse(route: &str) -> Result<Self, &'static str> {
        let mut segments = Vec::new();
        let mut has_wildcard = false;
        for segment in route.split('/').filter(|segment| !segment.is_empty()) {
            if has_wildcard {
                return Err("a wildcard may only be at the end");
            }
            match segment {
                "*" => has_wildcard = true,
                // At the end it has become `*`.
                "..." => return Err("a wildcard may only be at the end"),
                segment => segments.push(pieces(segment)?),
            }
        }
        Ok(Self { segments, has_wildcard })
    }

    /// Matches `path`, whose outer slashes do not count.
    pub(crate) fn matches<'path>(&self, path: &'path str) -> Option<Caught<'_, 'path>> {
        let mut caught = Caught { names: Vec::new(), rest: None };
        let mut rest = Some(path.trim_matches('/')).filter(|path| !path.is_empty());
        for pieces in &self.segments {
            let (segment, tail) = match rest?.split_once('/') {
                Some((segment, tail)) => (segment, Some(tail)),
                None => (rest?, None),
            };
            catch(pieces, segment, tail.is_some(), &mut caught.names)?;
            rest = tail;
        }
        match (rest, self.has_wildcard) {
            (rest, true) => caught.rest = Some(rest.unwrap_or_default()),
            (None, false) => {}
            (Some(_), false) => return None,
        }
        Some(caught)
    }

    /// Text before names before the wildcard, segment by segment; then the shorter one.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        let ranks = |pattern: &Self| -> Vec<Rank> {
            let segments = pattern.segments.iter().map(|pieces| rank(pieces));
            segments.chain(pattern.has_wildcard.then_some(WILDCARD)).collect()
        };
        let (own, others) = (ranks(self), ranks(other));
        own.iter()
            .zip(&others)
            .map(|(own, other)| own.cmp(other))
            .find(|ordering| ordering.is_ne())
            .unwrap_or_else(|| own.len().cmp(&others.len()))
    }
}

/// The lower comes first: the kind of its first piece, then whether it says more.
type Rank = (u8, Reverse<usize>);

const WILDCARD: Rank = (2, Reverse(0));

fn rank(pieces: &[Piece]) -> Rank {
    let kind = match pieces.first() {
        Some(Piece::Name(_)) => 1,
        Some(Piece::Text(_)) | None => 0,
    };
    (kind, Reverse(pieces.len()))
}

/// Splits a segment at its dots; a part that begins with a colon is a name.
fn pieces(segment: &str) -> Result<Vec<Piece>, &'static str> {
    if segment.starts_with('*') {
        return Err("a wildcard has no name: write `/...`");
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, part) in segment.split('.').enumerate() {
        let name = part.strip_prefix(':');
        if name == Some("") {
            return Err("a `:` needs a name behind it");
        }
        let dot = if at == 0 { "" } else { "." };
        let text = if name.is_some() { dot.to_owned() } else { format!("{dot}{part}") };
        match pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(&text),
            _ if text.is_empty() => {}
            _ => pieces.push(Piece::Text(text)),
        }
        pieces.extend(name.map(|name| Piece::Name(name.to_owned())));
    }
    Ok(pieces)
}

fn catch<'pattern, 'path>(
    pieces: &'pattern [Piece],
    mut segment: &'path str,
    has_more: bool,
    names: &mut Vec<(&'pattern str, &'path str)>,
) -> Option<()> {
    let mut pieces = pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        segment = match piece {
            Piece::Text(text) => segment.strip_prefix(text.as_str())?,
            // A name may be empty between slashes, and not at the end of the path.
            Piece::Name(_) if segment.is_empty() && !has_more => return None,
            Piece::Name(name) => {
                let end = match pieces.peek() {
                    Some(_) => segment.find('.')?,
                    None => segment.len(),
                };
                let (value, rest) = segment.split_at_checked(end)?;
                names.push((name, value));
                rest
            }
        };
    }
    segment.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn catches_names_and_rests() {
        for (route, path, expected) in [
            ("/", "/", Some((vec![], None))),
            ("/", "/a", None),
            ("/a/b", "/a/b/", Some((vec![], None))),
            ("/a/b", "/a//b", None),
            ("/a//b", "/a/b", Some((vec![], None))),
            ("/*", "/", Some((vec![], Some("")))),
            ("/a/*", "/a", Some((vec![], Some("")))),
            ("/a/*", "/ab", None),
            ("/a/*", "/a/b/c/", Some((vec![], Some("b/c")))),
            ("/a/:x", "/a/1", Some((vec![("x", "1")], None))),
            ("/a/:x", "/a", None),
            ("/a/:x", "/a/", None),
            ("/:x/:y/*", "/1/2/3", Some((vec![("x", "1"), ("y", "2")], Some("3")))),
            ("/a/:x/b", "/a//b", Some((vec![("x", "")], None))),
            ("/:x.json", "/a.json", Some((vec![("x", "a")], None))),
            ("/:x.json", "/a.b.json", None),
            ("/:x.:y", "/a.b.c", Some((vec![("x", "a"), ("y", "b.c")], None))),
            ("/file.:x", "/file.txt", Some((vec![("x", "txt")], None))),
            ("/.well-known/a.json", "/.well-known/a.json", Some((vec![], None))),
            ("/é/:x", "/é/ü", Some((vec![("x", "ü")], None))),
        ] {
            let pattern = Pattern::parse(route).expect(route);
            let caught = pattern.matches(path).map(|caught| (caught.names, caught.rest));
            assert_eq!(caught, expected, "{route} {path}");
        }
    }

    #[test]
    fn refuses_what_matches_nothing() {
        for route in ["/a/*/b", "/a/.../b", "/*name", "/:", "/a.:/b", "/*/*"] {
            assert!(Pattern::parse(route).is_err(), "{route}");
        }
    }

    /// The route that the crate which Spin uses finds, for routes added in this order.
    fn of_spin<'a>(routes: &[&'a str], path: &str) -> Option<&'a str> {
        let mut router = routefinder::Router::new();
        for route in routes {
            router.add(*route, *route).expect(route);
        }
        router.best_match(path).map(|found| *found.handler())
    }

    fn of_ours<'a>(routes: &[&'a str], path: &str) -> Option<&'a str> {
        let read = |route: &&'a str| (Pattern::parse(route).expect(route), *route);
        let mut patterns: Vec<(Pattern, &str)> = routes.iter().map(read).collect();
        patterns.sort_by(|a, b| a.0.precedence(&b.0));
        patterns.iter().find(|(pattern, _)| pattern.matches(path).is_some()).map(|found| found.1)
    }

    #[test]
    fn does_not_depend_on_the_order_where_spin_does() {
        let routes = ["/v1/*", "/.well-known/jwks.json", "/openapi.json", "/*"];
        assert_eq!(of_spin(&routes, "/v1/carts"), Some("/*"), "Spin has not mended it");
        for turn in 0..routes.len() {
            let mut routes = routes;
            routes.rotate_left(turn);
            for (path, expected) in [
                ("/v1/carts", "/v1/*"),
                ("/.well-known/jwks.json", "/.well-known/jwks.json"),
                ("/openapi.json", "/openapi.json"),
                ("/else", "/*"),
            ] {
                assert_eq!(of_ours(&routes, path), Some(expected), "{routes:?}");
            }
        }
    }

    proptest! {
        /// Wherever Spin's order is one, it is ours.
        #[test]
        fn finds_what_spin_finds(
            routes in proptest::collection::vec("(/(a|b|ab|:x|:y)){0,3}(/\\*)?", 1..8),
            paths in proptest::collection::vec("(/(a|b|ab|c|)){0,4}", 1..8),
        ) {
            let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
            for path in &paths {
                prop_assert_eq!(of_ours(&routes, path), of_spin(&routes, path), "{}", path);
            }
        }

        #[test]
        fn matches_what_spin_matches(
            route in "(/\\.a)?(/(a|b|a\\.b|:x|:x\\.a|a\\.:x|:x\\.:y)){0,3}(/\\*)?",
            path in "(/(a|b|a\\.b|\\.a|c\\.a|\\.|)){0,4}",
        ) {
            let spec: routefinder::RouteSpec = route.parse().expect("is a route");
            let pattern = Pattern::parse(&route).expect("is a route");
            let own = pattern.matches(&path).map(|caught| {
                let names = caught.names.iter().map(|(_, value)| *value);
                names.chain(caught.rest).map(str::to_owned).collect::<Vec<_>>()
            });
            let of_spin = spec.matches(&path);
            let of_spin = of_spin.map(|caught| {
                caught.into_iter().map(str::to_owned).collect::<Vec<_>>()
            });
            prop_assert_eq!(own, of_spin);
        }
    }
}
