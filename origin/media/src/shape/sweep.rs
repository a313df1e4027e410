//! Bodies made by moving a section along a path.

use crate::math::TAU;
use crate::math::Vec3;
use crate::math::cos;
use crate::math::pow;
use crate::math::sin;
use crate::mesh::Mesh;

/// A closed outline in the plane across a path: (right, up) in metres, counter-clockwise.
#[derive(Clone, Debug)]
pub struct Section(Vec<(f32, f32)>);

impl Section {
    /// A circle.
    #[must_use]
    pub fn circle(radius: f32, steps: usize) -> Self {
        Self::superellipse(radius, radius, 2.0, steps)
    }

    /// An ellipse (`power` 2) that turns into a rounded rectangle as `power` grows.
    #[must_use]
    pub fn superellipse(half_width: f32, half_height: f32, power: f32, steps: usize) -> Self {
        let round = |c: f32| c.signum() * pow(c.abs(), 2.0 / power);
        Self(
            (0..steps)
                .map(|i| {
                    let a = TAU * (i as f32 + 0.5) / steps as f32;
                    (half_width * round(cos(a)), half_height * round(sin(a)))
                })
                .collect(),
        )
    }
}

/// A smooth curve through `points` (Catmull–Rom), `steps` pieces between each two.
#[must_use]
pub fn curve(points: &[Vec3], steps: usize) -> Vec<Vec3> {
    let last = points.len() - 1;
    let at = |i: isize| {
        if i < 0 {
            points[0] * 2.0 - points[1]
        } else if i as usize > last {
            points[last] * 2.0 - points[last - 1]
        } else {
            points[i as usize]
        }
    };
    let mut out = Vec::new();
    for i in 0..last as isize {
        let (a, b, c, d) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        for step in 0..steps {
            let t = step as f32 / steps as f32;
            let p = b * 2.0
                + (c - a) * t
                + (a * 2.0 - b * 5.0 + c * 4.0 - d) * (t * t)
                + (b * 3.0 - a - c * 3.0 + d) * (t * t * t);
            out.push(p * 0.5);
        }
    }
    out.push(points[last]);
    out
}

/// Frames that do not twist: tangent, right and up for each point.
fn frames(path: &[Vec3], up_hint: Vec3) -> Vec<(Vec3, Vec3, Vec3)> {
    let n = path.len();
    let tangent = |i: usize| {
        let (a, b) = (path[i.saturating_sub(1)], path[(i + 1).min(n - 1)]);
        (b - a).normalized()
    };
    let first = tangent(0);
    let mut right = up_hint.cross(first);
    if right.length() < 0.01 {
        right = first.perpendicular();
    }
    let mut right = right.normalized();
    (0..n)
        .map(|i| {
            let t = tangent(i);
            right = (right - t * right.dot(t)).normalized();
            (t, right, t.cross(right))
        })
        .collect()
}

/// Moves `section` along `path`, scaled at each point by `scale(way)` with the way from 0 to 1; ends are rounded.
///
/// `up_hint` says where the section's "up" points at the start.
#[must_use]
pub fn sweep(path: &[Vec3], section: &Section, up_hint: Vec3, scale: impl Fn(f32) -> f32) -> Mesh {
    let frames = frames(path, up_hint);
    let total: f32 = path.windows(2).map(|w| (w[1] - w[0]).length()).sum();
    let thin = section.0.iter().fold(f32::INFINITY, |m, p| m.min((p.0 * p.0 + p.1 * p.1).sqrt()));
    let round = (thin * 0.35).min(total * 0.2);
    let mut rings: Vec<(Vec3, usize, f32, f32)> = Vec::new();
    let ends = path.len() - 1;
    let cap = |t: f32| (1.0 - (1.0 - t) * (1.0 - t)).max(0.0).sqrt();
    let shrink = |k: f32| 1.0 - (round / thin.max(1e-6)) * (1.0 - k);
    rings.push((path[0], 0, 0.0, 0.0));
    for k in 0..3 {
        let t = k as f32 / 3.0;
        rings.push((
            path[0] + frames[0].0 * (round * t),
            0,
            scale(0.0) * shrink(cap(t)),
            round * t,
        ));
    }
    let mut along = 0.0;
    for (i, p) in path.iter().enumerate() {
        if i > 0 {
            along += (*p - path[i - 1]).length();
        }
        if along > round * 1.02 && along < total - round * 1.02 {
            rings.push((*p, i, scale(along / total), along));
        } else if i == 0 {
            rings.push((*p + frames[0].0 * round, 0, scale(0.0), round));
        } else if i == ends {
            rings.push((*p - frames[ends].0 * round, ends, scale(1.0), total - round));
        }
    }
    for k in (0..3).rev() {
        let t = k as f32 / 3.0;
        let back = frames[ends].0 * (round * t);
        rings.push((path[ends] - back, ends, scale(1.0) * shrink(cap(t)), total - round * t));
    }
    rings.push((path[ends], ends, 0.0, total));
    skin(&rings, &frames, &section.0)
}

/// Rings of a section joined into a closed skin.
fn skin(
    rings: &[(Vec3, usize, f32, f32)],
    frames: &[(Vec3, Vec3, Vec3)],
    section: &[(f32, f32)],
) -> Mesh {
    let mut mesh = Mesh::default();
    let n = section.len();
    for (center, frame, scale, along) in rings {
        let (_, right, up) = frames[*frame];
        let mut around = 0.0;
        for i in 0..=n {
            let s = section[i % n];
            if i > 0 {
                let q = section[i - 1];
                around += ((s.0 - q.0) * (s.0 - q.0) + (s.1 - q.1) * (s.1 - q.1)).sqrt();
            }
            let offset = right * s.0 + up * s.1;
            mesh.push(*center + offset * *scale, offset.normalized(), [*along, around]);
        }
    }
    let row = n as u32 + 1;
    for ring in 0..rings.len() as u32 - 1 {
        for i in 0..n as u32 {
            let a = ring * row + i;
            mesh.quad(a, a + 1, a + row + 1, a + row);
        }
    }
    mesh.cleaned().smooth()
}

/// A round tube along `path`.
#[must_use]
pub fn tube(path: &[Vec3], radius: f32, steps: usize) -> Mesh {
    sweep(path, &Section::circle(radius, steps), Vec3::Y, |_| 1.0)
}

/// A round tube along a closed path (the first point is not repeated), which must stay away from `center`.
#[must_use]
pub fn ring(path: &[Vec3], center: Vec3, radius: f32, steps: usize) -> Mesh {
    let n = path.len();
    let mut mesh = Mesh::default();
    let mut along = 0.0;
    for i in 0..=n {
        let (before, here, after) = (path[(i + n - 1) % n], path[i % n], path[(i + 1) % n]);
        if i > 0 {
            along += (here - before).length();
        }
        let tangent = (after - before).normalized();
        // Frames lean on the centre instead of on their neighbour, so that the last meets the first.
        let outward = here - center;
        let right = (outward - tangent * outward.dot(tangent)).normalized();
        let up = tangent.cross(right);
        for k in 0..=steps {
            let a = TAU * k as f32 / steps as f32;
            let normal = right * cos(a) + up * sin(a);
            mesh.push(here + normal * radius, normal, [along, radius * a]);
        }
    }
    let row = steps as u32 + 1;
    for i in 0..n as u32 {
        for k in 0..steps as u32 {
            let a = i * row + k;
            mesh.quad(a, a + 1, a + row + 1, a + row);
        }
    }
    mesh
}

/// A straight round bar from `a` to `b`.
#[must_use]
pub fn rod(a: Vec3, b: Vec3, radius: f32, steps: usize) -> Mesh {
    tube(&[a, b], radius, steps)
}

/// A straight bar from `a` to `b` whose radius goes from `start` to `end`, slightly swollen in the middle.
#[must_use]
pub fn taper(a: Vec3, b: Vec3, start: f32, end: f32, steps: usize) -> Mesh {
    let path: Vec<Vec3> = (0..=8).map(|i| a.lerp(b, i as f32 / 8.0)).collect();
    let widest = start.max(end);
    sweep(&path, &Section::circle(widest, steps), Vec3::Z, |t| {
        (start + (end - start) * t + 0.06 * widest * sin(t * std::f32::consts::PI)) / widest
    })
}
