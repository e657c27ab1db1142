//! Segmenters by name.

use std::{fmt, path::PathBuf, str::FromStr};

use hsets_core::{Error, Result, Segmenter};
use serde::{Deserialize, Serialize};

use crate::{Grid, LabelMap, QuickShift, SamOptions, Whole, path};

/// Which segmenter to use, with its settings. Exists in full in every build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SegmenterChoice {
    /// `quickshift`: [`QuickShift::photo`].
    #[serde(rename = "quickshift")]
    QuickShift(QuickShift),
    /// `grid` ([`Grid::moxi`]), `grid:N` or `grid:ROWSxCOLUMNS`.
    Grid(Grid),
    /// `none`: one segment.
    #[serde(rename = "none")]
    Whole,
    /// `FILE.png`: a label map.
    LabelMap {
        /// The file.
        #[serde(serialize_with = "path::serialize")]
        file: PathBuf,
    },
    /// `sam`, `sam-vit-b`, `sam-vit-l`, `sam-vit-h`: Segment Anything (Kirillov et al. 2023);
    /// `mobile-sam`: `MobileSAM` (Zhang et al. 2023).
    Sam(Box<SamOptions>),
}

impl SegmenterChoice {
    /// What [`FromStr`] accepts, for help texts and errors.
    pub const NAMES: &str = "quickshift, grid, grid:N, grid:ROWSxCOLUMNS, none, sam, sam-vit-b, sam-vit-l, sam-vit-h, mobile-sam or a label map FILE.png";

    /// The name of the best that is compiled in.
    pub const DEFAULT: &str = if cfg!(feature = "quickshift") {
        "quickshift"
    } else if cfg!(feature = "sam") {
        "sam"
    } else {
        "grid"
    };

    /// Fails where [`Self::build`] would, as far as that can be told without reading weights.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::QuickShift(settings) => {
                settings.check()?;
                compiled(cfg!(feature = "quickshift"), "quickshift", "quickshift")
            }
            Self::Grid(grid) => grid.check(),
            Self::Whole => Ok(()),
            Self::LabelMap { file } => LabelMap::open(file).map(drop),
            Self::Sam(options) => {
                options.check()?;
                compiled(cfg!(feature = "sam"), options.name(), "sam")
            }
        }
    }

    /// The segmenter, ready to use. Fails if it is not compiled in, a setting is out of range or a
    /// file cannot be read.
    pub fn build(&self) -> Result<Box<dyn Segmenter>> {
        self.check()?;
        match self {
            #[cfg(feature = "quickshift")]
            Self::QuickShift(settings) => Ok(Box::new(*settings)),
            Self::Grid(grid) => Ok(Box::new(*grid)),
            Self::Whole => Ok(Box::new(Whole)),
            Self::LabelMap { file } => Ok(Box::new(LabelMap::open(file)?)),
            #[cfg(feature = "sam")]
            Self::Sam(options) => Ok(Box::new(sam(options)?)),
            #[cfg(not(all(feature = "quickshift", feature = "sam")))]
            other => compiled(false, &other.to_string(), "").map(|()| Box::new(Whole) as Box<_>),
        }
    }

    /// The same choice for pictures whose shorter side is `side` pixels: a QuickShift left at
    /// [`QuickShift::photo`], SAM's fallback too, becomes [`QuickShift::photo_of`] that side.
    #[must_use]
    pub fn for_side(mut self, side: usize) -> Self {
        let quickshift = match &mut self {
            Self::QuickShift(settings) => Some(settings),
            Self::Sam(options) => options.fallback.as_mut(),
            _ => None,
        };
        if let Some(settings) = quickshift.filter(|settings| **settings == QuickShift::photo()) {
            *settings = QuickShift::photo_of(side);
        }
        self
    }
}

/// SAM from local weights.
#[cfg(feature = "sam")]
fn sam(options: &SamOptions) -> Result<crate::sam::SamSegmenter> {
    use crate::sam::{MaskCache, Sam, SamSegmenter};
    let Some(path) = &options.weights else {
        let what = "a weight file (.safetensors, .pth or .pt) of this network";
        return Err(Error::config("SAM weights", "none", what));
    };
    let device = options.device.into();
    let sam = match &options.sha256 {
        Some(sha256) => Sam::load_verified(path, options.variant, device, sha256)?,
        None => Sam::load(path, options.variant, device)?,
    };
    let mut segmenter = SamSegmenter::new(sam, fallback(options.fallback));
    segmenter.settings.clone_from(&options.masks);
    segmenter.uncovered = options.uncovered;
    segmenter.cache = options.cache.as_ref().map(MaskCache::new).transpose()?;
    Ok(segmenter)
}

#[cfg(feature = "sam")]
#[cfg_attr(not(feature = "quickshift"), allow(unused_variables, reason = "not compiled in"))]
fn fallback(quickshift: Option<QuickShift>) -> Box<dyn Segmenter + Send> {
    #[cfg(feature = "quickshift")]
    if let Some(quickshift) = quickshift {
        return Box::new(quickshift);
    }
    Box::new(Whole)
}

/// Fails if a segmenter is not compiled in.
fn compiled(is_in_build: bool, segmenter: &str, feature: &str) -> Result<()> {
    if is_in_build {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "segmenter '{segmenter}' is not in this build; rebuild with --features {feature}"
    )))
}

impl FromStr for SegmenterChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::config("segmenter", name, format!("expected {}", Self::NAMES));
        match name {
            "quickshift" => Ok(Self::QuickShift(QuickShift::photo())),
            "grid" => Ok(Self::Grid(Grid::moxi())),
            "none" => Ok(Self::Whole),
            "sam" => Ok(Self::Sam(Box::new(SamOptions::new(None)))),
            _ if name.to_ascii_lowercase().ends_with(".png") => {
                Ok(Self::LabelMap { file: name.into() })
            }
            _ => {
                if let Ok(variant) = name.parse() {
                    return Ok(Self::Sam(Box::new(SamOptions::new(Some(variant)))));
                }
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
            Self::LabelMap { file } => write!(f, "{}", file.display()),
            Self::Sam(options) => f.write_str(options.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SamVariant;
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
        assert_eq!(parse("a/b.PNG").unwrap(), SegmenterChoice::LabelMap { file: "a/b.PNG".into() });
        let sam = |variant| SegmenterChoice::Sam(Box::new(SamOptions::new(variant)));
        assert_eq!(parse("sam").unwrap(), sam(None));
        assert_eq!(parse("mobile-sam").unwrap(), sam(Some(SamVariant::Mobile)));
        assert_eq!(parse("sam-vit-h").unwrap(), sam(Some(SamVariant::VitH)));
        assert!(parse(SegmenterChoice::DEFAULT).unwrap().check().is_ok());
    }

    #[test]
    fn quickshift_shrinks_with_small_pictures_only() {
        let kernel = |name: &str, side: usize| match parse(name).unwrap().for_side(side) {
            SegmenterChoice::QuickShift(settings) => settings.kernel_size,
            SegmenterChoice::Sam(options) => options.fallback.map_or(0.0, |q| q.kernel_size),
            _ => 0.0,
        };
        let kernels = [32, 112, 224, 4000].map(|side| kernel("quickshift", side));
        assert_eq!(kernels, [1.0, 2.0, 4.0, 4.0]);
        let fallback = if cfg!(feature = "quickshift") { 2.0 } else { 0.0 };
        assert_eq!(kernel("sam", 112), fallback);
        let archipelago = SegmenterChoice::QuickShift(QuickShift::archipelago());
        assert_eq!(archipelago.clone().for_side(32), archipelago);
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        for name in
            ["quickshift", "grid:4x6", "none", "labels.png", "sam", "sam-vit-l", "mobile-sam"]
        {
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
