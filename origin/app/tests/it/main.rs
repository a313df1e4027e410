//! Use cases over a real store, a provider that does as it is told, and a clock that is moved by hand.

mod holds;
mod payments;
mod world;
