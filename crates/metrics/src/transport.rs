//! The least work that turns one heap of mass into another: an exact transportation problem.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Mass is counted in such units, so that flows are exact and the search ends.
const UNITS: f64 = (1u64 << 40) as f64;

/// Σ flow · cost of the cheapest flow from `supply` to `demand`, both ≥ 0 and of the same sum, which
/// counts as 1; `cost(i, j)` is that of a unit from i to j.
///
/// Successive shortest paths with potentials (Edmonds and Karp 1972): about (n + m) searches of
/// n·m steps for n supplies and m demands.
pub(crate) fn cheapest_flow(
    supply: &[f64],
    demand: &[f64],
    cost: impl Fn(usize, usize) -> f64,
) -> f64 {
    let (left, mut open) = (in_units(supply), in_units(demand));
    let (n, m) = (left.len(), open.len());
    let costs: Vec<f64> = (0..n * m).map(|arc| cost(arc / m, arc % m)).collect();
    let mut problem = Transport { n, m, costs, flow: vec![0; n * m], potential: vec![0.0; n + m] };
    for (source, mut left) in left.into_iter().enumerate() {
        while left > 0 {
            let path = problem.shortest_path(source, &open);
            let sent = problem.send(&path, left.min(open[path[path.len() - 1] - n]));
            left -= sent;
            open[path[path.len() - 1] - n] -= sent;
        }
    }
    let work = |(&flow, cost): (&u64, &f64)| flow as f64 / UNITS * cost;
    problem.flow.iter().zip(&problem.costs).map(work).sum()
}

/// Whole numbers of units in proportion to `mass`, whose sum is exactly [`UNITS`].
fn in_units(mass: &[f64]) -> Vec<u64> {
    let total: f64 = mass.iter().sum();
    let (mut before, mut sum) = (0, 0.0);
    let units = |&mass: &f64| {
        sum += mass;
        let until = (sum / total * UNITS).round().min(UNITS) as u64;
        let units = until - before;
        before = until;
        units
    };
    mass.iter().map(units).collect()
}

/// Nodes 0..n supply, n..n+m demand.
struct Transport {
    n: usize,
    m: usize,
    /// \[n, m\].
    costs: Vec<f64>,
    /// \[n, m\].
    flow: Vec<u64>,
    potential: Vec<f64>,
}

/// A distance that can be ordered.
#[derive(PartialEq)]
struct Distance(f64);

impl Eq for Distance {}

impl PartialOrd for Distance {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Distance {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Transport {
    /// Dijkstra on reduced costs, from `source` to the nearest demand that is still open.
    fn shortest_path(&mut self, source: usize, open: &[u64]) -> Vec<usize> {
        let Self { n, m, .. } = *self;
        let mut distance = vec![f64::INFINITY; n + m];
        let mut from = vec![usize::MAX; n + m];
        let mut settled = vec![false; n + m];
        let mut queue = BinaryHeap::from([Reverse((Distance(0.0), source))]);
        distance[source] = 0.0;
        let mut end = source;
        while let Some(Reverse((Distance(so_far), node))) = queue.pop() {
            if settled[node] {
                continue;
            }
            settled[node] = true;
            if node >= n && open[node - n] > 0 {
                end = node;
                break;
            }
            let mut reach = |next: usize, cost: f64| {
                // Rounding must not make a step cheaper than nothing.
                let reduced = cost + self.potential[node] - self.potential[next];
                let there = so_far + reduced.max(0.0);
                if there < distance[next] {
                    distance[next] = there;
                    from[next] = node;
                    queue.push(Reverse((Distance(there), next)));
                }
            };
            if node < n {
                (0..m).for_each(|j| reach(n + j, self.costs[node * m + j]));
            } else {
                let back = (0..n).filter(|i| self.flow[i * m + node - n] > 0);
                back.for_each(|i| reach(i, -self.costs[i * m + node - n]));
            }
        }
        let reached = distance[end];
        for (potential, distance) in self.potential.iter_mut().zip(&distance) {
            *potential += distance.min(reached);
        }
        let mut path = vec![end];
        while end != source {
            end = from[end];
            path.push(end);
        }
        path.reverse();
        path
    }

    /// Sends up to `most` along a path; gives what was sent.
    fn send(&mut self, path: &[usize], most: u64) -> u64 {
        let Self { n, m, .. } = *self;
        let back = |step: &[usize]| (step[0] >= n).then(|| step[1] * m + step[0] - n);
        let undone = path.windows(2).filter_map(back).map(|arc| self.flow[arc]);
        let sent = undone.fold(most, u64::min);
        for step in path.windows(2) {
            match back(step) {
                Some(arc) => self.flow[arc] -= sent,
                None => self.flow[step[0] * m + step[1] - n] += sent,
            }
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a line the least work is the area between the cumulated masses.
    #[test]
    fn on_a_line_it_is_the_area_between_the_sums() {
        let n = 60;
        let draw = |i: usize, k: usize| ((i * k + 13) % 97) as f64;
        let supply: Vec<f64> = (0..n).map(|i| draw(i, 31)).collect();
        let demand: Vec<f64> =
            (0..n).map(|i| draw(i, 57) * f64::from(u8::from(i % 3 == 0))).collect();
        let (all, asked) = (supply.iter().sum::<f64>(), demand.iter().sum::<f64>());
        let (mut difference, mut area) = (0.0f64, 0.0);
        for (supply, demand) in supply.iter().zip(&demand) {
            difference += supply / all - demand / asked;
            area += difference.abs();
        }
        let found = cheapest_flow(&supply, &demand, |i, j| i.abs_diff(j) as f64);
        assert!((found - area).abs() < 1e-9, "{found} against {area}");
    }

    #[test]
    fn a_detour_is_undone() {
        // The greedy match 0→0 (cost 0) leaves 1→1 at 10; 0→1 and 1→0 cost 1 each.
        let costs = [[0.0, 1.0], [1.0, 10.0]];
        let found = cheapest_flow(&[1.0, 1.0], &[1.0, 1.0], |i, j| costs[i][j]);
        assert!((found - 1.0).abs() < 1e-9, "{found}");
    }
}
