//! From a task's dice to a list of things to paint.

use std::f32::consts::TAU;

use crate::canvas::{Background, Colour, Stamp, hsl};
use crate::dice::Dice;
use crate::layout::Layout;
use crate::outline::{Outline, Point};
use crate::task::Task;

/// What a stamp means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Part number `index` of the task, in its variant.
    Part { index: usize, variant: usize },
    /// The corner patch, in its shade.
    Decoy { shade: usize },
    /// Tells nothing.
    Distractor,
}

/// A picture before it is painted. Nothing in it depends on the size in pixels.
pub(crate) struct Composition {
    pub(crate) class: usize,
    pub(crate) background: Background,
    /// In the order they are painted.
    pub(crate) stamps: Vec<(Role, Stamp)>,
    pub(crate) grain_seed: u32,
}

/// How far apart the centres of the two parts of a pair may lie.
const REACH: f32 = 0.45;
/// Probability that a tile of [`Task::Additive`] has the colour of the class.
const AGREEMENT: f32 = 0.85;

impl Composition {
    pub(crate) fn roll(task: Task, seed: u64, index: u64) -> Self {
        let mut dice = Dice::new(task.stream(), seed, index);
        let (class, variants) = roll_truth(task, &mut dice);
        let background = Background::roll(&mut dice);
        let mut layout = Layout::default();
        let mut stamps = Vec::new();
        if matches!(task, Task::Decoy | Task::DecoyShuffled) {
            stamps.push(roll_decoy(task, class, &mut dice, &mut layout));
        }
        let (sizes, reach) = match task {
            Task::Additive => (0.095..0.12, f32::INFINITY),
            _ => (0.145..0.175, REACH),
        };
        let radii: Vec<f32> =
            variants.iter().map(|_| dice.between(sizes.start, sizes.end)).collect();
        let centres = layout.place(&mut dice, &radii, reach);
        for (index, &variant) in variants.iter().enumerate() {
            let place = (centres[index], radii[index]);
            let stamp = roll_part(task, index, variant, place, &mut dice);
            stamps.push((Role::Part { index, variant }, stamp));
        }
        // Painted first, though placed last: a distractor never hides a part.
        let distractors = roll_distractors(&mut dice, &mut layout);
        stamps.splice(0..0, distractors.into_iter().map(|stamp| (Role::Distractor, stamp)));
        Self { class, background, stamps, grain_seed: dice.bits() }
    }
}

/// The class, and the variant of every part.
fn roll_truth(task: Task, dice: &mut Dice) -> (usize, Vec<usize>) {
    match task {
        Task::Duel => {
            let (orange, blue) = (dice.below(3), dice.below(3));
            // Paper (1) beats rock (0), scissors (2) beat paper, rock beats scissors.
            ((orange + 3 - blue) % 3, vec![orange, blue])
        }
        Task::Xor | Task::Decoy | Task::DecoyShuffled => {
            let (amber, teal) = (dice.below(2), dice.below(2));
            (amber ^ teal, vec![amber, teal])
        }
        Task::And => {
            let class = dice.below(2);
            let others = [[0, 0], [0, 1], [1, 0]];
            let other = dice.pick(&others);
            (class, if class == 1 { vec![1, 1] } else { other.to_vec() })
        }
        Task::Additive => {
            let class = dice.below(2);
            let tile = |_| if dice.chance(AGREEMENT) { class } else { 1 - class };
            (class, (0..task.part_names().len()).map(tile).collect())
        }
    }
}

fn roll_part(
    task: Task,
    index: usize,
    variant: usize,
    (centre, radius): (Point, f32),
    dice: &mut Dice,
) -> Stamp {
    let faces = std::array::from_fn(|_| dice.between(0.70, 0.86));
    let outline = match (task, index, variant) {
        (Task::Duel, _, 0) => Outline::Rock(faces),
        (Task::Duel, _, 1) => Outline::Paper,
        (Task::Duel, _, _) => Outline::Scissors,
        (Task::Additive, _, _) => dice.pick(&[Outline::BLOCK, Outline::TEE, Outline::ZED]),
        (_, 0, 0) => Outline::BAR,
        (_, 0, _) => Outline::BLOCK,
        (_, _, 0) => Outline::TEE,
        (_, _, _) => Outline::ZED,
    };
    let is_warm = if task == Task::Additive { variant == 0 } else { index == 0 };
    let hue = if is_warm { 28.0 } else { 208.0 } + dice.between(-8.0, 8.0);
    let colour = hsl(hue, dice.between(0.80, 0.95), dice.between(0.52, 0.60));
    Stamp { outline, colour, centre, radius, turn: turn(dice.between(-0.30, 0.30)) }
}

/// A small square in one of the corners, dark or light.
fn roll_decoy(task: Task, class: usize, dice: &mut Dice, layout: &mut Layout) -> (Role, Stamp) {
    const RADIUS: f32 = 0.06;
    let random_shade = dice.below(2);
    let shade = if task == Task::Decoy { class } else { random_shade };
    let [near, far] = [RADIUS + 0.02, 1.0 - RADIUS - 0.02];
    let centre = [dice.pick(&[near, far]), dice.pick(&[near, far])];
    layout.take(centre, RADIUS * 1.4);
    let colour = [if shade == 0 { 0.16 } else { 0.92 }; 3];
    let stamp = Stamp { outline: Outline::Square, colour, centre, radius: RADIUS, turn: turn(0.0) };
    (Role::Decoy { shade }, stamp)
}

/// Two to five small things in colours no part has, where there is room.
fn roll_distractors(dice: &mut Dice, layout: &mut Layout) -> Vec<Stamp> {
    let mut distractors = Vec::new();
    for _ in 0..2 + dice.below(4) {
        let radius = dice.between(0.035, 0.06);
        if let Some(centre) = layout.find(dice, radius, 1.0, |_| true) {
            layout.take(centre, radius);
            let outline = dice.pick(&[Outline::Disc, Outline::Ring, Outline::Plus, Outline::Stick]);
            let (colour, angle) = (roll_distractor_colour(dice), dice.between(0.0, TAU));
            distractors.push(Stamp { outline, colour, centre, radius, turn: turn(angle) });
        }
    }
    distractors
}

fn roll_distractor_colour(dice: &mut Dice) -> Colour {
    let hue = dice.pick(&[95.0, 150.0, 285.0, 325.0]) + dice.between(-10.0, 10.0);
    hsl(hue, dice.between(0.10, 0.45), dice.between(0.30, 0.80))
}

fn turn(angle: f32) -> Point {
    [libm::cosf(angle), libm::sinf(angle)]
}
