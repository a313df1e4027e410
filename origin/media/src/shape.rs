//! The shapes that furniture is made of: bevelled boxes, turned and swept bodies, plates and shells.
//!
//! Every function returns a closed, outward-facing mesh around the origin, in metres.

mod boxes;
mod lathe;
mod plate;
mod shell;
mod sweep;

pub use boxes::Axis;
pub use boxes::cushion;
pub use boxes::rounded_box;
pub use boxes::soft_box;
pub use lathe::arc;
pub use lathe::ball;
pub use lathe::cylinder;
pub use lathe::fillet;
pub use lathe::lathe;
pub use lathe::ribbed;
pub use plate::outline_circle;
pub use plate::outline_polygon;
pub use plate::outline_superellipse;
pub use plate::plate;
pub use shell::shell;
pub use sweep::Section;
pub use sweep::curve;
pub use sweep::ring;
pub use sweep::rod;
pub use sweep::sweep;
pub use sweep::taper;
pub use sweep::tube;
