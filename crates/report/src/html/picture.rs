//! Pictures within pages, small.

use hsets_core::{Photo, SaliencyMap};
use png::{BitDepth, ColorType, Encoder};

use crate::{
    Error, Result,
    draw::{gray, heat},
    panel::{heat_opacity, normalised, pale},
};

/// Shades of a heat map: more are not told apart, and cost bytes.
const SHADES: usize = 64;

/// The photo.
pub(super) fn photo(photo: &Photo) -> Result<Vec<u8>> {
    encode(photo.width(), photo.height(), ColorType::Rgb, photo.rgb(), &[])
}

/// The photo in grey and light, as it is seen below marks.
pub(super) fn pale_photo(photo: &Photo) -> Result<Vec<u8>> {
    let pixels = photo.rgb().chunks_exact(3);
    let grey: Vec<u8> = pixels.map(|p| pale(gray([p[0], p[1], p[2]]))[0]).collect();
    encode(photo.width(), photo.height(), ColorType::Grayscale, &grey, &[])
}

/// A heat map to lay over the photo: transparent where there is no heat.
pub(super) fn heat_map(map: &SaliencyMap) -> Result<Vec<u8>> {
    let plane = normalised(map);
    let shade = |value: &f32| (value * (SHADES - 1) as f32).round() as u8;
    let shades: Vec<u8> = plane.values.iter().map(shade).collect();
    let palette: Vec<[u8; 4]> = (0..SHADES)
        .map(|shade| {
            let value = shade as f32 / (SHADES - 1) as f32;
            let [r, g, b] = heat(value);
            [r, g, b, (255.0 * heat_opacity(value)).round() as u8]
        })
        .collect();
    encode(plane.width, plane.height, ColorType::Indexed, &shades, &palette)
}

fn encode(
    width: usize,
    height: usize,
    color: ColorType,
    bytes: &[u8],
    palette: &[[u8; 4]],
) -> Result<Vec<u8>> {
    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    // Slower settings save a hundredth of a photo, and half of a heat map.
    encoder.set_compression(png::Compression::Fast);
    if !palette.is_empty() {
        encoder.set_compression(png::Compression::Balanced);
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_palette(palette.iter().flat_map(|p| [p[0], p[1], p[2]]).collect::<Vec<u8>>());
        encoder.set_trns(palette.iter().map(|p| p[3]).collect::<Vec<u8>>());
    }
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(bytes)?;
        writer.finish()
    });
    written.map_err(|error| Error::encode("picture", error))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    #[test]
    fn no_heat_is_transparent_and_the_most_is_not() {
        let mut map = SaliencyMap::zeros(Shape::new(3, 8, 8));
        map.data_mut()[5] = 2.0;
        let decoded = image::load_from_memory(&heat_map(&map).unwrap()).unwrap().to_rgba8();
        assert_eq!(decoded.get_pixel(0, 0).0[3], 0);
        let [r, g, b, opacity] = decoded.get_pixel(5, 0).0;
        assert_eq!([r, g, b], heat(1.0));
        assert!(opacity > 230);
    }
}
