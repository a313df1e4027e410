//! Writes files named by their content.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use sha2::Digest;
use sha2::Sha256;

/// A folder of files whose names are the first 32 hexadecimal digits of their SHA-256.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens (and creates) `out/media`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(out: &Path) -> anyhow::Result<Self> {
        let folder = out.join("media");
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Writes `bytes` unless they are there already, and returns the address they will have in the shop.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, bytes: &[u8], extension: &str) -> anyhow::Result<String> {
        let digest = Sha256::digest(bytes);
        let name: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let path = self.folder.join(format!("{name}.{extension}"));
        let is_there = path.metadata().is_ok_and(|m| m.len() == bytes.len() as u64);
        if !is_there {
            // Written beside and renamed, so that an interrupted run leaves no half file under a good name.
            let draft = self.folder.join(format!("{name}.{extension}.part"));
            std::fs::write(&draft, bytes).with_context(|| format!("write {}", draft.display()))?;
            std::fs::rename(&draft, &path)
                .with_context(|| format!("rename to {}", path.display()))?;
        }
        Ok(format!("/m/{name}.{extension}"))
    }
}
