//! Procedural textures: wood, cloth, leather, stone, fired clay, rope, paper.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use media::math::TAU;
use media::math::Vec3;
use media::math::cos;
use media::math::hash_unit;
use media::math::mix;
use media::math::pow;
use media::math::sin;
use media::math::smoothstep;
use media::math::srgb_hex;
use media::noise::cells;
use media::noise::fractal;
use media::noise::value;
use media::texture::Texture;

use crate::parallel;

/// All textures by name.
pub type Textures = BTreeMap<&'static str, Arc<Texture>>;

type Recipe = (&'static str, fn(&str) -> Result<Texture, image::ImageError>);

const RECIPES: &[Recipe] = &[
    ("oak", |n| wood(n, 0xdcbd92, 0xb88d5c, 11)),
    ("walnut", |n| wood(n, 0x86603f, 0x4c3020, 23)),
    ("black_ash", |n| wood(n, 0x4a4541, 0x2b2826, 37)),
    ("cherry", |n| wood(n, 0xb9764c, 0x8a4e2e, 41)),
    ("weave", |n| Texture::color(n, 512, 80, |u, v| Vec3::splat(0.76 + 0.24 * weave(u, v)))),
    ("weave_normal", |n| Texture::normal(n, 512, 0.006, weave)),
    ("boucle", |n| Texture::color(n, 512, 80, |u, v| Vec3::splat(0.64 + 0.36 * boucle(u, v)))),
    ("boucle_normal", |n| Texture::normal(n, 512, 0.035, boucle)),
    ("leather", |n| Texture::color(n, 512, 80, leather_color)),
    ("leather_normal", |n| Texture::normal(n, 512, 0.005, leather)),
    ("carrara", |n| marble(n, 0xefece7, 0x8f9196, 3)),
    ("nero", |n| marble(n, 0x26262a, 0xcfc8bd, 7)),
    ("verde", |n| marble(n, 0x35564a, 0xb9cdbd, 13)),
    ("terrazzo", |n| Texture::color(n, 1024, 78, terrazzo)),
    ("speckle", |n| Texture::color(n, 512, 82, speckle)),
    ("rope", |n| Texture::color(n, 512, 80, |u, v| Vec3::splat(0.45 + 0.55 * rope(u, v)))),
    ("rope_normal", |n| Texture::normal(n, 512, 0.02, rope)),
    ("paper", |n| Texture::color(n, 512, 84, paper)),
    ("leaf", |n| Texture::color(n, 512, 82, leaf)),
    ("clay", |n| Texture::color(n, 512, 80, clay)),
];

/// Makes every texture.
///
/// # Errors
/// When JPEG encoding refuses.
pub fn all() -> anyhow::Result<Textures> {
    let made = parallel::map(RECIPES, |(name, recipe)| {
        recipe(name).with_context(|| format!("make texture {name}")).map(|t| (*name, Arc::new(t)))
    });
    made.into_iter().collect()
}

/// Planed wood: growth rings drawn out along `u`, fine pores, slow changes of tone.
fn wood(name: &str, light: u32, dark: u32, seed: u32) -> Result<Texture, image::ImageError> {
    let (light, dark) = (srgb_hex(light), srgb_hex(dark));
    Texture::color(name, 1024, 76, move |u, v| {
        let bend = fractal(u, v, (1, 3), 3, seed);
        let rings = 16.0 * v + 4.2 * bend + 0.35 * fractal(u, v, (3, 40), 2, seed + 5);
        let phase = rings - rings.floor();
        // Growth rings darken slowly and end sharply.
        let ring = smoothstep(0.0, 0.82, phase) * (1.0 - smoothstep(0.86, 1.0, phase));
        let fibre = fractal(u, v, (6, 170), 3, seed + 9);
        let pore = smoothstep(0.74, 0.86, value(u * 40.0, v * 420.0, (40, 420), seed + 17));
        let tone = fractal(u, v, (1, 4), 2, seed + 31);
        let t =
            0.42 * ring + 0.5 * (fibre - 0.32) + 0.32 * (tone - 0.3) + 0.28 * pore * (0.4 + ring);
        light.lerp(dark, t.clamp(0.0, 1.0))
    })
}

/// Threads over and under each other, 56 to a tile.
fn weave(u: f32, v: f32) -> f32 {
    const THREADS: f32 = 56.0;
    let (x, y) = (u * THREADS, v * THREADS);
    let (ix, iy) = (x.floor(), y.floor());
    let (fx, fy) = (x - ix - 0.5, y - iy - 0.5);
    let is_warp_up = (ix as i32 + iy as i32).rem_euclid(2) == 0;
    let (across, along) = if is_warp_up { (fx, fy) } else { (fy, fx) };
    let bulge = (1.0 - 4.0 * across * across).max(0.0) * (0.55 + 0.45 * cos(along * TAU * 0.5));
    let thread = if is_warp_up { ix as u32 } else { 977 + iy as u32 };
    bulge * (0.82 + 0.18 * hash_unit(thread)) * (0.85 + 0.3 * (fractal(u, v, (90, 90), 2, 3) - 0.5))
}

/// Curled loops of wool.
fn boucle(u: f32, v: f32) -> f32 {
    let (wu, wv) =
        (u + 0.012 * fractal(u, v, (12, 12), 2, 5), v + 0.012 * fractal(u, v, (12, 12), 2, 8));
    let (near, next, id) = cells(wu, wv, (34, 34), 21);
    let dome = (1.0 - near * near * 1.5).max(0.0);
    let groove = smoothstep(0.0, 0.25, next - near);
    let curl = 0.5 + 0.5 * sin(near * 16.0 + hash_unit(id) * TAU);
    (dome * (0.45 + 0.35 * groove) + 0.2 * curl * dome) * (0.85 + 0.15 * hash_unit(id + 7))
}

/// Pebbled grain.
fn leather(u: f32, v: f32) -> f32 {
    let warp = 0.02 * fractal(u, v, (8, 8), 2, 4);
    let (near, next, _) = cells(u + warp, v - warp, (46, 46), 9);
    smoothstep(0.0, 0.32, next - near) * 0.8 + 0.2 * fractal(u, v, (60, 60), 2, 6)
}

fn leather_color(u: f32, v: f32) -> Vec3 {
    Vec3::splat(0.72 + 0.16 * leather(u, v) + 0.24 * (fractal(u, v, (3, 3), 3, 40) - 0.5))
}

/// Veins of two sizes over a clouded ground.
fn marble(name: &str, ground: u32, vein: u32, seed: u32) -> Result<Texture, image::ImageError> {
    let (ground, vein) = (srgb_hex(ground), srgb_hex(vein));
    Texture::color(name, 1024, 80, move |u, v| {
        let warp_u = u + 0.16 * (fractal(u, v, (3, 3), 4, seed) - 0.5);
        let warp_v = v + 0.16 * (fractal(u, v, (3, 3), 4, seed + 50) - 0.5);
        let ridge = |cells: (i32, i32), s: u32, sharp: f32| {
            let n = fractal(warp_u, warp_v, cells, 4, s);
            pow((1.0 - (n - 0.5).abs() * 2.0).clamp(0.0, 1.0), sharp)
        };
        let large = ridge((2, 2), seed + 1, 34.0)
            * smoothstep(0.35, 0.62, fractal(u, v, (2, 2), 2, seed + 9));
        let small = ridge((5, 4), seed + 2, 40.0) * 0.4;
        let cloud = (fractal(warp_u, warp_v, (3, 3), 5, seed + 3) - 0.42).max(0.0) * 0.5;
        ground.lerp(vein, (large * 0.85 + small * 0.7 + cloud).clamp(0.0, 0.9))
    })
}

/// Chips of stone in a light binder.
fn terrazzo(u: f32, v: f32) -> Vec3 {
    const CHIPS: [u32; 6] = [0xc9a27c, 0x6f7a74, 0xb4644a, 0x3d4347, 0xded2bd, 0x93a39b];
    let mut color = srgb_hex(0xe9e4da) * (0.96 + 0.08 * (fractal(u, v, (64, 64), 3, 2) - 0.5));
    for (count, seed) in [(26, 5), (14, 17)] {
        let warp = 0.012 * (fractal(u, v, (30, 30), 2, seed) - 0.5);
        let (near, next, id) = cells(u + warp, v - warp, (count, count), seed);
        let size = mix(0.16, 0.4, hash_unit(id ^ 3));
        let is_chip = smoothstep(size, size - 0.05, near) * smoothstep(0.06, 0.12, next - near);
        let chip = srgb_hex(CHIPS[(id % 6) as usize]) * (0.9 + 0.2 * hash_unit(id));
        color = color.lerp(chip, is_chip * if hash_unit(id ^ 9) > 0.3 { 1.0 } else { 0.0 });
    }
    color
}

/// Stoneware glaze with iron specks.
fn speckle(u: f32, v: f32) -> Vec3 {
    let (near, _, id) = cells(u, v, (60, 60), 77);
    let size = 0.16 * hash_unit(id) * hash_unit(id ^ 5);
    let speck =
        smoothstep(size + 0.05, size, near) * if hash_unit(id ^ 11) > 0.45 { 1.0 } else { 0.0 };
    let cloud = 0.93 + 0.14 * (fractal(u, v, (5, 5), 4, 12) - 0.5);
    Vec3::splat(cloud * mix(1.0, 0.4, speck * 0.8))
}

/// Twisted strands along `u`, eight to a tile.
fn rope(u: f32, v: f32) -> f32 {
    let y = v * 8.0;
    let across = y - y.floor() - 0.5;
    let round = (1.0 - 4.0 * across * across).max(0.0).sqrt();
    let twist = u * 28.0 + across * 1.1;
    let strand = 0.5 + 0.5 * cos((twist - twist.floor()) * TAU);
    round * (0.6 + 0.28 * strand + 0.24 * (fractal(u, v, (120, 60), 2, 33) - 0.5))
}

/// Mulberry paper with long fibres.
fn paper(u: f32, v: f32) -> Vec3 {
    let warp = 0.05 * fractal(u, v, (5, 5), 2, 3);
    let fibre =
        fractal(u + warp, v + warp * 2.0, (60, 10), 2, 15) + fractal(u - warp, v, (9, 50), 2, 25);
    let t = smoothstep(1.05, 1.5, fibre);
    srgb_hex(0xf7f0e3).lerp(srgb_hex(0xe2d5bf), 0.7 * t + 0.2 * fractal(u, v, (4, 4), 3, 5))
}

/// A leaf's stripes across its length (`u` runs along it).
fn leaf(u: f32, v: f32) -> Vec3 {
    let band = fractal(u, v, (14, 2), 3, 8);
    let stripe = smoothstep(0.42, 0.6, band);
    srgb_hex(0x93b073).lerp(srgb_hex(0x41684a), stripe * 0.85 + 0.1 * fractal(u, v, (4, 60), 2, 5))
}

/// Unglazed clay.
fn clay(u: f32, v: f32) -> Vec3 {
    Vec3::splat(
        0.8 + 0.3 * (fractal(u, v, (8, 24), 4, 19) - 0.5)
            + 0.12 * (fractal(u, v, (100, 100), 2, 9) - 0.5),
    )
}
