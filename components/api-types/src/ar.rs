//! The AR manifest: every way to launch a model, and the one recommended for the device that asks.

use serde::{Deserialize, Serialize};

/// A program that shows the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Viewer {
    /// Google's viewer on Android, by intent link.
    SceneViewer,
    /// Apple's viewer on iPhone and iPad, by `rel="ar"`.
    QuickLook,
    /// A WebXR session inside the product page.
    Webxr,
    /// The product page with the model in 3D.
    Page,
}

/// The recommended way, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Which viewer.
    pub viewer: Viewer,
    /// What to open.
    pub url: String,
    /// Short reason for people who debug, for instance `android-arcore`.
    pub why: String,
}

/// Every link. Files are paths that work without cookies and without a query; pages are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// GLB with all material variants, for `<model-viewer>`.
    pub web_glb: String,
    /// GLB with this variant baked in and no extension that a plain viewer may lack.
    pub plain_glb: String,
    /// `intent://` link for Android.
    pub scene_viewer: String,
    /// USDZ with Quick Look's fragment, for `<a rel="ar">`.
    pub quick_look: String,
    /// The USDZ alone.
    pub usdz: String,
    /// The product page.
    pub page: String,
}

/// Answer of `GET /v1/ar/{sku}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which variant.
    pub sku: domain::Sku,
    /// The best way for the device that asked.
    pub recommended: Recommendation,
    /// Every way.
    pub links: Links,
    /// Width, height, depth in metres.
    pub dimensions_m: [f64; 3],
    /// Picture to show until the model is there.
    pub poster_url: String,
    /// Name of the variant inside the web GLB (`variant-name` of `<model-viewer>`).
    pub material_variant: String,
}
