//! What the class of a picture depends on.

use std::str::FromStr;

use hsets_core::Error;

/// A family of pictures, and the rule that gives their class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Rock, paper, scissors: an orange and a blue hand, and the class is who wins.
    ///
    /// class = (orange − blue) mod 3, each hand uniform: each is independent of the class, and no
    /// sum of evidence from each alone can decide.
    Duel,
    /// Two tetrominoes of two forms each; class = amber form XOR teal form.
    Xor,
    /// Two tetrominoes of two forms each; class 1 if and only if both have their second form.
    ///
    /// Both classes are equally frequent, so one part alone makes the class likelier but never
    /// tells class 1.
    And,
    /// Control without interaction: five tiles, each of the colour of the class with probability
    /// 0.85, independently. The log-odds of the class are a *sum* over the tiles; the best
    /// possible accuracy is 0.973.
    Additive,
    /// [`Task::Xor`] with a patch in a random corner whose shade *always* tells the class, as in
    /// `DecoyMNIST`: for training.
    Decoy,
    /// The same with a shade drawn independently of the class: for testing.
    DecoyShuffled,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 6] =
        [Self::Duel, Self::Xor, Self::And, Self::Additive, Self::Decoy, Self::DecoyShuffled];

    /// The name as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duel => "duel",
            Self::Xor => "xor",
            Self::And => "and",
            Self::Additive => "additive",
            Self::Decoy => "decoy",
            Self::DecoyShuffled => "decoy-shuffled",
        }
    }

    /// Names of the classes.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Duel => &["draw", "orange wins", "blue wins"],
            Self::Xor | Self::Decoy | Self::DecoyShuffled => {
                &["bar with T or block with Z", "bar with Z or block with T"]
            }
            Self::And => &["not both block and Z", "block and Z"],
            Self::Additive => &["mostly amber", "mostly teal"],
        }
    }

    /// Names of the parts the class depends on.
    pub fn part_names(self) -> &'static [&'static str] {
        match self {
            Self::Duel => &["orange", "blue"],
            Self::Xor | Self::And | Self::Decoy | Self::DecoyShuffled => &["amber", "teal"],
            Self::Additive => &["tile 1", "tile 2", "tile 3", "tile 4", "tile 5"],
        }
    }

    /// Names of the variants the given part comes in.
    pub fn variant_names(self, part: usize) -> &'static [&'static str] {
        match (self, part) {
            (Self::Duel, _) => &["rock", "paper", "scissors"],
            (Self::Additive, _) => &["amber", "teal"],
            (_, 0) => &["bar", "block"],
            _ => &["T", "Z"],
        }
    }

    /// A fixed number of its own: tasks never share random numbers. The two decoy tasks do, so
    /// that their pictures differ in nothing but the patch.
    pub(crate) fn stream(self) -> u64 {
        match self {
            Self::Duel => 1,
            Self::Xor => 2,
            Self::And => 3,
            Self::Additive => 4,
            Self::Decoy | Self::DecoyShuffled => 5,
        }
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Task {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::config("task", name, format!("one of {names}"))
        })
    }
}
