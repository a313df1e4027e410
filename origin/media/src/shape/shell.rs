//! Curved sheets with a thickness: plywood seats, tub chairs, leaves, lamp shades.

use crate::math::PI;
use crate::math::Vec3;
use crate::math::cos;
use crate::math::sin;
use crate::mesh::Mesh;

/// A sheet over the surface `f(u, v)` (both 0‥1), `thickness` thick with round edges.
///
/// The front is where the cross product of the surface's `u` and `v` directions points.
#[must_use]
pub fn shell(f: impl Fn(f32, f32) -> Vec3, nu: usize, nv: usize, thickness: f32) -> Mesh {
    let e = 0.002;
    let at = |u: f32, v: f32| {
        let (u0, v0) = (u.clamp(e, 1.0 - e), v.clamp(e, 1.0 - e));
        let du = f(u0 + e, v) - f(u0 - e, v);
        let dv = f(u, v0 + e) - f(u, v0 - e);
        (
            f(u, v),
            du.normalized().cross(dv.normalized()).normalized(),
            du.normalized(),
            dv.normalized(),
        )
    };
    // Around the rim the sheet is a half round: front → rim → back, as rings about the outline.
    let half = thickness * 0.5;
    let mut mesh = Mesh::default();
    for side in [1.0_f32, -1.0] {
        let base = mesh.positions.len() as u32;
        for i in 0..=nu {
            for j in 0..=nv {
                let (u, v) = (i as f32 / nu as f32, j as f32 / nv as f32);
                let (p, n, ..) = at(u, v);
                mesh.push(p + n * (half * side), n * side, [0.0, 0.0]);
            }
        }
        let row = nv as u32 + 1;
        for i in 0..nu as u32 {
            for j in 0..nv as u32 {
                let a = base + i * row + j;
                if side > 0.0 {
                    mesh.quad(a, a + row, a + row + 1, a + 1);
                } else {
                    mesh.quad(a, a + 1, a + row + 1, a + row);
                }
            }
        }
    }
    lay_uvs(&mut mesh, nu, nv);
    rim(&mut mesh, &at, (nu, nv), half);
    mesh.cleaned().smooth()
}

/// Texture coordinates by arc length, so that the pattern is not stretched; `u` follows the sheet's `v`.
fn lay_uvs(mesh: &mut Mesh, nu: usize, nv: usize) {
    let row = nv + 1;
    let per_side = (nu + 1) * row;
    for side in 0..2 {
        let at = |i: usize, j: usize| side * per_side + i * row + j;
        let middle: Vec<f32> = (0..=nv)
            .scan(0.0, |sum, j| {
                if j > 0 {
                    *sum += (mesh.positions[at(nu / 2, j)] - mesh.positions[at(nu / 2, j - 1)])
                        .length();
                }
                Some(*sum)
            })
            .collect();
        for (j, along) in middle.iter().enumerate() {
            let width: f32 = (1..=nu)
                .map(|i| (mesh.positions[at(i, j)] - mesh.positions[at(i - 1, j)]).length())
                .sum();
            let mut across = -width * 0.5;
            for i in 0..=nu {
                if i > 0 {
                    across += (mesh.positions[at(i, j)] - mesh.positions[at(i - 1, j)]).length();
                }
                mesh.uvs[at(i, j)] = [*along, across];
            }
        }
    }
}

/// The half-round edge around the sheet.
fn rim(
    mesh: &mut Mesh,
    at: &impl Fn(f32, f32) -> (Vec3, Vec3, Vec3, Vec3),
    (nu, nv): (usize, usize),
    half: f32,
) {
    let mut outline = Vec::new();
    outline.extend((0..nu).map(|i| (i as f32 / nu as f32, 0.0)));
    outline.extend((0..nv).map(|j| (1.0, j as f32 / nv as f32)));
    outline.extend((0..nu).map(|i| (1.0 - i as f32 / nu as f32, 1.0)));
    outline.extend((0..nv).map(|j| (0.0, 1.0 - j as f32 / nv as f32)));
    let steps = 4;
    let base = mesh.positions.len() as u32;
    let n = outline.len();
    let mut along = 0.0;
    for i in 0..=n {
        let (u, v) = outline[i % n];
        let (p, normal, du, dv) = at(u, v);
        let mut out = Vec3::ZERO;
        out += if u <= 0.0 {
            -du
        } else if u >= 1.0 {
            du
        } else {
            Vec3::ZERO
        };
        out += if v <= 0.0 {
            -dv
        } else if v >= 1.0 {
            dv
        } else {
            Vec3::ZERO
        };
        let out = (out - normal * out.dot(normal)).normalized();
        if i > 0 {
            let (pu, pv) = outline[i - 1];
            along += (p - at(pu, pv).0).length();
        }
        for k in 0..=steps {
            let a = PI * k as f32 / steps as f32;
            let direction = normal * cos(a) + out * sin(a);
            mesh.push(p + direction * half, direction, [along, half * a]);
        }
    }
    let row = steps as u32 + 1;
    for i in 0..n as u32 {
        for k in 0..steps as u32 {
            let a = base + i * row + k;
            mesh.quad(a, a + 1, a + row + 1, a + row);
        }
    }
}
