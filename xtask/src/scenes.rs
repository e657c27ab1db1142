//! `cargo xtask scenes`: draws pictures whose class depends on two parts together, as files.
//!
//! ```text
//! OUT/labels.csv                       file, class, label, variants and names of the parts
//! OUT/pictures/000012-orange-wins.png  RGB
//! OUT/masks/000012-orange-wins.png     grey: 0 elsewhere, 40 · k in part k = 1, 2, …, 240 in the decoy
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hsets_scenes::{Mask, Part, Scene, Task};
use image::{ExtendedColorType, save_buffer};
use rayon::prelude::*;

/// Grey level of part k is k times this.
const PART_LEVEL: u8 = 40;
/// Grey level of the decoy.
const DECOY_LEVEL: u8 = 240;

/// Draw pictures whose class depends on two parts together.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// duel, xor, and, additive, decoy or decoy-shuffled.
    #[arg(long)]
    task: Task,
    /// Pixels a side.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Draw pictures FIRST .. FIRST + COUNT.
    #[arg(long, default_value_t = 16)]
    count: u64,
    /// Index of the first picture.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Draw just these pictures, separated by commas.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["count", "first"])]
    indices: Vec<u64>,
    /// Which endless sequence of pictures.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Leave these parts out (0, 1, …, separated by commas); the labels stay.
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// Write no masks.
    #[arg(long)]
    no_masks: bool,
    /// Folder to write to.
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    for folder in ["pictures", "masks"] {
        if folder == "pictures" || !args.no_masks {
            let folder = args.out.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("creating {}", folder.display()))?;
        }
    }
    let indices = match args.indices.as_slice() {
        [] => (args.first..args.first + args.count).collect(),
        chosen => chosen.to_vec(),
    };
    let rows: Vec<String> =
        indices.par_iter().map(|&index| write_scene(args, index)).collect::<Result<_>>()?;
    let table = format!("file,class,label,variants,parts\n{}", rows.concat());
    let path = args.out.join("labels.csv");
    fs::write(&path, table).with_context(|| format!("writing {}", path.display()))
}

/// Writes one picture with its masks and returns its row of the table.
fn write_scene(args: &Args, index: u64) -> Result<String> {
    let scene = args.task.draw_without(&args.without, args.seed, index, args.size)?;
    let label = args.task.labels()[scene.class];
    let file = format!("{index:06}-{}.png", label.replace(' ', "-").to_lowercase());
    let save = |folder: &str, bytes: &[u8], colour| {
        let path: PathBuf = [&args.out, Path::new(folder), Path::new(&file)].iter().collect();
        let size = args.size as u32;
        save_buffer(&path, bytes, size, size, colour)
            .with_context(|| format!("writing {}", path.display()))
    };
    save("pictures", scene.photo.rgb(), ExtendedColorType::Rgb8)?;
    if !args.no_masks {
        save("masks", &label_map(&scene), ExtendedColorType::L8)?;
    }
    let join = |cell: fn(&Part) -> String| {
        let cells: Vec<String> = scene.parts.iter().map(cell).collect();
        cells.join("|")
    };
    let variants = join(|part| part.variant.to_string());
    let parts = join(|part| format!("{} {}", part.name, part.variant_name));
    let mut row = String::new();
    writeln!(row, "{file},{},{label},{variants},{parts}", scene.class)?;
    Ok(row)
}

/// All masks as one picture of grey levels.
fn label_map(scene: &Scene) -> Vec<u8> {
    let mut levels = vec![0; scene.photo.width() * scene.photo.height()];
    let mut fill = |mask: &Mask, level: u8| mask.pixels().for_each(|pixel| levels[pixel] = level);
    for (part, k) in scene.parts.iter().zip(1..) {
        fill(&part.mask, PART_LEVEL * k);
    }
    if let Some(decoy) = &scene.decoy {
        fill(&decoy.mask, DECOY_LEVEL);
    }
    levels
}
