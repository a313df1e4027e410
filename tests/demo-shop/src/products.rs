//! The designs: each a function from materials to a shaped model with its looks.

mod seating;

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
];

/// What stands in the hero picture.
#[must_use]
pub fn hero() -> Vec<Placed> {
    let place = |handle, look, x, z, yaw| Placed { handle, look, x, y: 0.0, z, yaw };
    vec![place("lyra-chair", "Oak", 0.0, 0.0, 20.0)]
}
