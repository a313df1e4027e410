//! Chairs, sofas, stools.

use media::math::PI;
use media::math::TAU;
use media::math::Vec3;
use media::math::cos;
use media::math::sin;
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
            let dish = 0.018 * (x * x) + 0.012 * smoothstep(-0.2, -1.0, z)
                - 0.03 * smoothstep(0.6, 1.0, z);
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
    a.add(ply, &back.cross_grain());
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
    let rear =
        shape::sweep(&path, &Section::circle(0.0175, 16), Vec3::Z, |t| 0.62 + 1.3 * t * (1.0 - t));
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

/// A lounge chair: a tub of bouclé around a loose cushion, on short legs.
pub(super) fn nido(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let cloth = a.surface("Upholstery", 0.3);
    let wood = a.surface("Legs", 0.6);
    let tub = shape::shell(
        |u, v| {
            let angle = (u * 2.0 - 1.0) * 2.32;
            let (s, c) = (sin(angle), cos(angle));
            let low = smoothstep(0.9, 2.2, angle.abs());
            let top = 0.735 - 0.15 * low;
            let lean = 0.05 * v * (1.0 - low);
            let (rx, rz) = (0.335 + lean + 0.02 * sin(v * PI), 0.325 + lean + 0.02 * sin(v * PI));
            vec3(-s * rx, 0.17 + (top - 0.17) * v, -c * rz - 0.015)
        },
        64,
        16,
        0.105,
    );
    a.add(cloth, &tub);
    let base = shape::plate(&shape::outline_superellipse(0.315, 0.335, 2.3, 72), 0.16, 0.05)
        .at(0.0, 0.15, 0.02);
    a.add(cloth, &base);
    let outline = shape::outline_superellipse(0.285, 0.32, 2.4, 72);
    let seat = shape::plate(&outline, 0.15, 0.07).deformed(|p| {
        let d = (p.x * p.x + p.z * p.z) / 0.1;
        vec3(p.x, p.y + if p.y > 0.07 { 0.035 * (1.0 - d) } else { 0.0 }, p.z)
    });
    a.add(cloth, &seat.at(0.0, 0.305, 0.045));
    let pillow = shape::cushion(vec3(0.42, 0.26, 0.13), 0.06, 0.0)
        .deformed(|p| {
            let dome = (1.0 - (p.x / 0.22) * (p.x / 0.22)) * (1.0 - (p.y / 0.14) * (p.y / 0.14));
            vec3(p.x, p.y, p.z * (0.55 + 0.75 * dome.max(0.0)))
        })
        .pitched(-17.0);
    a.add(cloth, &pillow.at(0.0, 0.575, -0.17));
    let leg = shape::taper(vec3(0.2, 0.17, 0.21), vec3(0.245, 0.0, 0.255), 0.024, 0.015, 16);
    a.add(wood, &leg.four_corners());
    let looks = [
        ("Oat", 0xe3d8c6, "oak"),
        ("Moss", 0x7d8263, "walnut"),
        ("Rust", 0xb4653f, "walnut"),
        ("Slate", 0x66707a, "black_ash"),
    ]
    .map(|(name, hex, kind)| look(name, &[&m.boucle(hex), &m.wood(kind)]));
    Piece::new(a, "NidoArmchair", looks.to_vec()).seen((30.0, 14.0), (-140.0, 14.0))
}

/// A three-seat sofa with loose cushions on a low wooden frame.
pub(super) fn halden(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let cloth = a.surface("Upholstery", 0.3);
    let wood = a.surface("Frame", 0.8);
    let base = shape::rounded_box(vec3(2.0, 0.13, 0.82), 0.035).at(0.0, 0.235, 0.0);
    a.add(cloth, &base);
    let back = shape::soft_box(vec3(2.02, 0.5, 0.17), 0.07, 8).pitched(-7.0).at(0.0, 0.53, -0.36);
    a.add(cloth, &back);
    let arm = shape::soft_box(vec3(0.155, 0.42, 0.86), 0.068, 8).at(1.035, 0.39, 0.0);
    a.add(cloth, &arm.both_sides());
    for x in [-0.64, 0.0, 0.64] {
        let seat = shape::cushion(vec3(0.635, 0.165, 0.66), 0.055, 0.035).at(x, 0.385, 0.09);
        a.add(cloth, &seat);
        let back = shape::cushion(vec3(0.62, 0.17, 0.43), 0.06, 0.04).pitched(76.0);
        a.add(cloth, &back.at(x, 0.66, -0.205));
    }
    let plinth = shape::rounded_box(vec3(1.94, 0.035, 0.76), 0.008).at(0.0, 0.155, 0.0);
    a.add(wood, &plinth);
    let leg = shape::taper(vec3(0.86, 0.14, 0.29), vec3(0.9, 0.0, 0.33), 0.026, 0.017, 16);
    a.add(wood, &leg.four_corners());
    let looks = [
        ("Stone", 0xc9c1b4, "oak"),
        ("Forest", 0x52644f, "walnut"),
        ("Terracotta", 0xb66a4a, "walnut"),
        ("Ink", 0x414c60, "black_ash"),
    ]
    .map(|(name, hex, kind)| look(name, &[&m.fabric(hex), &m.wood(kind)]));
    Piece::new(a, "HaldenSofa", looks.to_vec()).seen((26.0, 13.0), (-30.0, 9.0))
}

/// A bar stool: leather seat on a bent steel frame with a foot ring.
pub(super) fn tove(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let hide = a.surface("Seat", 0.35);
    let steel = a.surface("Frame", 0.5);
    let seat = shape::shell(
        |u, v| {
            let (x, z) = (u * 2.0 - 1.0, 1.0 - v * 2.0);
            let corner = 1.0 - 0.14 * x * x * x * x;
            let rise = 0.11 * smoothstep(-0.35, -1.0, z) + 0.022 * x * x;
            vec3(
                x * 0.2 * (1.0 - 0.14 * z * z * z * z),
                0.69 + rise,
                z * 0.19 * corner - 0.03 * smoothstep(-0.4, -1.0, z),
            )
        },
        28,
        28,
        0.038,
    );
    a.add(hide, &seat);
    for side in [0.0_f32, 90.0, 180.0, 270.0] {
        let path = shape::curve(
            &[
                vec3(0.04, 0.668, 0.04),
                vec3(0.13, 0.662, 0.13),
                vec3(0.152, 0.6, 0.152),
                vec3(0.185, 0.3, 0.185),
                vec3(0.205, 0.0, 0.205),
            ],
            8,
        );
        a.add(steel, &shape::tube(&path, 0.0095, 14).yawed(side));
    }
    let ring: Vec<Vec3> = (0..64)
        .map(|i| {
            let t = TAU * i as f32 / 64.0;
            let r = 0.262;
            vec3(r * sin(t), 0.24, r * cos(t))
        })
        .collect();
    a.add(steel, &shape::ring(&ring, vec3(0.0, 0.24, 0.0), 0.0075, 12));
    let looks = [("Cognac", 0xa5683a, 0), ("Black", 0x2e2c2b, 0), ("Sand", 0xcdb595, 1)].map(
        |(name, hex, frame)| {
            let steel = if frame == 0 { m.black_steel() } else { m.brass() };
            look(name, &[&m.leather(hex), &steel])
        },
    );
    Piece::new(a, "ToveStool", looks.to_vec()).seen((34.0, 15.0), (-145.0, 16.0))
}

/// A three-legged stool with a dished, turned seat.
pub(super) fn trio(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let wood = a.surface("Wood", 0.6);
    let profile =
        [(0.0, 0.425), (0.13, 0.425), (0.165, 0.438), (0.172, 0.458), (0.15, 0.463), (0.0, 0.452)];
    a.add(wood, &flat_grain(shape::lathe(&shape::fillet(&profile, 0.03), 72)));
    for i in 0..3 {
        let leg = shape::taper(vec3(0.0, 0.44, 0.095), vec3(0.0, 0.0, 0.175), 0.017, 0.0125, 18);
        a.add(wood, &leg.yawed(120.0 * i as f32 + 60.0));
        let rung = shape::rod(vec3(0.0, 0.19, 0.005), vec3(0.0, 0.19, 0.14), 0.0095, 14);
        a.add(wood, &rung.yawed(120.0 * i as f32 + 60.0));
    }
    let looks = [("Oak", "oak"), ("Walnut", "walnut"), ("Cherry", "cherry")]
        .map(|(name, kind)| look(name, &[&m.wood(kind)]));
    Piece::new(a, "TrioStool", looks.to_vec()).seen((20.0, 20.0), (80.0, 34.0))
}

/// Texture coordinates from above, as for a board that was turned on the lathe.
pub(super) fn flat_grain(mut mesh: media::mesh::Mesh) -> media::mesh::Mesh {
    for (uv, p) in mesh.uvs.iter_mut().zip(&mesh.positions) {
        *uv = [p.x, p.z + 0.3 * p.y];
    }
    mesh
}

/// A pouf: a soft, pleated drum with a leather tab.
pub(super) fn bruma(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let cloth = a.surface("Cover", 0.26);
    let seam = a.surface("Piping", 0.3);
    let profile = [
        (0.0, 0.0),
        (0.2, 0.0),
        (0.265, 0.07),
        (0.285, 0.19),
        (0.27, 0.31),
        (0.2, 0.385),
        (0.0, 0.4),
    ];
    let body = shape::ribbed(&shape::fillet(&profile, 0.09), 120, |angle, y| {
        let t = (y / 0.4).clamp(0.0, 1.0);
        1.0 + 0.014 * sin(t * PI) * cos(angle * 12.0) + 0.006 * sin(angle * 2.0 + 1.0)
    });
    a.add(cloth, &body.smooth());
    for (y, r) in [(0.352, 0.237), (0.04, 0.236)] {
        let ring: Vec<Vec3> = (0..96)
            .map(|i| {
                let t = TAU * i as f32 / 96.0;
                let r = r * (1.0 + 0.01 * cos(t * 12.0));
                vec3(r * sin(t), y, r * cos(t))
            })
            .collect();
        a.add(seam, &shape::ring(&ring, vec3(0.0, y, 0.0), 0.007, 10));
    }
    let looks = [
        ("Cream", 0xeae1d2, 0xb08a5e),
        ("Clay", 0xc07c5b, 0x7a4a32),
        ("Sage", 0x96a284, 0x55604a),
        ("Charcoal", 0x53555a, 0x2f3033),
    ]
    .map(|(name, hex, seam)| look(name, &[&m.boucle(hex), &m.leather(seam)]));
    Piece::new(a, "BrumaPouf", looks.to_vec()).seen((20.0, 20.0), (60.0, 42.0))
}

/// A bench of slats on two bent frames.
pub(super) fn alba(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let wood = a.surface("Slats", 0.9);
    let pad = a.surface("Pad", 0.3);
    for i in 0..5 {
        let z = (i as f32 - 2.0) * 0.076;
        a.add(wood, &shape::rounded_box(vec3(1.3, 0.028, 0.062), 0.007).at(0.0, 0.4, z));
    }
    for x in [-0.46, 0.46] {
        a.add(wood, &shape::rounded_box(vec3(0.06, 0.04, 0.37), 0.009).at(x, 0.367, 0.0));
    }
    a.add(wood, &shape::rounded_box(vec3(0.92, 0.045, 0.024), 0.006).at(0.0, 0.345, 0.0));
    let leg = shape::taper(vec3(0.46, 0.36, 0.145), vec3(0.5, 0.0, 0.165), 0.02, 0.0135, 18);
    a.add(wood, &leg.four_corners());
    let cushion = shape::cushion(vec3(0.66, 0.062, 0.36), 0.026, 0.012).at(-0.29, 0.445, 0.0);
    a.add(pad, &cushion);
    let looks = [("Oak", "oak", 0xd9cfbf), ("Walnut", "walnut", 0x7b6b58)]
        .map(|(name, kind, hex)| look(name, &[&m.wood(kind), &m.fabric(hex)]));
    Piece::new(a, "AlbaBench", looks.to_vec()).seen((30.0, 18.0), (-32.0, 12.0))
}
