//! What clients saw, and whether a correct shop can have shown it to them.
//!
//! [`log`] is the format: one JSON object a line, written while clients run, read back afterwards. [`linear`] asks
//! whether every object (an order, say) behaved as if its operations had happened one after the other; [`ledger`]
//! asks whether money was conserved and every acknowledged transfer is there once. The simulator and the tests with
//! real faults write the same lines and ask the same questions.

pub mod ledger;
pub mod linear;
pub mod log;
