//! Attention without derivatives on the CPU, by its kernel.

use hsets_kernels::{self as kernels, Bias, LineMap, Scalar, Starts, Tokens};

use super::tensors::{BATCH, aligned, loop_of, strides};
use super::{Cpu, CpuTensor};
use crate::Dims;
use crate::dims::groups;
use crate::ops::attention::{Attention, Between};

impl<T: Scalar> Cpu<T> {
    /// The attention, if it is one that the kernel knows.
    pub(super) fn attend(&self, attention: &Attention<'_, CpuTensor<T>>) -> Option<CpuTensor<T>> {
        let Attention { scores, between, weighted, of: (dims, batch) } = attention;
        let [left, right, axes] = scores.axes;
        let (Between::Lines(LineMap::Softmax, key_axis), before) = between.split_last()? else {
            return None;
        };
        let (outer, matrix) = axes.split_at(axes.len() - 2);
        let keys_first = *key_axis == matrix[0];
        let query_axis = if keys_first { matrix[1] } else { matrix[0] };
        let (scale, masks) = steps(scores.dims, before)?;
        let split = Split { dims: scores.dims, outer, query: query_axis, key: *key_axis };
        let masks: Option<Vec<Mask<'_, T>>> =
            masks.into_iter().map(|(mask, like)| split.mask(mask, like)).collect();
        let masks = masks?;

        let [first, second] = &scores.factors;
        let (keys, queries) = ((first, left, true), (second, right, false));
        let (keys, queries) = if keys_first { (keys, queries) } else { (queries, keys) };
        let tokens_are_rows = !weighted.values_first;
        let [v_left, v_right, y_axes] = weighted.axes;
        let (v_axes, w_axes) = if tokens_are_rows { (v_right, v_left) } else { (v_left, v_right) };
        let weights =
            if tokens_are_rows { [query_axis, *key_axis] } else { [*key_axis, query_axis] };
        if *w_axes != [outer, &weights].concat() {
            return None;
        }
        let place = |x: &CpuTensor<T>, axes: &[usize], tokens_are_rows: bool| {
            Place::new((x.dims, x.batch), axes, tokens_are_rows)
        };
        let keys_at = place(keys.0, keys.1, keys.2);
        let queries_at = place(queries.0, queries.1, queries.2);
        let values_at = place(&weighted.values, v_axes, tokens_are_rows);
        let out_at = Place::new((*dims, *batch), y_axes, tokens_are_rows);

        let sizes: Vec<usize> = outer.iter().map(|&axis| scores.dims.sizes()[axis]).collect();
        let places = [&out_at, &queries_at, &keys_at, &values_at];
        let starts = (0..*batch).flat_map(|image| indices(&sizes).map(move |at| (image, at)));
        let starts: Vec<Starts> = starts
            .map(|(image, at)| Starts {
                tokens: places.map(|place| place.start(image, &at)),
                biases: masks.iter().map(|mask| mask.place.start(image, &at)).collect(),
            })
            .collect();
        let mut y = self.uninit(*dims, *batch);
        let kernel = kernels::Attention {
            tokens: [queries_at.sizes[0], keys_at.sizes[0]],
            channels: [queries_at.sizes[1], values_at.sizes[1]],
            scale: T::from_f64(scale),
            queries: Tokens { values: queries.0.data(), steps: queries_at.steps },
            keys: Tokens { values: keys.0.data(), steps: keys_at.steps },
            values: Tokens { values: weighted.values.data(), steps: values_at.steps },
            biases: masks.into_iter().map(|mask| mask.bias).collect(),
            out: out_at.steps,
        };
        kernel.run(&starts, y.data_mut());
        Some(y)
    }
}

/// The product of all numbers that scores are scaled with before masks are added, and the masks with
/// the sizes of the scores that they are added to.
#[allow(clippy::type_complexity)]
fn steps<T: Scalar>(
    dims: Dims,
    between: &[Between<CpuTensor<T>>],
) -> Option<(f64, Vec<(&CpuTensor<T>, Dims)>)> {
    let (mut scale, mut masks, mut now) = (1.0, Vec::new(), dims);
    for step in between {
        match step {
            Between::Scale(factor) if masks.is_empty() => scale *= factor,
            Between::Add(mask) => masks.push((mask.as_ref(), now)),
            Between::Reshape(to) => now = *to,
            Between::Scale(_) | Between::Lines(..) => return None,
        }
    }
    (now == dims).then_some((scale, masks))
}

/// All indices of axes of these sizes.
fn indices(sizes: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let sizes = sizes.to_vec();
    (0..sizes.iter().product()).map(move |mut flat| {
        let mut at = vec![0; sizes.len()];
        for (at, size) in at.iter_mut().zip(&sizes).rev() {
            *at = flat % size;
            flat /= size;
        }
        at
    })
}

/// Where the tokens of each attention lie in a tensor.
struct Place {
    /// Number and distance of tokens and of channels.
    sizes: [usize; 2],
    steps: [usize; 2],
    /// Distances along the axes before the matrix, as many as this tensor has, and of images; 0 where
    /// it is the same for all.
    outer: Vec<usize>,
    image: usize,
}

impl Place {
    fn new((dims, batch): (Dims, usize), axes: &[usize], tokens_are_rows: bool) -> Self {
        let (own, of_image) = strides(dims, batch);
        let (outer, matrix) = axes.split_at(axes.len() - 2);
        let step = |&axis: &usize| if dims.sizes()[axis] > 1 { own[axis] } else { 0 };
        let order = if tokens_are_rows { [matrix[0], matrix[1]] } else { [matrix[1], matrix[0]] };
        Self {
            sizes: order.map(|axis| dims.sizes()[axis]),
            steps: order.map(|axis| own[axis]),
            outer: outer.iter().map(step).collect(),
            image: if batch > 1 { of_image } else { 0 },
        }
    }

    /// The first element for an image and indices along the axes before the matrix.
    fn start(&self, image: usize, at: &[usize]) -> usize {
        // Aligned at the end, as sizes are.
        let own = at.iter().rev().zip(self.outer.iter().rev());
        image * self.image + own.map(|(i, step)| i * step).sum::<usize>()
    }
}

/// How the axes of scores are told apart.
struct Split<'a> {
    dims: Dims,
    outer: &'a [usize],
    query: usize,
    key: usize,
}

struct Mask<'a, T> {
    bias: Bias<'a, T>,
    place: Place,
}

impl Split<'_> {
    /// A mask that is broadcast to scores of the size `like`, in which keys may be split in two.
    fn mask<'a, T: Scalar>(&self, mask: &'a CpuTensor<T>, like: Dims) -> Option<Mask<'a, T>> {
        let steps = aligned(mask.dims, mask.batch, like);
        let groups = groups(self.dims.sizes(), like.sizes());
        // The parts of an axis of the scores that have several indices, with their distances.
        let parts = |axis: usize| -> Option<Vec<[usize; 2]>> {
            let [own, parts] = groups.iter().find(|[own, _]| own.contains(&axis))?;
            let alone = own.iter().all(|&other| other == axis || self.dims.sizes()[other] == 1);
            let part = |&axis: &usize| [like.sizes()[axis], steps[loop_of(axis)]];
            let parts = parts.iter().map(part).filter(|[size, _]| *size > 1).collect();
            alone.then_some(parts)
        };
        let step = |axis: usize| match parts(axis)?[..] {
            [] => Some(0),
            [[_, step]] => Some(step),
            _ => None,
        };
        let (keys, row) = match parts(self.key)?[..] {
            [] => ([0, 0], 1),
            [[n, step]] => ([0, step], n),
            [[_, outer], [n, inner]] => ([outer, inner], n),
            _ => return None,
        };
        let outer = self.outer.iter().map(|&axis| step(axis)).collect::<Option<_>>()?;
        let place = Place { sizes: [0; 2], steps: [0; 2], outer, image: steps[BATCH] };
        let bias = Bias { values: mask.data(), query: step(self.query)?, keys, row };
        Some(Mask { bias, place })
    }
}
