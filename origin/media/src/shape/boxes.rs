//! Bevelled boxes and the cushions made of them.

use crate::math::PI;
use crate::math::Vec3;
use crate::math::cos;
use crate::math::pow;
use crate::math::sin;
use crate::math::smoothstep;
use crate::math::tan;
use crate::math::vec3;
use crate::mesh::Mesh;

/// An axis of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Left to right.
    X,
    /// Bottom to top.
    Y,
    /// Back to front.
    Z,
}

fn component(v: Vec3, axis: Axis) -> f32 {
    match axis {
        Axis::X => v.x,
        Axis::Y => v.y,
        Axis::Z => v.z,
    }
}

/// The longest axis of a size, along which wood is cut.
fn grain_of(size: Vec3) -> Axis {
    if size.x >= size.y && size.x >= size.z {
        Axis::X
    } else if size.y >= size.z {
        Axis::Y
    } else {
        Axis::Z
    }
}

/// Sides of a face grid: sign of the inner corner, tangent of the bevel angle, way along the flat part (-1‥1).
fn grid_line(bevel_steps: usize, flat_steps: usize) -> Vec<(f32, f32)> {
    let angle = |i: usize| tan(PI / 4.0 * i as f32 / bevel_steps as f32);
    let mut line: Vec<(f32, f32)> =
        (0..bevel_steps).map(|i| (-1.0, -angle(bevel_steps - i))).collect();
    line.extend((0..=flat_steps).map(|i| (-1.0 + 2.0 * i as f32 / flat_steps as f32, 0.0)));
    line.extend((1..=bevel_steps).map(|i| (1.0, angle(i))));
    line
}

/// A box with round edges; `flat_steps` divides the flat part of each side for later deformation.
fn gridded_box(size: Vec3, radius: f32, bevel_steps: usize, flat_steps: usize) -> Mesh {
    let half = size * 0.5;
    let radius = radius.min(half.x).min(half.y).min(half.z);
    let inner = half - Vec3::splat(radius);
    let grain = grain_of(size);
    let line = grid_line(bevel_steps, flat_steps);
    let mut mesh = Mesh::default();
    let frames = [
        (Vec3::X, Vec3::Z, Vec3::Y),
        (-Vec3::X, -Vec3::Z, Vec3::Y),
        (Vec3::Y, Vec3::X, Vec3::Z),
        (-Vec3::Y, -Vec3::X, Vec3::Z),
        (Vec3::Z, -Vec3::X, Vec3::Y),
        (-Vec3::Z, Vec3::X, Vec3::Y),
    ];
    for (normal, right, up) in frames {
        let base = mesh.positions.len() as u32;
        for (fu, tu) in &line {
            for (fv, tv) in &line {
                let direction = (normal + right * *tu + up * *tv).normalized();
                let core = (normal + right * *fu + up * *fv).scale(inner);
                let p = core + direction * radius;
                mesh.push(p, direction, face_uv(p, normal, grain));
            }
        }
        let n = line.len() as u32;
        for i in 0..n - 1 {
            for j in 0..n - 1 {
                let a = base + i * n + j;
                mesh.quad(a, a + 1, a + n + 1, a + n);
            }
        }
    }
    mesh
}

fn face_uv(p: Vec3, normal: Vec3, grain: Axis) -> [f32; 2] {
    let others = if normal.x.abs() > 0.5 {
        [Axis::Y, Axis::Z]
    } else if normal.y.abs() > 0.5 {
        [Axis::X, Axis::Z]
    } else {
        [Axis::X, Axis::Y]
    };
    let [a, b] = if others[1] == grain { [others[1], others[0]] } else { others };
    [component(p, a), component(p, b)]
}

/// A box of `size` around the origin with edges rounded by `radius`.
#[must_use]
pub fn rounded_box(size: Vec3, radius: f32) -> Mesh {
    gridded_box(size, radius, 3, 1)
}

/// A rounded box with its flat parts divided, ready to be deformed.
#[must_use]
pub fn soft_box(size: Vec3, radius: f32, steps: usize) -> Mesh {
    gridded_box(size, radius, 4, steps)
}

/// An upholstered cushion of `size` around the origin: thick in the middle, thinner at the edges, a little slack.
///
/// `puff` is how far top and bottom swell, in metres.
#[must_use]
pub fn cushion(size: Vec3, radius: f32, puff: f32) -> Mesh {
    let half = size * 0.5;
    gridded_box(size, radius, 4, 14).deformed(|p| {
        let (x, y, z) = (p.x / half.x, p.y / half.y, p.z / half.z);
        let dome = (1.0 - pow(x.abs().min(1.0), 2.5)) * (1.0 - pow(z.abs().min(1.0), 2.5));
        let side = 1.0 - y * y;
        let slack = 0.1 * puff * (sin(x * 5.1 + 0.4) * cos(z * 4.3 - 0.7));
        let lift = y * puff * dome + slack * smoothstep(0.0, 1.0, dome);
        let pinch = 1.0 - 0.045 * (1.0 - side) * smoothstep(0.5, 1.0, x.abs().max(z.abs()));
        let bulge = 1.0 + 0.022 * side * (1.0 - x.abs().min(z.abs()));
        vec3(p.x * bulge * pinch, p.y + lift, p.z * bulge * pinch)
    })
}
