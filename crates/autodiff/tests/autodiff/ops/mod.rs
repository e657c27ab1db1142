//! Every op of the engine, between two convolutions and a softplus, so that second derivatives flow
//! through it.

use hsets_autodiff::{
    Activation, Conv2d, GraphBuilder, Interpolation, NodeId, Padding, Pool2d, ResizePoints, Result,
    Slice,
};

/// Continues a graph from x [4, H, W], H and W at least 4, to some other image.
pub(crate) type Make = fn(&mut GraphBuilder, NodeId) -> Result<NodeId>;

/// Name and op.
pub(crate) const OPS: &[(&str, Make)] = &[
    ("conv strided, dilated, grouped", |g, x| {
        let mut conv = Conv2d::new(4, 3).with_stride(2).with_dilation(2).with_groups(2).with_bias();
        conv.padding =
            hsets_autodiff::Pad::Explicit(Padding { top: 2, bottom: 1, left: 0, right: 3 });
        g.conv2d(x, "op", conv)
    }),
    ("conv same", |g, x| g.conv2d(x, "op", Conv2d::new(6, 3).with_stride(2).with_same_padding())),
    ("depthwise", |g, x| g.conv2d(x, "op", Conv2d::new(4, 5).with_padding(2).with_groups(4))),
    ("batch norm folded", |g, x| {
        let x = g.conv2d(x, "op", Conv2d::new(5, 1))?;
        Ok(g.batch_norm(x, "bn", 1e-5))
    }),
    ("batch norm alone", |g, x| {
        let y = g.activation(x, Activation::Silu);
        Ok(g.batch_norm(y, "bn", 1e-3))
    }),
    ("hard-swish", |g, x| Ok(g.activation(x, Activation::HardSwish))),
    ("hard-sigmoid", |g, x| Ok(g.activation(x, Activation::HardSigmoid))),
    ("sigmoid", |g, x| Ok(g.activation(x, Activation::Sigmoid))),
    ("silu", |g, x| Ok(g.activation(x, Activation::Silu))),
    ("gelu", |g, x| Ok(g.activation(x, Activation::Gelu))),
    ("relu", |g, x| Ok(g.activation(x, Activation::Relu))),
    ("relu6", |g, x| Ok(g.activation(x, Activation::Relu6))),
    ("softplus", |g, x| Ok(g.activation(x, Activation::Softplus { beta: 2.0 }))),
    ("max pool overlapping", |g, x| g.max_pool2d(x, Pool2d::new(3, 2).with_padding(1))),
    ("average pool", |g, x| g.avg_pool2d(x, Pool2d::new(2, 2))),
    ("average pool padded", |g, x| {
        let mut pool = Pool2d::new(3, 2).with_padding(1);
        pool.count_include_pad = false;
        g.avg_pool2d(x, pool)
    }),
    ("adaptive pool", |g, x| g.adaptive_avg_pool2d(x, [3, 7])),
    ("residual", |g, x| {
        let y = g.conv2d(x, "op", Conv2d::new(4, 3).with_padding(1))?;
        let y = g.activation(y, Activation::Silu);
        g.add(x, y)
    }),
    ("dense block", |g, x| {
        let a = g.conv2d(x, "op", Conv2d::new(3, 3).with_padding(1))?;
        let b = g.concat(&[x, a])?;
        let c = g.activation(b, Activation::Silu);
        let d = g.conv2d(c, "op2", Conv2d::new(2, 1))?;
        g.concat(&[b, d])
    }),
    ("norm of a concatenation", |g, x| {
        let a = g.conv2d(x, "op", Conv2d::new(3, 3).with_padding(1))?;
        let b = g.concat(&[x, a])?;
        let c = g.batch_norm(b, "bn", 1e-3);
        let d = g.activation(c, Activation::Relu);
        let e = g.conv2d(d, "op2", Conv2d::new(2, 1))?;
        let f = g.concat(&[x, a, e])?;
        Ok(g.batch_norm(f, "bn2", 1e-3))
    }),
    ("residual before an activation", |g, x| {
        let y = g.conv2d(x, "op", Conv2d::new(4, 3).with_padding(1))?;
        let y = g.add(x, y)?;
        Ok(g.activation(y, Activation::Relu))
    }),
    ("squeeze and excite", |g, x| {
        let s = g.global_avg_pool2d(x)?;
        let s = g.conv2d(s, "op", Conv2d::new(4, 1).with_bias())?;
        let s = g.activation(s, Activation::Sigmoid);
        g.multiply(x, s)
    }),
    ("product", |g, x| {
        let y = g.conv2d(x, "op", Conv2d::new(4, 1))?;
        g.multiply(x, y)
    }),
    ("square", |g, x| g.multiply(x, x)),
    ("channel padding", |g, x| Ok(g.pad_channels(x, 2, 1))),
    ("doubled", |g, x| g.add(x, x)),
    ("gelu by tanh", |g, x| curve(g, x, Activation::GeluTanh)),
    ("exponential", |g, x| curve(g, x, Activation::Exp)),
    ("logarithm", |g, x| curve(g, x, Activation::Log)),
    ("square root", |g, x| curve(g, x, Activation::Sqrt)),
    ("reciprocal", |g, x| curve(g, x, Activation::Reciprocal)),
    ("cube", |g, x| curve(g, x, Activation::Power { exponent: 3.0 })),
    ("power", |g, x| curve(g, x, Activation::Power { exponent: -0.3 })),
    ("error function", |g, x| curve(g, x, Activation::Erf)),
    ("tanh", |g, x| curve(g, x, Activation::Tanh)),
    ("absolute value", |g, x| Ok(g.activation(x, Activation::Abs))),
    ("clip", |g, x| Ok(g.activation(x, Activation::Clip { low: 0.2, high: 1.1 }))),
    ("leaky relu", |g, x| Ok(g.activation(x, Activation::LeakyRelu { slope: 0.1 }))),
    ("elu", |g, x| Ok(g.activation(x, Activation::Elu { alpha: 0.7 }))),
    ("parameters broadcast", |g, x| {
        let gain = g.parameter("gain", &[4, 1, 1])?;
        let y = g.multiply(x, gain)?;
        let of_columns = g.parameter("columns", &[g.dims(x).sizes()[2]])?;
        let y = g.add(of_columns, y)?;
        let position = g.parameter("position", g.dims(x).sizes())?;
        g.add(y, position)
    }),
    ("quotient and difference", |g, x| {
        let y = g.conv2d(x, "op", Conv2d::new(4, 1))?;
        let square = g.multiply(y, y)?;
        let below = g.shift(square, 1.0)?;
        let quotient = g.divide(x, below)?;
        let mean = g.mean(x, &[1, 2])?;
        let difference = g.subtract(quotient, mean)?;
        g.multiply(difference, mean)
    }),
    ("broadcast of a factor", |g, x| {
        let row = g.mean(x, &[0, 1])?;
        let column = g.sum(x, &[2])?;
        let plane = g.multiply(row, column)?; // both are broadcast
        let y = g.add(row, plane)?;
        let all = g.broadcast(row, g.dims(x).sizes())?;
        g.multiply(y, all)
    }),
    ("maximum", |g, x| {
        let of_channels = g.max(x, 0)?;
        let of_rows = g.max(x, 1)?;
        let y = g.add(x, of_channels)?;
        g.multiply(y, of_rows)
    }),
    ("slices and padding", |g, x| {
        let [channels, height, width] = *g.dims(x).sizes() else { return Ok(x) };
        let a =
            g.slice_by(x, Slice { axis: 2, start: 1, step: 2, len: (width - 1).div_ceil(2) })?;
        let b = g.slice(a, 0, 1, channels - 2)?;
        let c = g.pad(b, 1, 2, 1)?;
        let c = g.pad(c, 2, 0, 3)?;
        let d = g.slice_by(c, Slice { axis: 1, start: 1, step: 3, len: height.div_ceil(3) })?;
        g.concat_along(2, &[d, d])
    }),
    ("gather", |g, x| {
        let y = g.gather(x, 0, &[3, 1, 2, 1])?;
        let y = g.gather(y, 1, &[0, 1, 3, 2, 0])?;
        g.gather(y, 2, &[2, 3, 0])
    }),
    ("select", |g, x| {
        let [_, height, width] = *g.dims(x).sizes() else { return Ok(x) };
        let mask: Vec<bool> = (0..height * width).map(|i| i % 3 != 1).collect();
        let other = g.activation(x, Activation::Silu);
        g.select(&[height, width], &mask, x, other)
    }),
    ("transposed convolution", |g, x| {
        let conv = Conv2d::new(6, 3).with_stride(2).with_groups(2).with_bias();
        g.conv_transpose2d(x, "op", conv.with_padding(1), [1, 0])
    }),
    ("bilinear resize", |g, x| {
        let y = g.resize2d(x, [7, 11], None, Interpolation::Bilinear, ResizePoints::HalfPixel)?;
        g.resize2d(y, [5, 5], None, Interpolation::Bilinear, ResizePoints::AlignCorners)
    }),
    ("bicubic resize", |g, x| {
        let y =
            g.resize2d(x, [7, 11], None, Interpolation::Bicubic(-0.75), ResizePoints::HalfPixel)?;
        g.resize2d(y, [14, 3], None, Interpolation::Nearest, ResizePoints::Asymmetric)
    }),
    ("softmax of channels", |g, x| g.softmax(x, 0)),
    ("softmax of rows", |g, x| g.softmax(x, 1)),
    ("softmax of columns", |g, x| g.softmax(x, 2)),
    ("layer norm of channels", |g, x| g.layer_norm(x, "op", 0, 1e-3)),
    ("layer norm of columns", |g, x| g.layer_norm(x, "op", 2, 1e-3)),
    ("rms norm", |g, x| g.normalize(x, 0, false, 1e-3)),
    ("group norm", |g, x| g.group_norm(x, "op", 2, 1e-3)),
    ("norms of vectors", |g, x| {
        let y = g.flatten(x);
        let y = g.linear(y, "op", 6)?;
        let y = g.layer_norm(y, "norm", 0, 1e-3)?;
        let y = g.linear_along(y, "op2", 4, 0, false)?;
        let gate = g.softmax(y, 0)?;
        let gate = g.reshape(gate, &[4, 1, 1])?;
        g.multiply(x, gate)
    }),
    ("matrices", |g, x| {
        let t = g.transpose(x)?;
        let square = g.matmul(x, t)?; // [C, H, H]
        let y = g.matmul(square, x)?;
        let m = g.parameter("matrix", &[g.dims(x).sizes()[2], 5])?;
        let y = g.matmul(y, m)?;
        let left = g.parameter("left", &[1, 3, g.dims(x).sizes()[1]])?;
        let y = g.matmul(left, y)?;
        g.matmul_transposed(y, y, [true, false])
    }),
    ("matrices broadcast", |g, x| {
        let first = g.slice(x, 0, 0, 1)?;
        let y = g.matmul_transposed(first, x, [false, true])?; // [1, H, W]·[C, W, H]
        let y = g.activation(y, Activation::Tanh);
        g.matmul(y, first)
    }),
    ("windows", |g, x| {
        let y = g.resize2d(x, [4, 6], None, Interpolation::Bilinear, ResizePoints::HalfPixel)?;
        let y = g.permute(y, &[1, 2, 0])?; // [4, 6, C]
        let y = g.reshape(y, &[2, 2, 2, 3, 4])?;
        let y = g.permute(y, &[0, 2, 1, 3, 4])?;
        let y = g.reshape(y, &[4, 6, 4])?; // [windows, tokens, C]
        let y = g.layer_norm(y, "norm", 2, 1e-3)?;
        let mask: Vec<f64> = (0..4 * 36).map(|i| if i % 5 == 0 { -2.0 } else { 0.0 }).collect();
        let mask = g.constant(&[4, 1, 6, 6], mask)?;
        let y = attention(g, y, "op", Some(mask))?;
        let y = g.reshape(y, &[2, 2, 2, 3, 4])?;
        let y = g.permute(y, &[0, 2, 1, 3, 4])?;
        let y = g.reshape(y, &[4, 6, 4])?;
        g.permute(y, &[2, 0, 1])
    }),
    ("transformer block", |g, x| {
        let [channels, height, width] = *g.dims(x).sizes() else { return Ok(x) };
        let t = g.reshape(x, &[channels, height * width])?;
        let t = g.permute(t, &[1, 0])?;
        let class = g.parameter("class", &[1, channels])?;
        let t = g.concat_along(0, &[class, t])?;
        let position = g.parameter("position", &[height * width + 1, channels])?;
        let t = g.add(t, position)?;
        let y = g.layer_norm(t, "norm1", 1, 1e-6)?;
        let y = attention(g, y, "attn", None)?;
        let y = g.scale_along(y, "gamma", 1)?;
        let t = g.add(t, y)?;
        let y = g.layer_norm(t, "norm2", 1, 1e-6)?;
        let y = g.linear_along(y, "fc1", 7, 1, true)?;
        let y = g.activation(y, Activation::Gelu);
        let y = g.linear_along(y, "fc2", channels, 1, true)?;
        let t = g.add(t, y)?;
        let t = g.slice(t, 0, 1, height * width)?;
        let t = g.permute(t, &[1, 0])?;
        g.reshape(t, &[channels, height, width])
    }),
    ("attention of columns", |g, x| {
        let [channels, height, width] = *g.dims(x).sizes() else { return Ok(x) };
        let t = g.reshape(x, &[channels, height * width])?;
        let mut part = |name: &str| {
            let part = g.linear_along(t, name, 6, 0, false)?;
            g.reshape(part, &[3, 2, height * width])
        };
        let (q, k, v) = (part("q")?, part("k")?, part("v")?);
        let scores = g.matmul_transposed(q, k, [true, false])?;
        let weights = g.softmax(scores, 2)?;
        let y = g.matmul_transposed(v, weights, [false, true])?;
        g.reshape(y, &[6, height, width])
    }),
    ("attention with relative positions", |g, x| {
        let [channels, height, width] = *g.dims(x).sizes() else { return Ok(x) };
        relative(g, x, [channels / 2, 2, height, width])
    }),
    ("modern convolution block", |g, x| {
        let y = g.conv2d(x, "dw", Conv2d::new(4, 5).with_padding(2).with_groups(4).with_bias())?;
        let y = g.permute(y, &[1, 2, 0])?;
        let y = g.layer_norm(y, "norm", 2, 1e-6)?;
        let y = g.linear_along(y, "fc1", 6, 2, true)?;
        let y = g.activation(y, Activation::Gelu);
        let y = g.linear_along(y, "fc2", 4, 2, true)?;
        let y = g.scale_along(y, "gamma", 2)?;
        let y = g.permute(y, &[2, 0, 1])?;
        g.add(x, y)
    }),
];

/// A curve where it is defined and does not explode.
fn curve(g: &mut GraphBuilder, x: NodeId, activation: Activation) -> Result<NodeId> {
    let x = g.scale(x, 0.6);
    let x = g.shift(x, 0.3)?;
    Ok(g.activation(x, activation))
}

/// Attention over pixels with scores of keys [h, ky, kx, queries] to which the products of queries
/// with the places of rows and columns are added.
pub(crate) fn relative(
    g: &mut GraphBuilder,
    x: NodeId,
    [heads, d, height, width]: [usize; 4],
) -> Result<NodeId> {
    let n = height * width;
    let q = g.reshape(x, &[heads, d, n])?;
    let k = g.linear_along(q, "k", d, 1, true)?;
    let v = g.linear_along(q, "v", d, 1, true)?;
    let scores = g.matmul_transposed(k, q, [true, false])?;
    let scores = g.scale(scores, 0.7);
    let mut scores = g.reshape(scores, &[heads, height, width, n])?;
    let pixels = g.reshape(x, &[heads, d, height, width])?;
    let rows = g.parameter("rows", &[height, height, d])?; // y, ky, d
    let by_row = g.permute(pixels, &[0, 2, 1, 3])?;
    let by_row = g.matmul(rows, by_row)?; // h, y, ky, x
    let by_row = g.permute(by_row, &[0, 2, 1, 3])?;
    let by_row = g.reshape(by_row, &[heads, height, 1, n])?;
    scores = g.add(scores, by_row)?;
    let columns = g.parameter("columns", &[width, width, d])?;
    let by_column = g.permute(pixels, &[0, 3, 1, 2])?;
    let by_column = g.matmul(columns, by_column)?; // h, x, kx, y
    let by_column = g.permute(by_column, &[0, 2, 3, 1])?;
    let by_column = g.reshape(by_column, &[heads, 1, width, n])?;
    scores = g.add(scores, by_column)?;
    let scores = g.reshape(scores, &[heads, n, n])?;
    let weights = g.softmax(scores, 1)?;
    let y = g.matmul(v, weights)?;
    g.reshape(y, &[heads * d, height, width])
}

/// Attention with two heads over tokens […, T, C], with a mask that is added to the scores.
pub(crate) fn attention(
    g: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    mask: Option<NodeId>,
) -> Result<NodeId> {
    let sizes = g.dims(x).sizes().to_vec();
    let (n, channels) = (sizes.len(), sizes[sizes.len() - 1]);
    let qkv = g.linear_along(x, &format!("{name}.qkv"), 3 * channels, n - 1, true)?;
    let mut split = sizes.clone();
    split.splice(n - 1.., [3, 2, channels / 2]);
    let qkv = g.reshape(qkv, &split)?;
    // [3, …, heads, T, channels of a head]
    let mut order: Vec<usize> = (0..n - 2).collect();
    order.insert(0, n - 1);
    order.extend([n, n - 2, n + 1]);
    let qkv = g.permute(qkv, &order)?;
    let mut part = |i: usize| {
        let part = g.slice(qkv, 0, i, 1)?;
        let sizes = g.dims(part).sizes()[1..].to_vec();
        g.reshape(part, &sizes)
    };
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let q = g.scale(q, (channels as f64 / 2.0).powf(-0.5));
    let mut scores = g.matmul_transposed(q, k, [false, true])?;
    if let Some(mask) = mask {
        scores = g.add(scores, mask)?;
    }
    let weights = g.softmax(scores, n)?;
    let y = g.matmul(weights, v)?; // […, heads, T, channels of a head]
    let mut order: Vec<usize> = (0..n - 2).collect();
    order.extend([n - 1, n - 2, n]);
    let y = g.permute(y, &order)?;
    let y = g.reshape(y, &sizes)?;
    g.linear_along(y, &format!("{name}.proj"), channels, n - 1, true)
}
