//! The designs: each a function from materials to a shaped model with its looks.

mod decor;
mod lighting;
mod seating;
mod storage;
mod tables;

use std::sync::Arc;

use media::model::Assembly;
use media::model::Look;
use media::model::Model;
use media::render::Lamp;

use crate::materials::Finish;
use crate::materials::Materials;

/// A shaped product, ready to be written and photographed.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Shape and looks.
    pub model: Model,
    /// Lamps that are on in its pictures.
    pub lamps: Vec<Lamp>,
    /// Yaw and pitch of the two pictures, in degrees.
    pub views: [(f32, f32); 2],
}

impl Piece {
    fn new(assembly: Assembly, name: &str, looks: Vec<Look>) -> Self {
        let model = assembly.finish(name, looks);
        Self { model, lamps: Vec::new(), views: [(32.0, 13.0), (-148.0, 18.0)] }
    }

    fn seen(mut self, first: (f32, f32), second: (f32, f32)) -> Self {
        self.views = [first, second];
        self
    }
}

/// A product's design.
#[derive(Debug)]
pub struct Design {
    /// The product's handle in the seed.
    pub handle: &'static str,
    /// Shapes it.
    pub build: fn(&Materials) -> Piece,
}

/// A piece in the hero picture.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// The product's handle.
    pub handle: &'static str,
    /// The look's name.
    pub look: &'static str,
    /// Metres to the right.
    pub x: f32,
    /// Metres up.
    pub y: f32,
    /// Metres towards the viewer.
    pub z: f32,
    /// Degrees about the vertical.
    pub yaw: f32,
}

fn look(name: &str, materials: &[&Finish]) -> Look {
    Look { name: name.to_owned(), materials: materials.iter().map(|m| Arc::clone(m)).collect() }
}

/// All designs.
pub const DESIGNS: &[Design] = &[
    Design { handle: "lyra-chair", build: seating::lyra },
    Design { handle: "nido-armchair", build: seating::nido },
    Design { handle: "halden-sofa", build: seating::halden },
    Design { handle: "tove-bar-stool", build: seating::tove },
    Design { handle: "trio-stool", build: seating::trio },
    Design { handle: "bruma-pouf", build: seating::bruma },
    Design { handle: "alba-bench", build: seating::alba },
    Design { handle: "fjord-dining-table", build: tables::fjord },
    Design { handle: "mesa-coffee-table", build: tables::mesa },
    Design { handle: "orbit-side-table", build: tables::orbit },
    Design { handle: "kontor-desk", build: tables::kontor },
    Design { handle: "duo-nesting-tables", build: tables::duo },
    Design { handle: "piazza-bistro-table", build: tables::piazza },
    Design { handle: "luma-table-lamp", build: lighting::luma },
    Design { handle: "arca-floor-lamp", build: lighting::arca },
    Design { handle: "pinna-floor-lamp", build: lighting::pinna },
    Design { handle: "faro-desk-lamp", build: lighting::faro },
    Design { handle: "kumo-lantern", build: lighting::kumo },
    Design { handle: "linea-sideboard", build: storage::linea },
    Design { handle: "trellis-shelf", build: storage::trellis },
    Design { handle: "cubo-bedside-table", build: storage::cubo },
    Design { handle: "corda-basket", build: storage::corda },
    Design { handle: "ramo-coat-stand", build: storage::ramo },
    Design { handle: "terra-vase", build: decor::terra },
    Design { handle: "onda-bowl", build: decor::onda },
    Design { handle: "arco-mirror", build: decor::arco },
    Design { handle: "palma-planter", build: decor::palma },
    Design { handle: "lumen-candleholders", build: decor::lumen },
    Design { handle: "nodo-sculpture", build: decor::nodo },
    Design { handle: "luna-bookends", build: decor::luna },
];

/// What stands in the hero picture.
#[must_use]
pub fn hero() -> Vec<Placed> {
    let on = |handle, look, x, y, z, yaw| Placed { handle, look, x, y, z, yaw };
    let place = |handle, look, x, z, yaw| on(handle, look, x, 0.0, z, yaw);
    vec![
        place("halden-sofa", "Forest", -0.35, -0.2, 4.0),
        place("arca-floor-lamp", "Brass and Carrara", -1.35, -0.62, 0.0),
        place("mesa-coffee-table", "Carrara", -0.25, 0.85, 0.0),
        on("onda-bowl", "Sand", -0.15, 0.36, 0.8, 0.0),
        on("lumen-candleholders", "Brass", -0.47, 0.36, 0.88, 20.0),
        place("nido-armchair", "Rust", 1.25, 0.75, -38.0),
        place("linea-sideboard", "Walnut", 1.85, -0.75, -4.0),
        on("luma-table-lamp", "Ochre", 2.35, 0.71, -0.75, 0.0),
        on("terra-vase", "Celadon", 1.45, 0.71, -0.78, 0.0),
        on("nodo-sculpture", "Plaster", 1.78, 0.71, -0.72, -20.0),
        place("palma-planter", "Terracotta", -2.55, -0.4, 0.0),
        place("bruma-pouf", "Cream", -1.75, 0.85, 0.0),
        place("orbit-side-table", "Brick", 2.15, 0.45, 200.0),
        place("arco-mirror", "Brass", -2.15, -1.0, 14.0),
        place("lyra-chair", "Oak", 2.78, 0.3, -48.0),
    ]
}
