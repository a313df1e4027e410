//! Where the picture is taken from.

use crate::math::Vec3;
use crate::math::cos;
use crate::math::sin;
use crate::math::tan;
use crate::math::vec3;

/// How a picture is framed.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Degrees to the right of the front.
    pub yaw: f32,
    /// Degrees above the horizon.
    pub pitch: f32,
    /// Vertical field of view in degrees; narrow as product photographers like it.
    pub field: f32,
    /// Share of the picture that the object fills, 0‥1.
    pub fill: f32,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

/// A pinhole camera.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    /// Where the rays start.
    pub eye: Vec3,
    /// To the right of the picture.
    pub right: Vec3,
    /// To the top of the picture.
    pub up: Vec3,
    /// Into the picture.
    pub forward: Vec3,
    /// Half the picture's height at a distance of one.
    pub tan_half: f32,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

impl Camera {
    /// Stands as near as it can with all `points` in the frame.
    #[must_use]
    pub fn framing(points: &[Vec3], view: &View) -> Self {
        let (yaw, pitch) = (view.yaw.to_radians(), view.pitch.to_radians());
        let back = vec3(sin(yaw) * cos(pitch), sin(pitch), cos(yaw) * cos(pitch));
        let right = Vec3::Y.cross(back).normalized();
        let up = back.cross(right);
        let tan_half = tan(view.field.to_radians() * 0.5);
        let aspect = view.width as f32 / view.height as f32;
        let (tx, ty) = (tan_half * aspect * view.fill, tan_half * view.fill);
        // For each side of the frame the plane that touches the farthest point; opposite planes meet at the eye.
        let mut extent = [f32::NEG_INFINITY; 4];
        for p in points {
            let (x, y, z) = (p.dot(right), p.dot(up), p.dot(back));
            for (e, v) in extent.iter_mut().zip([x + z * tx, z * tx - x, y + z * ty, z * ty - y]) {
                *e = e.max(v);
            }
        }
        let x = (extent[0] - extent[1]) * 0.5;
        let y = (extent[2] - extent[3]) * 0.5;
        let z = ((extent[0] + extent[1]) / (2.0 * tx)).max((extent[2] + extent[3]) / (2.0 * ty));
        Self {
            eye: right * x + up * y + back * z,
            right,
            up,
            forward: -back,
            tan_half,
            width: view.width,
            height: view.height,
        }
    }

    /// The direction through a place in the picture, in pixels from the top left.
    #[must_use]
    pub fn ray(&self, x: f32, y: f32) -> Vec3 {
        let half = self.height as f32 * 0.5;
        let sx = (x - self.width as f32 * 0.5) / half * self.tan_half;
        let sy = (half - y) / half * self.tan_half;
        (self.forward + self.right * sx + self.up * sy).normalized()
    }

    /// Metres that a pixel covers at a distance of one metre.
    #[must_use]
    pub fn pixel(&self) -> f32 {
        2.0 * self.tan_half / self.height as f32
    }
}
