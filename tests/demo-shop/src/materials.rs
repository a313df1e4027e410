//! The materials that products are made of.

use std::sync::Arc;

use media::math::Vec3;
use media::math::srgb_hex;
use media::model::Material;
use media::texture::Texture;

use crate::textures::Textures;

/// Makes materials from the textures.
#[derive(Debug)]
pub struct Materials {
    textures: Textures,
}

/// A finished material, shared by surfaces.
pub type Finish = Arc<Material>;

impl Materials {
    /// Takes all textures.
    #[must_use]
    pub fn new(textures: Textures) -> Self {
        Self { textures }
    }

    fn map(&self, name: &str) -> Option<Arc<Texture>> {
        self.textures.get(name).map(Arc::clone)
    }

    fn textured(&self, name: String, hex: u32, roughness: f32, maps: (&str, &str)) -> Finish {
        let plain = Material::plain(&name, srgb_hex(hex), 0.0, roughness);
        Arc::new(Material { base_map: self.map(maps.0), normal_map: self.map(maps.1), ..plain })
    }

    /// Oiled wood: `oak`, `walnut`, `black_ash`, `cherry`.
    #[must_use]
    pub fn wood(&self, kind: &str) -> Finish {
        let roughness = if kind == "black_ash" { 0.5 } else { 0.56 };
        self.textured(format!("wood_{kind}"), 0xffffff, roughness, (kind, ""))
    }

    /// Woven wool in a colour.
    #[must_use]
    pub fn fabric(&self, hex: u32) -> Finish {
        self.textured(format!("fabric_{hex:06x}"), hex, 0.94, ("weave", "weave_normal"))
    }

    /// Bouclé in a colour.
    #[must_use]
    pub fn boucle(&self, hex: u32) -> Finish {
        self.textured(format!("boucle_{hex:06x}"), hex, 0.97, ("boucle", "boucle_normal"))
    }

    /// Full-grain leather in a colour.
    #[must_use]
    pub fn leather(&self, hex: u32) -> Finish {
        self.textured(format!("leather_{hex:06x}"), hex, 0.48, ("leather", "leather_normal"))
    }

    /// Polished stone: `carrara`, `nero`, `verde`, `terrazzo`.
    #[must_use]
    pub fn stone(&self, kind: &str) -> Finish {
        self.textured(format!("stone_{kind}"), 0xffffff, 0.22, (kind, ""))
    }

    /// Glazed stoneware with specks.
    #[must_use]
    pub fn glaze(&self, hex: u32, roughness: f32) -> Finish {
        self.textured(format!("glaze_{hex:06x}"), hex, roughness, ("speckle", ""))
    }

    /// Unglazed clay or plaster.
    #[must_use]
    pub fn clay(&self, hex: u32) -> Finish {
        self.textured(format!("clay_{hex:06x}"), hex, 0.9, ("clay", ""))
    }

    /// Coiled rope.
    #[must_use]
    pub fn rope(&self, hex: u32) -> Finish {
        self.textured(format!("rope_{hex:06x}"), hex, 0.95, ("rope", "rope_normal"))
    }

    /// A living leaf.
    #[must_use]
    pub fn leaf(&self) -> Finish {
        self.textured("leaf".to_owned(), 0xffffff, 0.42, ("leaf", ""))
    }

    /// Paper with a lamp behind it.
    #[must_use]
    pub fn lit_paper(&self, hex: u32) -> Finish {
        let paper = self.textured(format!("paper_{hex:06x}"), hex, 0.9, ("paper", ""));
        Arc::new(Material {
            emissive: srgb_hex(hex).scale(Vec3 { x: 0.5, y: 0.42, z: 0.3 }),
            ..(*paper).clone()
        })
    }

    /// Cloth with a lamp behind it.
    #[must_use]
    pub fn lit_fabric(&self, hex: u32) -> Finish {
        let cloth = self.textured(format!("shade_{hex:06x}"), hex, 0.94, ("weave", "weave_normal"));
        Arc::new(Material {
            emissive: srgb_hex(hex).scale(Vec3 { x: 0.46, y: 0.37, z: 0.24 }),
            ..(*cloth).clone()
        })
    }

    /// Paint or lacquer in a colour.
    #[must_use]
    pub fn lacquer(&self, hex: u32, roughness: f32) -> Finish {
        let name = format!("lacquer_{hex:06x}_{}", (roughness * 100.0).round() as u32);
        Arc::new(Material::plain(&name, srgb_hex(hex), 0.0, roughness))
    }

    /// Bare metal in a colour.
    #[must_use]
    pub fn metal(&self, hex: u32, roughness: f32) -> Finish {
        let name = format!("metal_{hex:06x}_{}", (roughness * 100.0).round() as u32);
        Arc::new(Material::plain(&name, srgb_hex(hex), 1.0, roughness))
    }

    /// Brushed brass.
    #[must_use]
    pub fn brass(&self) -> Finish {
        self.metal(0xdfbc7c, 0.26)
    }

    /// Polished steel.
    #[must_use]
    pub fn chrome(&self) -> Finish {
        self.metal(0xd6d8da, 0.12)
    }

    /// Powder-coated steel, nearly black.
    #[must_use]
    pub fn black_steel(&self) -> Finish {
        self.lacquer(0x232426, 0.46)
    }

    /// A surface that shines by itself.
    #[must_use]
    pub fn glow(&self, hex: u32) -> Finish {
        let name = format!("glow_{hex:06x}");
        let plain = Material::plain(&name, srgb_hex(hex), 0.0, 0.4);
        Arc::new(Material { emissive: srgb_hex(hex), ..plain })
    }

    /// Blown glass in a colour.
    #[must_use]
    pub fn glass(&self, hex: u32, opacity: f32) -> Finish {
        let plain = Material::plain(&format!("glass_{hex:06x}"), srgb_hex(hex), 0.0, 0.05);
        Arc::new(Material { opacity, ..plain })
    }

    /// A mirror.
    #[must_use]
    pub fn mirror(&self) -> Finish {
        self.metal(0xe8ebec, 0.04)
    }
}
