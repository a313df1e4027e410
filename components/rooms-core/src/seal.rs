//! Tickets, passes and room names that only we can make: text with an HMAC-SHA256 over it.
//!
//! Keys are derived from the edge's secret, one per purpose, so that what is given to everybody never comes near
//! the secret that signs identities. Signatures are compared in constant time.

use core::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How long a ticket may be shown: 24 h, twice the longest wait.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest text read as a ticket or pass: 160 bytes. The longest written has 113.
const TEXT_BYTES_MAX: usize = 160;

/// Bytes of randomness in a chat room's name.
const ROOM_RANDOM_BYTES: usize = 16;

/// Keys of one purpose.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

impl core::fmt::Debug for Seal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seal(***)")
    }
}

/// A ticket that held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Its number.
    pub number: u64,
    /// When it was given, with a precision of one second.
    pub issued_at: Timestamp,
}

impl Seal {
    /// Derives the key for waiting rooms. `None` while there is no secret: nothing may be signed with an empty one.
    #[must_use]
    pub fn for_waiting(edge_secret: &[u8]) -> Option<Self> {
        Self::derive(edge_secret, b"vitrine waiting room v1")
    }

    /// Derives the key for chat rooms. `None` while there is no secret.
    #[must_use]
    pub fn for_chat(edge_secret: &[u8]) -> Option<Self> {
        Self::derive(edge_secret, b"vitrine chat room v1")
    }

    fn derive(edge_secret: &[u8], context: &[u8]) -> Option<Self> {
        if edge_secret.is_empty() {
            return None;
        }
        let key =
            Hmac::<Sha256>::new_from_slice(edge_secret).ok()?.chain_update(context).finalize();
        Hmac::new_from_slice(&key.into_bytes()).ok().map(Self)
    }

    /// Writes a ticket.
    #[must_use]
    pub fn ticket(&self, room: &str, ticket: Ticket) -> String {
        self.sign(format!("wt1.{room}.{}.{}", ticket.number, ticket.issued_at.unix_s()))
    }

    /// Reads a ticket of this room; `None` when it is not one of ours, or too old.
    #[must_use]
    pub fn read_ticket(&self, room: &str, text: &str, now: Timestamp) -> Option<Ticket> {
        let (number, issued_at) = self.read("wt1", room, text)?;
        let is_fresh = now.since(issued_at) < TICKET_LIFETIME;
        is_fresh.then_some(Ticket { number, issued_at })
    }

    /// Writes a pass that holds until `ends_at`, rounded down to a second.
    #[must_use]
    pub fn pass(&self, room: &str, number: u64, ends_at: Timestamp) -> String {
        self.sign(format!("wp1.{room}.{number}.{}", ends_at.unix_s()))
    }

    /// Returns until when a pass of this room holds; `None` when it is not one of ours, or over.
    #[must_use]
    pub fn read_pass(&self, room: &str, text: &str, now: Timestamp) -> Option<Timestamp> {
        let (_number, ends_at) = self.read("wp1", room, text)?;
        (ends_at > now).then_some(ends_at)
    }

    /// Names a new chat room: 43 characters, of which 128 bits are random and 128 prove that we gave the name.
    #[must_use]
    pub fn chat_room(&self, random: [u8; ROOM_RANDOM_BYTES]) -> String {
        let tag = self.tag(&random);
        let half = tag.iter().take(ROOM_RANDOM_BYTES);
        let bytes: Vec<u8> = random.iter().chain(half).copied().collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns whether a chat room's name is one of ours. Made-up names wake nobody.
    #[must_use]
    pub fn is_chat_room(&self, name: &str) -> bool {
        let Some(bytes) = (name.len() == 43).then(|| URL_SAFE_NO_PAD.decode(name).ok()).flatten()
        else {
            return false;
        };
        let Some((random, tag)) = bytes.split_at_checked(ROOM_RANDOM_BYTES) else { return false };
        self.0.clone().chain_update(random).verify_truncated_left(tag).is_ok()
    }

    fn sign(&self, text: String) -> String {
        let tag = URL_SAFE_NO_PAD.encode(self.tag(text.as_bytes()));
        format!("{text}.{tag}")
    }

    fn tag(&self, bytes: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(bytes).finalize().into_bytes().into()
    }

    fn read(&self, kind: &str, room: &str, text: &str) -> Option<(u64, Timestamp)> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (signed, tag) = text.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.0.clone().chain_update(signed.as_bytes()).verify_slice(&tag).ok()?;
        let mut words = signed.split('.');
        (words.next()? == kind && words.next()? == room).then_some(())?;
        let number = words.next()?.parse().ok()?;
        let seconds: i64 = words.next()?.parse().ok()?;
        words.next().is_none().then_some(())?;
        Some((number, Timestamp::from_unix_ms(seconds.checked_mul(1_000)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_unix_ms(s.saturating_mul(1_000))
    }

    fn seal() -> Seal {
        Seal::for_waiting(b"secret").unwrap()
    }

    #[test]
    fn a_ticket_and_a_pass_hold_in_their_room_for_their_time() {
        let ticket = Ticket { number: 7, issued_at: at(1_000) };
        let text = seal().ticket("drop", ticket);
        for (room, now, expected) in [
            ("drop", 1_000, Some(ticket)),
            ("drop", 1_000 + 86_399, Some(ticket)),
            ("drop", 1_000 + 86_400, None),
            ("other", 1_000, None),
        ] {
            assert_eq!(seal().read_ticket(room, &text, at(now)), expected, "{room} {now}");
        }
        let pass = seal().pass("drop", 7, at(1_600));
        assert_eq!(seal().read_pass("drop", &pass, at(1_599)), Some(at(1_600)));
        assert_eq!(seal().read_pass("drop", &pass, at(1_600)), None);
        assert_eq!(seal().read_pass("other", &pass, at(1_000)), None);
    }

    #[test]
    fn what_was_changed_or_made_elsewhere_does_not_hold() {
        let text = seal().ticket("drop", Ticket { number: 7, issued_at: at(1_000) });
        let now = at(1_000);
        assert_eq!(seal().read_pass("drop", &text, now), None, "a ticket is not a pass");
        assert_eq!(seal().read_ticket("drop", &text.replace(".7.", ".1."), now), None);
        for other in [Seal::for_waiting(b"other"), Seal::for_chat(b"secret")] {
            assert_eq!(other.unwrap().read_ticket("drop", &text, now), None);
        }
        let cut = text.rsplit_once('.').unwrap().0;
        for bad in
            ["", ".", "wt1", cut, &format!("{cut}."), &format!("{text}A"), &"a".repeat(10_000)]
        {
            assert_eq!(seal().read_ticket("drop", bad, now), None, "{bad}");
        }
        let longest = seal()
            .ticket(&"r".repeat(32), Ticket { number: u64::MAX, issued_at: at(9_999_999_999) });
        assert!(longest.len() <= TEXT_BYTES_MAX, "{}", longest.len());
    }

    #[test]
    fn nothing_is_signed_without_a_secret() {
        assert!(Seal::for_waiting(b"").is_none() && Seal::for_chat(b"").is_none());
    }

    #[test]
    fn names_of_chat_rooms_are_ours_or_refused() {
        let seal = Seal::for_chat(b"secret").unwrap();
        let name = seal.chat_room([7; 16]);
        assert_eq!(name.len(), 43);
        assert!(seal.is_chat_room(&name));
        assert!(!Seal::for_chat(b"other").unwrap().is_chat_room(&name));
        let forged = seal.chat_room([8; 16]);
        let mixed = format!("{}{}", &name[..21], &forged[21..]);
        for bad in ["", "x", &name[1..], &mixed, &format!("{name}A"), &"é".repeat(22)] {
            assert!(!seal.is_chat_room(bad), "{bad}");
        }
    }
}
