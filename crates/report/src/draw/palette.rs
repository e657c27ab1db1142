//! The colours of pages and plots, light and dark.

use super::color::Rgb;

/// Colours that belong together. Text has a contrast of at least 4.5 to the backgrounds, series
/// and rules of controls at least 3 (WCAG 2.2, AA).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Background.
    pub paper: Rgb,
    /// Background of what stands out a little: cards, code.
    pub raised: Rgb,
    /// Text.
    pub ink: Rgb,
    /// Text of less weight.
    pub soft: Rgb,
    /// Lines between things, grids.
    pub rule: Rgb,
    /// Links, focus.
    pub accent: Rgb,
    /// What deviates upwards from what was published.
    pub above: Rgb,
    /// What deviates downwards.
    pub below: Rgb,
    /// Curves and bars, told apart under each kind of colour blindness.
    pub series: [Rgb; Palette::N_SERIES],
}

impl Palette {
    /// Number of colours of series.
    pub const N_SERIES: usize = 6;

    /// Dark on light.
    pub const LIGHT: Self = Self {
        paper: [255, 255, 255],
        raised: [245, 246, 248],
        ink: [32, 33, 36],
        soft: [95, 98, 105],
        rule: [218, 220, 224],
        accent: [11, 87, 164],
        above: [11, 87, 164],
        below: [163, 59, 0],
        series: [
            [9, 103, 183],
            [146, 94, 0],
            [210, 117, 158],
            [15, 71, 32],
            [156, 151, 0],
            [95, 35, 116],
        ],
    };

    /// Light on dark.
    pub const DARK: Self = Self {
        paper: [22, 24, 28],
        raised: [34, 37, 42],
        ink: [232, 234, 237],
        soft: [169, 173, 181],
        rule: [60, 64, 71],
        accent: [138, 180, 248],
        above: [138, 180, 248],
        below: [255, 176, 132],
        series: [
            [109, 157, 245],
            [206, 163, 43],
            [146, 89, 175],
            [27, 213, 202],
            [137, 147, 135],
            [241, 215, 104],
        ],
    };

    /// Names and colours of the variables of a page's style.
    pub(crate) fn variables(&self) -> Vec<(String, Rgb)> {
        let named = [
            ("paper", self.paper),
            ("raised", self.raised),
            ("ink", self.ink),
            ("soft", self.soft),
            ("rule", self.rule),
            ("accent", self.accent),
            ("above", self.above),
            ("below", self.below),
        ];
        let named = named.map(|(name, color)| (format!("--{name}"), color));
        let series = self.series.iter().enumerate();
        named.into_iter().chain(series.map(|(i, rgb)| (format!("--series-{i}"), *rgb))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::color::{contrast, to_linear};

    const PALETTES: [Palette; 2] = [Palette::LIGHT, Palette::DARK];

    #[test]
    fn text_can_be_read() {
        for palette in PALETTES {
            for text in [palette.ink, palette.soft, palette.accent, palette.above, palette.below] {
                for ground in [palette.paper, palette.raised] {
                    assert!(contrast(text, ground) >= 4.5, "{text:?} on {ground:?}");
                }
            }
        }
    }

    #[test]
    fn series_stand_out() {
        for palette in PALETTES {
            for color in palette.series {
                assert!(contrast(color, palette.paper) >= 3.0, "{color:?}");
            }
        }
    }

    /// What people without one kind of cone see, in linear sRGB (Machado et al. 2009, severity 1).
    const VISIONS: [[[f32; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    fn times(matrix: &[[f32; 3]; 3], v: [f32; 3]) -> [f32; 3] {
        matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    /// Oklab (Ottosson 2020) of a linear sRGB colour.
    fn oklab(linear: [f32; 3]) -> [f32; 3] {
        let cones = times(
            &[
                [0.412_221_46, 0.536_332_55, 0.051_445_995],
                [0.211_903_5, 0.680_699_5, 0.107_396_96],
                [0.088_302_46, 0.281_718_85, 0.629_978_7],
            ],
            linear.map(|v| v.clamp(0.0, 1.0)),
        );
        times(
            &[
                [0.210_454_26, 0.793_617_8, -0.004_072_047],
                [1.977_998_5, -2.428_592_2, 0.450_593_7],
                [0.025_904_037, 0.782_771_77, -0.808_675_77],
            ],
            cones.map(f32::cbrt),
        )
    }

    #[test]
    fn series_differ_for_colour_blind_readers() {
        for palette in PALETTES {
            for vision in &VISIONS {
                let seen = palette.series.map(|rgb| oklab(times(vision, rgb.map(to_linear))));
                for (i, a) in seen.iter().enumerate() {
                    for b in &seen[..i] {
                        let squares: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                        assert!(squares.sqrt() > 0.1, "{a:?} {b:?}: {}", squares.sqrt());
                    }
                }
            }
        }
    }
}
