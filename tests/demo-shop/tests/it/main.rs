//! The demo shop as a whole: seed and designs fit together and keep their budgets.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use demo_shop::catalogue::Seed;
use demo_shop::materials::Materials;
use demo_shop::pipeline;
use demo_shop::products;
use demo_shop::textures;
use media::glb;
use media::usdz;

/// Khronos' budget for one product on a phone.
const BYTES_MAX: usize = 3_000_000;
const TRIANGLES_MAX: usize = 150_000;
const DRAW_CALLS_MAX: usize = 20;

fn seed() -> Seed {
    Seed::load(&pipeline::default_seed()).expect("the seed is in order")
}

fn materials() -> &'static Materials {
    static MATERIALS: OnceLock<Materials> = OnceLock::new();
    MATERIALS.get_or_init(|| Materials::new(textures::all().expect("textures encode")))
}

#[test]
fn seed_is_large_enough_and_complete() {
    let seed = seed();
    assert!(seed.product.len() >= 24 && seed.category.len() >= 5);
    let mut skus = BTreeSet::new();
    let mut handles = BTreeSet::new();
    for product in &seed.product {
        assert!(handles.insert(&product.handle), "{} is there twice", product.handle);
        assert!((2..=4).contains(&product.variant.len()), "{}", product.handle);
        assert!(seed.category.iter().any(|c| c.handle == product.category), "{}", product.handle);
        assert!(product.description.len() > 80 && !product.tags.is_empty(), "{}", product.handle);
        for v in &product.variant {
            assert!(v.eur > 0 && v.usd > 0 && v.jpy > 0, "{} has three prices", v.sku);
            let is_sku = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            assert!(v.sku.chars().all(is_sku), "{}", v.sku);
            assert!(skus.insert(&v.sku), "{} is there twice", v.sku);
        }
    }
    for category in &seed.category {
        let picture = seed.product.iter().find(|p| p.handle == category.picture_of);
        assert_eq!(picture.map(|p| &p.category), Some(&category.handle));
    }
    let stock =
        |n: u32| seed.product.iter().flat_map(|p| &p.variant).filter(|v| v.stock == n).count();
    assert_eq!(stock(0), 1, "one variant is sold out");
    assert_eq!(stock(50), 1, "one variant has exactly 50 pieces");
}

#[test]
fn every_design_is_sold_and_every_product_designed() {
    let sold: BTreeSet<String> = seed().product.into_iter().map(|p| p.handle).collect();
    let designed: BTreeSet<String> =
        products::DESIGNS.iter().map(|d| d.handle.to_owned()).collect();
    assert_eq!(sold, designed);
    for placed in products::hero() {
        let design =
            products::DESIGNS.iter().find(|d| d.handle == placed.handle).expect("designed");
        let piece = (design.build)(materials());
        assert!(piece.model.looks.iter().any(|l| l.name == placed.look), "{placed:?}");
    }
}

#[test]
fn models_keep_their_budgets_and_stand_on_the_floor() {
    for product in &seed().product {
        let piece = pipeline::piece_of(product, materials()).expect("seed and design fit");
        let (model, handle) = (&piece.model, &product.handle);
        assert!(model.triangles() <= TRIANGLES_MAX, "{handle}: {} triangles", model.triangles());
        assert!(model.surfaces.len() < DRAW_CALLS_MAX, "{handle}");
        assert!(glb::write(model, glb::Looks::All).len() < BYTES_MAX, "{handle}");
        for i in 0..model.looks.len() {
            assert!(glb::write(model, glb::Looks::One(i)).len() < BYTES_MAX, "{handle}");
            let bytes = usdz::write(model, i).len();
            assert!(bytes < BYTES_MAX, "{handle}: USDZ of {bytes} bytes");
        }
        let bounds = model.bounds();
        assert!(bounds.min.y.abs() < 1e-5 && bounds.center().x.abs() < 1e-5, "{handle}");
        let tallest = bounds.size().to_array().into_iter().fold(0.0, f32::max);
        assert!((0.1..2.6).contains(&tallest), "{handle} is {tallest} m large");
    }
}

#[test]
fn every_normal_has_length_one() {
    for product in &seed().product {
        let piece = pipeline::piece_of(product, materials()).expect("seed and design fit");
        for surface in &piece.model.surfaces {
            assert!(surface.mesh.triangles() > 0, "{} {}", product.handle, surface.name);
            for (p, n) in surface.mesh.positions.iter().zip(&surface.mesh.normals) {
                let is_sound = (n.length() - 1.0).abs() < 1e-3 && p.length().is_finite();
                assert!(is_sound, "{} {}: {p:?} {n:?}", product.handle, surface.name);
            }
            assert!(surface.mesh.uvs.iter().flatten().all(|c| c.is_finite()), "{}", product.handle);
        }
    }
}

#[test]
fn the_same_product_gives_the_same_bytes() {
    let product = &seed().product[0];
    let write = |materials: &Materials| {
        let piece = pipeline::piece_of(product, materials).expect("seed and design fit");
        (glb::write(&piece.model, glb::Looks::All), usdz::write(&piece.model, 0))
    };
    let fresh = Materials::new(textures::all().expect("textures encode"));
    assert!(write(&fresh) == write(materials()));
}
