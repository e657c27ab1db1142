//! Segmenters by name.

use std::{fmt, path::PathBuf, str::FromStr};

use hsets_core::{Error, Result, Segmenter};

use crate::{Grid, LabelMap, QuickShift, Whole};

/// Which segmenter to use, with its settings. Exists in full in every build.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SegmenterChoice {
    /// `quickshift`: [`QuickShift::photo`].
    QuickShift(QuickShift),
    /// `grid` ([`Grid::moxi`]), `grid:N` or `grid:ROWSxCOLUMNS`.
    Grid(Grid),
    /// `none`: one segment.
    Whole,
    /// `FILE.png`: a label map.
    LabelMap(PathBuf),
    /// `sam`: Segment Anything (Kirillov et al. 2023).
    Sam(SamOptions),
    /// `mobile-sam`: `MobileSAM` (Zhang et al. 2023).
    MobileSam(SamOptions),
}

/// What a user chooses about SAM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SamOptions {
    /// File of the weights, needed to build the segmenter.
    pub weights: Option<PathBuf>,
    /// A quarter of the points: faster, but small objects may be missed.
    pub fast: bool,
    /// Folder that keeps found masks.
    pub cache: Option<PathBuf>,
}

impl SegmenterChoice {
    /// What [`FromStr`] accepts, for help texts and errors.
    pub const NAMES: &str = "quickshift, grid, grid:N, grid:ROWSxCOLUMNS, none, sam, mobile-sam or a label map FILE.png";

    /// The segmenter, ready to use. Fails if it is not compiled in, a setting is out of range or a
    /// file cannot be read.
    pub fn build(&self) -> Result<Box<dyn Segmenter>> {
        match self {
            #[cfg(feature = "quickshift")]
            Self::QuickShift(settings) => {
                settings.check()?;
                Ok(Box::new(*settings))
            }
            #[cfg(not(feature = "quickshift"))]
            Self::QuickShift(_) => Err(not_in_this_build("quickshift", "quickshift")),
            Self::Grid(grid) => {
                grid.check()?;
                Ok(Box::new(*grid))
            }
            Self::Whole => Ok(Box::new(Whole)),
            Self::LabelMap(path) => Ok(Box::new(LabelMap::open(path)?)),
            #[cfg(feature = "sam")]
            Self::Sam(options) | Self::MobileSam(options) => Ok(Box::new(self.sam(options)?)),
            #[cfg(not(feature = "sam"))]
            Self::Sam(_) => Err(not_in_this_build("sam", "sam")),
            #[cfg(not(feature = "sam"))]
            Self::MobileSam(_) => Err(not_in_this_build("mobile-sam", "sam")),
        }
    }

    /// The same choice for pictures whose shorter side is `side` pixels: a QuickShift left at
    /// [`QuickShift::photo`] becomes [`QuickShift::photo_of`] that side.
    #[must_use]
    pub fn for_side(self, side: usize) -> Self {
        match self {
            Self::QuickShift(settings) if settings == QuickShift::photo() => {
                Self::QuickShift(QuickShift::photo_of(side))
            }
            other => other,
        }
    }

    /// SAM from local weights. QuickShift, or the whole photo where that is not compiled in, stands
    /// in where SAM finds nothing.
    #[cfg(feature = "sam")]
    fn sam(&self, options: &SamOptions) -> Result<crate::sam::SamSegmenter> {
        use crate::sam::{MaskCache, MaskSettings, Sam, SamSegmenter, Variant};
        let mobile = matches!(self, Self::MobileSam(_));
        let Some(path) = &options.weights else {
            let what = "a weight file (.safetensors, .pth or .pt) of this network";
            return Err(Error::config("SAM weights", "none", what));
        };
        let sam = Sam::load(path, mobile.then_some(Variant::Mobile))?;
        if !mobile && sam.variant() == Some(Variant::Mobile) {
            let found = path.display();
            return Err(Error::config(
                "SAM weights",
                found,
                "the weights of a ViT; these are mobile-sam's",
            ));
        }
        #[cfg(feature = "quickshift")]
        let fallback = Box::new(QuickShift::photo());
        #[cfg(not(feature = "quickshift"))]
        let fallback = Box::new(Whole);
        let mut segmenter = SamSegmenter::new(sam, fallback);
        if options.fast {
            segmenter.settings = MaskSettings::fast();
        }
        segmenter.cache = options.cache.as_ref().map(MaskCache::new).transpose()?;
        Ok(segmenter)
    }
}

/// The error for a segmenter that is not compiled in.
#[cfg(not(all(feature = "quickshift", feature = "sam")))]
fn not_in_this_build(segmenter: &str, feature: &str) -> Error {
    Error::Unsupported(format!(
        "segmenter '{segmenter}' is not in this build; rebuild with --features {feature}"
    ))
}

impl FromStr for SegmenterChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::config("segmenter", name, format!("expected {}", Self::NAMES));
        match name {
            "quickshift" => Ok(Self::QuickShift(QuickShift::photo())),
            "grid" => Ok(Self::Grid(Grid::moxi())),
            "none" => Ok(Self::Whole),
            "sam" => Ok(Self::Sam(SamOptions::default())),
            "mobile-sam" => Ok(Self::MobileSam(SamOptions::default())),
            _ if name.to_ascii_lowercase().ends_with(".png") => Ok(Self::LabelMap(name.into())),
            _ => {
                let cells = name.strip_prefix("grid:").ok_or_else(unknown)?;
                let (rows, columns) = cells.split_once('x').unwrap_or((cells, cells));
                let number = |text: &str| text.parse().map_err(|_| unknown());
                let grid = Grid { rows: number(rows)?, columns: number(columns)? };
                grid.check()?;
                Ok(Self::Grid(grid))
            }
        }
    }
}

impl fmt::Display for SegmenterChoice {
    /// The name, as [`FromStr`] takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuickShift(_) => f.write_str("quickshift"),
            Self::Grid(Grid { rows, columns }) => write!(f, "grid:{rows}x{columns}"),
            Self::Whole => f.write_str("none"),
            Self::LabelMap(path) => write!(f, "{}", path.display()),
            Self::Sam(_) => f.write_str("sam"),
            Self::MobileSam(_) => f.write_str("mobile-sam"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Photo;

    fn parse(name: &str) -> Result<SegmenterChoice> {
        name.parse()
    }

    #[test]
    fn every_name_parses_in_every_build() {
        assert_eq!(parse("quickshift").unwrap(), SegmenterChoice::QuickShift(QuickShift::photo()));
        assert_eq!(parse("grid").unwrap(), SegmenterChoice::Grid(Grid::moxi()));
        let grid = SegmenterChoice::Grid(Grid { rows: 4, columns: 6 });
        assert_eq!(parse("grid:4x6").unwrap(), grid);
        assert_eq!(parse("none").unwrap(), SegmenterChoice::Whole);
        assert_eq!(parse("a/b.PNG").unwrap(), SegmenterChoice::LabelMap("a/b.PNG".into()));
        assert_eq!(parse("sam").unwrap(), SegmenterChoice::Sam(SamOptions::default()));
        assert_eq!(parse("mobile-sam").unwrap(), SegmenterChoice::MobileSam(SamOptions::default()));
    }

    #[test]
    fn quickshift_shrinks_with_small_pictures_only() {
        let kernel = |side: usize| match parse("quickshift").unwrap().for_side(side) {
            SegmenterChoice::QuickShift(settings) => settings.kernel_size,
            _ => 0.0,
        };
        assert_eq!([32, 112, 224, 4000].map(kernel), [1.0, 2.0, 4.0, 4.0]);
        let archipelago = SegmenterChoice::QuickShift(QuickShift::archipelago());
        assert_eq!(archipelago.clone().for_side(32), archipelago);
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        for name in ["quickshift", "grid:4x6", "none", "labels.png", "sam", "mobile-sam"] {
            assert_eq!(parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn unknown_names_list_what_there_is() {
        for name in ["slic", "grid:", "grid:2x", "photo.jpg", ""] {
            let error = parse(name).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("segmenter = {name}: expected quickshift")),
                "{error}"
            );
        }
        assert_eq!(parse("grid:0").unwrap_err().to_string(), "grid rows = 0: at least 1 cell");
    }

    #[test]
    fn builds_what_is_compiled_in_and_names_what_is_not() {
        let photo = Photo::new(6, 4, vec![0; 72]).unwrap();
        let segments = parse("grid:2x3").unwrap().build().unwrap().segment(&photo).unwrap();
        assert_eq!(segments.n_segments(), 6);
        assert!(matches!(parse("no.png").unwrap().build(), Err(Error::Config { .. })));
        let quickshift = parse("quickshift").unwrap().build();
        assert_eq!(quickshift.is_ok(), cfg!(feature = "quickshift"));
        #[cfg(not(feature = "sam"))]
        {
            let error = parse("sam").unwrap().build().err().unwrap().to_string();
            let message = "segmenter 'sam' is not in this build; rebuild with --features sam";
            assert_eq!(error, message);
        }
    }
}
