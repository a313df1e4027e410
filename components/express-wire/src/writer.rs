//! Putting messages together.

/// A message in the making.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Starts an empty message with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Goes on with `message`.
    #[must_use]
    pub const fn onto(message: Vec<u8>) -> Self {
        Self(message)
    }

    /// Returns the message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Returns how many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a byte.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Adds a 16-bit number.
    pub fn short(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds a 32-bit number.
    pub fn number(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds a 64-bit number.
    pub fn long(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds a length. What is longer than 4 GiB cannot be said: components have less memory than that.
    pub fn length(&mut self, value: usize) {
        self.number(u32::try_from(value).unwrap_or(u32::MAX));
    }

    /// Adds a text or bytes with their length.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.length(value.len());
        self.0.extend_from_slice(value);
    }

    /// Adds a text with its length, in lower case.
    pub fn lower_case(&mut self, value: &str) {
        self.length(value.len());
        self.0.extend(value.bytes().map(|byte| byte.to_ascii_lowercase()));
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    /// Forgets what came behind the first `length` bytes.
    pub fn cut(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Makes room for a number that is not known yet; [`Self::fill`] sets it.
    pub fn gap(&mut self) -> Gap {
        let at = self.0.len();
        self.number(0);
        Gap(at)
    }

    /// Sets the number of a gap.
    pub fn fill(&mut self, gap: &Gap, value: usize) {
        let end = gap.0.saturating_add(4);
        if let Some(place) = self.0.get_mut(gap.0..end) {
            place.copy_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
        }
    }

    /// Sets the number of a gap to the bytes that came after it.
    pub fn close(&mut self, gap: &Gap) {
        let length = self.0.len().saturating_sub(gap.0).saturating_sub(4);
        self.fill(gap, length);
    }
}

/// Room for a number: where it is.
#[derive(Debug)]
pub struct Gap(usize);
