//! The files that `media` writes, read back byte by byte.

use std::sync::Arc;

use media::glb;
use media::math::Vec3;
use media::math::vec3;
use media::mesh::Mesh;
use media::model::Assembly;
use media::model::Look;
use media::model::Material;
use media::model::Model;
use media::render::Camera;
use media::render::Scene;
use media::render::SurfaceKind;
use media::render::View;
use media::render::expose;
use media::shape;
use media::texture::Texture;
use media::usdz;

fn model() -> Model {
    let texture = Texture::color("check", 64, 80, |u, v| vec3(u, v, 0.5)).expect("encodes");
    let bumps =
        Texture::normal("bumps", 64, 0.05, |u, v| media::noise::value(u * 8.0, v * 8.0, (8, 8), 3))
            .expect("encodes");
    let plain = Arc::new(Material::plain("red", vec3(0.8, 0.1, 0.1), 0.0, 0.5));
    let cloth = Material {
        base_map: Some(Arc::new(texture)),
        normal_map: Some(Arc::new(bumps)),
        ..(*plain).clone()
    };
    let cloth = Arc::new(Material { name: "cloth".to_owned(), ..cloth });
    let mut assembly = Assembly::new();
    let top = assembly.surface("Top", 0.5);
    let leg = assembly.surface("Leg", 0.5);
    assembly.add(top, &shape::rounded_box(vec3(0.6, 0.1, 0.4), 0.02).at(3.0, 0.45, 1.0));
    assembly.add(leg, &shape::taper(vec3(3.0, 0.4, 1.0), vec3(3.0, 0.0, 1.0), 0.05, 0.03, 12));
    let look = |name: &str, materials: [&Arc<Material>; 2]| Look {
        name: name.to_owned(),
        materials: materials.map(Arc::clone).to_vec(),
    };
    assembly.finish("Table", vec![look("Red", [&plain, &plain]), look("Cloth", [&cloth, &plain])])
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

fn json(glb: &[u8]) -> serde_json::Value {
    serde_json::from_slice(&glb[20..20 + word(glb, 12)]).expect("the first chunk is JSON")
}

#[test]
fn glb_chunks_are_aligned_and_their_lengths_are_true() {
    for looks in [glb::Looks::All, glb::Looks::One(0), glb::Looks::One(1)] {
        let bytes = glb::write(&model(), looks);
        assert_eq!(&bytes[..4], b"glTF");
        assert_eq!(word(&bytes, 4), 2);
        assert_eq!(word(&bytes, 8), bytes.len());
        let json_length = word(&bytes, 12);
        assert_eq!(&bytes[16..20], b"JSON");
        assert_eq!(json_length % 4, 0);
        let binary = 20 + json_length;
        assert_eq!(&bytes[binary + 4..binary + 8], b"BIN\0");
        assert_eq!(word(&bytes, binary) + binary + 8, bytes.len());
        assert_eq!(json(&bytes)["buffers"][0]["byteLength"], word(&bytes, binary));
    }
}

#[test]
fn glb_position_ranges_are_those_of_the_data() {
    let bytes = glb::write(&model(), glb::Looks::All);
    let document = json(&bytes);
    let start = 28 + word(&bytes, 12);
    for primitive in document["meshes"][0]["primitives"].as_array().expect("primitives") {
        // serde_json's quick parser may be off by the last bit of a double.
        let single = |v: &serde_json::Value| v.as_f64().expect("a number") as f32;
        let at = |v: &serde_json::Value| v.as_u64().expect("a number") as usize;
        let accessor = &document["accessors"][at(&primitive["attributes"]["POSITION"])];
        let view = &document["bufferViews"][at(&accessor["bufferView"])];
        let offset = start + at(&view["byteOffset"]);
        assert_eq!(offset % 4, start % 4, "float data begins on four bytes");
        for axis in 0..3 {
            let values = (0..at(&accessor["count"])).map(|i| {
                f64::from(f32::from_bits(word(&bytes, offset + i * 12 + axis * 4) as u32))
            });
            let (low, high) = values.fold((f64::MAX, f64::MIN), |r, v| (r.0.min(v), r.1.max(v)));
            assert_eq!(single(&accessor["min"][axis]), low as f32);
            assert_eq!(single(&accessor["max"][axis]), high as f32);
        }
    }
}

#[test]
fn only_the_web_file_switches_variants() {
    let web = json(&glb::write(&model(), glb::Looks::All));
    assert_eq!(web["extensionsUsed"][0], "KHR_materials_variants");
    assert_eq!(web["extensions"]["KHR_materials_variants"]["variants"][1]["name"], "Cloth");
    let plain = json(&glb::write(&model(), glb::Looks::One(1)));
    assert!(plain["extensionsUsed"].is_null() && plain["extensions"].is_null());
    assert_eq!(plain["materials"][0]["name"], "cloth");
}

#[test]
fn normal_mapped_surfaces_carry_tangents_and_plain_ones_no_coordinates() {
    let plain = json(&glb::write(&model(), glb::Looks::One(1)));
    let attributes = |i: usize| plain["meshes"][0]["primitives"][i]["attributes"].clone();
    assert!(attributes(0)["TANGENT"].is_u64() && attributes(0)["TEXCOORD_0"].is_u64());
    assert!(attributes(1)["TANGENT"].is_null() && attributes(1)["TEXCOORD_0"].is_null());
}

#[test]
fn usdz_files_are_stored_on_64_byte_borders_with_the_scene_first() {
    let bytes = usdz::write(&model(), 1);
    let mut names = Vec::new();
    let mut at = 0;
    while &bytes[at..at + 4] == b"PK\x03\x04" {
        let half = |i: usize| usize::from(u16::from_le_bytes([bytes[at + i], bytes[at + i + 1]]));
        let (method, size) = (half(8), word(&bytes, at + 18));
        assert_eq!(method, 0, "stored");
        assert_eq!(size, word(&bytes, at + 22));
        let data = at + 30 + half(26) + half(28);
        assert_eq!(data % 64, 0);
        names.push(String::from_utf8_lossy(&bytes[at + 30..at + 30 + half(26)]).into_owned());
        at = data + size;
    }
    assert_eq!(names, ["model.usda", "textures/check.jpg", "textures/bumps.jpg"]);
    assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
}

#[test]
fn a_finished_model_stands_on_the_floor_in_the_middle() {
    let bounds = model().bounds();
    assert!(bounds.min.y.abs() < 1e-6);
    assert!(bounds.center().x.abs() < 1e-6 && bounds.center().z.abs() < 1e-6);
}

/// Every shape is closed (each edge is used once in each direction), faces outwards and has proper normals.
fn check(name: &str, mesh: &Mesh) {
    for (p, n) in mesh.positions.iter().zip(&mesh.normals) {
        assert!((n.length() - 1.0).abs() < 1e-3 && p.length().is_finite(), "{name}: normal {n:?}");
    }
    let volume: f32 = mesh
        .indices
        .chunks_exact(3)
        .map(|t| {
            let [a, b, c] = [t[0], t[1], t[2]].map(|i| mesh.positions[i as usize]);
            a.dot(b.cross(c)) / 6.0
        })
        .sum();
    assert!(volume > 0.0, "{name} is inside out: {volume}");
    let agreeing = mesh.indices.chunks_exact(3).filter(|t| {
        let [a, b, c] = [t[0], t[1], t[2]].map(|i| mesh.positions[i as usize]);
        let n = t.iter().fold(Vec3::ZERO, |s, i| s + mesh.normals[*i as usize]);
        (b - a).cross(c - a).dot(n) > 0.0
    });
    let share = agreeing.count() as f32 / mesh.triangles() as f32;
    assert!(share > 0.97, "{name}: only {share} of the triangles face along their normals");
}

#[test]
fn shapes_face_outwards() {
    check("box", &shape::rounded_box(vec3(1.0, 0.4, 0.6), 0.05));
    check("cushion", &shape::cushion(vec3(0.6, 0.16, 0.6), 0.05, 0.03));
    check("cylinder", &shape::cylinder(0.3, 0.5, 0.02, 48));
    check("ball", &shape::ball(vec3(0.2, 0.3, 0.2), 32));
    check("tube", &shape::tube(&[Vec3::ZERO, vec3(0.2, 0.5, 0.0), vec3(0.4, 0.6, 0.3)], 0.03, 16));
    check("taper", &shape::taper(vec3(0.1, 0.7, 0.1), vec3(0.2, 0.0, 0.2), 0.03, 0.02, 16));
    check("plate", &shape::plate(&shape::outline_superellipse(0.5, 0.3, 3.0, 64), 0.03, 0.01));
    check("shell", &shape::shell(|u, v| vec3(u - 0.5, 0.2 * u * v, 0.5 - v), 12, 12, 0.02));
    check("mirrored", &shape::cylinder(0.3, 0.5, 0.02, 48).at(1.0, 0.0, 0.0).mirrored());
    let circle: Vec<Vec3> =
        shape::outline_circle(0.3, 48).iter().map(|p| vec3(p.0, 0.0, -p.1)).collect();
    check("ring", &shape::ring(&circle, Vec3::ZERO, 0.02, 12));
}

#[test]
fn a_picture_shows_the_object_and_its_shadow_on_light_paper() {
    let model = model();
    let scene =
        Scene::new(model.surfaces.iter().map(|s| (&s.mesh, SurfaceKind::Solid)), Vec::new());
    let points: Vec<Vec3> =
        model.surfaces.iter().flat_map(|s| s.mesh.positions.iter().copied()).collect();
    let view = View { yaw: 30.0, pitch: 15.0, field: 20.0, fill: 0.8, width: 64, height: 64 };
    let camera = Camera::framing(&points, &view);
    let rgb = expose(&scene, &camera).develop(&model.looks[0].materials);
    assert_eq!(rgb, expose(&scene, &camera).develop(&model.looks[0].materials));
    let pixel = |x: usize, y: usize| &rgb[(y * 64 + x) * 3..][..3];
    assert!(pixel(1, 1).iter().all(|c| *c > 220), "paper: {:?}", pixel(1, 1));
    let is_red = |p: &[u8]| i32::from(p[0]) > i32::from(p[1]) + 60;
    let red = rgb.chunks_exact(3).filter(|p| is_red(p)).count();
    let shadow = rgb.chunks_exact(3).filter(|p| !is_red(p) && p[0] < 215).count();
    assert!(red > 300 && shadow > 30, "red {red}, shadow {shadow}");
}
