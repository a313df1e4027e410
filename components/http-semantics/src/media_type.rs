//! Media types by extension. Viewers look at both: a model with the wrong one opens as text.

/// Returns the type of a file, or `None` for an extension that is not known; case does not matter.
///
/// Registered types where there is one. Text has its charset; JSON and XML say theirs themselves.
#[must_use]
pub fn of(extension: &str) -> Option<&'static str> {
    if extension.bytes().any(|b| b.is_ascii_uppercase()) {
        return of_lower(&extension.to_ascii_lowercase());
    }
    of_lower(extension)
}

/// Returns the type of the file that a path names: that of what follows the last dot of its last segment.
#[must_use]
pub fn of_path(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    of(name.rsplit_once('.')?.1)
}

fn of_lower(extension: &str) -> Option<&'static str> {
    text(extension)
        .or_else(|| picture(extension))
        .or_else(|| model(extension))
        .or_else(|| sound_or_film(extension))
        .or_else(|| other(extension))
}

fn text(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "html" | "htm" => "text/html; charset=utf-8",
        "xhtml" => "application/xhtml+xml",
        // RFC 9239 makes this the one type of scripts.
        "js" | "mjs" | "cjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "jsonld" => "application/ld+json",
        "geojson" => "application/geo+json",
        "ndjson" => "application/x-ndjson",
        "webmanifest" => "application/manifest+json",
        "txt" | "log" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "tsv" => "text/tab-separated-values; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "vcf" => "text/vcard; charset=utf-8",
        "xml" | "xsd" => "application/xml",
        "xsl" | "xslt" => "application/xslt+xml",
        "rss" => "application/rss+xml",
        "atom" => "application/atom+xml",
        "yaml" | "yml" => "application/yaml",
        "toml" => "application/toml",
        "wasm" => "application/wasm",
        _ => return None,
    })
}

fn picture(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "apng" => "image/apng",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "jxl" => "image/jxl",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "ico" => "image/x-icon",
        "hdr" => "image/vnd.radiance",
        "exr" => "image/aces",
        "ktx" => "image/ktx",
        "ktx2" => "image/ktx2",
        _ => return None,
    })
}

fn model(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "glb" => "model/gltf-binary",
        "gltf" => "model/gltf+json",
        "usdz" => "model/vnd.usdz+zip",
        "usda" => "model/vnd.usda",
        "reality" => "model/vnd.reality",
        "obj" => "model/obj",
        "mtl" => "model/mtl",
        "stl" => "model/stl",
        "3mf" => "model/3mf",
        "step" | "stp" => "model/step",
        _ => return None,
    })
}

fn sound_or_film(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "ogv" => "video/ogg",
        "ts" => "video/mp2t",
        "m4s" => "video/iso.segment",
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "vtt" => "text/vtt; charset=utf-8",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "oga" | "ogg" => "audio/ogg",
        "opus" => "audio/ogg; codecs=opus",
        "wav" => "audio/wav",
        "weba" => "audio/webm",
        _ => return None,
    })
}

fn other(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "eot" => "application/vnd.ms-fontobject",
        "pdf" => "application/pdf",
        "epub" => "application/epub+zip",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "zst" => "application/zstd",
        "tar" => "application/x-tar",
        "7z" => "application/x-7z-compressed",
        "bin" | "dat" => "application/octet-stream",
        _ => return None,
    })
}

/// Returns whether a file is worth packing, or a packed sibling worth looking for: text is, and what is raw; formats that
/// are packed already are not.
#[must_use]
pub fn is_compressible(extension: &str) -> bool {
    let Some(kind) = of(extension) else { return false };
    let essence = kind.split(';').next().unwrap_or(kind);
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence,
            "application/json"
                | "application/x-ndjson"
                | "application/xml"
                | "application/yaml"
                | "application/toml"
                | "application/wasm"
                | "application/vnd.apple.mpegurl"
                | "application/vnd.ms-fontobject"
                | "font/ttf"
                | "font/otf"
                | "model/vnd.usda"
                | "model/obj"
                | "model/mtl"
                | "model/stl"
                | "model/step"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_shops_and_viewers_load() {
        for (extension, expected, is_packable) in [
            ("glb", "model/gltf-binary", false),
            ("GLB", "model/gltf-binary", false),
            ("gltf", "model/gltf+json", true),
            ("usdz", "model/vnd.usdz+zip", false),
            ("reality", "model/vnd.reality", false),
            ("ktx2", "image/ktx2", false),
            ("hdr", "image/vnd.radiance", false),
            ("bin", "application/octet-stream", false),
            ("mp4", "video/mp4", false),
            ("webm", "video/webm", false),
            ("avif", "image/avif", false),
            ("webp", "image/webp", false),
            ("jxl", "image/jxl", false),
            ("pdf", "application/pdf", false),
            ("mjs", "text/javascript; charset=utf-8", true),
            ("html", "text/html; charset=utf-8", true),
            ("svg", "image/svg+xml", true),
            ("wasm", "application/wasm", true),
            ("webmanifest", "application/manifest+json", true),
            ("woff2", "font/woff2", false),
            ("ttf", "font/ttf", true),
        ] {
            assert_eq!(of(extension), Some(expected));
            assert_eq!(is_compressible(extension), is_packable, "{extension}");
        }
    }

    #[test]
    fn knows_no_programs_and_no_secrets() {
        for extension in ["", "exe", "php", "env", "pem", "key", "sqlite", "sh", "htaccess", "br"] {
            assert_eq!(of(extension), None, "{extension}");
            assert!(!is_compressible(extension));
        }
    }

    #[test]
    fn a_path_has_the_type_of_its_last_segments_last_extension() {
        for (path, expected) in [
            ("/a/b.tar.gz", Some("application/gzip")),
            ("chair.GLB", Some("model/gltf-binary")),
            ("/a.js/b", None),
            ("/a/", None),
            ("", None),
        ] {
            assert_eq!(of_path(path), expected, "{path}");
        }
    }

    #[test]
    fn every_type_is_a_header_value_with_two_parts() {
        for extension in ["html", "exr", "3mf", "opus", "eot", "step", "m4s", "yaml"] {
            let kind = of(extension).unwrap();
            assert_eq!(kind.split('/').count(), 2);
            assert!(http::HeaderValue::from_str(kind).is_ok());
        }
    }
}
