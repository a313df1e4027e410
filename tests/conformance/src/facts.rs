//! What the clone's built files and the demo shop are called: names change with content, so cases ask here.

use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::repository;

/// A file that is served.
#[derive(Debug, Clone)]
pub struct Served {
    /// Its address.
    pub path: String,
    /// Its place in the clone.
    pub file: String,
    /// Its length in bytes.
    pub length: usize,
}

/// The names.
#[derive(Debug)]
pub struct Facts {
    /// The lyra chair's model for the page.
    pub glb: Served,
    /// Its model for Quick Look.
    pub usdz: Served,
    /// Its picture.
    pub jpg: Served,
    /// The storefront's first script.
    pub script: Served,
    /// Its style sheet.
    pub style: Served,
    /// A picture with a name of capitals.
    pub svg: Served,
    /// A text of licences.
    pub text: Served,
    /// A font.
    pub font: Served,
    /// The storefront's page.
    pub page: Served,
}

/// The names, looked up once. They are needed to write the table down, so nothing can be tested without them.
pub static FACTS: LazyLock<Facts> =
    LazyLock::new(|| read().expect("storefront and demo shop are built: `cargo xtask build`"));

fn read() -> Result<Facts> {
    let catalogue = repository::file("target/demo-shop/catalogue.json")?;
    let catalogue: Value = serde_json::from_slice(&catalogue).context("read the catalogue")?;
    let products = catalogue["products"].as_array().context("find the products")?;
    let lyra = products.iter().find(|product| product["handle"] == "lyra-chair");
    let lyra = lyra.context("find the lyra chair")?;
    let media = |pointer: &str| {
        let path = lyra.pointer(pointer).and_then(Value::as_str);
        let path = path.with_context(|| format!("find {pointer} of the lyra chair"))?;
        let name = path.trim_start_matches("/m/");
        served(path.to_owned(), format!("target/demo-shop/media/{name}"))
    };
    Ok(Facts {
        glb: media("/variants/0/ar/web_glb_url")?,
        usdz: media("/variants/0/ar/usdz_url")?,
        jpg: media("/variants/0/ar/poster_url")?,
        script: asset("shop-", ".js")?,
        style: asset("styles-", ".css")?,
        svg: asset("room-", ".svg")?,
        text: asset("licences-", ".txt")?,
        font: asset("familjen-grotesk-latin-wght", ".woff2")?,
        page: served("/".to_owned(), "assets/storefront/dist/index.html".to_owned())?,
    })
}

fn asset(start: &str, end: &str) -> Result<Served> {
    let folder = "assets/storefront/dist/assets";
    let entries = std::fs::read_dir(repository::root().join(folder)).context("list the assets")?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.filter(|name| name.starts_with(start) && name.ends_with(end)).min();
    let name = name.with_context(|| format!("find {start}…{end} in {folder}"))?;
    served(format!("/assets/{name}"), format!("{folder}/{name}"))
}

fn served(path: String, file: String) -> Result<Served> {
    let length = repository::file(&file)?.len();
    Ok(Served { path, file, length })
}

impl Served {
    /// Returns the length of a sibling in the clone, for instance with `.br` behind the name.
    #[must_use]
    pub fn sibling_length(&self, suffix: &str) -> usize {
        repository::file(&format!("{}{suffix}", self.file)).map_or(0, |bytes| bytes.len())
    }
}
