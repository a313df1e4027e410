//! Files of a folder, served by the node itself: found once a second, sent by the kernel.

mod open;
mod signed;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cache_core::Rules;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_semantics::{
    conditional,
    negotiation::{Accepted, Coding},
};

pub use self::signed::{SignedPaths, SigningKey, sign};
use self::{open::Folder, signed::Unsigned};
use crate::{
    answer::{Answer, Content, now},
    cache::file_answer,
    store::Stored,
};

/// How long a file that was found is believed to be as it was: 1 s.
const BELIEVED: Duration = Duration::from_secs(1);
/// Files that are kept open: 1 024. When they are too many, all are closed.
const OPEN_MAX: usize = 1_024;

/// What a route of files says.
#[derive(Debug, Clone, Default)]
pub struct FilesSettings {
    /// The folder. Nothing outside it is served, whatever links are in it.
    pub root: PathBuf,
    /// `Cache-Control`. Default: `no-cache`, so that a changed file is seen at once.
    pub cache_control: Option<HeaderValue>,
    /// The file that stands for a folder. Default: none.
    pub index: Option<String>,
    /// Who may ask: paths that are signed. Default: everybody.
    pub signed: Option<SignedPaths>,
}

/// Serves files of a folder.
#[derive(Debug)]
pub struct Files {
    settings: FilesSettings,
    folder: Folder,
    open: Mutex<std::collections::HashMap<(String, Option<Coding>), Found>>,
    rules: Rules,
}

#[derive(Debug, Clone)]
struct Found {
    at: Instant,
    file: Option<Arc<Stored>>,
}

impl Files {
    /// Opens the folder.
    ///
    /// # Errors
    /// When it is not there.
    pub fn new(settings: FilesSettings) -> std::io::Result<Self> {
        let folder = Folder::open(&settings.root)?;
        Ok(Self { settings, folder, open: Mutex::default(), rules: Rules::default() })
    }

    /// Answers a request for `path`, percent-encoded, relative to the route and with `/` at its start.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        let is_head = *method == Method::HEAD;
        if !is_head && *method != Method::GET {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED);
            answer.headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        let path = match &self.settings.signed {
            None => path,
            Some(signed) => match signed.open(path, now()) {
                Ok(path) => path,
                Err(Unsigned::Expired) => return plain(StatusCode::GONE),
                Err(Unsigned::Wrong) => return plain(StatusCode::FORBIDDEN),
            },
        };
        let Some(name) = open::file_name(path, self.settings.index.as_deref()) else {
            return plain(StatusCode::NOT_FOUND);
        };
        let Some(stored) = self.choose(&name, headers) else {
            return plain(StatusCode::NOT_FOUND);
        };
        let etag = stored.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
        if headers.contains_key(header::IF_MATCH) && !conditional::if_match_holds(headers, etag) {
            return plain(StatusCode::PRECONDITION_FAILED);
        }
        file_answer(method, headers, &stored, &self.rules)
    }

    /// Looks for the best variant that the client understands and that is there.
    fn choose(&self, name: &str, headers: &HeaderMap) -> Option<Arc<Stored>> {
        let is_packable = http_semantics::media_type::of_path(name).is_none_or(|_| {
            let extension = name.rsplit('.').next().unwrap_or_default();
            http_semantics::media_type::is_compressible(extension)
        });
        if is_packable && headers.contains_key(header::ACCEPT_ENCODING) {
            for coding in Accepted::of(headers).ranked(&Coding::STATIC) {
                if coding == Coding::Identity {
                    break;
                }
                if let Some(found) = self.find(name, Some(coding), is_packable) {
                    return Some(found);
                }
            }
        }
        self.find(name, None, is_packable)
    }

    fn find(&self, name: &str, coding: Option<Coding>, varies: bool) -> Option<Arc<Stored>> {
        let key = (name.to_owned(), coding);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.get(&key).cloned();
        if let Some(known) = &known
            && known.at.elapsed() < BELIEVED
        {
            return known.file.clone();
        }
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        let before = known.and_then(|known| known.file);
        let look =
            open::Look { name, coding, varies, control: self.settings.cache_control.as_ref() };
        let file = self.folder.load(&look, before.as_ref(), &self.rules);
        open.insert(key, Found { at: Instant::now(), file: file.clone() });
        file
    }
}

fn plain(status: StatusCode) -> Answer {
    let headers = HeaderMap::new();
    Answer { status, stored: None, headers, content: Content::Whole(Bytes::new()), word: None }
}

#[cfg(test)]
mod tests;
