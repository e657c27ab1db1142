//! Whether methods tell interactions from additions, on scenes whose counterfactuals are drawn.

use anyhow::Result;
use hsets_tests::study::{
    PairContender, PairStudy, Purpose, Sheet, TruthNetwork, of_choice, of_pairs,
};

use crate::Work;

/// Which scenes, and what is asked of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Asked {
    /// Variants of `contrasts`, on the scenes for choosing.
    Choose,
    /// All methods, on those for reporting.
    Report,
}

/// Every network in turn, each on scenes of its own.
pub(crate) fn on_scenes(
    work: &Work,
    asked: Asked,
    [pictures, whether_live_or_not]: [u64; 2],
    kinds: &[String],
) -> Result<()> {
    let (purpose, contenders) = match asked {
        Asked::Choose => (Purpose::Choose, of_choice()),
        Asked::Report => (Purpose::Report, of_pairs()),
    };
    let is_wanted = |contender: &PairContender| work.wants(&contender.name);
    let study = PairStudy {
        purpose,
        contenders: contenders.into_iter().filter(is_wanted).collect(),
        pictures,
        whether_live_or_not,
        looks_at: &|kind: &str, _: &TruthNetwork| {
            kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind)
        },
        has: &|index| work.has(index),
    };
    study.run(&mut Sheet::open(&work.out)?, &|done| println!("{done}"))
}
