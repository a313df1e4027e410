//! Pictures that are laid on surfaces.

use image::ExtendedColorType;
use image::ImageError;
use image::codecs::jpeg::JpegEncoder;

use crate::math::Vec3;
use crate::math::linear_to_srgb;
use crate::math::vec3;

/// A square picture with three bytes per pixel and its JPEG form.
#[derive(Clone, Debug)]
pub struct Texture {
    /// Unique within a model; also the file name inside a USDZ.
    pub name: String,
    /// Pixels along each side: a power of two.
    pub side: usize,
    /// Rows from top to bottom; sRGB for colours, plain numbers for normals.
    pub rgb: Vec<u8>,
    /// The same as a JPEG file.
    pub jpeg: Vec<u8>,
}

/// Encodes an RGB picture as JPEG with `quality` 1‥100.
///
/// # Errors
/// When the sizes do not fit together.
pub fn encode_jpeg(
    rgb: &[u8],
    width: usize,
    height: usize,
    quality: u8,
) -> Result<Vec<u8>, ImageError> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality).encode(
        rgb,
        width as u32,
        height as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(out)
}

impl Texture {
    /// A colour texture from linear colours `f(u, v)`, both 0‥1.
    ///
    /// # Errors
    /// When JPEG encoding refuses.
    pub fn color(
        name: &str,
        side: usize,
        quality: u8,
        f: impl Fn(f32, f32) -> Vec3,
    ) -> Result<Self, ImageError> {
        let gamma: Vec<u8> =
            (0..=8192).map(|i| (linear_to_srgb(i as f32 / 8192.0) * 255.0 + 0.5) as u8).collect();
        let mut rgb = Vec::with_capacity(side * side * 3);
        for y in 0..side {
            for x in 0..side {
                let c = f((x as f32 + 0.5) / side as f32, (y as f32 + 0.5) / side as f32);
                rgb.extend(
                    c.to_array().map(|v| gamma[(v.clamp(0.0, 1.0) * 8192.0 + 0.5) as usize]),
                );
            }
        }
        let jpeg = encode_jpeg(&rgb, side, side, quality)?;
        Ok(Self { name: name.to_owned(), side, rgb, jpeg })
    }

    /// A normal map from heights `f(u, v)`; `strength` is the height of 1 in texture widths.
    ///
    /// # Errors
    /// When JPEG encoding refuses.
    pub fn normal(
        name: &str,
        side: usize,
        strength: f32,
        f: impl Fn(f32, f32) -> f32,
    ) -> Result<Self, ImageError> {
        let mut heights = Vec::with_capacity(side * side);
        for y in 0..side {
            for x in 0..side {
                heights.push(f((x as f32 + 0.5) / side as f32, (y as f32 + 0.5) / side as f32));
            }
        }
        let at = |x: usize, y: usize| heights[(y % side) * side + x % side];
        let slope = strength * side as f32 * 0.5;
        let mut rgb = Vec::with_capacity(side * side * 3);
        for y in 0..side {
            for x in 0..side {
                let dx = (at(x + 1, y) - at(x + side - 1, y)) * slope;
                // The green axis of glTF points up the picture, rows go down.
                let dy = (at(x, y + side - 1) - at(x, y + 1)) * slope;
                let n = vec3(-dx, -dy, 1.0).normalized();
                rgb.extend(n.to_array().map(|v| ((v * 0.5 + 0.5) * 255.0 + 0.5) as u8));
            }
        }
        let jpeg = encode_jpeg(&rgb, side, side, 88)?;
        Ok(Self { name: name.to_owned(), side, rgb, jpeg })
    }
}
