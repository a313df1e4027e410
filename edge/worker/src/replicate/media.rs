//! Which models and pictures a feed names: they are fetched before the first shopper asks for them.

use std::collections::BTreeSet;

use files_core::route::{Mount, Route};

/// Where a medium's address begins, in the text of a row.
const PREFIX: &[u8] = b"/m/";
/// Longest name, and so the most that may stand in the next piece: 64 bytes. Names have 32 digits and an ending.
const NAME_BYTES_MAX: usize = 64;

/// Finds names in what a feed sends, piece by piece, without understanding it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    found: BTreeSet<String>,
    /// The end of the last piece, in which a name may have begun.
    tail: Vec<u8>,
}

impl Names {
    /// Looks through the next bytes.
    pub(crate) fn scan(&mut self, bytes: &[u8]) {
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(bytes);
        for (at, window) in text.windows(PREFIX.len()).enumerate() {
            if window == PREFIX {
                self.found.extend(name_at(text.get(at..).unwrap_or_default()));
            }
        }
        let kept = text.len().saturating_sub(NAME_BYTES_MAX);
        self.tail = text.split_off(kept);
    }

    /// Takes at most `count` names out and forgets the others: they are fetched when somebody asks.
    pub(crate) fn take(&mut self, count: usize) -> Vec<String> {
        self.tail.clear();
        std::mem::take(&mut self.found).into_iter().take(count).collect()
    }
}

/// The name behind the prefix that `text` begins with. One that the next piece may continue is not one yet: it is found
/// whole there.
fn name_at(text: &[u8]) -> Option<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let name = text.get(PREFIX.len()..)?;
    let length = name.iter().take(NAME_BYTES_MAX).position(|byte| !is_part(byte))?;
    let name = core::str::from_utf8(name.get(..length)?).ok()?;
    match Route::of(&format!("/m/{name}")) {
        Route::File(file) if file.mount == Mount::Media => Some(name.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLB: &str = "00000000000000000000000000000001.glb";
    const JPG: &str = "00000000000000000000000000000002.jpg";

    #[test]
    fn finds_names_wherever_a_piece_ends() {
        let text = format!(
            "{{\"values\":[\"/m/{GLB}\",\"[{{\\\"url\\\":\\\"/m/{JPG}\\\"}}]\",\"/m/x.glb\",\"/m/\"]}}"
        );
        for cut in 0..text.len() {
            let mut names = Names::default();
            let (first, second) = text.as_bytes().split_at(cut);
            names.scan(first);
            names.scan(second);
            assert_eq!(names.take(9), [GLB, JPG], "cut at {cut}");
        }
    }

    #[test]
    fn takes_no_more_than_asked_for_and_forgets_the_rest() {
        let mut names = Names::default();
        names.scan(format!("\"/m/{GLB}\" \"/m/{JPG}\" ").as_bytes());
        assert_eq!(names.take(1), [GLB]);
        assert_eq!(names.take(9), Vec::<String>::new());
    }
}
