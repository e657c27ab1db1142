//! Where things lie: at random, apart from each other.

use crate::dice::Dice;
use crate::outline::{Point, length};

/// Free distance between two things and to the border, in fractions of the side.
const GAP: f32 = 0.015;

/// Circles that are already taken, in fractions of the picture's side.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    taken: Vec<(Point, f32)>,
}

impl Layout {
    /// Takes a circle at a known place.
    pub(crate) fn take(&mut self, centre: Point, radius: f32) {
        self.taken.push((centre, radius));
    }

    /// Takes a free place for every radius; neighbours in the list lie within `reach` of each
    /// other. Starts over when things do not fit, with ever smaller gaps, so it always ends.
    pub(crate) fn place(&mut self, dice: &mut Dice, radii: &[f32], reach: f32) -> Vec<Point> {
        let n_before = self.taken.len();
        let mut squeeze = 1.0;
        loop {
            if let Some(centres) = self.try_place(dice, radii, reach / squeeze, squeeze) {
                return centres;
            }
            self.taken.truncate(n_before);
            squeeze *= 0.995;
        }
    }

    fn try_place(
        &mut self,
        dice: &mut Dice,
        radii: &[f32],
        reach: f32,
        squeeze: f32,
    ) -> Option<Vec<Point>> {
        let mut centres: Vec<Point> = Vec::with_capacity(radii.len());
        for &radius in radii {
            let centre = self.find(dice, radius, squeeze, |p| {
                centres.last().is_none_or(|&last| apart(p, last) <= reach)
            })?;
            self.take(centre, radius);
            centres.push(centre);
        }
        Some(centres)
    }

    /// A free place for one more circle, if a few dozen throws find one.
    pub(crate) fn find(
        &self,
        dice: &mut Dice,
        radius: f32,
        squeeze: f32,
        accept: impl Fn(Point) -> bool,
    ) -> Option<Point> {
        let margin = radius + GAP;
        let is_free = |p| {
            let clear =
                |&(other, r): &(Point, f32)| apart(p, other) >= (r + radius + GAP) * squeeze;
            accept(p) && self.taken.iter().all(clear)
        };
        let mut throw = || [dice.between(margin, 1.0 - margin), dice.between(margin, 1.0 - margin)];
        (0..60).map(|_| throw()).find(|&p| is_free(p))
    }
}

fn apart(a: Point, b: Point) -> f32 {
    length([a[0] - b[0], a[1] - b[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_do_not_touch() {
        for index in 0..200 {
            let radii = [0.13, 0.12, 0.11, 0.12, 0.13];
            let centres = Layout::default().place(&mut Dice::new(0, 9, index), &radii, 2.0);
            for (i, a) in centres.iter().enumerate() {
                let clear = |(j, b): (usize, &Point)| i == j || apart(*a, *b) > radii[i] + radii[j];
                assert!(centres.iter().enumerate().all(clear), "scene {index}: {centres:?}");
            }
        }
    }
}
