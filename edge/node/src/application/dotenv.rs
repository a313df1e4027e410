//! A `.env` file, if there is one.

use std::{io, path::Path};

use anyhow::Context as _;
use manifest::Secret;

use super::read_text;

/// Reads `path`; a file that does not exist has nothing in it, as in Spin.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<(String, Secret)>> {
    let shown = || format!("read {}", path.display());
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(shown),
    };
    manifest::dotenv(&text).with_context(shown)
}

fn is_absent(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_empty_where_there_is_no_file_and_an_error_where_it_cannot_be_read() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join(".env");
        assert_eq!(read(&path).map(|pairs| pairs.len()).ok(), Some(0));
        std::fs::write(&path, "A=1\nB='2'\n").expect("writes");
        assert_eq!(read(&path).map(|pairs| pairs.len()).ok(), Some(2));
        std::fs::write(&path, "A").expect("writes");
        assert!(
            format!("{:#}", read(&path).expect_err("is refused"))
                .ends_with("line 1: it has no `=`")
        );
        assert!(read(dir.path()).is_err());
    }
}
