//! sRGB bytes to CIE Lab, with the constants of scikit-image.

use hsets_core::Photo;

/// Three planes of colour, row by row: where the density is a long loop over neighbours, planes let
/// it run several pixels at a time.
pub(super) type Planes = [Vec<f64>; 3];

/// Linear sRGB to CIE XYZ.
const XYZ_FROM_RGB: [[f64; 3]; 3] = [
    [0.412_453, 0.357_580, 0.180_423],
    [0.212_671, 0.715_160, 0.072_169],
    [0.019_334, 0.119_193, 0.950_227],
];

/// XYZ of the white point D65, 2° observer.
const WHITE: [f64; 3] = [0.950_47, 1.0, 1.088_83];

/// The photo as floats, 0..1 (RGB) or Lab.
pub(super) fn planes(photo: &Photo, convert_to_lab: bool) -> Planes {
    // The factor, not the quotient: so scikit-image scales bytes.
    let unit: [f64; 256] = std::array::from_fn(|byte| byte as f64 * (1.0 / 255.0));
    let linear = unit.map(linear);
    let mut planes = std::array::from_fn(|_| Vec::with_capacity(photo.width() * photo.height()));
    for rgb in photo.rgb().as_chunks::<3>().0 {
        let color = if convert_to_lab {
            lab(rgb.map(|byte| linear[byte as usize]))
        } else {
            rgb.map(|byte| unit[byte as usize])
        };
        planes.iter_mut().zip(color).for_each(|(plane, value): (&mut Vec<f64>, f64)| {
            plane.push(value);
        });
    }
    planes
}

/// Undoes the gamma of sRGB.
fn linear(value: f64) -> f64 {
    if value > 0.040_45 { ((value + 0.055) / 1.055).powf(2.4) } else { value / 12.92 }
}

/// Lab of linear RGB.
fn lab(rgb: [f64; 3]) -> [f64; 3] {
    let [x, y, z] = std::array::from_fn(|i| {
        let row = XYZ_FROM_RGB[i];
        let t = (row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]) / WHITE[i];
        if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_of_known_colors() {
        // skimage.color.rgb2lab of these bytes.
        let photo = Photo::new(2, 1, vec![255, 128, 0, 3, 200, 77]).unwrap();
        let lab = planes(&photo, true);
        let expected = [
            [67.054_800_682_260_3, 70.775_118_244_382_31],
            [42.825_381_812_926_054, -66.897_684_821_815_4],
            [74.017_458_553_622_55, 48.816_022_231_517_245],
        ];
        for (plane, expected) in lab.iter().zip(expected) {
            for (value, expected) in plane.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-10, "{value} against {expected}");
            }
        }
        assert_eq!(planes(&photo, false)[0], [1.0, 3.0 * (1.0 / 255.0)]);
    }
}
