//! Errors of graphs, weights and devices.

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a graph, its weights or its device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An op cannot take these inputs.
    #[error("{op} '{name}': {reason}")]
    Graph {
        /// Kind of op.
        op: &'static str,
        /// Its name in the graph.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The weights are not those of the graph.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The input is not what the network takes.
    #[error("input: expected {expected}, found {found}")]
    Input {
        /// What the network takes.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// A logit is not finite.
    #[error("the network gives {value} for logit {class}: check the weights and the normalisation")]
    NotFinite {
        /// The first such class.
        class: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// The budget does not even hold one image.
    #[error(
        "one image needs {needed} MiB for activations and the budget is {budget} MiB: raise the \
         budget or take smaller images",
        needed = needed.div_ceil(1 << 20),
        budget = budget >> 20
    )]
    Memory {
        /// Bytes allowed.
        budget: usize,
        /// Bytes that one image takes.
        needed: usize,
    },
    /// Something the network or the device cannot do.
    #[error("{0}")]
    Unsupported(String),
    /// The device failed.
    #[error("device: {0}")]
    Device(#[from] candle_core::Error),
    /// The target does not fit.
    #[error(transparent)]
    Core(#[from] hsets_core::Error),
}

impl From<Error> for hsets_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => Self::field(other),
        }
    }
}

/// All that is wrong with a set of weights, in one error.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct WeightsError {
    /// Names of tensors the graph needs and the weights lack.
    pub missing: Vec<String>,
    /// Names of tensors the weights have and the graph does not know.
    pub unexpected: Vec<String>,
    /// (name, shape the graph needs, shape found).
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Names of tensors with NaN or infinite elements.
    pub not_finite: Vec<String>,
}

impl WeightsError {
    /// True if nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.misshapen.is_empty()
            && self.not_finite.is_empty()
    }
}

impl std::error::Error for WeightsError {}

impl std::fmt::Display for WeightsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let misshapen: Vec<String> = self
            .misshapen
            .iter()
            .map(|(name, expected, found)| format!("{name} {found:?} instead of {expected:?}"))
            .collect();
        let parts: Vec<String> = [
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("misshapen", &misshapen),
            ("with NaN or infinite values", &self.not_finite),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{} {what}: {}", names.len(), shorten(names)))
        .collect();
        write!(f, "the weights do not fit the network: {}", parts.join("; "))
    }
}

/// The first few names, and how many more there are.
fn shorten(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}
