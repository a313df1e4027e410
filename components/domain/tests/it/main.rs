//! The life of orders with their stock and their books, as a store would keep them.
//!
//! `shop` does what a caller of the domain does with a step, in the order in which it is meant: read it as the example.
//! `journeys` tells stories of one order each, `table` says which steps every kind of order shows, `refusals` why others
//! are not taken, `any_order` checks what must hold after any steps, `every_order` walks all orders
//! of a small shop, and in `crowd` many orders want the same pieces.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy sees only in functions marked so"
)]

mod any_order;
mod commands;
mod crowd;
mod every_order;
mod journeys;
mod refusals;
mod shop;
mod table;
