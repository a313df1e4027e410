//! `sign`: makes a path that a route of files with `signed_by` opens until a moment.

use std::{ffi::OsString, fs::File, io::Read as _, path::Path, time::Duration};

use anyhow::{Context as _, bail, ensure};
use cdn::files::{self, SigningKey};
use domain::Timestamp;

use crate::{
    cli::{Expiry, Sign},
    deploy::now,
    up::Failure,
};

/// Where the key is without `--key-file`. Never on the command line, which everybody on the machine can read.
const KEY_VARIABLE: &str = "VITRINE_SIGNING_KEY";

/// Longest key: 4 KiB. A larger file is another one than was meant.
const KEY_BYTES_MAX: u64 = 4_096;

/// Longest life of a path: ten years. Beyond it, a wrong digit is likelier than the wish.
const LIFE_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Signs and prints the path.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub(crate) fn run(
    options: &Sign,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(), Failure> {
    let path = sign(options, environment, now()).map_err(Failure::Configuration)?;
    println!("{path}");
    Ok(())
}

/// Errors hold what was read of the command line, and nothing of the key.
fn sign(
    options: &Sign,
    environment: &dyn Fn(&str) -> Option<OsString>,
    now: Timestamp,
) -> anyhow::Result<String> {
    let until = match options.expires {
        Expiry::After(length) => now.after(length),
        Expiry::At(moment) => moment,
    };
    ensure!(until.unix_s() > now.unix_s(), "the path would have expired already");
    ensure!(until.since(now) <= LIFE_MAX, "a path is good for ten years at most");
    check(&options.path)?;
    let secret = match &options.key_file {
        Some(file) => read(file)?,
        None => environment(KEY_VARIABLE)
            .with_context(|| format!("give the key: `--key-file FILE`, or {KEY_VARIABLE}"))?
            .into_encoded_bytes(),
    };
    let key = SigningKey::new(&secret).context("the key has less than 16 bytes")?;
    files::sign(&options.key_id, &key, &options.path, until)
        .context("a key's id has letters, digits, `-` and `_`")
}

/// Refuses what no client could ask for: the signature is over the very bytes of the address.
fn check(path: &str) -> anyhow::Result<()> {
    ensure!(path.starts_with('/'), "the path begins with `/`, below the route");
    if let Some(odd) = path.chars().find(|c| !c.is_ascii_graphic() || "?#\"<>\\^`{|}".contains(*c))
    {
        bail!("{odd:?} has to be percent-encoded in a path");
    }
    Ok(())
}

/// Reads a key. The node's variables are single lines, so the break at the end of a file is its editor's.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let doing = || format!("read the key in {}", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(doing)?;
    opened.take(KEY_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(doing)?;
    ensure!(
        u64::try_from(bytes.len()).is_ok_and(|length| length <= KEY_BYTES_MAX),
        "{} is no key: it has more than {KEY_BYTES_MAX} bytes",
        file.display()
    );
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_stands_in_an_address() {
        for path in ["/a.glb", "/", "/a%20b/c.glb", "/a;b=1/(c)~'!$&*+,:@"] {
            assert!(check(path).is_ok(), "{path}");
        }
        for path in ["", "a.glb", "https://x/a", "/a b", "/a?b", "/a#b", "/ä", "/a\n"] {
            assert!(check(path).is_err(), "{path:?}");
        }
    }
}
