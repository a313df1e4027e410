//! What can be wrong with what a feed says, sorted by what the follower does about it.

/// Why an answer of the feed was not turned into statements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not what a feed says. Another origin may know better.
    #[error("understand the feed: {0}")]
    Garbage(String),
    /// More bytes than the limit of that kind allows.
    #[error("the feed's {what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Which limit.
        what: &'static str,
        /// Its value.
        bytes_max: usize,
    },
    /// It does not continue what is there: only a new snapshot helps.
    #[error("continuity lost: {0}")]
    Discontinuous(String),
}
