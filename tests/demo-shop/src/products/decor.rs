//! Vases, mirrors, plants and other small things.

use media::math::PI;
use media::math::TAU;
use media::math::Vec3;
use media::math::cos;
use media::math::hash_unit;
use media::math::sin;
use media::math::vec3;
use media::mesh::Mesh;
use media::model::Assembly;
use media::shape;

use crate::materials::Materials;

use super::Piece;
use super::look;

/// Turns an outer profile into a vessel: the same line goes back down inside, `wall` thick.
fn vessel(outer: &[(f32, f32)], wall: f32, floor: f32) -> Vec<(f32, f32)> {
    let mut profile = outer.to_vec();
    let inner: Vec<(f32, f32)> = outer
        .iter()
        .rev()
        .filter(|p| p.1 > floor && p.0 > wall)
        .map(|p| (p.0 - wall, p.1))
        .collect();
    let last = outer[outer.len() - 1];
    profile.push((last.0 - wall * 0.5, last.1 + wall * 0.45));
    profile.extend(inner);
    profile.push((0.0, floor));
    profile
}

/// A tall vase with flutes that fade towards its lip.
pub(super) fn terra(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let clay = a.surface("Stoneware", 0.35);
    let line: Vec<Vec3> = [
        (0.07, 0.0),
        (0.115, 0.09),
        (0.128, 0.18),
        (0.1, 0.27),
        (0.056, 0.335),
        (0.05, 0.37),
        (0.064, 0.405),
    ]
    .iter()
    .map(|p| vec3(p.0, p.1, 0.0))
    .collect();
    let mut outer = vec![(0.0, 0.0), (0.062, 0.0)];
    outer.extend(shape::curve(&line, 8).iter().map(|p| (p.x, p.y + 0.004)));
    let body = shape::ribbed(&vessel(&outer, 0.006, 0.012), 192, |angle, y| {
        let fade = (1.0 - (y / 0.34).clamp(0.0, 1.0)) * (y / 0.03).clamp(0.0, 1.0);
        1.0 - 0.05 * fade * (0.5 - 0.5 * cos(angle * 24.0))
    });
    a.add(clay, &body.smooth());
    let looks = [
        ("Bone", 0xe7decf, 0.42),
        ("Celadon", 0x9db8a4, 0.2),
        ("Cobalt", 0x33508c, 0.18),
        ("Umber", 0x6b4a37, 0.5),
    ]
    .map(|(name, hex, rough)| look(name, &[&m.glaze(hex, rough)]));
    Piece::new(a, "TerraVase", looks.to_vec()).seen((20.0, 14.0), (20.0, 44.0))
}

/// A wide bowl with a rim that rises and falls.
pub(super) fn onda(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let clay = a.surface("Stoneware", 0.4);
    let line: Vec<Vec3> = [(0.05, 0.0), (0.062, 0.008), (0.12, 0.03), (0.17, 0.07), (0.195, 0.115)]
        .iter()
        .map(|p| vec3(p.0, p.1, 0.0))
        .collect();
    let mut outer = vec![(0.0, 0.0)];
    outer.extend(shape::curve(&line, 8).iter().map(|p| (p.x, p.y)));
    let body = shape::lathe(&vessel(&outer, 0.007, 0.014), 144).deformed(|p| {
        let lift = (p.y / 0.115).max(0.0);
        let angle_wave = wave(p.x, p.z);
        vec3(
            p.x * (1.0 + 0.05 * lift * angle_wave),
            p.y * (1.0 + 0.13 * lift * angle_wave),
            p.z * (1.0 + 0.05 * lift * angle_wave),
        )
    });
    a.add(clay, &body);
    let looks = [("Sand", 0xd8c4a3, 0.4), ("Sea", 0x5f8e95, 0.2), ("Soot", 0x3a3735, 0.5)]
        .map(|(name, hex, rough)| look(name, &[&m.glaze(hex, rough)]));
    Piece::new(a, "OndaBowl", looks.to_vec()).seen((15.0, 26.0), (15.0, 52.0))
}

/// `cos(5 · angle)` of a place seen from above, without an arc tangent.
fn wave(x: f32, z: f32) -> f32 {
    let r = (x * x + z * z).sqrt().max(1e-6);
    let c = x / r;
    let c2 = c * c;
    c * (16.0 * c2 * c2 - 20.0 * c2 + 5.0)
}

/// A tall arched mirror that leans on its own stay.
pub(super) fn arco(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let glass = a.surface("Mirror", 1.0);
    let frame = a.surface("Frame", 0.8);
    let (half, straight) = (0.33, 1.37);
    let mut line: Vec<Vec3> = vec![
        vec3(0.0, 0.012, 0.0),
        vec3(half - 0.03, 0.012, 0.0),
        vec3(half - 0.008, 0.02, 0.0),
        vec3(half, 0.042, 0.0),
    ];
    line.extend((1..14).map(|i| vec3(half, 0.04 + (straight - 0.04) * i as f32 / 14.0, 0.0)));
    line.extend((0..=24).map(|i| {
        let t = PI * 0.5 * i as f32 / 24.0;
        vec3(half * cos(t), straight + half * sin(t), 0.0)
    }));
    let mut path = line.clone();
    path.extend(line.iter().rev().skip(1).map(|p| vec3(-p.x, p.y, p.z)));
    let section = shape::Section::superellipse(0.012, 0.019, 4.0, 28);
    let lean = -7.0;
    let outline: Vec<(f32, f32)> = path.iter().map(|p| (p.x * 0.985, p.y - 0.85)).collect();
    let sheet = shape::plate(&outline, 0.005, 0.001).pitched(90.0);
    a.add(
        glass,
        &sheet
            .stretched(vec3(1.0, 1.0, 1.0))
            .pitched(180.0)
            .yawed(180.0)
            .at(0.0, 0.85, -0.004)
            .pitched(lean),
    );
    a.add(frame, &shape::sweep(&path, &section, Vec3::Z, |_| 1.0).pitched(lean));
    let back = outline.iter().map(|p| (p.0 * 0.99, p.1)).collect::<Vec<_>>();
    let back = shape::plate(&back, 0.006, 0.001).pitched(90.0).pitched(180.0).yawed(180.0);
    a.add(frame, &back.at(0.0, 0.85, -0.013).pitched(lean));
    let stay = shape::rod(vec3(0.2, 1.1, -0.15), vec3(0.24, 0.0, -0.34), 0.011, 16).both_sides();
    a.add(frame, &stay);
    a.add(frame, &shape::rod(vec3(-0.225, 0.42, -0.27), vec3(0.225, 0.42, -0.27), 0.008, 14));
    let looks = [("Brass", m.brass()), ("Oak", m.wood("oak")), ("Black", m.black_steel())]
        .map(|(name, frame)| look(name, &[&m.mirror(), &frame]));
    Piece::new(a, "ArcoMirror", looks.to_vec()).seen((24.0, 8.0), (-150.0, 12.0))
}

/// One upright leaf, gently twisted, growing from the origin.
fn blade(length: f32, width: f32, bend: f32, turn: f32) -> Mesh {
    shape::shell(
        |u, v| {
            let across = u * 2.0 - 1.0;
            let taper = (0.5 + 0.9 * v) * (1.0 - v * v * v * v).max(0.0) + 0.02;
            let angle = turn * v;
            let (s, c) = (sin(angle), cos(angle));
            let half = width * 0.5 * taper * across;
            let cup = 0.3 * width * across * across * taper;
            let wobble = 0.08 * width * sin(v * 17.0 + turn * 5.0) * across.abs();
            vec3(
                half * c - cup * s,
                length * v * (1.0 - 0.12 * bend * v),
                half * s + cup * c + bend * length * v * v * 0.42 + wobble,
            )
        },
        6,
        22,
        0.003,
    )
}

/// A snake plant in a stoneware pot.
pub(super) fn palma(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let pot = a.surface("Pot", 0.4);
    let leaves = a.surface("Leaves", 0.45);
    let soil = a.surface("Soil", 0.2);
    let outer =
        [(0.0, 0.0), (0.1, 0.0), (0.118, 0.02), (0.142, 0.16), (0.15, 0.225), (0.15, 0.245)];
    let outer = shape::fillet(&outer, 0.022);
    a.add(
        pot,
        &shape::ribbed(&vessel(&outer, 0.009, 0.2), 120, |angle, y| {
            if y > 0.21 { 1.0 } else { 1.0 - 0.012 * (0.5 + 0.5 * cos(angle * 30.0)) }
        })
        .smooth(),
    );
    a.add(soil, &shape::cylinder(0.138, 0.02, 0.004, 64).at(0.0, 0.2, 0.0));
    for i in 0..19_u32 {
        let ring = if i < 5 {
            0.018
        } else if i < 11 {
            0.052
        } else {
            0.085
        };
        let angle = 137.5 * i as f32;
        let length = 0.72 - 2.6 * ring + 0.2 * hash_unit(i * 3 + 1);
        let bend = 0.12 + 3.4 * ring * (0.5 + 0.8 * hash_unit(i * 3 + 2));
        let leaf =
            blade(length, 0.055 + 0.018 * hash_unit(i * 7), bend, 0.7 * (hash_unit(i * 5) - 0.5));
        a.add(leaves, &leaf.at(0.0, 0.21, ring).yawed(angle));
    }
    let looks = [("Terracotta", 0xb5694a), ("Chalk", 0xe4ddd0), ("Graphite", 0x4b4c4e)]
        .map(|(name, hex)| look(name, &[&m.clay(hex), &m.leaf(), &m.clay(0x3b2e25)]));
    Piece::new(a, "PalmaPlanter", looks.to_vec()).seen((20.0, 12.0), (60.0, 28.0))
}

/// Three candle holders of different height on one tray.
pub(super) fn lumen(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let metal = a.surface("Metal", 0.3);
    let wax = a.surface("Wax", 0.3);
    let tray =
        [(0.0, 0.0), (0.128, 0.0), (0.135, 0.012), (0.131, 0.012), (0.125, 0.005), (0.0, 0.005)];
    a.add(metal, &shape::lathe(&shape::fillet(&tray, 0.002), 96));
    for (x, z, h) in [(-0.055, -0.02, 0.2), (0.05, -0.045, 0.14), (0.012, 0.058, 0.085)] {
        let stick = [
            (0.0, 0.0),
            (0.034, 0.0),
            (0.034, 0.005),
            (0.008, 0.014),
            (0.0055, 0.03),
            (0.0055, h - 0.03),
            (0.009, h - 0.022),
            (0.02, h - 0.016),
            (0.02, h - 0.012),
            (0.0135, h - 0.01),
            (0.0135, h),
            (0.0, h),
        ];
        a.add(metal, &shape::lathe(&shape::fillet(&stick, 0.004), 48).at(x, 0.005, z));
        let candle = [(0.0, 0.0), (0.0108, 0.0), (0.0095, 0.205), (0.004, 0.214), (0.0, 0.215)];
        a.add(wax, &shape::lathe(&shape::fillet(&candle, 0.002), 32).at(x, 0.003 + h, z));
        a.add(metal, &shape::rod(vec3(x, h + 0.212, z), vec3(x + 0.001, h + 0.228, z), 0.0011, 8));
    }
    let looks = [
        ("Brass", m.brass(), 0xf0e9db),
        ("Black", m.black_steel(), 0xd8c6b0),
        ("Chrome", m.chrome(), 0xb96a52),
    ]
    .map(|(name, metal, hex)| look(name, &[&metal, &m.lacquer(hex, 0.5)]));
    Piece::new(a, "LumenCandleholder", looks.to_vec()).seen((18.0, 12.0), (60.0, 30.0))
}

/// A knotted ring on a plinth.
pub(super) fn nodo(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let knot = a.surface("Knot", 0.25);
    let plinth = a.surface("Plinth", 0.4);
    let path: Vec<Vec3> = (0..240)
        .map(|i| {
            let t = TAU * i as f32 / 240.0;
            let r = 0.075 * (1.55 + cos(3.0 * t) * 0.62);
            vec3(r * cos(2.0 * t), 0.225 + r * sin(2.0 * t), 0.062 * sin(3.0 * t))
        })
        .collect();
    a.add(knot, &shape::ring(&path, vec3(0.0, 0.225, 0.0), 0.03, 28));
    a.add(plinth, &shape::rounded_box(vec3(0.15, 0.06, 0.1), 0.006).at(0.0, 0.03, 0.0));
    let looks = [
        ("Plaster", m.clay(0xefe9de), "walnut"),
        ("Bronze", m.metal(0x8a6238, 0.34), "black_ash"),
        ("Oxblood", m.glaze(0x7b2b26, 0.16), "oak"),
    ]
    .map(|(name, finish, kind)| look(name, &[&finish, &m.wood(kind)]));
    Piece::new(a, "NodoSculpture", looks.to_vec()).seen((25.0, 10.0), (-30.0, 22.0))
}

/// A pair of bookends: half moons of stone on slim feet.
pub(super) fn luna(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let stone = a.surface("Stone", 0.34);
    let foot = a.surface("Foot", 0.3);
    let mut outline: Vec<(f32, f32)> = (0..=56)
        .map(|i| {
            let t = PI * (-0.5 + i as f32 / 56.0);
            (0.09 * cos(t) - 0.04, 0.09 * sin(t))
        })
        .collect();
    outline.extend((1..16).map(|i| (-0.04, 0.09 - 0.18 * i as f32 / 16.0)));
    let moon = shape::plate(&outline, 0.05, 0.0025).pitched(90.0).at(0.0, 0.0, 0.0);
    let stand = |mesh: Mesh| mesh.rolled(90.0).at(0.0, 0.048, 0.0);
    let one = moon.at(0.0, 0.0, 0.0).rolled(-90.0);
    let one = stand(one);
    a.add(stone, &one.clone().yawed(0.0).at(0.075, 0.044, -0.025));
    a.add(stone, &one.mirrored().at(-0.075, 0.044, -0.025));
    let sole =
        shape::rounded_box(vec3(0.12, 0.004, 0.07), 0.0018).at(0.09, 0.002, 0.0).both_sides();
    a.add(foot, &sole);
    let looks = [
        ("Carrara", m.stone("carrara"), m.brass()),
        ("Nero", m.stone("nero"), m.brass()),
        ("Verde", m.stone("verde"), m.black_steel()),
    ]
    .map(|(name, stone, metal)| look(name, &[&stone, &metal]));
    Piece::new(a, "LunaBookends", looks.to_vec()).seen((26.0, 20.0), (-20.0, 34.0))
}
