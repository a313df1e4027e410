//! Sideboards, shelves, baskets.

use media::math::PI;
use media::math::Vec3;
use media::math::cos;
use media::math::hash_unit;
use media::math::sin;
use media::math::vec3;
use media::model::Assembly;
use media::shape;
use media::shape::rounded_box;

use crate::materials::Materials;

use super::Piece;
use super::look;

/// A sideboard whose doors are rows of slats.
pub(super) fn linea(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let body = a.surface("Body", 1.0);
    let slats = a.surface("Slats", 0.8);
    let legs = a.surface("Legs", 0.6);
    a.add(body, &rounded_box(vec3(1.6, 0.024, 0.45), 0.008).at(0.0, 0.698, 0.0));
    a.add(body, &rounded_box(vec3(1.6, 0.024, 0.45), 0.008).at(0.0, 0.182, 0.0));
    a.add(body, &rounded_box(vec3(0.024, 0.5, 0.45), 0.008).at(0.788, 0.44, 0.0).both_sides());
    a.add(body, &rounded_box(vec3(1.56, 0.5, 0.012), 0.003).at(0.0, 0.44, -0.2));
    a.add(body, &rounded_box(vec3(1.552, 0.49, 0.014), 0.003).at(0.0, 0.44, 0.186));
    let mut x = -0.759_f32;
    while x < 0.765 {
        if x.abs() > 0.01 {
            a.add(slats, &rounded_box(vec3(0.0165, 0.482, 0.017), 0.007).at(x, 0.44, 0.2));
        }
        x += 0.02303;
    }
    for x in [-0.03, 0.03] {
        a.add(body, &rounded_box(vec3(0.014, 0.16, 0.022), 0.006).at(x, 0.44, 0.212));
    }
    let leg = shape::taper(vec3(0.62, 0.175, 0.14), vec3(0.655, 0.0, 0.165), 0.024, 0.014, 18);
    a.add(legs, &leg.four_corners());
    let looks = [("Oak", "oak"), ("Walnut", "walnut"), ("Black ash", "black_ash")]
        .map(|(name, kind)| look(name, &[&m.wood(kind), &m.wood(kind), &m.wood(kind)]));
    Piece::new(a, "LineaSideboard", looks.to_vec()).seen((30.0, 13.0), (-28.0, 8.0))
}

/// An open shelf on slim posts, with a few books and a box to show its scale.
pub(super) fn trellis(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let boards = a.surface("Boards", 1.0);
    let posts = a.surface("Posts", 0.5);
    for i in 0..5 {
        a.add(
            boards,
            &rounded_box(vec3(0.9, 0.022, 0.33), 0.007).at(0.0, 0.13 + 0.41 * i as f32, 0.0),
        );
    }
    for x in [-0.425, 0.425] {
        for z in [-0.14, 0.14] {
            a.add(posts, &shape::cylinder(0.011, 1.86, 0.004, 20).at(x, 0.0, z));
            for i in 0..5 {
                let collar = shape::cylinder(0.016, 0.012, 0.003, 20);
                a.add(posts, &collar.at(x, 0.107 + 0.41 * i as f32, z));
            }
        }
        let rail = shape::rod(vec3(x, 1.852, -0.14), vec3(x, 1.852, 0.14), 0.009, 14);
        a.add(posts, &rail);
    }
    let brace = shape::rod(vec3(-0.425, 0.14, -0.146), vec3(0.425, 0.95, -0.146), 0.004, 10);
    a.add(posts, &brace);
    a.add(posts, &shape::rod(vec3(0.425, 0.14, -0.152), vec3(-0.425, 0.95, -0.152), 0.004, 10));
    let looks = [
        ("Oak and black", m.wood("oak"), m.black_steel()),
        ("Walnut and brass", m.wood("walnut"), m.brass()),
        ("Black ash and steel", m.wood("black_ash"), m.chrome()),
    ]
    .map(|(name, wood, metal)| look(name, &[&wood, &metal]));
    Piece::new(a, "TrellisShelf", looks.to_vec()).seen((32.0, 10.0), (-38.0, 14.0))
}

/// A bedside table: a lacquered cube with rounded edges, one drawer and a niche.
pub(super) fn cubo(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let paint = a.surface("Body", 0.6);
    let drawer = a.surface("Drawer", 0.6);
    let metal = a.surface("Knob", 0.3);
    let (w, h, d) = (0.45, 0.44, 0.4);
    let foot = 0.045;
    a.add(paint, &rounded_box(vec3(w, 0.026, d), 0.012).at(0.0, foot + h - 0.013, 0.0));
    a.add(paint, &rounded_box(vec3(w, 0.026, d), 0.012).at(0.0, foot + 0.013, 0.0));
    a.add(
        paint,
        &rounded_box(vec3(0.026, h, d), 0.012)
            .at(w * 0.5 - 0.013, foot + h * 0.5, 0.0)
            .both_sides(),
    );
    a.add(
        paint,
        &rounded_box(vec3(w - 0.03, h - 0.03, 0.014), 0.003).at(
            0.0,
            foot + h * 0.5,
            -d * 0.5 + 0.012,
        ),
    );
    a.add(
        paint,
        &rounded_box(vec3(w - 0.04, 0.016, d - 0.02), 0.004).at(0.0, foot + 0.235, -0.004),
    );
    a.add(
        drawer,
        &rounded_box(vec3(w - 0.06, 0.162, 0.02), 0.006).at(0.0, foot + 0.328, d * 0.5 - 0.016),
    );
    a.add(drawer, &rounded_box(vec3(w - 0.08, 0.14, d - 0.06), 0.004).at(0.0, foot + 0.328, -0.01));
    let knob =
        [(0.0, 0.0), (0.008, 0.0), (0.008, 0.012), (0.018, 0.02), (0.018, 0.028), (0.0, 0.031)];
    let knob = shape::lathe(&shape::fillet(&knob, 0.005), 40).pitched(90.0);
    a.add(metal, &knob.at(0.0, foot + 0.328, d * 0.5 - 0.008));
    let peg = shape::cylinder(0.018, foot, 0.003, 28);
    a.add(metal, &peg.at(w * 0.5 - 0.05, 0.0, d * 0.5 - 0.05).four_corners());
    let looks = [
        ("Cloud", 0xe6e2d9, "oak"),
        ("Mustard", 0xcb9a3b, "oak"),
        ("Pine", 0x3c5a4b, "oak"),
        ("Plum", 0x653f4d, "walnut"),
    ]
    .map(|(name, hex, kind)| look(name, &[&m.lacquer(hex, 0.36), &m.wood(kind), &m.brass()]));
    Piece::new(a, "CuboBedside", looks.to_vec()).seen((30.0, 17.0), (-36.0, 26.0))
}

/// A basket of coiled rope with two leather handles.
pub(super) fn corda(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let rope = a.surface("Rope", 0.16);
    let hide = a.surface("Handles", 0.3);
    let coils = 17;
    let radius = |t: f32| 0.165 + 0.055 * sin((0.15 + 0.62 * t) * PI);
    let mut profile = vec![(0.0, 0.004), (0.15, 0.0)];
    for i in 0..coils {
        let t = i as f32 / coils as f32;
        let y = 0.011 + 0.0202 * i as f32;
        profile.extend(shape::arc((radius(t), y), 0.0112, -62.0, 62.0, 5));
    }
    let rim = 0.011 + 0.0202 * (coils - 1) as f32;
    profile.extend(shape::arc((radius(0.95), rim), 0.0112, 80.0, 180.0, 5));
    for i in (1..coils).rev() {
        let t = i as f32 / coils as f32;
        let y = 0.0 + 0.0202 * i as f32;
        profile.push((radius(t) - 0.0105, y));
    }
    profile.extend([(0.14, 0.02), (0.0, 0.018)]);
    let body = shape::lathe(&profile, 96).cross_grain().smooth();
    a.add(rope, &body);
    let strap: Vec<Vec3> = (0..=20)
        .map(|i| {
            let t = PI * i as f32 / 20.0;
            vec3(0.212 + 0.012 * sin(t), 0.285 + 0.1 * sin(t), 0.07 * cos(t))
        })
        .collect();
    let section = shape::Section::superellipse(0.012, 0.004, 3.0, 20);
    let handle = shape::sweep(&strap, &section, Vec3::X, |_| 1.0);
    a.add(hide, &handle.both_sides());
    let looks = [
        ("Natural", 0xd9c39b, 0x9a6238),
        ("Charcoal", 0x55524f, 0x2f2a27),
        ("Indigo", 0x4a5d85, 0x9a6238),
    ]
    .map(|(name, hex, strap)| look(name, &[&m.rope(hex), &m.leather(strap)]));
    Piece::new(a, "CordaBasket", looks.to_vec()).seen((28.0, 22.0), (-60.0, 38.0))
}

/// A coat stand of three crossing poles with turned pegs.
pub(super) fn ramo(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let wood = a.surface("Poles", 0.9);
    let pegs = a.surface("Pegs", 0.3);
    for i in 0..3 {
        let turn = 120.0 * i as f32;
        let foot = vec3(0.045, 0.0, 0.27);
        let head = vec3(-0.055, 1.76 - 0.05 * i as f32, -0.15);
        a.add(wood, &shape::taper(foot, head, 0.0175, 0.013, 20).yawed(turn));
        let along = (head - foot).normalized();
        for (k, back) in [0.05_f32, 0.27, 0.52].into_iter().enumerate() {
            let start = head - along * back;
            let out = vec3(-0.3 + 0.5 * hash_unit((i * 3 + k) as u32), 0.55, -0.9).normalized();
            let peg = shape::sweep(
                &shape::curve(&[start, start + out * 0.04, start + out * 0.09], 4),
                &shape::Section::circle(0.011, 16),
                Vec3::X,
                |t| 0.62 + 0.5 * t * t,
            );
            a.add(pegs, &peg.yawed(turn));
        }
    }
    let ring = [(0.052, 0.0), (0.064, 0.0), (0.064, 0.022), (0.052, 0.022), (0.052, 0.0)];
    a.add(pegs, &shape::lathe(&shape::fillet(&ring, 0.003), 48).at(0.0, 1.06, 0.0));
    let looks = [
        ("Oak", m.wood("oak"), m.black_steel()),
        ("Walnut", m.wood("walnut"), m.brass()),
        ("Black ash", m.wood("black_ash"), m.wood("oak")),
    ]
    .map(|(name, wood, peg)| look(name, &[&wood, &peg]));
    Piece::new(a, "RamoCoatStand", looks.to_vec()).seen((10.0, 8.0), (70.0, 20.0))
}
