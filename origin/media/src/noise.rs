//! Noise that repeats without a seam, for textures.

use crate::math::hash;

/// A lattice value in 0‥1.
fn lattice(x: i32, y: i32, period: (i32, i32), seed: u32) -> f32 {
    let (x, y) = (x.rem_euclid(period.0) as u32, y.rem_euclid(period.1) as u32);
    (hash(x ^ hash(y ^ hash(seed))) >> 8) as f32 / 16_777_216.0
}

/// Smooth noise in 0‥1 at (`x`, `y`), repeating after `period` lattice cells in each direction.
#[must_use]
pub fn value(x: f32, y: f32, period: (i32, i32), seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (tx, ty) = (fade(x - fx), fade(y - fy));
    let wrap = |i: i32, n: i32| {
        let low = i.rem_euclid(n);
        (low as u32, if low + 1 == n { 0 } else { low as u32 + 1 })
    };
    let ((x0, x1), (y0, y1)) = (wrap(fx as i32, period.0), wrap(fy as i32, period.1));
    let salt = seed.wrapping_mul(0x9e37_79b9) ^ 0x51ed_270b;
    let row = |y: u32| {
        let y = hash(y ^ salt);
        let at = |x: u32| (hash(x ^ y) >> 8) as f32 / 16_777_216.0;
        let left = at(x0);
        left + (at(x1) - left) * tx
    };
    let top = row(y0);
    top + (row(y1) - top) * ty
}

/// Several octaves of [`value`] over the unit square, starting with `cells` lattice cells, in 0‥1.
#[must_use]
pub fn fractal(u: f32, v: f32, cells: (i32, i32), octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    let mut period = cells;
    for octave in 0..octaves {
        let (x, y) = (u * period.0 as f32, v * period.1 as f32);
        sum += weight * value(x, y, period, seed.wrapping_add(octave * 101));
        total += weight;
        weight *= 0.5;
        period = (period.0 * 2, period.1 * 2);
    }
    sum / total
}

/// Distances from (`u`, `v`) to the nearest and second nearest of scattered points, in lattice cells, and which point.
#[must_use]
pub fn cells(u: f32, v: f32, count: (i32, i32), seed: u32) -> (f32, f32, u32) {
    let (x, y) = (u * count.0 as f32, v * count.1 as f32);
    let (ix, iy) = (x.floor() as i32, y.floor() as i32);
    let (mut first, mut second, mut id) = (9.0_f32, 9.0_f32, 0);
    for dy in -1..=1 {
        for dx in -1..=1 {
            let (cx, cy) = (ix + dx, iy + dy);
            let px = cx as f32 + 0.15 + 0.7 * lattice(cx, cy, count, seed);
            let py = cy as f32 + 0.15 + 0.7 * lattice(cx, cy, count, seed ^ 0x5bd1);
            let d = ((px - x) * (px - x) + (py - y) * (py - y)).sqrt();
            if d < first {
                second = first;
                first = d;
                id = hash(cx.rem_euclid(count.0) as u32 ^ hash(cy.rem_euclid(count.1) as u32));
            } else if d < second {
                second = d;
            }
        }
    }
    (first, second, id)
}
