//! The studio's lights.

use crate::math::TAU;
use crate::math::Vec3;
use crate::math::cos;
use crate::math::hash_unit;
use crate::math::mix;
use crate::math::sin;
use crate::math::smoothstep;
use crate::math::vec3;

/// Colour of the key light, a large window.
pub(super) const KEY: Vec3 = vec3(1.62, 1.57, 1.48);
/// Colour of the light from all around.
pub(super) const SKY: Vec3 = vec3(0.88, 0.89, 0.9);
/// Colour of the light that the floor throws back.
pub(super) const BOUNCE: Vec3 = vec3(0.56, 0.54, 0.51);
/// Colour of a lamp's light.
pub(super) const LAMP: Vec3 = vec3(1.0, 0.72, 0.42);
/// Colour of the floor in the picture, linear.
pub(super) const FLOOR: Vec3 = vec3(0.872, 0.855, 0.83);

/// Rays towards the key light per pixel.
pub(super) const KEY_RAYS: usize = 3;
/// Rays into the room per pixel.
pub(super) const ROOM_RAYS: usize = 6;
/// How many different sets of rays there are; neighbouring pixels use different ones.
const SETS: usize = 64;

/// The lights as one camera sees them: they stand fixed to the camera, as in a photographer's studio.
#[derive(Debug)]
pub(super) struct Studio {
    pub(super) key: Vec3,
    boxes: [SoftBox; 4],
    key_rays: Vec<Vec3>,
    /// About the Y axis; turned to the surface's normal when used.
    room_rays: Vec<Vec3>,
}

/// A bright rectangle far away, as polished surfaces mirror it.
#[derive(Clone, Copy, Debug)]
struct SoftBox {
    direction: Vec3,
    right: Vec3,
    up: Vec3,
    /// Half its width and height, as tangents.
    half: (f32, f32),
    glow: f32,
}

impl SoftBox {
    fn new(direction: Vec3, half: (f32, f32), glow: f32) -> Self {
        let direction = direction.normalized();
        let right = Vec3::Y.cross(direction).normalized();
        Self { direction, right, up: direction.cross(right), half, glow }
    }

    /// How bright it is in a direction, blurred by `softness`.
    fn seen(&self, d: Vec3, softness: f32) -> f32 {
        let depth = d.dot(self.direction);
        if depth < 0.05 {
            return 0.0;
        }
        let (x, y) = (d.dot(self.right).abs() / depth, d.dot(self.up).abs() / depth);
        let (w, h) = self.half;
        let edge = |half: f32, at: f32| smoothstep(half + softness, half - softness * 0.9, at);
        let spread = (w / (w + softness * 0.55)) * (h / (h + softness * 0.55));
        self.glow * edge(w, x) * edge(h, y) * spread
    }
}

impl Studio {
    /// Sets up the lights for a camera with these axes.
    pub(super) fn new(right: Vec3, forward: Vec3) -> Self {
        let back = vec3(-forward.x, 0.0, -forward.z).normalized();
        let right = vec3(right.x, 0.0, right.z).normalized();
        let place = |x: f32, y: f32, z: f32| right * x + Vec3::Y * y + back * z;
        let key = place(-0.62, 1.05, 0.55).normalized();
        let boxes = [
            SoftBox::new(key, (0.5, 0.42), 3.4),
            SoftBox::new(place(1.0, 0.42, 0.15), (0.22, 0.75), 1.9),
            SoftBox::new(place(-0.35, 0.75, -1.0), (0.8, 0.22), 1.6),
            SoftBox::new(place(-1.0, 0.2, 0.1), (0.14, 0.6), 1.1),
        ];
        let mut studio = Self { key, boxes, key_rays: Vec::new(), room_rays: Vec::new() };
        let (kr, ku) = (boxes[0].right, boxes[0].up);
        for set in 0..SETS {
            let jitter = |i: usize, k: u32| hash_unit((set * 64 + i) as u32 * 4 + k);
            for i in 0..KEY_RAYS {
                let r = ((i as f32 + jitter(i, 0)) / KEY_RAYS as f32).sqrt() * 0.2;
                let a = TAU * (jitter(i, 1) + i as f32 * 0.618);
                studio.key_rays.push((key + kr * (r * cos(a)) + ku * (r * sin(a))).normalized());
            }
            for i in 0..ROOM_RAYS {
                let r2 = (i as f32 + jitter(i, 2)) / ROOM_RAYS as f32;
                let a = TAU * (jitter(i, 3) * 0.4 + i as f32 * 0.618 + hash_unit(set as u32 + 9));
                let r = r2.sqrt();
                studio.room_rays.push(vec3(r * cos(a), (1.0 - r2).max(0.02).sqrt(), r * sin(a)));
            }
        }
        studio
    }

    /// Rays towards the key light for a pixel.
    pub(super) fn key_rays(&self, seed: u32) -> &[Vec3] {
        let set = seed as usize % SETS;
        &self.key_rays[set * KEY_RAYS..(set + 1) * KEY_RAYS]
    }

    /// Rays into the half space above a surface with `normal`, more of them straight up.
    pub(super) fn room_rays(&self, seed: u32, normal: Vec3) -> impl Iterator<Item = Vec3> + '_ {
        let set = (seed >> 8) as usize % SETS;
        let a = normal.perpendicular();
        let b = normal.cross(a);
        self.room_rays[set * ROOM_RAYS..(set + 1) * ROOM_RAYS]
            .iter()
            .map(move |r| a * r.x + normal * r.y + b * r.z)
    }

    /// How bright the room is in a direction, for rays that nothing stops.
    pub(super) fn room(direction: Vec3) -> f32 {
        if direction.y < 0.0 { 0.6 } else { mix(0.82, 1.1, direction.y) }
    }

    /// Light from all around on a surface that nothing shades.
    pub(super) fn ambient(normal: Vec3) -> Vec3 {
        BOUNCE.lerp(SKY, normal.y * 0.5 + 0.5)
    }

    /// What a surface of `roughness` mirrors from `direction`; the key light is dimmed by `key_seen`.
    pub(super) fn mirrored(&self, direction: Vec3, roughness: f32, key_seen: f32) -> Vec3 {
        let soft = 0.03 + roughness * 0.9;
        let ceiling = mix(0.74, 1.05, smoothstep(-0.1, 0.9, direction.y));
        let base = mix(0.9, ceiling, smoothstep(-soft - 0.02, soft + 0.02, direction.y));
        let mut light = SKY * base;
        for (i, b) in self.boxes.iter().enumerate() {
            let seen = if i == 0 { 0.35 + 0.65 * key_seen } else { 1.0 };
            light += vec3(1.0, 0.98, 0.95) * (b.seen(direction, soft) * seen);
        }
        light
    }
}
