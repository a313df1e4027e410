//! Tables, large and small.

use media::math::TAU;
use media::math::Vec3;
use media::math::cos;
use media::math::sin;
use media::math::vec3;
use media::model::Assembly;
use media::shape;

use crate::materials::Materials;

use super::Piece;
use super::look;
use super::seating::flat_grain;

/// A dining table: a superellipse top with a knife edge on four tapered legs.
pub(super) fn fjord(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let top = a.surface("Top", 1.1);
    let frame = a.surface("Frame", 0.8);
    let outline = shape::outline_superellipse(1.0, 0.47, 2.9, 128);
    let board = shape::plate(&outline, 0.032, 0.014).deformed(|p| {
        let edge = (p.x / 1.0).abs().max((p.z / 0.47).abs());
        vec3(p.x, if p.y < 0.014 { p.y + 0.012 * (edge - 0.86).max(0.0) / 0.14 } else { p.y }, p.z)
    });
    a.add(top, &board.at(0.0, 0.713, 0.0));
    let leg = shape::taper(vec3(0.66, 0.71, 0.27), vec3(0.79, 0.0, 0.35), 0.036, 0.019, 24);
    a.add(frame, &leg.four_corners());
    a.add(frame, &shape::rounded_box(vec3(1.3, 0.065, 0.024), 0.006).at(0.0, 0.68, 0.25));
    a.add(frame, &shape::rounded_box(vec3(1.3, 0.065, 0.024), 0.006).at(0.0, 0.68, -0.25));
    a.add(
        frame,
        &shape::rounded_box(vec3(0.024, 0.065, 0.5), 0.006).at(0.65, 0.68, 0.0).both_sides(),
    );
    let looks = [("Oak", "oak"), ("Walnut", "walnut"), ("Black ash", "black_ash")]
        .map(|(name, kind)| look(name, &[&m.wood(kind), &m.wood(kind)]));
    Piece::new(a, "FjordTable", looks.to_vec()).seen((28.0, 16.0), (-38.0, 26.0))
}

/// A coffee table: a round stone top on three fluted drums.
pub(super) fn mesa(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let top = a.surface("Top", 0.9);
    let base = a.surface("Base", 0.9);
    let disc = shape::plate(&shape::outline_superellipse(0.44, 0.44, 2.0, 128), 0.03, 0.009);
    a.add(top, &disc.at(0.0, 0.33, 0.0));
    let profile = [(0.0, 0.0), (0.105, 0.0), (0.105, 0.33), (0.0, 0.33)];
    let flutes = |angle: f32, _: f32| 1.0 - 0.035 * (0.5 + 0.5 * cos(angle * 20.0));
    let mut rings = shape::fillet(&profile, 0.006);
    rings.dedup();
    for i in 0..3 {
        let drum = shape::ribbed(&rings, 160, flutes).smooth();
        let t = TAU * (i as f32 / 3.0 + 0.08);
        a.add(base, &drum.at(0.19 * sin(t), 0.0, 0.19 * cos(t)));
    }
    let looks = [("Carrara", "carrara"), ("Nero", "nero"), ("Verde", "verde")]
        .map(|(name, kind)| look(name, &[&m.stone(kind), &m.stone(kind)]));
    Piece::new(a, "MesaCoffeeTable", looks.to_vec()).seen((28.0, 19.0), (-20.0, 36.0))
}

/// A side table: a tray on a bent tube with an off-centre stem.
pub(super) fn orbit(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let paint = a.surface("Steel", 0.5);
    let tray = [
        (0.0, 0.52),
        (0.212, 0.52),
        (0.22, 0.528),
        (0.22, 0.55),
        (0.2155, 0.55),
        (0.2155, 0.5255),
        (0.0, 0.5255),
    ];
    a.add(paint, &shape::lathe(&shape::fillet(&tray, 0.003), 96));
    let foot = [(0.0, 0.0), (0.165, 0.0), (0.165, 0.011), (0.0, 0.013)];
    a.add(paint, &shape::lathe(&shape::fillet(&foot, 0.005), 96).at(0.03, 0.0, 0.0));
    let stem = shape::curve(
        &[
            vec3(0.12, 0.008, 0.0),
            vec3(0.12, 0.2, 0.0),
            vec3(0.12, 0.42, 0.0),
            vec3(0.105, 0.49, 0.0),
            vec3(0.04, 0.513, 0.0),
            vec3(-0.04, 0.515, 0.0),
        ],
        10,
    );
    a.add(paint, &shape::tube(&stem, 0.012, 20));
    let handle: Vec<Vec3> = (0..=24)
        .map(|i| {
            let t = TAU * 0.5 * i as f32 / 24.0;
            vec3(0.2175 + 0.002 * sin(t), 0.55 + 0.075 * sin(t), 0.055 * cos(t))
        })
        .collect();
    a.add(paint, &shape::tube(&handle, 0.006, 12));
    let looks = [("Sand", 0xd8c6a8), ("Brick", 0xa8452f), ("Olive", 0x6d7148), ("Night", 0x2c3440)]
        .map(|(name, hex)| look(name, &[&m.lacquer(hex, 0.42)]));
    Piece::new(a, "OrbitSideTable", looks.to_vec()).seen((32.0, 17.0), (-140.0, 24.0))
}

/// A desk with two drawers under a thin top and a raised rear edge.
pub(super) fn kontor(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let wood = a.surface("Wood", 0.9);
    let fronts = a.surface("Drawers", 0.9);
    let brass = a.surface("Fittings", 0.3);
    a.add(wood, &shape::rounded_box(vec3(1.3, 0.022, 0.62), 0.007).at(0.0, 0.729, 0.0));
    a.add(wood, &shape::rounded_box(vec3(1.3, 0.07, 0.018), 0.006).at(0.0, 0.765, -0.301));
    a.add(
        wood,
        &shape::rounded_box(vec3(0.018, 0.045, 0.3), 0.006).at(0.641, 0.755, -0.16).both_sides(),
    );
    a.add(wood, &shape::rounded_box(vec3(1.18, 0.016, 0.54), 0.004).at(0.0, 0.609, -0.01));
    a.add(
        wood,
        &shape::rounded_box(vec3(0.018, 0.12, 0.54), 0.004).at(0.59, 0.662, -0.01).both_sides(),
    );
    a.add(wood, &shape::rounded_box(vec3(1.18, 0.12, 0.016), 0.004).at(0.0, 0.662, -0.272));
    a.add(wood, &shape::rounded_box(vec3(0.018, 0.1, 0.5), 0.004).at(0.0, 0.662, -0.02));
    for x in [-0.2945, 0.2945] {
        a.add(fronts, &shape::rounded_box(vec3(0.565, 0.096, 0.02), 0.004).at(x, 0.667, 0.252));
        let knob = [
            (0.0, 0.0),
            (0.007, 0.0),
            (0.007, 0.012),
            (0.015, 0.018),
            (0.015, 0.026),
            (0.0, 0.028),
        ];
        let knob = shape::lathe(&shape::fillet(&knob, 0.004), 32).pitched(90.0);
        a.add(brass, &knob.at(x, 0.667, 0.261));
    }
    let leg = shape::taper(vec3(0.535, 0.61, 0.215), vec3(0.6, 0.012, 0.265), 0.023, 0.0135, 20);
    a.add(wood, &leg.four_corners());
    let ferrule =
        shape::taper(vec3(0.596, 0.05, 0.262), vec3(0.6015, 0.0, 0.2662), 0.0152, 0.0142, 20);
    a.add(brass, &ferrule.four_corners());
    let looks = [("Oak", "oak", 0xd9d2c3), ("Walnut", "walnut", 0x3f5147)]
        .map(|(name, kind, hex)| look(name, &[&m.wood(kind), &m.lacquer(hex, 0.45), &m.brass()]));
    Piece::new(a, "KontorDesk", looks.to_vec()).seen((30.0, 15.0), (-30.0, 28.0))
}

/// Two nesting tables with pebble-shaped tops.
pub(super) fn duo(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let high = a.surface("HighTop", 0.7);
    let low = a.surface("LowTop", 0.7);
    let legs = a.surface("Legs", 0.6);
    let pebble = |size: f32, phase: f32| {
        shape::outline_polygon(112, move |t| {
            size * (1.0 + 0.09 * cos(2.0 * t + phase) + 0.055 * cos(3.0 * t - phase))
        })
    };
    let mut table = |top, size: f32, height: f32, x: f32, z: f32, phase: f32| {
        a.add(top, &shape::plate(&pebble(size, phase), 0.024, 0.011).at(x, height - 0.024, z));
        for i in 0..3 {
            let t = TAU * (i as f32 / 3.0) + phase;
            let leg = shape::taper(
                vec3(x + size * 0.58 * cos(t), height - 0.02, z + size * 0.58 * sin(t)),
                vec3(x + size * 0.82 * cos(t), 0.0, z + size * 0.82 * sin(t)),
                0.017,
                0.011,
                16,
            );
            a.add(legs, &leg);
        }
    };
    table(high, 0.31, 0.46, -0.16, -0.08, 0.5);
    table(low, 0.25, 0.36, 0.26, 0.16, 2.2);
    let looks = [
        ("Oak and sage", "oak", 0x8f9c81),
        ("Walnut and cream", "walnut", 0xe9e0cf),
        ("Black and terracotta", "black_ash", 0xb56a4a),
    ]
    .map(|(name, kind, hex)| look(name, &[&m.wood(kind), &m.lacquer(hex, 0.4), &m.wood(kind)]));
    Piece::new(a, "DuoNestingTables", looks.to_vec()).seen((24.0, 22.0), (-40.0, 32.0))
}

/// A bistro table: terrazzo top, trumpet foot.
pub(super) fn piazza(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let top = a.surface("Top", 0.62);
    let foot = a.surface("Foot", 0.5);
    let edge = a.surface("Edge", 0.5);
    let disc = shape::plate(&shape::outline_circle(0.345, 120), 0.022, 0.005).at(0.0, 0.713, 0.0);
    a.add(top, &disc);
    let band = [(0.343, 0.707), (0.352, 0.707), (0.352, 0.737), (0.345, 0.737)];
    a.add(edge, &shape::lathe(&shape::fillet(&band, 0.002), 120));
    let mut profile = vec![(0.0, 0.0), (0.225, 0.0), (0.225, 0.008)];
    for i in 0..=20 {
        let t = i as f32 / 20.0;
        let r = 0.019 + 0.2 * (1.0 - t) * (1.0 - t) * (1.0 - t) * (1.0 - t);
        profile.push((r, 0.012 + 0.62 * t));
    }
    profile.extend([(0.022, 0.66), (0.05, 0.69), (0.11, 0.706), (0.0, 0.706)]);
    a.add(foot, &shape::lathe(&profile, 72).smooth());
    a.add(foot, &flat_grain(shape::cylinder(0.2, 0.006, 0.002, 48).at(0.0, 0.707, 0.0)));
    let looks = [
        ("Brass", &m.brass(), &m.brass()),
        ("Graphite", &m.black_steel(), &m.black_steel()),
        ("White", &m.lacquer(0xeae6dd, 0.35), &m.lacquer(0xeae6dd, 0.35)),
    ]
    .map(|(name, foot, edge)| look(name, &[&m.stone("terrazzo"), foot, edge]));
    Piece::new(a, "PiazzaBistroTable", looks.to_vec()).seen((25.0, 18.0), (0.0, 38.0))
}
