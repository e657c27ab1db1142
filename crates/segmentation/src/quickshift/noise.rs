//! The normal numbers of `numpy.random.default_rng(seed)`.
//!
//! Where densities tie (flat areas), the noise decides which way a tree grows. To grow it the way
//! scikit-image does takes the same noise: numpy's `SeedSequence`, PCG64 (O'Neill 2014) and a
//! ziggurat of 256 layers (Marsaglia and Tsang 2000).

/// Standard normal numbers, without end.
pub(super) struct Normals {
    generator: Pcg64,
    ziggurat: Ziggurat,
}

impl Normals {
    pub(super) fn new(seed: u64) -> Self {
        Self { generator: Pcg64::new(seed), ziggurat: Ziggurat::new() }
    }
}

impl Iterator for Normals {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        Some(self.ziggurat.sample(&mut self.generator))
    }
}

/// PCG-XSL-RR-128/64.
struct Pcg64 {
    state: u128,
    increment: u128,
}

impl Pcg64 {
    const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

    fn new(seed: u64) -> Self {
        let [state_high, state_low, stream_high, stream_low] = seed_words(seed);
        let join = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let mut generator = Self { state: 0, increment: join(stream_high, stream_low) << 1 | 1 };
        generator.step();
        generator.state = generator.state.wrapping_add(join(state_high, state_low));
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Uniform in [0, 1), 53 bits.
    fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`: the seed hashed into a pool of four words, and
/// the pool hashed again into as many words as a generator wants.
fn seed_words(seed: u64) -> [u64; 4] {
    let mut absorb = Hash { constant: 0x43B0_D7E5, multiplier: 0x931E_8875 };
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(|word| absorb.next(word));
    for source in 0..4 {
        for target in (0..4).filter(|&target| target != source) {
            pool[target] = mix(pool[target], absorb.next(pool[source]));
        }
    }
    let mut squeeze = Hash { constant: 0x8B51_F9DD, multiplier: 0x58F3_8DED };
    let words: [u32; 8] = std::array::from_fn(|i| squeeze.next(pool[i % 4]));
    std::array::from_fn(|i| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32)
}

/// A hash whose constant changes with every word.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn next(&mut self, word: u32) -> u32 {
        let word = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let word = word.wrapping_mul(self.constant);
        word ^ word >> 16
    }
}

fn mix(x: u32, y: u32) -> u32 {
    let mixed = x.wrapping_mul(0xCA01_F9DD).wrapping_sub(y.wrapping_mul(0x4973_F715));
    mixed ^ mixed >> 16
}

/// The area under exp(-x²/2), x ≥ 0, as 256 layers of equal area: rectangles of width `edge[i]`,
/// and a lowest layer that holds the tail beyond [`Ziggurat::TAIL`].
struct Ziggurat {
    /// Width of the layer per unit of a 52-bit integer.
    scale: [f64; LAYERS],
    /// Integers below this lie under the curve without a closer look.
    inside: [u64; LAYERS],
    /// exp(-x²/2) at the layer's edge.
    height: [f64; LAYERS],
}

const LAYERS: usize = 256;

impl Ziggurat {
    /// Where the tail begins.
    const TAIL: f64 = 3.654_152_885_361_009;
    /// Area of a layer: r·exp(-r²/2) + ∫ exp(-x²/2) dx over x > r, with r the tail's begin.
    const AREA: f64 = 0.004_928_673_233_974_655;

    fn new() -> Self {
        let unit = (1u64 << 52) as f64;
        let curve = |x: f64| (-0.5 * x * x).exp();
        let mut edge = [0.0; LAYERS];
        edge[LAYERS - 1] = Self::TAIL;
        for i in (1..LAYERS - 1).rev() {
            let height = Self::AREA / edge[i + 1] + curve(edge[i + 1]);
            edge[i] = (-2.0 * height.ln()).sqrt();
        }
        // Layer 0 is the lowest: the rectangle below the tail's height, and the tail.
        let lowest = Self::AREA / curve(Self::TAIL);
        let inside = |i: usize| match i {
            0 => Self::TAIL / lowest * unit,
            _ => edge[i - 1] / edge[i] * unit,
        };
        Self {
            scale: std::array::from_fn(|i| if i == 0 { lowest } else { edge[i] } / unit),
            inside: std::array::from_fn(|i| inside(i) as u64),
            height: edge.map(curve),
        }
    }

    fn sample(&self, generator: &mut Pcg64) -> f64 {
        loop {
            let bits = generator.next_u64();
            let layer = bits as usize % LAYERS;
            let integer = bits >> 9 & ((1 << 52) - 1);
            let magnitude = integer as f64 * self.scale[layer];
            let x = if bits >> 8 & 1 == 1 { -magnitude } else { magnitude };
            if integer < self.inside[layer] {
                return x;
            }
            if layer == 0 {
                let beyond = Self::TAIL + tail(generator);
                return if integer >> 8 & 1 == 1 { -beyond } else { beyond };
            }
            let (low, high) = (self.height[layer], self.height[layer - 1]);
            if (high - low) * generator.next_f64() + low < (-0.5 * x * x).exp() {
                return x;
            }
        }
    }
}

/// How far beyond [`Ziggurat::TAIL`] a number of the tail lies (Marsaglia 1964).
fn tail(generator: &mut Pcg64) -> f64 {
    loop {
        let x = -(-generator.next_f64()).ln_1p() / Ziggurat::TAIL;
        let y = -(-generator.next_f64()).ln_1p();
        if y + y > x * x {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fixtures/segmentation/goldens.py` writes numpy's numbers: seed, position, value.
    const NUMPY: &str = include_str!("../../../../fixtures/segmentation/normals.csv");

    #[test]
    fn numbers_are_those_of_numpy() {
        let mut rows: Vec<(u64, usize, f64)> = Vec::new();
        for line in NUMPY.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            rows.push((
                fields[0].parse().unwrap(),
                fields[1].parse().unwrap(),
                fields[2].parse().unwrap(),
            ));
        }
        let last = 1 + rows.iter().map(|row| row.1).max().unwrap();
        for group in rows.chunk_by(|a, b| a.0 == b.0) {
            let ours: Vec<f64> = Normals::new(group[0].0).take(last).collect();
            for &(seed, at, theirs) in group {
                let error = (ours[at] - theirs).abs();
                assert!(error < 1e-14, "seed {seed}, number {at}: {} for {theirs}", ours[at]);
            }
        }
        assert!(rows.iter().any(|row| row.2.abs() > Ziggurat::TAIL), "no number of the tail");
    }
}
