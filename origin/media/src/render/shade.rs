//! Colours an exposed view with materials.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::math::Vec3;
use crate::math::exp;
use crate::math::linear_to_srgb;
use crate::math::ln;
use crate::math::mix;
use crate::math::smoothstep;
use crate::math::srgb_to_linear;
use crate::math::vec3;
use crate::model::Material;
use crate::texture::Texture;

use super::expose::Light;
use super::expose::NOTHING;
use super::expose::SAMPLES;
use super::expose::Sample;
use super::expose::Shot;
use super::expose::sample_ray;
use super::light;
use super::light::Studio;

/// A texture at all its sizes, as linear numbers.
struct Pyramid {
    levels: Vec<(usize, Vec<Vec3>)>,
}

impl Pyramid {
    fn new(texture: &Texture, is_color: bool) -> Self {
        let table: Vec<f32> = (0..=255_u8)
            .map(|i| {
                let c = f32::from(i) / 255.0;
                if is_color { srgb_to_linear(c) } else { c * 2.0 - 1.0 }
            })
            .collect();
        let part = |c: u8| table[usize::from(c)];
        let first =
            texture.rgb.chunks_exact(3).map(|p| vec3(part(p[0]), part(p[1]), part(p[2]))).collect();
        let mut levels: Vec<(usize, Vec<Vec3>)> = vec![(texture.side, first)];
        while let Some((side, pixels)) = levels.last().filter(|l| l.0 > 1) {
            let (side, half) = (*side, side / 2);
            let at = |x: usize, y: usize| pixels[y * side + x];
            let next = (0..half * half)
                .map(|i| {
                    let (x, y) = (i % half * 2, i / half * 2);
                    (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) * 0.25
                })
                .collect();
            levels.push((half, next));
        }
        Self { levels }
    }

    /// The value at `uv` where a sample covers `footprint` tiles.
    fn at(&self, uv: [f32; 2], footprint: f32) -> Vec3 {
        let texels = footprint * self.levels[0].0 as f32;
        let level = if texels <= 1.0 { 0.0 } else { ln(texels) / std::f32::consts::LN_2 };
        let low = (level as usize).min(self.levels.len() - 1);
        let high = (low + 1).min(self.levels.len() - 1);
        let near = self.bilinear(low, uv);
        if high == low {
            near
        } else {
            near.lerp(self.bilinear(high, uv), (level - low as f32).min(1.0))
        }
    }

    fn bilinear(&self, level: usize, uv: [f32; 2]) -> Vec3 {
        let (side, pixels) = &self.levels[level];
        let wrap = |c: f32| {
            // Sides are powers of two, so that wrapping around is one `and`.
            let c = c * *side as f32 - 0.5;
            let whole = c as i32 - i32::from(c < 0.0);
            let index = |i: i32| (i & (*side as i32 - 1)) as usize;
            (index(whole), index(whole + 1), c - whole as f32)
        };
        let ((x0, x1, tx), (y0, y1, ty)) = (wrap(uv[0]), wrap(uv[1]));
        let row = |y: usize| pixels[y * side + x0].lerp(pixels[y * side + x1], tx);
        row(y0).lerp(row(y1), ty)
    }
}

/// Materials with their textures unpacked.
struct Palette<'a> {
    materials: &'a [Arc<Material>],
    pyramids: BTreeMap<&'a str, Pyramid>,
}

/// A place on a surface with everything that its colour depends on.
struct Spot {
    base: Vec3,
    normal: Vec3,
    view: Vec3,
}

impl Shot<'_> {
    /// The picture with one material per surface: three bytes (sRGB) per pixel, rows from the top.
    #[must_use]
    pub fn develop(&self, materials: &[Arc<Material>]) -> Vec<u8> {
        let mut pyramids = BTreeMap::new();
        for m in materials {
            for (map, is_color) in [(&m.base_map, true), (&m.normal_map, false)] {
                if let Some(t) = map {
                    pyramids.entry(t.name.as_str()).or_insert_with(|| Pyramid::new(t, is_color));
                }
            }
        }
        let palette = Palette { materials, pyramids };
        let gamma: Vec<u8> =
            (0..=4096).map(|i| (linear_to_srgb(i as f32 / 4096.0) * 255.0 + 0.5) as u8).collect();
        let mut rgb = Vec::with_capacity(self.samples.len() / SAMPLES * 3);
        for pixel in 0..self.samples.len() / SAMPLES {
            let count = if self.plain[pixel] { 1 } else { SAMPLES };
            let first = pixel * SAMPLES;
            let samples = (first..first + count).map(|i| self.sample(i, &palette));
            let c = samples.fold(Vec3::ZERO, |sum, c| sum + c) * (1.0 / count as f32);
            rgb.extend(c.to_array().map(|v| gamma[(v.clamp(0.0, 1.0) * 4096.0 + 0.5) as usize]));
        }
        rgb
    }

    /// The colour of one sample, ready for the screen (linear).
    fn sample(&self, index: usize, palette: &Palette<'_>) -> Vec3 {
        let sample = &self.samples[index];
        let through = self.glass.get(index).filter(|g| g[0].id != NOTHING);
        if through.is_none() && sample.id >= NOTHING {
            return self.ground(index);
        }
        let direction = sample_ray(&self.camera, index);
        let mut color = if sample.id >= NOTHING {
            untoned(self.ground(index))
        } else {
            self.surface(sample, direction, self.lights[index], palette, None)
        };
        if let Some(layers) = through {
            for layer in layers.iter().rev().filter(|l| l.id != NOTHING) {
                let light = Light { key: 0.8, room: 0.9, lamp: self.lights[index].lamp };
                color = self.surface(layer, direction, light, palette, Some(color));
            }
        }
        toned(color)
    }

    /// Floor and background.
    fn ground(&self, index: usize) -> Vec3 {
        let (pixel, light) = (index / SAMPLES, self.lights[index]);
        let (w, h) = (self.camera.width as f32, self.camera.height as f32);
        let x = (pixel % self.camera.width) as f32 / w - 0.5;
        let y = (pixel / self.camera.width) as f32 / h - 0.45;
        let paper = light::FLOOR * (1.05 - 0.2 * (x * x + y * y));
        if self.samples[index].id == NOTHING {
            return paper;
        }
        let key = light::KEY * self.studio.key.y;
        let room = Studio::ambient(Vec3::Y);
        let full = key + room;
        let lit = key * light.key + room * light.room;
        let ratio = vec3(lit.x / full.x, lit.y / full.y, lit.z / full.z);
        // A print is never as dark as the shadow itself.
        let ratio = ratio.lerp(Vec3::splat(1.0), 0.12);
        let glow = light::LAMP * (light.lamp * 0.35);
        (paper.scale(ratio) + glow.scale(Vec3::splat(1.0) - paper * 0.6)).min(Vec3::splat(1.0))
    }

    fn surface(
        &self,
        sample: &Sample,
        direction: Vec3,
        light: Light,
        palette: &Palette<'_>,
        behind: Option<Vec3>,
    ) -> Vec3 {
        let point = self.scene.point(sample.id, sample.u, sample.v, direction);
        let material = &palette.materials[point.surface];
        let view = -direction;
        let mut spot = Spot { base: material.color, normal: point.normal, view };
        if material.base_map.is_some() || material.normal_map.is_some() {
            let skin = self.scene.skin(sample.id, sample.u, sample.v);
            let facing = point.normal.dot(view).max(0.25).sqrt();
            let footprint = sample.t * self.camera.pixel() * 0.6 / facing * skin.density;
            if let Some(map) =
                material.base_map.as_ref().and_then(|t| palette.pyramids.get(t.name.as_str()))
            {
                spot.base = spot.base.scale(map.at(skin.uv, footprint));
            }
            if let Some(map) =
                material.normal_map.as_ref().and_then(|t| palette.pyramids.get(t.name.as_str()))
            {
                let n = map.at(skin.uv, footprint);
                // The map's green axis points to smaller `v`.
                let bent = skin.tangent * n.x - skin.bitangent * n.y + point.normal * n.z;
                spot.normal = bent.normalized();
            }
        }
        self.lit(&spot, material, light, behind)
    }

    /// Diffuse light, mirrored studio, glow.
    fn lit(&self, spot: &Spot, material: &Material, light: Light, behind: Option<Vec3>) -> Vec3 {
        let facing = spot.normal.dot(spot.view).clamp(0.02, 1.0);
        let key = light::KEY * (spot.normal.dot(self.studio.key).max(0.0) * light.key);
        let room = Studio::ambient(spot.normal) * light.room;
        let irradiance = key + room + light::LAMP * light.lamp;
        let diffuse = spot.base.scale(irradiance) * (1.0 - material.metallic);
        let specular_color = Vec3::splat(0.04).lerp(spot.base, material.metallic);
        let mirror = spot.normal * (2.0 * spot.normal.dot(spot.view)) - spot.view;
        let open = mix(light.room * light.room, 1.0, smoothstep(0.0, 1.0, light.room) * 0.75);
        let studio = self.studio.mirrored(mirror, material.roughness, light.key) * open;
        let (scale, bias) = environment(material.roughness, facing);
        let specular = studio.scale(specular_color * scale + Vec3::splat(bias));
        // Fibres stand up at the edge of cloth and catch light.
        let edge = 1.0 - facing;
        let fuzz = smoothstep(0.82, 0.95, material.roughness) * edge * edge * edge * 0.3;
        let body = diffuse + diffuse * fuzz + material.emissive * (0.85 + 0.45 * facing);
        match behind {
            Some(behind) => {
                let edge_opacity = mix(material.opacity, 1.0, 0.35 * edge * edge);
                behind.scale(Vec3::splat(1.0).lerp(material.color, 0.6)) * (1.0 - edge_opacity)
                    + body * edge_opacity
                    + specular
            }
            None => body + specular,
        }
    }
}

/// How much of the surroundings a rough surface mirrors (Karis' fit of the split sum).
fn environment(roughness: f32, facing: f32) -> (f32, f32) {
    let r = (
        1.0 - roughness,
        0.0425 - 0.0275 * roughness,
        1.04 - 0.572 * roughness,
        0.022 * roughness - 0.04,
    );
    let a = (r.0 * r.0).min(exp(-9.28 * facing * std::f32::consts::LN_2)) * r.0 + r.1;
    (-1.04 * a + r.2, (1.04 * a + r.3).max(0.0))
}

/// How bright the camera takes the scene.
const EXPOSURE: f32 = 0.62;

/// Khronos' neutral tone mapping for products: colours stay what they are, highlights roll off.
fn toned(color: Vec3) -> Vec3 {
    let c = color * EXPOSURE;
    let low = c.x.min(c.y).min(c.z);
    let offset = if low < 0.08 { low - 6.25 * low * low } else { 0.04 };
    let c = c - Vec3::splat(offset);
    let peak = c.x.max(c.y).max(c.z);
    let start = 0.8 - 0.04;
    if peak < start {
        return c;
    }
    let d = 1.0 - start;
    let rolled = 1.0 - d * d / (peak + d - start);
    let fade = 1.0 - 1.0 / (0.15 * (peak - rolled) + 1.0);
    (c * (rolled / peak)).lerp(Vec3::splat(rolled), fade)
}

/// Roughly the light that [`toned`] turns into `color`.
fn untoned(color: Vec3) -> Vec3 {
    let one = |c: f32| {
        let c = c.min(0.985);
        let c = if c > 0.76 { 0.24 * 0.24 / (1.0 - c) - 0.24 + 0.76 } else { c };
        (c + 0.04) / EXPOSURE
    };
    vec3(one(color.x), one(color.y), one(color.z))
}
