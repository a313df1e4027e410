//! Secrets from files.

use std::path::Path;

use anyhow::{Context, ensure};

/// Shortest secret taken: 16 bytes.
const BYTES_MIN: usize = 16;

/// Reads a secret: the file's text without white space around it.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("read secret {}", path.display()))?;
    let secret = text.trim();
    ensure!(
        secret.len() >= BYTES_MIN,
        "secret {} has fewer than {BYTES_MIN} bytes",
        path.display()
    );
    Ok(secret.to_owned())
}

/// Makes a random name in hexadecimal.
pub(crate) fn random_hex<const N: usize>() -> anyhow::Result<String> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).context("read randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
