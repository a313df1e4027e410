//! The table: every case, by group. What is so on one host must be so on all.

mod ar;
mod auth;
mod caching;
mod catalogue;
mod cors;
mod errors;
mod files;
mod gateway;
mod limits;
mod origin;
mod outage;
mod ranges;
mod rooms;
mod search;
mod selling;

use crate::case::Group;

/// Returns the whole table, in the order in which it is asked. The outage comes last: hosts remember dead origins.
#[must_use]
pub fn all() -> Vec<Group> {
    vec![
        Group { name: "gateway", cases: gateway::cases() },
        Group { name: "catalogue", cases: catalogue::cases() },
        Group { name: "search", cases: search::cases() },
        Group { name: "ar", cases: ar::cases() },
        Group { name: "errors", cases: errors::cases() },
        Group { name: "limits", cases: limits::cases() },
        Group { name: "cors", cases: cors::cases() },
        Group { name: "auth", cases: auth::cases() },
        Group { name: "caching", cases: caching::cases() },
        Group { name: "files", cases: files::cases() },
        Group { name: "ranges", cases: ranges::cases() },
        Group { name: "origin", cases: origin::cases() },
        Group { name: "selling", cases: selling::cases() },
        Group { name: "rooms", cases: rooms::cases() },
        Group { name: "outage", cases: outage::cases() },
    ]
}
