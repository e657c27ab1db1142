//! One set as it grows: asks for rows, takes them, admits features.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap};

use hsets_core::{SegmentMap, Shape};

use crate::row::Candidate;
use crate::{Growth, HessianSets, InteractionSet, Member, Seed, SpatialPrior, Stop};

/// A candidate with its place in the order of admission: what is less comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ranked {
    outside: bool,
    candidate: Candidate,
}

impl Eq for Ranked {}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.outside.cmp(&other.outside).then_with(|| self.candidate.by_strength(&other.candidate))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Members whose rows are unknown, in the order in which their rows are wanted.
#[derive(Debug)]
enum Frontier {
    /// The strongest first.
    Strongest(BTreeSet<Ranked>),
    /// The last first.
    Stack(Vec<usize>),
}

/// The state of one set between two rows.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    settings: &'a HessianSets,
    shape: Shape,
    segments: &'a SegmentMap,
    seed: Seed,
    /// Features at which it is full.
    limit: usize,
    is_member: Vec<bool>,
    members: Vec<Member>,
    rows: Vec<usize>,
    pending: BinaryHeap<Reverse<Ranked>>,
    frontier: Frontier,
}

/// Features of one segment.
fn n_features(segments: &SegmentMap, segment: u32, shape: Shape) -> usize {
    shape.channels * segments.labels().iter().filter(|&&label| label == segment).count()
}

impl<'a> Grower<'a> {
    pub(crate) fn new(
        seed: Seed,
        shape: Shape,
        segments: &'a SegmentMap,
        settings: &'a HessianSets,
    ) -> Self {
        let mut grower = Self {
            settings,
            shape,
            segments,
            seed,
            limit: settings.limit(n_features(segments, seed.segment, shape)),
            is_member: vec![false; shape.len()],
            members: Vec::new(),
            rows: Vec::new(),
            pending: BinaryHeap::new(),
            frontier: match settings.growth {
                Growth::BestFirst => Frontier::Strongest(BTreeSet::new()),
                Growth::DepthFirst => Frontier::Stack(Vec::new()),
            },
        };
        let first = Candidate { feature: seed.feature, strength: 1.0 };
        if settings.include_seed {
            grower.admit(first);
        }
        grower.want_row_of(first);
        grower
    }

    /// Features at which the set is full.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn n_members(&self) -> usize {
        self.members.len()
    }

    /// Why the set no longer grows, if so.
    pub(crate) fn stop(&self) -> Option<Stop> {
        if self.is_full() {
            return Some(Stop::Full);
        }
        let no_more = match &self.frontier {
            Frontier::Strongest(members) => members.is_empty(),
            Frontier::Stack(members) => members.is_empty(),
        };
        if no_more {
            return Some(Stop::Exhausted);
        }
        (self.settings.max_rows == Some(self.rows.len())).then_some(Stop::RowCap)
    }

    /// The feature whose row is needed next, then up to `n - 1` whose rows may be needed after it.
    pub(crate) fn wanted_rows(&self, n: usize) -> Vec<usize> {
        if self.stop().is_some() {
            return Vec::new();
        }
        let cap = self.settings.max_rows.map_or(usize::MAX, |cap| cap - self.rows.len());
        let n = n.min(cap);
        match &self.frontier {
            Frontier::Strongest(members) => {
                members.iter().take(n).map(|ranked| ranked.candidate.feature).collect()
            }
            Frontier::Stack(members) => members.iter().rev().take(n).copied().collect(),
        }
    }

    /// Takes the row of the first of [`Self::wanted_rows`] and grows as far as it leads.
    pub(crate) fn take_row(&mut self, row: &[Candidate]) {
        let feature = match &mut self.frontier {
            Frontier::Strongest(members) => members.pop_first().map(|m| m.candidate.feature),
            Frontier::Stack(members) => members.pop(),
        };
        self.rows.extend(feature);
        let new = row.iter().filter(|candidate| !self.is_member[candidate.feature]);
        let ranked = new.map(|&candidate| self.ranked(candidate));
        let new: Vec<Ranked> = ranked.filter(|ranked| self.may_join(ranked)).collect();
        match self.settings.growth {
            Growth::BestFirst => self.grow_best_first(new),
            Growth::DepthFirst => self.grow_depth_first(new),
        }
    }

    fn may_join(&self, ranked: &Ranked) -> bool {
        self.settings.prior != SpatialPrior::InsideOnly || !ranked.outside
    }

    /// Admits the best of all candidates known, again and again.
    fn grow_best_first(&mut self, new: Vec<Ranked>) {
        self.pending.extend(new.into_iter().map(Reverse));
        while !self.is_full() {
            let Some(&Reverse(best)) = self.pending.peek() else { break };
            if best.outside && self.inside_may_lead_on() {
                break;
            }
            self.pending.pop();
            // Several rows may have led to the same feature.
            if !self.is_member[best.candidate.feature] {
                self.admit(best.candidate);
                self.want_row_of(best.candidate);
            }
        }
    }

    /// Admits all candidates of one row; the first of them gives the next row.
    fn grow_depth_first(&mut self, mut new: Vec<Ranked>) {
        new.sort_unstable();
        new.truncate(self.limit - self.members.len());
        new.iter().for_each(|ranked| self.admit(ranked.candidate));
        // The seed's own row, which may lead to the seed, is known.
        let next = new.iter().rev().filter(|ranked| ranked.candidate.feature != self.seed.feature);
        let next: Vec<Candidate> = next.map(|ranked| ranked.candidate).collect();
        next.into_iter().for_each(|candidate| self.want_row_of(candidate));
    }

    /// Whether the prior forbids going outside for now.
    fn inside_may_lead_on(&self) -> bool {
        match &self.frontier {
            Frontier::Strongest(members) if self.settings.prior == SpatialPrior::ExhaustInside => {
                members.first().is_some_and(|member| !member.outside)
            }
            _ => false,
        }
    }

    fn is_full(&self) -> bool {
        self.members.len() >= self.limit
    }

    fn admit(&mut self, Candidate { feature, strength }: Candidate) {
        self.is_member[feature] = true;
        self.members.push(Member { feature, strength });
    }

    fn want_row_of(&mut self, candidate: Candidate) {
        let outside = self.settings.prior == SpatialPrior::ExhaustInside
            && self.is_outside(candidate.feature);
        match &mut self.frontier {
            Frontier::Strongest(members) => {
                members.insert(Ranked { outside, candidate });
            }
            Frontier::Stack(members) => members.push(candidate.feature),
        }
    }

    fn ranked(&self, candidate: Candidate) -> Ranked {
        let outside =
            self.settings.prior != SpatialPrior::None && self.is_outside(candidate.feature);
        Ranked { outside, candidate }
    }

    fn is_outside(&self, feature: usize) -> bool {
        self.segments.label(self.shape.pixel(feature)) != self.seed.segment
    }

    /// The set as it is.
    pub(crate) fn finish(self) -> InteractionSet {
        let stop = self.stop().unwrap_or(Stop::Exhausted);
        InteractionSet { seed: self.seed, members: self.members, rows: self.rows, stop }
    }
}
