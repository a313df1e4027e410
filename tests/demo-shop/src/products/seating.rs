//! Chairs, sofas, stools.

use media::math::Vec3;
use media::math::smoothstep;
use media::math::vec3;
use media::model::Assembly;
use media::shape;
use media::shape::Section;

use crate::materials::Materials;

use super::Piece;
use super::look;

/// A dining chair: moulded plywood seat and back on four turned legs.
pub(super) fn lyra(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let wood = a.surface("Frame", 0.7);
    let ply = a.surface("Shells", 0.7);
    // Seat: dished, with a soft front edge.
    let seat = shape::shell(
        |u, v| {
            let (x, z) = (u * 2.0 - 1.0, 1.0 - v * 2.0);
            let round = 1.0 - 0.16 * (z * z * z * z) - 0.05 * smoothstep(0.0, -1.0, z);
            let dish = 0.018 * (x * x) + 0.012 * smoothstep(-0.2, -1.0, z) - 0.03 * smoothstep(0.6, 1.0, z);
            let corner = 1.0 - 0.13 * x * x * x * x;
            vec3(x * 0.225 * round, 0.452 + dish, z * 0.215 * corner)
        },
        28,
        28,
        0.013,
    );
    a.add(ply, &seat.cross_grain());
    // Back: a band bent around the sitter.
    let back = shape::shell(
        |u, v| {
            let (x, y) = (u * 2.0 - 1.0, v * 2.0 - 1.0);
            let round = 1.0 - 0.14 * y * y * y * y;
            let corner = 1.0 - 0.3 * x * x * x * x;
            let wrap = 0.075 * x * x;
            vec3(x * 0.235 * round, 0.715 + y * 0.098 * corner, -0.218 - 0.03 * y + wrap)
        },
        32,
        14,
        0.012,
    );
    a.add(ply, &back);
    let front = shape::taper(vec3(0.165, 0.447, 0.15), vec3(0.215, 0.0, 0.195), 0.0165, 0.0105, 16);
    a.add(wood, &front.both_sides());
    let path = shape::curve(
        &[
            vec3(0.195, 0.0, -0.25),
            vec3(0.182, 0.22, -0.205),
            vec3(0.176, 0.44, -0.19),
            vec3(0.172, 0.62, -0.205),
            vec3(0.166, 0.775, -0.236),
        ],
        6,
    );
    let rear = shape::sweep(&path, &Section::circle(0.0175, 16), Vec3::Z, |t| 0.62 + 1.3 * t * (1.0 - t));
    a.add(wood, &rear.both_sides());
    let rail = shape::rod(vec3(-0.172, 0.425, 0.155), vec3(0.172, 0.425, 0.155), 0.012, 14);
    a.add(wood, &rail);
    let rail = shape::rod(vec3(-0.178, 0.425, -0.192), vec3(0.178, 0.425, -0.192), 0.012, 14);
    a.add(wood, &rail);
    let side = shape::rod(vec3(0.171, 0.425, 0.155), vec3(0.178, 0.425, -0.192), 0.012, 14);
    a.add(wood, &side.both_sides());
    let looks = [("Oak", "oak"), ("Walnut", "walnut"), ("Black ash", "black_ash")]
        .map(|(name, kind)| look(name, &[&m.wood(kind), &m.wood(kind)]));
    Piece::new(a, "LyraChair", looks.to_vec())
}
