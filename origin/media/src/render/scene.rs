//! What stands in the studio.

use crate::math::Vec3;
use crate::mesh::Mesh;

use super::bvh::Bvh;
use super::bvh::Hit;

/// How a surface meets light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SurfaceKind {
    /// Blocks it.
    Solid,
    /// Is seen, but lets light out (a lamp's shade).
    Glowing,
    /// Is seen through (glass).
    Clear,
}

/// A lamp that is switched on.
#[derive(Clone, Copy, Debug)]
pub struct Lamp {
    /// Where the bulb is, in metres.
    pub place: Vec3,
    /// How much light arrives at a distance of one metre (the key light is about 1).
    pub power: f32,
}

/// Surfaces and lamps, ready to be photographed.
#[derive(Debug)]
pub struct Scene {
    positions: Vec<Vec3>,
    normals: Vec<Vec3>,
    uvs: Vec<[f32; 2]>,
    triangles: Vec<[u32; 3]>,
    surface_of: Vec<u32>,
    pub(super) lamps: Vec<Lamp>,
    solid: Bvh,
    seen: Bvh,
    clear: Bvh,
}

/// A place on a surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) place: Vec3,
    pub(super) normal: Vec3,
    pub(super) surface: usize,
}

/// Texture coordinates and how they lie on the surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skin {
    pub(super) uv: [f32; 2],
    /// The surface's directions of growing `u` and `v`, of length one.
    pub(super) tangent: Vec3,
    pub(super) bitangent: Vec3,
    /// Tiles per metre.
    pub(super) density: f32,
}

impl Scene {
    /// Takes one mesh per surface with its kind; surfaces are numbered in this order.
    #[must_use]
    pub fn new<'a>(
        surfaces: impl IntoIterator<Item = (&'a Mesh, SurfaceKind)>,
        lamps: Vec<Lamp>,
    ) -> Self {
        let (mut positions, mut normals, mut uvs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut triangles, mut surface_of, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (mesh, kind)) in surfaces.into_iter().enumerate() {
            let base = positions.len() as u32;
            positions.extend_from_slice(&mesh.positions);
            normals.extend_from_slice(&mesh.normals);
            uvs.extend_from_slice(&mesh.uvs);
            triangles.extend(
                mesh.indices.chunks_exact(3).map(|t| [t[0] + base, t[1] + base, t[2] + base]),
            );
            surface_of.resize(triangles.len(), number as u32);
            kinds.push(kind);
        }
        let tree = |wanted: &dyn Fn(SurfaceKind) -> bool| {
            let chosen = triangles
                .iter()
                .enumerate()
                .filter(|(i, _)| wanted(kinds[surface_of[*i] as usize]));
            Bvh::new(chosen.map(|(i, t)| (t.map(|v| positions[v as usize]), i as u32)))
        };
        let solid = tree(&|k| k == SurfaceKind::Solid);
        let seen = tree(&|k| k != SurfaceKind::Clear);
        let clear = tree(&|k| k == SurfaceKind::Clear);
        Self { positions, normals, uvs, triangles, surface_of, lamps, solid, seen, clear }
    }

    /// The first surface along a ray that is not glass.
    pub(super) fn first(&self, origin: Vec3, direction: Vec3) -> Option<Hit> {
        self.seen.nearest(origin, direction, f32::INFINITY)
    }

    /// Glass in front of the distance `far`.
    pub(super) fn glass(&self, origin: Vec3, direction: Vec3, far: f32) -> Option<Hit> {
        self.clear.nearest(origin, direction, far)
    }

    /// Whether there is any glass.
    pub(super) fn has_glass(&self) -> bool {
        !self.clear.is_empty()
    }

    /// Whether light cannot pass.
    pub(super) fn is_blocked(&self, origin: Vec3, direction: Vec3, far: f32) -> bool {
        self.solid.is_blocked(origin, direction, far)
    }

    fn blend(&self, values: &[Vec3], triangle: usize, u: f32, v: f32) -> Vec3 {
        let [a, b, c] = self.triangles[triangle].map(|i| values[i as usize]);
        a * (1.0 - u - v) + b * u + c * v
    }

    /// The place that was hit, with its normal turned towards the viewer.
    pub(super) fn point(&self, id: u32, u: f32, v: f32, direction: Vec3) -> Point {
        let triangle = id as usize;
        let place = self.blend(&self.positions, triangle, u, v);
        let normal = self.blend(&self.normals, triangle, u, v).normalized();
        let normal = if normal.dot(direction) > 0.0 { -normal } else { normal };
        Point { place, normal, surface: self.surface_of[triangle] as usize }
    }

    /// The texture coordinates of a place.
    pub(super) fn skin(&self, id: u32, u: f32, v: f32) -> Skin {
        let corners = self.triangles[id as usize];
        let [pa, pb, pc] = corners.map(|i| self.positions[i as usize]);
        let [ta, tb, tc] = corners.map(|i| self.uvs[i as usize]);
        let w = 1.0 - u - v;
        let uv = [ta[0] * w + tb[0] * u + tc[0] * v, ta[1] * w + tb[1] * u + tc[1] * v];
        let (e1, e2) = (pb - pa, pc - pa);
        let (u1, v1, u2, v2) = (tb[0] - ta[0], tb[1] - ta[1], tc[0] - ta[0], tc[1] - ta[1]);
        let det = u1 * v2 - u2 * v1;
        let sign = if det < 0.0 { -1.0 } else { 1.0 };
        let area = e1.cross(e2).length().max(1e-12);
        Skin {
            uv,
            tangent: ((e1 * v2 - e2 * v1) * sign * 1e4).normalized(),
            bitangent: ((e2 * u1 - e1 * u2) * sign * 1e4).normalized(),
            density: (det.abs() / area).sqrt(),
        }
    }
}
