//! Bodies turned about the Y axis.

use crate::math::PI;
use crate::math::TAU;
use crate::math::Vec3;
use crate::math::cos;
use crate::math::sin;
use crate::math::tan;
use crate::math::vec3;
use crate::mesh::Mesh;

/// Turns a profile of (radius, height) points about the Y axis in `steps` segments.
///
/// The profile runs from bottom to top with the body on its left (inside); corners sharper than 40° stay edges.
#[must_use]
pub fn lathe(profile: &[(f32, f32)], steps: usize) -> Mesh {
    ribbed(profile, steps, |_, _| 1.0)
}

/// As [`lathe`], with each radius multiplied by `relief(angle, height)`.
#[must_use]
pub fn ribbed(profile: &[(f32, f32)], steps: usize, relief: impl Fn(f32, f32) -> f32) -> Mesh {
    let rings = split_corners(profile);
    let mut mesh = Mesh::default();
    let widest = profile.iter().fold(0.0_f32, |m, p| m.max(p.0));
    for (r, y, n, along, _) in &rings {
        for i in 0..=steps {
            let angle = TAU * i as f32 / steps as f32;
            let (s, c) = (sin(angle), cos(angle));
            let k = relief(angle, *y);
            // The seam is at the back.
            let p = vec3(-s * r * k, *y, -c * r * k);
            mesh.push(p, vec3(-s * n.0, n.1, -c * n.0), [*along, angle * widest]);
        }
    }
    let row = steps as u32 + 1;
    for (ring, pair) in rings.windows(2).enumerate() {
        if pair[1].4 {
            continue;
        }
        for i in 0..steps as u32 {
            let a = ring as u32 * row + i;
            mesh.quad(a, a + 1, a + row + 1, a + row);
        }
    }
    mesh.cleaned()
}

type Ring = (f32, f32, (f32, f32), f32, bool);

/// Profile points with their normals; a sharp corner becomes two rings (the second marked).
fn split_corners(profile: &[(f32, f32)]) -> Vec<Ring> {
    let normals: Vec<(f32, f32)> = profile
        .windows(2)
        .map(|w| {
            let d = vec3(w[1].0 - w[0].0, w[1].1 - w[0].1, 0.0).normalized();
            (d.y, -d.x)
        })
        .collect();
    let mut rings: Vec<Ring> = Vec::new();
    let mut along = 0.0;
    for (i, p) in profile.iter().enumerate() {
        if i > 0 {
            let q = profile[i - 1];
            along += vec3(p.0 - q.0, p.1 - q.1, 0.0).length();
        }
        let before = if i > 0 { normals[i - 1] } else { normals[0] };
        let after = if i < normals.len() { normals[i] } else { before };
        let sum = vec3(before.0 + after.0, before.1 + after.1, 0.0).normalized();
        if before.0 * after.0 + before.1 * after.1 < 0.76 {
            rings.push((p.0, p.1, before, along, false));
            rings.push((p.0, p.1, after, along, true));
        } else {
            rings.push((p.0, p.1, (sum.x, sum.y), along, false));
        }
    }
    rings
}

/// Points on an arc about `center`, from angle `from` to `to` in degrees (0° points outwards, 90° up).
#[must_use]
pub fn arc(center: (f32, f32), radius: f32, from: f32, to: f32, steps: usize) -> Vec<(f32, f32)> {
    (0..=steps)
        .map(|i| {
            let a = (from + (to - from) * i as f32 / steps as f32) * PI / 180.0;
            ((center.0 + radius * cos(a)).max(0.0), center.1 + radius * sin(a))
        })
        .collect()
}

/// A polyline with its inner corners rounded by (at most) `radius`.
#[must_use]
pub fn fillet(points: &[(f32, f32)], radius: f32) -> Vec<(f32, f32)> {
    let at = |i: usize| vec3(points[i].0, points[i].1, 0.0);
    let mut out = vec![points[0]];
    for i in 1..points.len() - 1 {
        let (p, a, b) = (at(i), at(i - 1), at(i + 1));
        let (da, db) = (a - p, b - p);
        let reach = radius.min(da.length() * 0.48).min(db.length() * 0.48);
        let (start, end) = (p + da.normalized() * reach, p + db.normalized() * reach);
        for step in 0..=5 {
            let t = step as f32 / 5.0;
            let q = start.lerp(p, t).lerp(p.lerp(end, t), t);
            out.push((q.x, q.y));
        }
    }
    out.push(points[points.len() - 1]);
    out
}

/// A round bar standing on the floor plane, with bevelled edges.
#[must_use]
pub fn cylinder(radius: f32, height: f32, bevel: f32, steps: usize) -> Mesh {
    let profile = [(0.0, 0.0), (radius, 0.0), (radius, height), (0.0, height)];
    lathe(&fillet(&profile, bevel), steps)
}

/// A ball around the origin, flattened or stretched by giving three radii.
#[must_use]
pub fn ball(radii: Vec3, steps: usize) -> Mesh {
    let profile = arc((0.0, 0.0), 1.0, -90.0, 90.0, steps / 2);
    debug_assert!(tan(0.0) == 0.0);
    lathe(&profile, steps).stretched(radii)
}
