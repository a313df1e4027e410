//! Request headers, with a memory of which were looked at: exactly those belong into `Vary`.

use core::cell::Cell;

use http::{HeaderMap, HeaderValue};

/// A header that may change the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// `User-Agent`.
    UserAgent,
    /// `Sec-CH-UA-Platform`, which Chromium sends without being asked.
    Platform,
    /// `Save-Data`.
    SaveData,
    /// `ECT`, the effective connection type.
    Ect,
    /// `Downlink`, in Mbit/s.
    Downlink,
    /// `Device-Memory`, in GiB.
    DeviceMemory,
}

/// Sent with every manifest: Chromium then adds these to its next request. Safari and Firefox never do.
pub const ACCEPT_CH: &str = "Device-Memory, Downlink, ECT";

impl Hint {
    const ALL: [Self; 6] = [
        Self::UserAgent,
        Self::Platform,
        Self::SaveData,
        Self::Ect,
        Self::Downlink,
        Self::DeviceMemory,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::UserAgent => "User-Agent",
            Self::Platform => "Sec-CH-UA-Platform",
            Self::SaveData => "Save-Data",
            Self::Ect => "ECT",
            Self::Downlink => "Downlink",
            Self::DeviceMemory => "Device-Memory",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::UserAgent => 1,
            Self::Platform => 2,
            Self::SaveData => 4,
            Self::Ect => 8,
            Self::Downlink => 16,
            Self::DeviceMemory => 32,
        }
    }
}

/// The headers of one request.
#[derive(Debug)]
pub struct Hints<'a> {
    headers: &'a HeaderMap,
    read: Cell<u8>,
}

impl<'a> Hints<'a> {
    /// Takes a request's headers; none has been looked at.
    #[must_use]
    pub const fn new(headers: &'a HeaderMap) -> Self {
        Self { headers, read: Cell::new(0) }
    }

    /// Returns a header's text, without quotes around it; absent and unreadable are the same: empty.
    pub fn read(&self, hint: Hint) -> &'a str {
        self.read.set(self.read.get() | hint.bit());
        let value = self.headers.get(hint.name()).and_then(|value| value.to_str().ok());
        value.unwrap_or("").trim().trim_matches('"')
    }

    /// Returns the `Vary` of a decision: the headers that it looked at. Absent ones count, they could have been there.
    #[must_use]
    pub fn vary(&self) -> Option<HeaderValue> {
        let read = Hint::ALL.into_iter().filter(|hint| self.read.get() & hint.bit() != 0);
        let names: Vec<_> = read.map(Hint::name).collect();
        HeaderValue::from_str(&names.join(", ")).ok().filter(|_| !names.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varies_on_what_was_read_and_nothing_else() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-ch-ua-platform", HeaderValue::from_static("\"Android\""));
        let hints = Hints::new(&headers);
        assert_eq!(hints.vary(), None);
        assert_eq!((hints.read(Hint::Platform), hints.read(Hint::Ect)), ("Android", ""));
        assert_eq!(hints.vary().unwrap(), "Sec-CH-UA-Platform, ECT");
    }
}
