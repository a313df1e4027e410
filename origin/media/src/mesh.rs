//! Triangle meshes with normals and texture coordinates.
//!
//! Texture coordinates are in metres while a mesh is being shaped (`u` runs along the grain); the assembly
//! divides them by the size of a texture tile.

use std::collections::BTreeMap;

use crate::math::Vec3;
use crate::math::vec3;

/// Triangles with one normal and one texture coordinate per vertex, wound counter-clockwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// Places, in metres.
    pub positions: Vec<Vec3>,
    /// Directions of length one, one per place.
    pub normals: Vec<Vec3>,
    /// Texture coordinates, one per place; `v` grows downwards as in glTF.
    pub uvs: Vec<[f32; 2]>,
    /// Three per triangle.
    pub indices: Vec<u32>,
}

/// The box around a mesh, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lowest corner.
    pub min: Vec3,
    /// The highest corner.
    pub max: Vec3,
}

impl Bounds {
    /// Holds nothing yet.
    pub const EMPTY: Self =
        Self { min: Vec3::splat(f32::INFINITY), max: Vec3::splat(f32::NEG_INFINITY) };

    /// Grown to hold `p`.
    #[must_use]
    pub fn with(self, p: Vec3) -> Self {
        Self { min: self.min.min(p), max: self.max.max(p) }
    }

    /// Grown to hold `o`.
    #[must_use]
    pub fn union(self, o: Self) -> Self {
        Self { min: self.min.min(o.min), max: self.max.max(o.max) }
    }

    /// Width, height and depth.
    #[must_use]
    pub fn size(self) -> Vec3 {
        self.max - self.min
    }

    /// The middle.
    #[must_use]
    pub fn center(self) -> Vec3 {
        (self.min + self.max) * 0.5
    }
}

impl Mesh {
    /// Adds a vertex and returns its index.
    pub fn push(&mut self, position: Vec3, normal: Vec3, uv: [f32; 2]) -> u32 {
        self.positions.push(position);
        self.normals.push(normal);
        self.uvs.push(uv);
        (self.positions.len() - 1) as u32
    }

    /// Adds a triangle.
    pub fn triangle(&mut self, a: u32, b: u32, c: u32) {
        self.indices.extend([a, b, c]);
    }

    /// Adds a quadrilateral `a b c d`, counter-clockwise.
    pub fn quad(&mut self, a: u32, b: u32, c: u32, d: u32) {
        self.indices.extend([a, b, c, a, c, d]);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        let base = self.positions.len() as u32;
        self.positions.extend_from_slice(&other.positions);
        self.normals.extend_from_slice(&other.normals);
        self.uvs.extend_from_slice(&other.uvs);
        self.indices.extend(other.indices.iter().map(|i| i + base));
    }

    /// Both meshes as one.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    /// How many triangles there are.
    #[must_use]
    pub fn triangles(&self) -> usize {
        self.indices.len() / 3
    }

    /// The box around it.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.positions.iter().fold(Bounds::EMPTY, |b, p| b.with(*p))
    }

    /// Moved by `d`.
    #[must_use]
    pub fn moved(mut self, d: Vec3) -> Self {
        for p in &mut self.positions {
            *p += d;
        }
        self
    }

    /// Moved by three distances.
    #[must_use]
    pub fn at(self, x: f32, y: f32, z: f32) -> Self {
        self.moved(vec3(x, y, z))
    }

    /// Turned about an axis through the origin, by radians.
    #[must_use]
    pub fn turned(mut self, axis: Vec3, angle: f32) -> Self {
        let axis = axis.normalized();
        for v in self.positions.iter_mut().chain(self.normals.iter_mut()) {
            *v = v.rotated(axis, angle);
        }
        self
    }

    /// Turned about the X axis by degrees.
    #[must_use]
    pub fn pitched(self, degrees: f32) -> Self {
        self.turned(Vec3::X, degrees.to_radians())
    }

    /// Turned about the Y axis by degrees.
    #[must_use]
    pub fn yawed(self, degrees: f32) -> Self {
        self.turned(Vec3::Y, degrees.to_radians())
    }

    /// Turned about the Z axis by degrees.
    #[must_use]
    pub fn rolled(self, degrees: f32) -> Self {
        self.turned(Vec3::Z, degrees.to_radians())
    }

    /// Stretched along the axes; all three factors are above zero.
    #[must_use]
    pub fn stretched(mut self, k: Vec3) -> Self {
        for p in &mut self.positions {
            *p = p.scale(k);
        }
        let inverse = vec3(1.0 / k.x, 1.0 / k.y, 1.0 / k.z);
        for n in &mut self.normals {
            *n = n.scale(inverse).normalized();
        }
        self
    }

    /// Its mirror image left to right.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        for v in self.positions.iter_mut().chain(self.normals.iter_mut()) {
            v.x = -v.x;
        }
        for t in self.indices.chunks_exact_mut(3) {
            t.swap(1, 2);
        }
        self
    }

    /// Its mirror image front to back.
    #[must_use]
    pub fn mirrored_z(self) -> Self {
        self.mirrored().yawed(180.0)
    }

    /// Itself and its mirror image left to right.
    #[must_use]
    pub fn both_sides(self) -> Self {
        let other = self.clone().mirrored();
        self.and(&other)
    }

    /// Itself in all four quadrants around the Y axis.
    #[must_use]
    pub fn four_corners(self) -> Self {
        let pair = self.both_sides();
        let back = pair.clone().mirrored_z();
        pair.and(&back)
    }

    /// Every place moved by `f`, then normals computed anew.
    #[must_use]
    pub fn deformed(mut self, f: impl Fn(Vec3) -> Vec3) -> Self {
        for p in &mut self.positions {
            *p = f(*p);
        }
        self.smooth()
    }

    /// Texture coordinates swapped, so that the grain runs the other way.
    #[must_use]
    pub fn cross_grain(mut self) -> Self {
        for uv in &mut self.uvs {
            uv.swap(0, 1);
        }
        self
    }

    /// Turned inside out.
    #[must_use]
    pub fn flipped(mut self) -> Self {
        for n in &mut self.normals {
            *n = -*n;
        }
        for t in self.indices.chunks_exact_mut(3) {
            t.swap(1, 2);
        }
        self
    }

    /// Normals averaged over all triangles that meet in a place (weighted by area).
    #[must_use]
    pub fn smooth(mut self) -> Self {
        let key = |p: Vec3| [p.x, p.y, p.z].map(|c| (f64::from(c) * 50_000.0).round() as i64);
        let mut groups: BTreeMap<[i64; 3], u32> = BTreeMap::new();
        let mut group = Vec::with_capacity(self.positions.len());
        for p in &self.positions {
            let next = groups.len() as u32;
            group.push(*groups.entry(key(*p)).or_insert(next) as usize);
        }
        let mut sums = vec![Vec3::ZERO; groups.len()];
        for t in self.indices.chunks_exact(3) {
            let [a, b, c] = [t[0] as usize, t[1] as usize, t[2] as usize];
            let (pa, pb, pc) = (self.positions[a], self.positions[b], self.positions[c]);
            let face = (pb - pa).cross(pc - pa);
            for i in [a, b, c] {
                sums[group[i]] += face;
            }
        }
        for (n, g) in self.normals.iter_mut().zip(&group) {
            if sums[*g].length() > 1e-14 {
                *n = (sums[*g] * 1e6).normalized();
            }
        }
        self
    }

    /// Directions of growing `u` at each vertex, at right angles to the normal; the fourth number is the side on
    /// which `v` shrinks, as glTF wants it.
    #[must_use]
    pub fn tangents(&self) -> Vec<[f32; 4]> {
        let mut sums = vec![(Vec3::ZERO, 0.0_f32); self.positions.len()];
        for t in self.indices.chunks_exact(3) {
            let [a, b, c] = [t[0] as usize, t[1] as usize, t[2] as usize];
            let (e1, e2) =
                (self.positions[b] - self.positions[a], self.positions[c] - self.positions[a]);
            let (ta, tb, tc) = (self.uvs[a], self.uvs[b], self.uvs[c]);
            let (u1, v1, u2, v2) = (tb[0] - ta[0], tb[1] - ta[1], tc[0] - ta[0], tc[1] - ta[1]);
            let det = u1 * v2 - u2 * v1;
            let side = if det < 0.0 { -1.0 } else { 1.0 };
            let along = ((e1 * v2 - e2 * v1) * side * 1e4).normalized();
            for i in [a, b, c] {
                sums[i].0 += along;
                sums[i].1 += side;
            }
        }
        let finish = |(n, (sum, side)): (&Vec3, &(Vec3, f32))| {
            let flat = *sum - *n * n.dot(*sum);
            let tangent = if flat.length() > 1e-4 { flat.normalized() } else { n.perpendicular() };
            // The texture's green axis points to smaller `v`.
            let w = if *side < 0.0 { 1.0 } else { -1.0 };
            [tangent.x, tangent.y, tangent.z, w]
        };
        self.normals.iter().zip(&sums).map(finish).collect()
    }

    /// Without triangles that have no area and vertices that no triangle uses.
    #[must_use]
    pub fn cleaned(self) -> Self {
        let mut out = Self::default();
        let mut places = vec![u32::MAX; self.positions.len()];
        for t in self.indices.chunks_exact(3) {
            let [a, b, c] = [t[0] as usize, t[1] as usize, t[2] as usize];
            let (pa, pb, pc) = (self.positions[a], self.positions[b], self.positions[c]);
            if (pb - pa).cross(pc - pa).length() < 1e-10 {
                continue;
            }
            let mut corner = [0; 3];
            for (slot, i) in corner.iter_mut().zip([a, b, c]) {
                if places[i] == u32::MAX {
                    places[i] = out.push(self.positions[i], self.normals[i], self.uvs[i]);
                }
                *slot = places[i];
            }
            out.triangle(corner[0], corner[1], corner[2]);
        }
        out
    }
}
