//! Whether an answer is right.

use super::catalogue::Wish;
use crate::content;
use crate::origin::version_at;

/// What clocks that are read one after the other may differ by.
const SLACK_MS: u64 = 100;

/// An answer, as far as it is judged.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) status: u16,
    /// When its origin made it, in milliseconds of Unix time.
    pub(crate) made_at: Option<u64>,
    pub(crate) version: Option<u64>,
    pub(crate) body: &'a [u8],
    /// When it was asked for.
    pub(crate) asked_at: u64,
    /// Nothing older than this may come, because a purge was confirmed before it was asked for.
    pub(crate) purged_at: Option<u64>,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// Another status than 200, or 206 where a part was asked for.
    Status,
    /// It does not say when it was made, or of which version it is, or both do not fit.
    Words,
    /// Not the bytes of its address and version.
    Body,
    /// Older than its headers allow.
    Stale,
    /// Purged before it was asked for.
    Purged,
}

/// Says how old the answer was when it was asked for, in milliseconds, or what is wrong with it.
pub(crate) fn judge(wish: &Wish, given: &Given<'_>) -> Result<u64, Wrong> {
    let status = if wish.part.is_some() { 206 } else { 200 };
    if given.status != status {
        return Err(Wrong::Status);
    }
    let rule = wish.plan.rule;
    let (Some(made_at), Some(version)) = (given.made_at, given.version) else {
        return Err(Wrong::Words);
    };
    if version != version_at(rule, made_at) {
        return Err(Wrong::Words);
    }
    let (start, length) = wish.part.unwrap_or((0, wish.plan.bytes));
    if given.body != content::part(&wish.path, version, start, length) {
        return Err(Wrong::Body);
    }
    let age_ms = given.asked_at.saturating_sub(made_at);
    let most = rule.age_max().map(|most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
    if most.is_some_and(|most| age_ms > most + SLACK_MS) {
        return Err(Wrong::Stale);
    }
    if given.purged_at.is_some_and(|purged| made_at + SLACK_MS < purged) {
        return Err(Wrong::Purged);
    }
    Ok(age_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Plan, Rule};

    const NOW: u64 = 1_000_000_000;

    fn wish(rule: Rule, part: Option<(usize, usize)>) -> Wish {
        Wish { path: "/100/x/a".to_owned(), plan: Plan::plain(100, rule), part }
    }

    /// What comes of an answer that was made so long before it was asked for.
    fn judged(wish: &Wish, age_ms: u64, change: impl FnOnce(&mut Given<'_>)) -> Result<u64, Wrong> {
        let made_at = NOW - age_ms;
        let version = version_at(wish.plan.rule, made_at);
        let (start, length) = wish.part.unwrap_or((0, 100));
        let body = content::part(&wish.path, version, start, length);
        let status = if wish.part.is_some() { 206 } else { 200 };
        let mut given = Given {
            status,
            made_at: Some(made_at),
            version: Some(version),
            body: &body,
            asked_at: NOW,
            purged_at: None,
        };
        change(&mut given);
        judge(wish, &given)
    }

    #[test]
    fn right_answers_are_as_old_as_they_may_be() {
        for (rule, oldest) in [(Rule::Private, 0), (Rule::Strict, 1000), (Rule::Lenient, 31_000)] {
            assert_eq!(judged(&wish(rule, None), oldest, |_| ()), Ok(oldest), "{rule:?}");
            assert_eq!(judged(&wish(rule, None), oldest + 101, |_| ()), Err(Wrong::Stale));
        }
        assert_eq!(judged(&wish(Rule::Fixed, Some((7, 20))), 900_000, |_| ()), Ok(900_000));
    }

    #[test]
    fn wrong_answers_are_told_apart() {
        let wish = wish(Rule::Lenient, None);
        assert_eq!(judged(&wish, 0, |given| given.status = 504), Err(Wrong::Status));
        assert_eq!(judged(&wish, 0, |given| given.made_at = None), Err(Wrong::Words));
        assert_eq!(judged(&wish, 0, |given| given.version = Some(1)), Err(Wrong::Words));
        assert_eq!(judged(&wish, 0, |given| given.body = b"x"), Err(Wrong::Body));
        let purged = |at| judged(&wish, 5000, |given| given.purged_at = Some(at));
        assert_eq!(purged(NOW), Err(Wrong::Purged));
        assert_eq!(purged(NOW - 6000), Ok(5000));
    }
}
