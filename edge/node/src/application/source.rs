//! Where the application is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use manifest::Manifest;

use super::read_text;

/// The name of a manifest in a directory.
const MANIFEST: &str = "spin.toml";

/// A file that describes an application, or is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A manifest.
    Manifest(PathBuf),
    /// A component to be served at every path.
    Component(PathBuf),
    /// Origins that are asked for every path.
    Origins(Origins),
}

/// What `proxy` stands in front of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origins {
    /// Their addresses, the first being preferred by nobody: all share the requests.
    pub(crate) urls: Vec<String>,
    /// Whether answers are cached.
    pub(crate) is_cached: bool,
    /// Longest wait for the head of an answer, in milliseconds.
    pub(crate) timeout_ms: u64,
}

impl Source {
    /// Finds what `--from` names, or without it the nearest manifest.
    pub(crate) fn find(from: Option<&Path>) -> anyhow::Result<Self> {
        let Some(from) = from else {
            let here = std::env::current_dir().context("find the working directory")?;
            return nearest(&here).map(Self::Manifest).with_context(|| {
                format!("there is no `{MANIFEST}` here or above: name one with `--from`")
            });
        };
        let shown = from.display();
        if from.is_dir() {
            let file = from.join(MANIFEST);
            if !file.is_file() {
                bail!("directory {shown} has no `{MANIFEST}` in it");
            }
            return Ok(Self::Manifest(file));
        }
        if !from.exists() {
            let hint = if looks_remote(from) {
                ": applications in registries are not supported"
            } else {
                ""
            };
            bail!("{shown} does not exist{hint}");
        }
        let extension = from.extension().and_then(|extension| extension.to_str());
        Ok(match extension {
            Some("wasm" | "wat") => Self::Component(from.to_owned()),
            _ => Self::Manifest(from.to_owned()),
        })
    }

    /// Returns where relative paths start. As in Spin a lone component's start at the working directory.
    pub(crate) fn base_dir(&self) -> &Path {
        match self {
            Self::Manifest(file) => match file.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            },
            Self::Component(_) | Self::Origins(_) => Path::new("."),
        }
    }

    /// Reads it.
    pub(super) fn manifest(&self) -> anyhow::Result<Manifest> {
        match self {
            Self::Manifest(file) => Ok(Manifest::parse(&read_text(file)?)?),
            Self::Component(file) => {
                let path = file.to_str().context("its path is not UTF-8")?;
                let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("component");
                Ok(Manifest::of_component(name, path)?)
            }
            Self::Origins(origins) => {
                Ok(Manifest::of_origins(&origins.urls, origins.is_cached, origins.timeout_ms)?)
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(file) | Self::Component(file) => file.display().fmt(out),
            Self::Origins(origins) => out.write_str(&origins.urls.join(", ")),
        }
    }
}

/// Searches upward, and not out of a repository.
fn nearest(from: &Path) -> Option<PathBuf> {
    for dir in from.ancestors() {
        let file = dir.join(MANIFEST);
        if file.is_file() {
            return Some(file);
        }
        if dir.join(".git").is_dir() {
            return None;
        }
    }
    None
}

/// Whether this looks like `host/name:tag` or `host/name@digest`.
fn looks_remote(from: &Path) -> bool {
    let text = from.to_string_lossy();
    let Some((host, name)) = text.split_once('/') else { return false };
    host.contains('.') && !host.starts_with('.') && (name.contains(':') || name.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_file_a_directory_or_a_component() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let at = |name: &str| dir.path().join(name);
        for name in ["spin.toml", "other.toml", "a.wasm"] {
            std::fs::write(at(name), "").expect("writes");
        }
        for (from, expected) in [
            (dir.path().to_owned(), Source::Manifest(at("spin.toml"))),
            (at("other.toml"), Source::Manifest(at("other.toml"))),
            (at("a.wasm"), Source::Component(at("a.wasm"))),
        ] {
            assert_eq!(Source::find(Some(&from)).ok(), Some(expected));
        }
        assert_eq!(Source::Manifest("spin.toml".into()).base_dir(), Path::new("."));
        assert_eq!(Source::Manifest("a/spin.toml".into()).base_dir(), Path::new("a"));
    }

    #[test]
    fn says_why_there_is_nothing_to_serve() {
        let dir = tempfile::tempdir().expect("makes a folder");
        for (from, words) in [
            (dir.path().to_owned(), "has no `spin.toml`"),
            (dir.path().join("gone.toml"), "does not exist"),
            ("registry.example/shop:v1".into(), "registries are not supported"),
            ("registry.example/shop@sha256:0".into(), "registries are not supported"),
        ] {
            let error = Source::find(Some(&from)).expect_err("is refused").to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn searches_upward_but_not_out_of_a_repository() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let below = dir.path().join("a/b");
        std::fs::create_dir_all(&below).expect("makes folders");
        let manifest = dir.path().join("spin.toml");
        std::fs::write(&manifest, "").expect("writes");
        assert_eq!(nearest(&below), Some(manifest));
        std::fs::create_dir(dir.path().join("a/.git")).expect("makes a folder");
        assert_eq!(nearest(&below), None);
    }
}
