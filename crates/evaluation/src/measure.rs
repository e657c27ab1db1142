//! The metrics of an evaluation.

use std::{fmt, str::FromStr};

use hsets_core::{ChannelReduction, Image, Progress, Result, SaliencyMap, Scored};
use hsets_metrics::{
    Aopc, InsertionDeletion, RoadSettings, Ties, deletion, entropy, gini, insertion, road,
};
use serde_json::{Value, json};

use crate::Error;

/// A family of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Sparsity: Gini index and entropy.
    Gini,
    /// All readings of ROAD.
    Road,
    /// Areas under the curves of insertion and deletion.
    InsertionDeletion,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 3] = [Self::Gini, Self::Road, Self::InsertionDeletion];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gini => "gini",
            Self::Road => "road",
            Self::InsertionDeletion => "insertion-deletion",
        }
    }
}

impl FromStr for Family {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|family| family.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::Usage(format!("metric '{name}': expected {names}"))
        })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which metrics, with their settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// What is measured, each once.
    pub families: Vec<Family>,
    /// ROAD; its seed and that of its ties are those of the run.
    pub road: RoadSettings,
    /// Insertion and deletion; likewise. What is not there is 0, the mean of the training pictures.
    pub insertion_deletion: InsertionDeletion,
}

impl Measure {
    /// All settings as published.
    pub fn paper(families: &[Family]) -> Self {
        let mut families = families.to_vec();
        families.sort_unstable();
        families.dedup();
        Self {
            families,
            road: RoadSettings::paper(),
            insertion_deletion: InsertionDeletion::rise(),
        }
    }

    /// Names of the numbers, in the order of [`Measure::of`].
    pub fn names(&self) -> Vec<String> {
        let of_family = |family: &Family| match family {
            Family::Gini => vec!["gini".to_owned(), "entropy".into()],
            Family::Road => {
                let readings = Aopc::ALL.iter().map(|aopc| format!("road-{}", aopc.name()));
                readings.chain(["road-tied-share".into()]).collect()
            }
            Family::InsertionDeletion => vec!["insertion".into(), "deletion".into()],
        };
        self.families.iter().flat_map(of_family).collect()
    }

    /// The settings, for the plan.
    pub fn settings(&self) -> Value {
        let RoadSettings { percentages, noise, ties, reduction, .. } = &self.road;
        let InsertionDeletion { pixels_per_step, .. } = &self.insertion_deletion;
        json!({
            "channels": reduction.name(),
            "road_percentages": percentages,
            "road_noise": noise,
            "ties": match ties {
                Ties::Seeded(_) => "seeded by the run",
                Ties::LastFirst => "last first",
            },
            "pixels_per_step": pixels_per_step,
        })
    }

    /// Measures the map of `class`.
    pub fn of(
        &self,
        field: &dyn Scored,
        image: &Image,
        map: &SaliencyMap,
        class: usize,
        seed: u64,
        progress: &dyn Progress,
    ) -> Result<Vec<f64>> {
        let mut numbers = Vec::new();
        for family in &self.families {
            match family {
                Family::Gini => {
                    let channels = ChannelReduction::AbsSum;
                    numbers.extend([gini(map, channels)?, entropy(map, channels)?]);
                }
                Family::Road => {
                    let settings = RoadSettings {
                        seed,
                        ties: seeded(self.road.ties, seed),
                        ..self.road.clone()
                    };
                    let road = road(field, image, map, class, &settings, progress)?;
                    numbers.extend(Aopc::ALL.iter().map(|aopc| aopc.of(&road)));
                    numbers.push(road.tied_share);
                }
                Family::InsertionDeletion => {
                    let substrate = Image::constant(image.shape(), 0.0);
                    let settings = InsertionDeletion {
                        ties: seeded(self.insertion_deletion.ties, seed),
                        ..self.insertion_deletion.clone()
                    };
                    for curve in [insertion, deletion] {
                        let curve =
                            curve(field, image, &substrate, map, class, &settings, progress)?;
                        numbers.push(curve.auc());
                    }
                }
            }
        }
        Ok(numbers)
    }
}

fn seeded(ties: Ties, seed: u64) -> Ties {
    match ties {
        Ties::Seeded(_) => Ties::Seeded(seed),
        Ties::LastFirst => ties,
    }
}
