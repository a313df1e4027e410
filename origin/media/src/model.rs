//! A product's model: named surfaces, and one material per surface and variant.

use std::sync::Arc;

use crate::math::Vec3;
use crate::math::hash_unit;
use crate::math::vec3;
use crate::mesh::Bounds;
use crate::mesh::Mesh;
use crate::texture::Texture;

/// A physically based material (metallic and roughness).
#[derive(Clone, Debug)]
pub struct Material {
    /// Unique within a model; a USD identifier (letters, digits, `_`).
    pub name: String,
    /// Linear base colour; multiplies the texture where there is one.
    pub color: Vec3,
    /// 1 for solid things, less for glass.
    pub opacity: f32,
    /// 0 for everything but bare metal.
    pub metallic: f32,
    /// 0 is a mirror, 1 is chalk.
    pub roughness: f32,
    /// Light of its own, linear, at most 1 per component.
    pub emissive: Vec3,
    /// Colours in sRGB.
    pub base_map: Option<Arc<Texture>>,
    /// Bumps.
    pub normal_map: Option<Arc<Texture>>,
}

impl Material {
    /// A plain material without textures.
    #[must_use]
    pub fn plain(name: &str, color: Vec3, metallic: f32, roughness: f32) -> Self {
        Self {
            name: name.to_owned(),
            color,
            opacity: 1.0,
            metallic,
            roughness,
            emissive: Vec3::ZERO,
            base_map: None,
            normal_map: None,
        }
    }
}

/// A part of the surface that always has one material: one draw call.
#[derive(Clone, Debug)]
pub struct Surface {
    /// A USD identifier, unique within the model.
    pub name: String,
    /// Triangles in model space, texture coordinates in tiles.
    pub mesh: Mesh,
    /// Metres that one repeat of a texture covers.
    pub tile: f32,
}

/// One choice of materials.
#[derive(Clone, Debug)]
pub struct Look {
    /// The variant's name as shoppers see it.
    pub name: String,
    /// One per surface, in the surfaces' order.
    pub materials: Vec<Arc<Material>>,
}

/// A product's shape with all its looks.
#[derive(Clone, Debug)]
pub struct Model {
    /// A USD identifier.
    pub name: String,
    /// At most 20, see the Khronos budget for draw calls.
    pub surfaces: Vec<Surface>,
    /// At least one; the first is shown by default.
    pub looks: Vec<Look>,
}

impl Model {
    /// The box around it.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.surfaces.iter().fold(Bounds::EMPTY, |b, s| b.union(s.mesh.bounds()))
    }

    /// How many triangles there are.
    #[must_use]
    pub fn triangles(&self) -> usize {
        self.surfaces.iter().map(|s| s.mesh.triangles()).sum()
    }

    /// Width, height and depth in whole millimetres.
    #[must_use]
    pub fn dimensions_mm(&self) -> [u32; 3] {
        self.bounds().size().to_array().map(|m| (m * 1000.0).round() as u32)
    }
}

/// Collects parts into surfaces while a product is shaped.
#[derive(Debug, Default)]
pub struct Assembly {
    surfaces: Vec<Surface>,
    parts: u32,
}

impl Assembly {
    /// Starts with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a surface whose textures repeat every `tile` metres, and returns its number.
    pub fn surface(&mut self, name: &str, tile: f32) -> usize {
        self.surfaces.push(Surface { name: name.to_owned(), mesh: Mesh::default(), tile });
        self.surfaces.len() - 1
    }

    /// Adds a part; each gets its own piece of the texture, as boards do.
    pub fn add(&mut self, surface: usize, mesh: &Mesh) {
        let target = &mut self.surfaces[surface];
        self.parts += 1;
        let (du, dv) = (hash_unit(self.parts * 2), hash_unit(self.parts * 2 + 1));
        let mut part = mesh.clone();
        for uv in &mut part.uvs {
            *uv = [uv[0] / target.tile + du, uv[1] / target.tile + dv];
        }
        target.mesh.merge(&part);
    }

    /// Puts the bottom centre at the origin and closes the model.
    #[must_use]
    pub fn finish(self, name: &str, looks: Vec<Look>) -> Model {
        let mut model = Model { name: name.to_owned(), surfaces: self.surfaces, looks };
        let bounds = model.bounds();
        let center = bounds.center();
        let shift = vec3(-center.x, -bounds.min.y, -center.z);
        for surface in &mut model.surfaces {
            let mesh = std::mem::take(&mut surface.mesh);
            surface.mesh = mesh.moved(shift).cleaned();
        }
        model
    }
}
