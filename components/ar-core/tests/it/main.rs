//! AR manifests: the device table, and whole answers over the real tables.

mod answers;
mod devices;
