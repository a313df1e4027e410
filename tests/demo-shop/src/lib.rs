//! Builds the demo shop: furniture shaped by code, its files for the web and for AR, its pictures, its catalogue.
//!
//! Layer: dev (L5). The same input gives the same bytes on every machine; files are named by their hash.
//! Not here: how meshes become files and pictures (`media`), texts, prices and stock (`assets/seed`).
//! Start at [`pipeline::run`]; the designs are in [`products`].

pub mod catalogue;
pub mod materials;
pub mod output;
pub mod parallel;
pub mod pipeline;
pub mod products;
pub mod progress;
pub mod textures;
