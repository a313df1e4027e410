//! Lamps; all are switched on in their pictures.

use media::math::PI;
use media::math::TAU;
use media::math::Vec3;
use media::math::cos;
use media::math::sin;
use media::math::vec3;
use media::model::Assembly;
use media::render::Lamp;
use media::shape;

use crate::materials::Materials;

use super::Piece;
use super::look;
use super::seating::flat_grain;

/// Moves a lamp as [`Assembly::finish`] moved the model: the difference of the two origins.
fn lit(mut piece: Piece, lamps: &[(Vec3, f32)], shift: Vec3) -> Piece {
    piece.lamps =
        lamps.iter().map(|(place, power)| Lamp { place: *place + shift, power: *power }).collect();
    piece
}

/// A table lamp like a mushroom: opal dome on a stoneware foot.
pub(super) fn luma(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let foot = a.surface("Foot", 0.35);
    let dome = a.surface("Dome", 0.4);
    let neck = a.surface("Collar", 0.3);
    let profile = [
        (0.0, 0.0),
        (0.088, 0.0),
        (0.1, 0.02),
        (0.078, 0.09),
        (0.05, 0.17),
        (0.044, 0.225),
        (0.0, 0.23),
    ];
    let body = shape::fillet(&shape::fillet(&profile, 0.03), 0.012);
    a.add(foot, &shape::lathe(&body, 72).smooth());
    a.add(neck, &shape::cylinder(0.047, 0.014, 0.003, 64).at(0.0, 0.222, 0.0));
    let mut shade = vec![(0.0, 0.245), (0.12, 0.238)];
    shade.extend(
        shape::arc((0.0, 0.255), 0.15, -8.0, 90.0, 28)
            .into_iter()
            .map(|(r, y)| (r, 0.255 + (y - 0.255) * 0.78)),
    );
    a.add(dome, &shape::lathe(&shape::fillet(&shade, 0.012), 88).smooth());
    let looks =
        [("Chalk", 0xe9e3d8), ("Ochre", 0xc58f3e), ("Moss", 0x73805b), ("Midnight", 0x37455a)]
            .map(|(name, hex)| look(name, &[&m.glaze(hex, 0.32), &m.glow(0xfff0d6), &m.brass()]));
    let piece = Piece::new(a, "LumaTableLamp", looks.to_vec()).seen((24.0, 10.0), (24.0, 30.0));
    lit(piece, &[(vec3(0.0, 0.29, 0.0), 0.06)], Vec3::ZERO)
}

/// An arc floor lamp: stone foot, long bow, spun shade.
pub(super) fn arca(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let stone = a.surface("Foot", 0.5);
    let metal = a.surface("Bow", 0.4);
    let bulb = a.surface("Diffuser", 0.3);
    a.add(stone, &shape::rounded_box(vec3(0.26, 0.16, 0.26), 0.018).at(-0.6, 0.08, 0.0));
    let bow: Vec<Vec3> = (0..=56)
        .map(|i| {
            let t = PI * (0.985 - 0.76 * i as f32 / 56.0);
            vec3(-0.02 + 0.58 * cos(t) - 0.0, 0.76 + 1.06 * sin(t), 0.0)
        })
        .collect();
    let mut path = vec![vec3(-0.6, 0.12, 0.0), vec3(-0.6, 0.4, 0.0)];
    path.extend(bow);
    let end = path[path.len() - 1];
    a.add(metal, &shape::tube(&shape::curve(&path, 2), 0.0125, 18));
    a.add(metal, &shape::cylinder(0.03, 0.05, 0.006, 40).at(-0.6, 0.155, 0.0));
    let top = end.y - 0.03;
    let mut shade = shape::arc((0.0, 0.0), 0.16, 4.0, 86.0, 20);
    shade.extend(shape::arc((0.0, 0.0), 0.155, 86.0, 4.0, 20));
    shade.push(shade[0]);
    let tilt = 12.0;
    let hung = vec3(end.x + 0.02, top - 0.13, 0.0);
    a.add(metal, &shape::lathe(&shade, 80).rolled(tilt).moved(hung));
    a.add(
        metal,
        &shape::cylinder(0.022, 0.04, 0.005, 32).at(0.0, 0.148, 0.0).rolled(tilt).moved(hung),
    );
    let disc = shape::ball(vec3(0.065, 0.065, 0.065), 36).at(0.0, 0.045, 0.0);
    a.add(bulb, &disc.rolled(tilt).moved(hung));
    let looks = [
        ("Brass and Carrara", m.stone("carrara"), m.brass()),
        ("Black and Nero", m.stone("nero"), m.black_steel()),
        ("Chrome and Verde", m.stone("verde"), m.chrome()),
    ]
    .map(|(name, stone, metal)| look(name, &[&stone, &metal, &m.glow(0xffedd0)]));
    let center = (-0.73 + hung.x + 0.16) * 0.5;
    let piece = Piece::new(a, "ArcaFloorLamp", looks.to_vec()).seen((22.0, 9.0), (-35.0, 5.0));
    lit(piece, &[(hung + vec3(0.0, -0.03, 0.0), 0.28)], vec3(-center, 0.0, 0.0))
}

/// A floor lamp on three wooden legs under a linen drum.
pub(super) fn pinna(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let wood = a.surface("Legs", 0.8);
    let linen = a.surface("Shade", 0.25);
    let metal = a.surface("Fittings", 0.3);
    for i in 0..3 {
        let leg = shape::taper(vec3(0.0, 1.2, 0.035), vec3(0.0, 0.0, 0.3), 0.016, 0.0115, 18);
        a.add(wood, &leg.yawed(120.0 * i as f32));
    }
    a.add(metal, &shape::cylinder(0.055, 0.03, 0.006, 48).at(0.0, 1.16, 0.0));
    a.add(metal, &shape::cylinder(0.009, 0.2, 0.002, 24).at(0.0, 1.18, 0.0));
    a.add(metal, &shape::cylinder(0.018, 0.02, 0.004, 32).at(0.0, 1.5, 0.0));
    for i in 0..3 {
        let spoke = shape::rod(vec3(0.0, 1.497, 0.0), vec3(0.0, 1.497, 0.196), 0.003, 8);
        a.add(metal, &spoke.yawed(120.0 * i as f32));
    }
    a.add(metal, &shape::cylinder(0.004, 0.15, 0.001, 12).at(0.0, 1.37, 0.0));
    let shade = [(0.235, 1.19), (0.2, 1.5), (0.198, 1.5), (0.233, 1.19), (0.235, 1.19)];
    a.add(linen, &shape::lathe(&shade, 96));
    let looks = [
        ("Oak", "oak", 0xf0e4cd),
        ("Walnut", "walnut", 0xe9dcc2),
        ("Black ash", "black_ash", 0xe2dccf),
    ]
    .map(|(name, kind, hex)| look(name, &[&m.wood(kind), &m.lit_fabric(hex), &m.brass()]));
    let piece = Piece::new(a, "PinnaFloorLamp", looks.to_vec()).seen((18.0, 8.0), (50.0, 3.0));
    lit(piece, &[(vec3(0.0, 1.33, 0.0), 0.2)], Vec3::ZERO)
}

/// A desk lamp with two sprung arms and a conical head.
pub(super) fn faro(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let paint = a.surface("Body", 0.4);
    let metal = a.surface("Joints", 0.3);
    let bulb = a.surface("Bulb", 0.3);
    let foot =
        [(0.0, 0.0), (0.092, 0.0), (0.092, 0.012), (0.03, 0.024), (0.018, 0.05), (0.0, 0.052)];
    a.add(paint, &shape::lathe(&shape::fillet(&foot, 0.008), 72));
    let (hip, elbow, wrist) =
        (vec3(0.0, 0.055, 0.0), vec3(-0.15, 0.315, 0.0), vec3(0.13, 0.47, 0.0));
    for z in [-0.011, 0.011] {
        let side = vec3(0.0, 0.0, z);
        a.add(paint, &shape::rod(hip + side, elbow + side, 0.0055, 14));
        a.add(paint, &shape::rod(elbow + side, wrist + side, 0.0055, 14));
    }
    for joint in [hip, elbow, wrist] {
        let drum = shape::cylinder(0.016, 0.036, 0.004, 36).pitched(90.0);
        a.add(metal, &drum.moved(joint + vec3(0.0, 0.0, -0.018)));
    }
    let spring = |from: Vec3, to: Vec3, turns: f32| {
        let axis = (to - from).normalized();
        let (s, t) = (axis.perpendicular(), axis.cross(axis.perpendicular()));
        let path: Vec<Vec3> = (0..=(turns as usize * 10))
            .map(|i| {
                let w = i as f32 / (turns * 10.0);
                let angle = TAU * turns * w;
                from.lerp(to, w) + s * (0.0055 * cos(angle)) + t * (0.0055 * sin(angle))
            })
            .collect();
        shape::tube(&path, 0.0013, 6)
    };
    a.add(metal, &spring(hip.lerp(elbow, 0.12), hip.lerp(elbow, 0.5), 14.0));
    let mut cone = vec![
        (0.082, -0.085),
        (0.075, -0.055),
        (0.045, 0.0),
        (0.027, 0.03),
        (0.022, 0.062),
        (0.0, 0.068),
    ];
    cone = shape::fillet(&cone, 0.018);
    let mut profile =
        vec![(0.0, 0.055), (0.02, 0.05), (0.043, -0.002), (0.0735, -0.057), (0.0805, -0.085)];
    profile.extend(cone);
    let head = wrist + vec3(0.052, -0.012, 0.0);
    a.add(paint, &shape::lathe(&profile, 72).rolled(32.0).moved(head));
    let light =
        shape::ball(vec3(0.03, 0.034, 0.03), 28).at(0.0, -0.035, 0.0).rolled(32.0).moved(head);
    a.add(bulb, &light);
    let looks =
        [("Cream", 0xe8dfcc), ("Tomato", 0xbf3d2b), ("Petrol", 0x2f5560), ("Black", 0x26272a)]
            .map(|(name, hex)| look(name, &[&m.lacquer(hex, 0.3), &m.chrome(), &m.glow(0xffefd6)]));
    let bounds_center = vec3(-0.02, 0.0, 0.0);
    let piece = Piece::new(a, "FaroDeskLamp", looks.to_vec()).seen((24.0, 10.0), (-40.0, 12.0));
    lit(piece, &[(head + vec3(0.04, -0.11, 0.0) + bounds_center, 0.05)], Vec3::ZERO)
}

/// A paper lantern standing on a ring of wood.
pub(super) fn kumo(m: &Materials) -> Piece {
    let mut a = Assembly::new();
    let paper = a.surface("Paper", 0.4);
    let wood = a.surface("Stand", 0.4);
    let mut profile = Vec::new();
    for i in 0..=216 {
        let t = i as f32 / 216.0;
        let angle = (-72.0 + 144.0 * t) * PI / 180.0;
        let fold = (t * 18.0 - (t * 18.0).floor() - 0.5).abs();
        let r = 0.215 * cos(angle) * (1.0 - 0.022 * fold * 2.0);
        profile.push((r, 0.245 + 0.19 * sin(angle)));
    }
    let top = profile[profile.len() - 1];
    profile.push((0.0, top.1 - 0.004));
    profile.insert(0, (0.0, profile[0].1 + 0.004));
    a.add(paper, &shape::lathe(&profile, 96).smooth());
    let ring = [(0.062, 0.048), (0.08, 0.048), (0.08, 0.07), (0.062, 0.07), (0.062, 0.048)];
    a.add(wood, &shape::lathe(&shape::fillet(&ring, 0.004), 64));
    for i in 0..3 {
        let leg = shape::taper(vec3(0.0, 0.066, 0.072), vec3(0.0, 0.0, 0.11), 0.009, 0.007, 14);
        a.add(wood, &leg.yawed(120.0 * i as f32 + 20.0));
    }
    a.add(wood, &flat_grain(shape::cylinder(0.07, 0.012, 0.004, 64)).at(0.0, 0.424, 0.0));
    let looks = [("Natural and oak", 0xfff4e0, "oak"), ("Blush and walnut", 0xf6d3c2, "walnut")]
        .map(|(name, hex, kind)| look(name, &[&m.lit_paper(hex), &m.wood(kind)]));
    let piece = Piece::new(a, "KumoLantern", looks.to_vec()).seen((20.0, 9.0), (20.0, 28.0));
    lit(piece, &[(vec3(0.0, 0.245, 0.0), 0.07)], Vec3::ZERO)
}
