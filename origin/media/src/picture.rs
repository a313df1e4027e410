//! Finished pictures as JPEG files.

use image::ImageError;

use crate::texture::encode_jpeg;

/// Encodes a picture for the shop: the best quality from 84 downwards that stays within `bytes_max`.
///
/// # Errors
/// When the sizes do not fit together.
pub fn jpeg_within(
    rgb: &[u8],
    width: usize,
    height: usize,
    bytes_max: usize,
) -> Result<Vec<u8>, ImageError> {
    let mut quality = 84;
    loop {
        let bytes = encode_jpeg(rgb, width, height, quality)?;
        if bytes.len() <= bytes_max || quality <= 40 {
            return Ok(bytes);
        }
        quality -= 6;
    }
}
