//! Photographs models in a small studio: a seamless light floor, one large key light, a soft room.
//!
//! What depends on the shape alone (what is seen where, shadows, ambient light) is traced once per view by
//! [`mod@expose`]; [`Shot::develop`] then colours it with the materials of each look, which costs far less.

mod bvh;
mod camera;
mod expose;
mod filter;
mod light;
mod scene;
mod shade;

pub use camera::Camera;
pub use camera::View;
pub use expose::Shot;
pub use expose::expose;
pub use scene::Lamp;
pub use scene::Scene;
pub use scene::SurfaceKind;
