//! Finds what is seen in each pixel and how much light reaches it.

use crate::math::Vec3;
use crate::math::hash;
use crate::math::hash_unit;
use crate::math::vec3;

use super::camera::Camera;
use super::filter;
use super::light::Studio;
use super::scene::Scene;

/// Samples per pixel, placed as four rooks on a chess board.
pub(super) const SAMPLES: usize = 4;
const OFFSETS: [(f32, f32); SAMPLES] =
    [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];

/// Stands for the floor instead of a triangle.
pub(super) const FLOOR: u32 = u32::MAX;
/// Stands for the background instead of a triangle.
pub(super) const NOTHING: u32 = u32::MAX - 1;
/// Width of a bulb with its frosted glass: 9 cm.
const LAMP_SIZE: f32 = 0.09;
/// How far the floor is drawn from the middle, in metres; beyond it is background.
const FLOOR_RADIUS: f32 = 30.0;

/// What one sample sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) id: u32,
    pub(super) u: f32,
    pub(super) v: f32,
    pub(super) t: f32,
}

/// How much of each light arrives: 1 is all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Light {
    pub(super) key: f32,
    pub(super) room: f32,
    pub(super) lamp: f32,
}

impl Light {
    pub(super) fn add(self, o: Self, weight: f32) -> Self {
        Self {
            key: self.key + o.key * weight,
            room: self.room + o.room * weight,
            lamp: self.lamp + o.lamp * weight,
        }
    }

    pub(super) fn times(self, k: f32) -> Self {
        Self { key: self.key * k, room: self.room * k, lamp: self.lamp * k }
    }
}

/// Place and normal of what a pixel shows, for smoothing its light.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) place: Vec3,
    pub(super) normal: Vec3,
    /// Nothing is there.
    pub(super) is_empty: bool,
}

/// An exposed view: shapes and shadows, without colours.
#[derive(Debug)]
pub struct Shot<'a> {
    pub(super) scene: &'a Scene,
    pub(super) camera: Camera,
    pub(super) studio: Studio,
    pub(super) samples: Vec<Sample>,
    pub(super) lights: Vec<Light>,
    /// Pixels that show the floor or the background and nothing else.
    pub(super) plain: Vec<bool>,
    /// Front and second layer of glass, where the scene has glass at all.
    pub(super) glass: Vec<[Sample; 2]>,
}

/// The direction of a sample's ray.
pub(super) fn sample_ray(camera: &Camera, index: usize) -> Vec3 {
    let (pixel, k) = (index / SAMPLES, index % SAMPLES);
    let (x, y) = (pixel % camera.width, pixel / camera.width);
    camera.ray(x as f32 + OFFSETS[k].0, y as f32 + OFFSETS[k].1)
}

/// Traces `scene` as `camera` sees it.
#[must_use]
pub fn expose<'a>(scene: &'a Scene, camera: &Camera) -> Shot<'a> {
    let studio = Studio::new(camera.right, camera.forward);
    let pixels = camera.width * camera.height;
    let first = |pixel: usize| look(scene, camera, sample_ray(camera, pixel * SAMPLES));
    let firsts: Vec<Sample> = (0..pixels).map(first).collect();
    let plain = plain_pixels(&firsts, camera, scene.has_glass());
    let mut samples = Vec::with_capacity(pixels * SAMPLES);
    for (pixel, seen) in firsts.iter().enumerate() {
        samples.push(*seen);
        for k in 1..SAMPLES {
            let ray = || sample_ray(camera, pixel * SAMPLES + k);
            samples.push(if plain[pixel] { *seen } else { look(scene, camera, ray()) });
        }
    }
    let at = |i: usize| place(scene, camera, &samples[i], sample_ray(camera, i));
    let places: Vec<Place> = (0..pixels).map(|pixel| at(pixel * SAMPLES)).collect();
    // On plain floor light changes slowly: blocks of two by two pixels share their rays.
    let source = |pixel: usize| {
        let (x, y) = (pixel % camera.width, pixel / camera.width);
        let corner = (y & !1) * camera.width + (x & !1);
        if plain[pixel] && plain[corner] { corner } else { pixel }
    };
    let mut coarse: Vec<Light> = Vec::with_capacity(pixels);
    for (pixel, p) in places.iter().enumerate() {
        let from = source(pixel);
        let shared = coarse.get(from).copied();
        coarse.push(shared.unwrap_or_else(|| gather(scene, &studio, p, pixel as u32)));
    }
    let coarse = filter::smooth(coarse, &places, &plain, camera);
    let light = |i: usize| {
        let pixel = i / SAMPLES;
        if plain[pixel] {
            return coarse[pixel];
        }
        let p = at(i);
        filter::upsample(&coarse, &places, camera, pixel, &p)
            .unwrap_or_else(|| gather(scene, &studio, &p, i as u32))
    };
    let lights = (0..samples.len()).map(light).collect();
    let glass = look_through(scene, camera, &samples);
    Shot { scene, camera: *camera, studio, samples, lights, plain, glass }
}

/// Pixels whose neighbours all show floor or background: one sample is enough there, whatever the look.
fn plain_pixels(firsts: &[Sample], camera: &Camera, has_glass: bool) -> Vec<bool> {
    let (width, height) = (camera.width, camera.height);
    let is_ground = |x: usize, y: usize| firsts[y * width + x].id >= NOTHING;
    let is_plain = |pixel: usize| {
        let (x, y) = (pixel % width, pixel / width);
        let mut around = (y.saturating_sub(1)..(y + 2).min(height))
            .flat_map(|j| (x.saturating_sub(1)..(x + 2).min(width)).map(move |i| (i, j)));
        !has_glass && around.all(|(i, j)| is_ground(i, j))
    };
    (0..firsts.len()).map(is_plain).collect()
}

fn look(scene: &Scene, camera: &Camera, direction: Vec3) -> Sample {
    if let Some(hit) = scene.first(camera.eye, direction) {
        return Sample { id: hit.id, u: hit.u, v: hit.v, t: hit.t };
    }
    let t = -camera.eye.y / direction.y;
    let p = camera.eye + direction * t;
    if direction.y < -1e-4 && t > 0.0 && p.x * p.x + p.z * p.z < FLOOR_RADIUS * FLOOR_RADIUS {
        Sample { id: FLOOR, u: 0.0, v: 0.0, t }
    } else {
        Sample { id: NOTHING, u: 0.0, v: 0.0, t: f32::INFINITY }
    }
}

fn look_through(scene: &Scene, camera: &Camera, samples: &[Sample]) -> Vec<[Sample; 2]> {
    if !scene.has_glass() {
        return Vec::new();
    }
    let layer = |i: usize, near: f32| {
        let direction = sample_ray(camera, i);
        let start = camera.eye + direction * near;
        match scene.glass(start, direction, samples[i].t - near) {
            Some(h) => Sample { id: h.id, u: h.u, v: h.v, t: h.t + near },
            None => Sample { id: NOTHING, u: 0.0, v: 0.0, t: f32::INFINITY },
        }
    };
    let fronts: Vec<Sample> = (0..samples.len()).map(|i| layer(i, 0.0)).collect();
    let second = |(i, front): (usize, &Sample)| {
        let behind = if front.id == NOTHING { *front } else { layer(i, front.t + 1e-4) };
        [*front, behind]
    };
    fronts.iter().enumerate().map(second).collect()
}

fn place(scene: &Scene, camera: &Camera, sample: &Sample, direction: Vec3) -> Place {
    match sample.id {
        NOTHING => Place { place: Vec3::ZERO, normal: Vec3::Y, is_empty: true },
        FLOOR => {
            let p = camera.eye + direction * sample.t;
            Place { place: vec3(p.x, 0.0, p.z), normal: Vec3::Y, is_empty: false }
        }
        id => {
            let point = scene.point(id, sample.u, sample.v, direction);
            Place { place: point.place, normal: point.normal, is_empty: false }
        }
    }
}

/// Sends rays to the lights.
fn gather(scene: &Scene, studio: &Studio, place: &Place, seed: u32) -> Light {
    if place.is_empty {
        return Light { key: 1.0, room: 1.0, lamp: 0.0 };
    }
    let seed = hash(seed);
    let start = place.place + place.normal * 6e-4;
    let rays = studio.key_rays(seed);
    let mut key = 0.0;
    if place.normal.dot(studio.key) > -0.2 {
        let open = rays.iter().filter(|r| !scene.is_blocked(start, **r, f32::INFINITY)).count();
        key = open as f32 / rays.len() as f32;
    }
    let (mut seen, mut all) = (0.0, 0.0);
    for ray in studio.room_rays(seed, place.normal) {
        let bright = Studio::room(ray);
        all += bright;
        seen += if scene.is_blocked(start, ray, 3.0) { 0.16 * bright } else { bright };
    }
    let mut lamp = 0.0;
    for (i, l) in scene.lamps.iter().enumerate() {
        // A bulb has a size: each pixel sees another point of it, and the filter blends them.
        let point = |k: u32| hash_unit(seed ^ (i as u32 * 4 + k)) - 0.5;
        let way = l.place + vec3(point(1), point(2), point(3)) * LAMP_SIZE - start;
        let distance = way.length();
        let direction = way * (1.0 / distance);
        let facing = direction.dot(place.normal);
        if facing > 0.0 && !scene.is_blocked(start, direction, distance) {
            lamp += l.power * facing / (distance * distance + 0.02);
        }
    }
    Light { key, room: seen / all, lamp }
}
