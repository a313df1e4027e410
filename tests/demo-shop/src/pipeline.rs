//! From seed and designs to files.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use media::glb;
use media::math::Vec3;
use media::model::Model;
use media::picture::jpeg_within;
use media::render::Camera;
use media::render::Scene;
use media::render::SurfaceKind;
use media::render::View;
use media::render::expose;
use media::usdz;

use crate::catalogue::ArEntry;
use crate::catalogue::Catalogue;
use crate::catalogue::Category;
use crate::catalogue::Image;
use crate::catalogue::ModelEntry;
use crate::catalogue::Price;
use crate::catalogue::Product;
use crate::catalogue::ProductOption;
use crate::catalogue::Seed;
use crate::catalogue::SeedProduct;
use crate::catalogue::Variant;
use crate::materials::Finish;
use crate::materials::Materials;
use crate::output::Store;
use crate::parallel;
use crate::products;
use crate::products::Design;
use crate::products::Piece;
use crate::progress::Progress;
use crate::textures;

/// Side of a product picture, in pixels.
const PICTURE_SIDE: usize = 960;
/// Largest product picture: 120 KB.
const PICTURE_BYTES_MAX: usize = 120 * 1000;
/// Largest hero picture: 260 KB.
const HERO_BYTES_MAX: usize = 260 * 1000;

/// The seed file of the clone that cargo runs this for, or of the working folder.
#[must_use]
pub fn default_seed() -> PathBuf {
    // Read as it runs: clones share a cache, and cargo takes the program that another one built for fresh.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let clone = package.map_or_else(|| PathBuf::from("."), |package| package.join("../.."));
    clone.join("assets/seed/catalogue.toml")
}

/// One thing to do in parallel.
enum Job<'a> {
    Hero,
    Product(&'a SeedProduct, Box<Piece>),
}

/// What a job made.
enum Made {
    Hero(String),
    Product(Box<Product>),
}

/// Builds everything into `out`; with `only`, one product and no hero picture.
///
/// # Errors
/// When seed and designs do not fit together, or files cannot be written.
pub fn run(seed: &Path, out: &Path, only: Option<&str>, progress: &Progress) -> anyhow::Result<()> {
    let seed = Seed::load(seed)?;
    let store = Store::open(out)?;
    let chosen: Vec<&SeedProduct> =
        seed.product.iter().filter(|p| only.is_none_or(|handle| handle == p.handle)).collect();
    anyhow::ensure!(!chosen.is_empty(), "no product has the handle {}", only.unwrap_or("(any)"));
    progress.expect(chosen.len() + 1 + usize::from(only.is_none()));
    let materials = Materials::new(textures::all()?);
    progress.step("textures");
    let mut jobs = Vec::new();
    if only.is_none() {
        jobs.push(Job::Hero);
    }
    for product in chosen {
        jobs.push(Job::Product(product, Box::new(piece_of(product, &materials)?)));
    }
    let made = parallel::map(&jobs, |job| work(job, &store, &materials, progress));
    let (mut hero, mut products) = (None, Vec::new());
    for result in made {
        match result? {
            Made::Hero(url) => hero = Some(url),
            Made::Product(product) => products.push(*product),
        }
    }
    write_catalogue(&seed, out, hero, products)
}

fn work(
    job: &Job<'_>,
    store: &Store,
    materials: &Materials,
    progress: &Progress,
) -> anyhow::Result<Made> {
    match job {
        Job::Hero => {
            let url = hero(store, materials).context("make the hero picture")?;
            progress.step("hero picture");
            Ok(Made::Hero(url))
        }
        Job::Product(seed, piece) => {
            let product =
                product(seed, piece, store).with_context(|| format!("make {}", seed.handle))?;
            progress.step(&seed.handle);
            Ok(Made::Product(Box::new(product)))
        }
    }
}

/// Shapes a product and puts its looks in the order of the seed's variants.
///
/// # Errors
/// When there is no design for it, or a variant has no look.
pub fn piece_of(seed: &SeedProduct, materials: &Materials) -> anyhow::Result<Piece> {
    let design: &Design = products::DESIGNS
        .iter()
        .find(|d| d.handle == seed.handle)
        .with_context(|| format!("{} has no design", seed.handle))?;
    let mut piece = (design.build)(materials);
    let mut looks = Vec::new();
    for variant in &seed.variant {
        let look = piece.model.looks.iter().find(|l| l.name == variant.name);
        looks.push(
            look.with_context(|| format!("{} has no look {}", seed.handle, variant.name))?.clone(),
        );
    }
    piece.model.looks = looks;
    Ok(piece)
}

fn write_catalogue(
    seed: &Seed,
    out: &Path,
    hero_image_url: Option<String>,
    products: Vec<Product>,
) -> anyhow::Result<()> {
    let picture_of = |handle: &str| {
        products
            .iter()
            .find(|p| p.handle == handle)
            .and_then(|p| p.images.first())
            .map(|i| i.url.clone())
    };
    let categories = seed.category.iter().enumerate().map(|(i, c)| Category {
        handle: c.handle.clone(),
        title: c.title.clone(),
        description: c.description.clone(),
        position: i + 1,
        image_url: picture_of(&c.picture_of),
    });
    let categories = categories.collect();
    let currencies = ["EUR", "USD", "JPY"].map(str::to_owned).to_vec();
    let catalogue = Catalogue { currencies, hero_image_url, categories, products };
    let path = out.join("catalogue.json");
    let mut text = serde_json::to_string_pretty(&catalogue).context("encode catalogue")?;
    text.push('\n');
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

fn product(seed: &SeedProduct, piece: &Piece, store: &Store) -> anyhow::Result<Product> {
    let model = &piece.model;
    let (pictures, second) = photograph(piece)?;
    let web = glb::write(model, glb::Looks::All);
    let web_glb_url = store.put(&web, "glb")?;
    let (dimensions_mm, triangles) = (model.dimensions_mm(), model.triangles());
    let mut variants = Vec::new();
    let mut images = Vec::new();
    for (i, v) in seed.variant.iter().enumerate() {
        let plain = glb::write(model, glb::Looks::One(i));
        let package = usdz::write(model, i);
        let image_url = store.put(&pictures[i], "jpg")?;
        let image_alt =
            format!("{} in {}, seen from the front right", seed.title, v.name.to_lowercase());
        images.push(Image { url: image_url.clone(), alt: image_alt.clone() });
        let price = |currency: &str, minor| Price { currency: currency.to_owned(), minor };
        variants.push(Variant {
            sku: v.sku.clone(),
            title: v.name.clone(),
            options: [(seed.option.clone(), v.name.clone())].into(),
            prices: vec![price("EUR", v.eur), price("USD", v.usd), price("JPY", v.jpy)],
            stock: v.stock,
            ar: ArEntry {
                material_variant: v.name.clone(),
                web_glb_url: web_glb_url.clone(),
                plain_glb_url: store.put(&plain, "glb")?,
                usdz_url: store.put(&package, "usdz")?,
                poster_url: image_url.clone(),
                dimensions_mm,
                triangles,
                bytes_glb: plain.len(),
                bytes_usdz: package.len(),
            },
            image_url,
            image_alt,
        });
    }
    let first = seed.variant.first().map_or("", |v| v.name.as_str()).to_lowercase();
    let alt = format!("{} in {first}, another view", seed.title);
    images.insert(1, Image { url: store.put(&second, "jpg")?, alt });
    let values = seed.variant.iter().map(|v| v.name.clone()).collect();
    Ok(Product {
        handle: seed.handle.clone(),
        title: seed.title.clone(),
        subtitle: seed.subtitle.clone(),
        description: seed.description.clone(),
        category: seed.category.clone(),
        tags: seed.tags.clone(),
        materials: seed.materials.clone(),
        featured: seed.featured,
        created_at: seed.created_at.clone(),
        options: vec![ProductOption { name: seed.option.clone(), values }],
        images,
        model: ModelEntry { web_glb_url, triangles, bytes: web.len(), dimensions_mm },
        variants,
    })
}

/// How a surface meets light, judged by all its materials.
fn kind<'a>(mut finishes: impl Iterator<Item = &'a Finish>) -> SurfaceKind {
    match finishes.next() {
        Some(f) if f.opacity < 1.0 => SurfaceKind::Clear,
        Some(f) if f.emissive.length() > 0.0 => SurfaceKind::Glowing,
        _ => SurfaceKind::Solid,
    }
}

fn surfaces(model: &Model) -> impl Iterator<Item = (&media::mesh::Mesh, SurfaceKind)> {
    model
        .surfaces
        .iter()
        .enumerate()
        .map(|(i, s)| (&s.mesh, kind(model.looks.iter().map(move |l| &l.materials[i]))))
}

/// One picture per look, and a second view of the first look, as JPEG files.
fn photograph(piece: &Piece) -> anyhow::Result<(Vec<Vec<u8>>, Vec<u8>)> {
    let model = &piece.model;
    let scene = Scene::new(surfaces(model), piece.lamps.clone());
    let points: Vec<Vec3> =
        model.surfaces.iter().flat_map(|s| s.mesh.positions.iter().copied()).collect();
    let view = |(yaw, pitch): (f32, f32)| View {
        yaw,
        pitch,
        field: 20.0,
        fill: 0.85,
        width: PICTURE_SIDE,
        height: PICTURE_SIDE,
    };
    let finish = |rgb: &[u8]| jpeg_within(rgb, PICTURE_SIDE, PICTURE_SIDE, PICTURE_BYTES_MAX);
    let shot = expose(&scene, &Camera::framing(&points, &view(piece.views[0])));
    let mut pictures = Vec::new();
    for look in &model.looks {
        pictures.push(finish(&shot.develop(&look.materials))?);
    }
    let shot = expose(&scene, &Camera::framing(&points, &view(piece.views[1])));
    let second = finish(&shot.develop(&model.looks[0].materials))?;
    Ok((pictures, second))
}

/// Several pieces together, wide.
fn hero(store: &Store, materials: &Materials) -> anyhow::Result<String> {
    let (mut meshes, mut finishes, mut lamps) = (Vec::new(), Vec::new(), Vec::new());
    for placed in products::hero() {
        let design = products::DESIGNS.iter().find(|d| d.handle == placed.handle);
        let design = design.with_context(|| format!("{} has no design", placed.handle))?;
        let piece = (design.build)(materials);
        let look = piece.model.looks.iter().find(|l| l.name == placed.look);
        let look =
            look.with_context(|| format!("{} has no look {}", placed.handle, placed.look))?;
        for (surface, finish) in piece.model.surfaces.iter().zip(&look.materials) {
            meshes.push(surface.mesh.clone().yawed(placed.yaw).at(placed.x, placed.y, placed.z));
            finishes.push(finish.clone());
        }
        for mut lamp in piece.lamps {
            lamp.place = lamp.place.rotated(Vec3::Y, placed.yaw.to_radians());
            lamp.place += Vec3 { x: placed.x, y: placed.y, z: placed.z };
            lamps.push(lamp);
        }
    }
    let kinds = finishes.iter().map(|f| kind(std::iter::once(f)));
    let scene = Scene::new(meshes.iter().zip(kinds), lamps);
    let points: Vec<Vec3> = meshes.iter().flat_map(|m| m.positions.iter().copied()).collect();
    let (width, height) = (1600, 900);
    let view = View { yaw: 0.0, pitch: 9.0, field: 24.0, fill: 0.9, width, height };
    let shot = expose(&scene, &Camera::framing(&points, &view));
    let rgb = shot.develop(&finishes);
    store.put(&jpeg_within(&rgb, width, height, HERO_BYTES_MAX)?, "jpg")
}
