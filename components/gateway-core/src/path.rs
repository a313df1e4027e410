//! The path that policies look at.
//!
//! Routers here do not decode paths, so a policy must not be fooled by another spelling of one. What has only one
//! reading is normalised; what has two (encoded slashes, dots, percent signs, control characters; dot segments;
//! backslashes) is refused.

use core::fmt::Write;
use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// Longest path: 2 KiB. The longest of ours (a model's URL) is below 200 bytes.
pub const PATH_BYTES_MAX: usize = 2_048;

/// Why a path has no single reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path is too long")]
    TooLong,
    /// Does not start with a slash, or has bytes that belong percent-encoded.
    #[error("the path has characters that do not belong there")]
    BadCharacter,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a broken percent-encoding")]
    BadEncoding,
    /// Encoded `/`, `\`, `.`, `%` or control character; a dot segment.
    #[error("the path is ambiguous")]
    Ambiguous,
}

/// Decodes what is safely decoded, collapses slashes, drops a trailing one. The result starts with `/` and keeps
/// encoded what is not ASCII letters, digits, `-`, `_` or `~`, in upper-case hexadecimal.
///
/// # Errors
/// See [`PathError`].
pub fn normalise(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if is_normal(raw) {
        return Ok(Cow::Borrowed(raw));
    }
    if raw.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    if !raw.starts_with('/') {
        return Err(PathError::BadCharacter);
    }
    let mut path = String::with_capacity(raw.len());
    for segment in raw.split('/').filter(|segment| !segment.is_empty()) {
        if segment == "." || segment == ".." {
            return Err(PathError::Ambiguous);
        }
        path.push('/');
        push_segment(&mut path, segment)?;
    }
    if path.is_empty() {
        path.push('/');
    }
    Ok(Cow::Owned(path))
}

/// Whether nothing about the path would change: most are so.
fn is_normal(raw: &str) -> bool {
    let Some(path) = raw.strip_prefix('/') else { return false };
    let is_segment = |segment: &[u8]| {
        !matches!(segment, b"" | b"." | b"..")
            && segment.iter().all(|byte| is_path_character(*byte))
    };
    raw.len() <= PATH_BYTES_MAX
        && (path.is_empty() || path.as_bytes().split(|byte| *byte == b'/').all(is_segment))
}

fn push_segment(path: &mut String, segment: &str) -> Result<(), PathError> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !is_path_character(byte) {
                return Err(PathError::BadCharacter);
            }
            path.push(char::from(byte));
            continue;
        }
        let decoded = bytes
            .next()
            .and_then(hex_digit)
            .zip(bytes.next().and_then(hex_digit))
            .and_then(|(high, low)| high.checked_mul(16)?.checked_add(low))
            .ok_or(PathError::BadEncoding)?;
        match decoded {
            b'/' | b'\\' | b'.' | b'%' | 0..=0x1f | 0x7f => return Err(PathError::Ambiguous),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                path.push(char::from(decoded));
            }
            _ => {
                // Writing to a `String` cannot fail.
                let _ = write!(path, "%{decoded:02X}");
            }
        }
    }
    Ok(())
}

/// RFC 3986, section 3.3: `pchar` without percent-encodings.
const fn is_path_character(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
        | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => byte.checked_sub(b'0'),
        b'a'..=b'f' => byte.checked_sub(b'a' - 10),
        b'A'..=b'F' => byte.checked_sub(b'A' - 10),
        _ => None,
    }
}
