//! Real processes: the shop and its payment provider, started, asked and killed.

mod buying;
mod crash;
mod feed;
mod shop;
