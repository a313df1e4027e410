//! The one statement of an AR manifest.

/// A variant (`?2`) with its files, its product's words, and its price in the currency asked for (`?1`) or the
/// shop's own; the price is absent where it is not sold in that currency.
pub const MODEL: &str = "SELECT v.title, v.material_variant, v.web_glb_url, v.plain_glb_url, v.usdz_url, \
     v.poster_url, v.width_mm, v.height_mm, v.depth_mm, p.handle, p.title AS product_title, p.subtitle, vp.minor, \
     vp.currency FROM variants v CROSS JOIN products p ON p.id = v.product_id \
     LEFT JOIN variant_prices vp ON vp.sku = v.sku \
     AND vp.currency = COALESCE(?1, (SELECT value FROM settings WHERE name = 'default_currency')) \
     WHERE v.sku = ?2";
