//! The sizes of a convolution, in two dimensions; one of one dimension has a height of 1.

use nn_core::{ShapeError, shape};

/// A convolution takes `x` to `y`: y[o] = Σₖ x[o·stride + k·dilation − padding]·w[k]. A transposed one takes `y` to
/// `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) samples: usize,
    pub(super) groups: usize,
    /// Channels of x in each group.
    pub(super) x_channels: usize,
    /// Channels of y in each group.
    pub(super) y_channels: usize,
    /// Height and width of x.
    pub(super) x: [usize; 2],
    /// Height and width of y.
    pub(super) y: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Zeros before the first row and column of x.
    pub(super) padding: [usize; 2],
}

/// The most parts that the samples of a batch fall into: what is summed over samples is summed in each part, and then
/// over the parts, so that the bits do not depend on the number of threads.
const PARTS: usize = 16;
/// Elements of working memory above which there are fewer parts.
const SCRATCH: usize = 1 << 22;

/// The most elements of a sample, whose places are numbers of 32 bits.
const MOST: usize = (u32::MAX - (1 << 16)) as usize;

impl Geometry {
    /// Weights that an element of y is made with.
    pub(super) fn taps(&self) -> usize {
        self.x_channels * self.kernel[0] * self.kernel[1]
    }

    /// Positions in a channel of x.
    pub(super) fn x_plane(&self) -> usize {
        self.x[0] * self.x[1]
    }

    /// Positions in a channel of y.
    pub(super) fn y_plane(&self) -> usize {
        self.y[0] * self.y[1]
    }

    /// Elements of a sample of x.
    pub(super) fn x_sample(&self) -> usize {
        self.groups * self.x_channels * self.x_plane()
    }

    /// Elements of a sample of y.
    pub(super) fn y_sample(&self) -> usize {
        self.groups * self.y_channels * self.y_plane()
    }

    /// Rows or columns, along one axis, between the first and the last that an element of y is made of.
    pub(super) fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilation[axis])
    }

    /// The same with strides no longer than needed: along an axis where y has one position they do not matter, but what
    /// lies a stride apart is laid out together.
    fn shortened(mut self) -> Self {
        for axis in (0..2).filter(|&axis| self.y[axis] == 1) {
            self.stride[axis] = self.stride[axis].min(self.reach(axis).saturating_add(1));
        }
        self
    }

    /// Multiplications in one pass over the batch.
    pub(super) fn work(&self) -> usize {
        shape::size(&[self.samples, self.groups, self.y_channels, self.y_plane(), self.taps()])
    }

    /// Checks that the places of a sample, with zeros around it, are numbers of 32 bits, and shortens the strides.
    pub(super) fn checked(self, op: &'static str, shapes: &[&[usize]]) -> Result<Self, ShapeError> {
        let g = self.shortened();
        let reach = [0, 1].map(|axis| g.reach(axis).saturating_add(1).saturating_mul(2));
        let [x_rows, x_cols] =
            [0, 1].map(|axis| g.y[axis].saturating_mul(g.stride[axis]).saturating_add(reach[axis]));
        let [y_rows, y_cols] = [0, 1].map(|axis| g.y[axis].saturating_add(reach[axis]));
        let [own_rows, own_cols] = [0, 1].map(|axis| g.x[axis].saturating_add(g.padding[axis]));
        let x = shape::size(&[g.groups, g.x_channels, x_rows.max(own_rows), x_cols.max(own_cols)]);
        let y = shape::size(&[g.groups, g.y_channels, y_rows, y_cols]);
        if x.max(y) > MOST {
            let expected = format!("a sample of at most {MOST} elements with the zeros around it");
            return Err(mismatch(op, expected, shapes[0], shapes[1]));
        }
        Ok(g)
    }

    /// Parts of the batch, when each needs `elements` of working memory: a function of the shapes alone.
    pub(super) fn parts(&self, elements: usize) -> usize {
        (SCRATCH / elements.max(1)).clamp(2, PARTS).min(self.samples).max(1)
    }
}

/// What is wrong with a convolution of these two shapes.
fn mismatch(op: &'static str, expected: String, x: &[usize], w: &[usize]) -> ShapeError {
    ShapeError::Mismatch { op, expected, left: x.to_vec(), right: w.to_vec() }
}

/// Shapes of input, weight and perhaps bias.
pub(super) type Shapes<'a> = (&'a [usize], &'a [usize], Option<&'a [usize]>);

/// The shapes of input, weight and perhaps bias, with `D` spatial axes.
pub(super) fn inputs<'a, const D: usize>(
    op: &'static str,
    inputs: &[&'a [usize]],
) -> Result<Shapes<'a>, ShapeError> {
    let (x, w, bias) = match *inputs {
        [x, w] => (x, w, None),
        [x, w, bias] => (x, w, Some(bias)),
        _ => return Err(ShapeError::Arity { op, expected: 3, got: inputs.len() }),
    };
    let (of_x, of_w) = if D == 1 {
        (
            "an array [samples, channels, length]",
            "a weight with axes for two numbers of channels and a length",
        )
    } else {
        (
            "an array [samples, channels, height, width]",
            "a weight with axes for two numbers of channels, a height and a width",
        )
    };
    for (input, (shape, expected)) in [(x, of_x), (w, of_w)].into_iter().enumerate() {
        if shape.len() != D + 2 {
            return Err(ShapeError::Input { op, input, expected: expected.to_owned(), got: shape.to_vec() });
        }
    }
    Ok((x, w, bias))
}

/// Checks what convolutions and their transposes have in common: `channels` of the input that the weight has, and the
/// `out` channels of the output.
pub(super) fn check(
    op: &'static str,
    (x, w, bias): Shapes<'_>,
    (stride, dilation, groups): (&[usize], &[usize], usize),
    (channels, out): (usize, usize),
) -> Result<(), ShapeError> {
    let fail = |expected: String| Err(mismatch(op, expected, x, w));
    if stride.contains(&0) || dilation.contains(&0) {
        return fail(format!(
            "stride and dilation must be at least 1, got stride {stride:?} and dilation {dilation:?}"
        ));
    }
    if groups == 0 || !channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
        return fail(format!("{groups} groups must divide {channels} input and {out} output channels"));
    }
    if x[1] != channels {
        return fail(format!(
            "in {groups} groups, the weight is for {channels} input channels, not {}",
            x[1]
        ));
    }
    if channels == 0 || out == 0 || w[2..].contains(&0) {
        return fail("there must be at least one channel and the kernel must have elements".to_owned());
    }
    if let Some(bias) = bias
        && *bias != [out]
    {
        let expected = format!("a bias of shape [{out}]");
        return Err(ShapeError::Input { op, input: 2, expected, got: bias.to_vec() });
    }
    Ok(())
}

/// The length of y along one axis of x with these zeros around it.
pub(super) fn output_length(
    op: &'static str,
    (x, w): (&[usize], &[usize]),
    axis: usize,
    (stride, dilation): (usize, usize),
    [before, after]: [usize; 2],
) -> Result<usize, ShapeError> {
    let length = x[2 + axis].saturating_add(before).saturating_add(after);
    let span = (w[2 + axis] - 1).saturating_mul(dilation).saturating_add(1);
    match length.checked_sub(span) {
        Some(rest) => Ok((rest / stride).saturating_add(1)),
        None => {
            let expected = format!(
                "the kernel, which spans {span} along axis {}, is larger than the padded input, {length}",
                2 + axis
            );
            Err(mismatch(op, expected, x, w))
        }
    }
}

/// The length of x along one axis of y, of a transposed convolution.
pub(super) fn transposed_length(
    op: &'static str,
    (y, w): (&[usize], &[usize]),
    axis: usize,
    (stride, dilation): (usize, usize),
    (padding, output_padding): (usize, usize),
) -> Result<usize, ShapeError> {
    let fail = |expected: String| Err(mismatch(op, expected, y, w));
    if output_padding >= stride.max(dilation) {
        return fail(format!(
            "the output padding, {output_padding}, must be less than the stride, {stride}, or the dilation, {dilation}"
        ));
    }
    let length = y[2 + axis];
    let whole = if length == 0 {
        0
    } else {
        let span = (w[2 + axis] - 1).saturating_mul(dilation).saturating_add(1);
        (length - 1).saturating_mul(stride).saturating_add(span).saturating_add(output_padding)
    };
    match whole.checked_sub(padding.saturating_mul(2)) {
        Some(rest) if rest > 0 => Ok(rest),
        _ => fail(format!(
            "the padding, {padding}, leaves nothing of the output's {whole} along axis {}",
            2 + axis
        )),
    }
}

/// Two numbers, one for each axis of an image, from `D`; `other` stands for the height of what has none.
pub(super) fn pair<const D: usize>(values: &[usize], other: usize) -> [usize; 2] {
    if D == 1 { [other, values[0]] } else { [values[0], values[1]] }
}
