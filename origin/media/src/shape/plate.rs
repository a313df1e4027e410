//! Flat plates with a free outline and rounded edges.

use crate::math::PI;
use crate::math::TAU;
use crate::math::Vec3;
use crate::math::cos;
use crate::math::pow;
use crate::math::sin;
use crate::math::vec3;
use crate::mesh::Mesh;

/// A circle as an outline of (x, z) points.
#[must_use]
pub fn outline_circle(radius: f32, steps: usize) -> Vec<(f32, f32)> {
    outline_superellipse(radius, radius, 2.0, steps)
}

/// An ellipse (`power` 2) that turns into a rounded rectangle as `power` grows.
#[must_use]
pub fn outline_superellipse(half_x: f32, half_z: f32, power: f32, steps: usize) -> Vec<(f32, f32)> {
    let round = |c: f32| c.signum() * pow(c.abs(), 2.0 / power);
    (0..steps)
        .map(|i| {
            let a = TAU * (i as f32 + 0.5) / steps as f32;
            (half_x * round(cos(a)), half_z * round(sin(a)))
        })
        .collect()
}

/// A circle whose radius is `radius(angle)`.
#[must_use]
pub fn outline_polygon(steps: usize, radius: impl Fn(f32) -> f32) -> Vec<(f32, f32)> {
    (0..steps)
        .map(|i| {
            let a = TAU * i as f32 / steps as f32;
            let r = radius(a);
            (r * cos(a), r * sin(a))
        })
        .collect()
}

/// A plate standing on the floor plane: `outline` seen from above (star-shaped about the origin), edges rounded.
///
/// Grain runs along X.
#[must_use]
pub fn plate(outline: &[(f32, f32)], thickness: f32, bevel: f32) -> Mesh {
    let bevel = bevel.min(thickness * 0.5);
    let n = outline.len();
    let outward: Vec<Vec3> = (0..n)
        .map(|i| {
            let (a, b) = (outline[(i + n - 1) % n], outline[(i + 1) % n]);
            let out = vec3(b.1 - a.1, 0.0, a.0 - b.0).normalized();
            if out.dot(vec3(outline[i].0, 0.0, outline[i].1)) < 0.0 { -out } else { out }
        })
        .collect();
    let mut mesh = Mesh::default();
    let steps = 5;
    // Lower bevel, then upper bevel: (inset, height, normal's outward part, normal's upward part).
    let mut rings = Vec::new();
    for half in 0..2 {
        for k in 0..=steps {
            let a = PI / 2.0 * (k as f32 / steps as f32 - if half == 0 { 1.0 } else { 0.0 });
            let height = if half == 0 { bevel } else { thickness - bevel };
            rings.push((bevel * (1.0 - cos(a)), height + bevel * sin(a), cos(a), sin(a)));
        }
    }
    for (inset, y, out, up) in &rings {
        let mut around = 0.0;
        for i in 0..=n {
            let (o, d) = (outline[i % n], outward[i % n]);
            if i > 0 {
                let q = outline[i - 1];
                around += vec3(o.0 - q.0, 0.0, o.1 - q.1).length();
            }
            let p = vec3(o.0, *y, o.1) - d * *inset;
            mesh.push(p, (d * *out + Vec3::Y * *up).normalized(), [around, *y]);
        }
    }
    let row = n as u32 + 1;
    for ring in 0..rings.len() as u32 - 1 {
        for i in 0..n as u32 {
            let a = ring * row + i;
            mesh.quad(a, a + row, a + row + 1, a + 1);
        }
    }
    caps(&mut mesh, outline, &outward, (thickness, bevel));
    mesh.cleaned()
}

/// Closes top and bottom with fans.
fn caps(mesh: &mut Mesh, outline: &[(f32, f32)], outward: &[Vec3], (thickness, bevel): (f32, f32)) {
    let n = outline.len() as u32;
    for (y, normal) in [(thickness, Vec3::Y), (0.0, -Vec3::Y)] {
        let center = mesh.push(vec3(0.0, y, 0.0), normal, [0.0, 0.0]);
        for (o, d) in outline.iter().zip(outward) {
            let p = vec3(o.0, y, o.1) - *d * bevel;
            mesh.push(p, normal, [p.x, p.z]);
        }
        for i in 0..n {
            let (a, b) = (center + 1 + i, center + 1 + (i + 1) % n);
            if normal.y > 0.0 {
                mesh.triangle(center, b, a);
            } else {
                mesh.triangle(center, a, b);
            }
        }
    }
}
