//! Media types by extension. Viewers look at both: a model with the wrong one opens as text.

/// Returns the type of a file, or `None` for one that is not served.
#[must_use]
pub fn of(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "glb" => "model/gltf-binary",
        "usdz" => "model/vnd.usdz+zip",
        "hdr" => "image/vnd.radiance",
        _ => return None,
    })
}

/// Returns whether a precompressed sibling is worth looking for: text is, packed formats are not.
#[must_use]
pub fn is_text(extension: &str) -> bool {
    matches!(
        extension,
        "html"
            | "js"
            | "mjs"
            | "css"
            | "json"
            | "map"
            | "webmanifest"
            | "txt"
            | "xml"
            | "svg"
            | "wasm"
    )
}
