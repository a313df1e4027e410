//! Makes what a shop shows: triangle meshes, GLB and USDZ files, and pictures of them.
//!
//! Layer: adapter (L3). No files, no clock, no randomness: bytes out for values in, the same on every machine.
//! Not here: which products exist (`demo-shop`), where files are kept (`providers`), uploads (their own issue).
//! Start at [`model::Model`]; [`glb::write`] and [`usdz::write`] turn one into files, [`render`] into pictures.

pub mod glb;
pub mod math;
pub mod mesh;
pub mod model;
pub mod noise;
pub mod picture;
pub mod render;
pub mod shape;
pub mod texture;
pub mod usdz;
