//! Convolution layers.

use std::sync::Arc;

use nn_core::{Op, Real};
use nn_graph::Var;
use nn_init::Initializer;
use nn_ops::PerAxis;

use crate::conv_parameters::Parameters;
use crate::registry::{Built, built};
use crate::{Description, DescriptionError, Module, Scope, Settings, Undescribed, WeightTransform};

/// What stands in a description in place of a padding that makes the output as long as the input.
const SAME: &str = "same";

/// Convolution over `D` = 1 or 2 axes: `y[o] = b[o] + Σ_c w[o, c] ⋆ x[c]`.
///
/// Shapes: input `[batch, in, height, width]`, output `[batch, out, height, width]` of ⌊(length + 2·padding −
/// dilation·(kernel − 1) − 1)/stride⌋ + 1 along each axis; parameters `weight` `[out, in/groups, height, width]` and
/// `bias` `[out]`; without the height for `D` = 1. `in` is inferred from the input. By default both parameters are
/// drawn from U(−1/√n, 1/√n), n = in/groups·height·width, as in PyTorch.
///
/// With `groups` = in, each channel is convolved by itself (depthwise).
///
/// Source: `torch.nn.Conv1d` and `Conv2d`; the operation is [`nn_ops::Conv`].
///
/// ```
/// use nn_layers::{Conv2d, Network};
///
/// let network = Network::<f32>::new(Conv2d::new(8, 5).padding(2).stride([2, 1]), &[3, 28, 28], 1)?;
/// assert_eq!(network.params().get("weight").unwrap().shape(), [8, 3, 5, 5]);
/// assert_eq!(network.output_shape(), [8, 14, 28]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conv<const D: usize> {
    out: usize,
    kernel: [usize; D],
    stride: [usize; D],
    padding: [[usize; 2]; D],
    /// Whether the padding is computed so that the output is as long as the input.
    is_same: bool,
    dilation: [usize; D],
    groups: usize,
    parameters: Parameters,
}

/// Convolution over one axis.
pub type Conv1d = Conv<1>;
/// Convolution over two axes.
pub type Conv2d = Conv<2>;

impl<const D: usize> Conv<D> {
    /// A layer with `out` channels and a kernel of this size, one number or one for each axis.
    pub fn new(out: usize, kernel: impl Into<PerAxis<D>>) -> Self {
        let nn_ops::Conv { stride, padding, dilation, groups, .. } = nn_ops::Conv::<D>::default();
        let (kernel, parameters) = (kernel.into().0, Parameters::default());
        Conv { out, kernel, stride, padding, is_same: false, dilation, groups, parameters }
    }

    /// Steps between neighbouring positions, at least 1; the default is 1.
    #[must_use]
    pub fn stride(self, stride: impl Into<PerAxis<D>>) -> Self {
        Conv { stride: stride.into().0, ..self }
    }

    /// Zeros at either end of each axis; the default is none.
    #[must_use]
    pub fn padding(self, padding: impl Into<PerAxis<D>>) -> Self {
        Conv { padding: padding.into().0.map(|zeros| [zeros; 2]), is_same: false, ..self }
    }

    /// As many zeros as make the output as long as the input; the stride must be 1. PyTorch's `padding='same'`.
    #[must_use]
    pub fn same_padding(self) -> Self {
        Conv { is_same: true, ..self }
    }

    /// Steps between neighbouring elements of the kernel, at least 1; the default is 1.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<PerAxis<D>>) -> Self {
        Conv { dilation: dilation.into().0, ..self }
    }

    /// Groups of channels that are convolved apart, a divisor of `in` and `out`; the default is 1.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Conv { groups, ..self }
    }

    /// Whether there is a bias; there is unless told otherwise.
    #[must_use]
    pub fn bias(mut self, has_bias: bool) -> Self {
        self.parameters.has_bias = has_bias;
        self
    }

    /// How the weight is initialised.
    #[must_use]
    pub fn weight_init(mut self, initializer: impl Initializer + 'static) -> Self {
        self.parameters.weight_init = Arc::new(initializer);
        self
    }

    /// How the bias is initialised.
    #[must_use]
    pub fn bias_init(mut self, initializer: impl Initializer + 'static) -> Self {
        self.parameters.bias_init = Some(Arc::new(initializer));
        self
    }

    /// What happens to the weight before it is convolved with, for example
    /// [`WeightStandardization`](crate::WeightStandardization).
    #[must_use]
    pub fn weight_transform(mut self, transform: impl Into<WeightTransform>) -> Self {
        self.parameters.weight_transform = Some(transform.into());
        self
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Built<F>
    where
        nn_ops::Conv<D>: Op<F>,
    {
        let layer = Self::new(settings.size("out")?, settings.per_axis::<D>("kernel")?)
            .stride(stride_of::<F, D>(settings)?)
            .dilation(settings.per_axis::<D>("dilation")?)
            .groups(settings.size("groups")?);
        let layer = match settings.text("padding") {
            Ok(SAME) => layer.same_padding(),
            Ok(_) => return Err(settings.wrong("padding", "a list of whole numbers or \"same\"")),
            Err(_) => layer.padding(settings.per_axis::<D>("padding")?),
        };
        built(Conv { parameters: Parameters::build(settings)?, ..layer })
    }

    fn operation(&self) -> nn_ops::Conv<D> {
        let same = |axis: usize| nn_ops::Conv::<D>::same_padding(self.kernel[axis], self.dilation[axis]);
        let padding = if self.is_same { std::array::from_fn(same) } else { self.padding };
        let Conv { stride, dilation, groups, .. } = *self;
        nn_ops::Conv { stride, padding, dilation, groups, ..nn_ops::Conv::default() }
    }
}

/// Transposed convolution over `D` = 1 or 2 axes, which takes an image to a larger one: the map by which the gradient
/// passes back through a [convolution](Conv), and a bias.
///
/// Shapes: input `[batch, in, height, width]`, output `[batch, out, height, width]` of (length − 1)·stride − 2·padding +
/// dilation·(kernel − 1) + output_padding + 1 along each axis; parameters `weight` `[in, out/groups, height, width]`
/// and `bias` `[out]`; without the height for `D` = 1. `in` is inferred from the input. By default both parameters are
/// drawn from U(−1/√n, 1/√n), n = out/groups·height·width, as in PyTorch.
///
/// Source: `torch.nn.ConvTranspose1d` and `ConvTranspose2d`; the operation is [`nn_ops::ConvTranspose`].
///
/// ```
/// use nn_layers::{ConvTranspose2d, Network};
///
/// let network = Network::<f32>::new(ConvTranspose2d::new(3, 4).stride(2).padding(1), &[8, 7, 7], 1)?;
/// assert_eq!(network.params().get("weight").unwrap().shape(), [8, 3, 4, 4]);
/// assert_eq!(network.output_shape(), [3, 14, 14]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConvTranspose<const D: usize> {
    out: usize,
    kernel: [usize; D],
    operation: nn_ops::ConvTranspose<D>,
    parameters: Parameters,
}

/// Transposed convolution over one axis.
pub type ConvTranspose1d = ConvTranspose<1>;
/// Transposed convolution over two axes.
pub type ConvTranspose2d = ConvTranspose<2>;

impl<const D: usize> ConvTranspose<D> {
    /// A layer with `out` channels and a kernel of this size, one number or one for each axis.
    pub fn new(out: usize, kernel: impl Into<PerAxis<D>>) -> Self {
        let (kernel, parameters) = (kernel.into().0, Parameters::default());
        ConvTranspose { out, kernel, operation: nn_ops::ConvTranspose::default(), parameters }
    }

    fn with(self, change: impl FnOnce(&mut nn_ops::ConvTranspose<D>)) -> Self {
        let mut operation = self.operation;
        change(&mut operation);
        ConvTranspose { operation, ..self }
    }

    /// Steps between the places of neighbouring elements of the input, at least 1; the default is 1.
    #[must_use]
    pub fn stride(self, stride: impl Into<PerAxis<D>>) -> Self {
        self.with(|operation| operation.stride = stride.into().0)
    }

    /// Elements cut off at either end of each axis; the default is none.
    #[must_use]
    pub fn padding(self, padding: impl Into<PerAxis<D>>) -> Self {
        self.with(|operation| operation.padding = padding.into().0)
    }

    /// Elements added at the end of each axis, less than the stride or the dilation; the default is none.
    #[must_use]
    pub fn output_padding(self, output_padding: impl Into<PerAxis<D>>) -> Self {
        self.with(|operation| operation.output_padding = output_padding.into().0)
    }

    /// Steps between neighbouring elements of the kernel, at least 1; the default is 1.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<PerAxis<D>>) -> Self {
        self.with(|operation| operation.dilation = dilation.into().0)
    }

    /// Groups of channels that are convolved apart, a divisor of `in` and `out`; the default is 1.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        self.with(|operation| operation.groups = groups)
    }

    /// Whether there is a bias; there is unless told otherwise.
    #[must_use]
    pub fn bias(mut self, has_bias: bool) -> Self {
        self.parameters.has_bias = has_bias;
        self
    }

    /// How the weight is initialised.
    #[must_use]
    pub fn weight_init(mut self, initializer: impl Initializer + 'static) -> Self {
        self.parameters.weight_init = Arc::new(initializer);
        self
    }

    /// How the bias is initialised.
    #[must_use]
    pub fn bias_init(mut self, initializer: impl Initializer + 'static) -> Self {
        self.parameters.bias_init = Some(Arc::new(initializer));
        self
    }

    /// What happens to the weight before it is convolved with, for example
    /// [`WeightStandardization`](crate::WeightStandardization).
    #[must_use]
    pub fn weight_transform(mut self, transform: impl Into<WeightTransform>) -> Self {
        self.parameters.weight_transform = Some(transform.into());
        self
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Built<F>
    where
        nn_ops::ConvTranspose<D>: Op<F>,
    {
        let layer = Self::new(settings.size("out")?, settings.per_axis::<D>("kernel")?)
            .stride(stride_of::<F, D>(settings)?)
            .padding(settings.per_axis::<D>("padding")?)
            .output_padding(settings.per_axis::<D>("output_padding")?)
            .dilation(settings.per_axis::<D>("dilation")?)
            .groups(settings.size("groups")?);
        built(ConvTranspose { parameters: Parameters::build(settings)?, ..layer })
    }
}

/// The stride in a description. To plan a convolution takes time and memory for each place in a step.
fn stride_of<F: Real, const D: usize>(settings: &Settings<'_, F>) -> Result<PerAxis<D>, DescriptionError> {
    const MOST_PLACES: usize = 1 << 16;
    let stride = settings.per_axis::<D>("stride")?;
    if stride.0.iter().product::<usize>() > MOST_PLACES {
        return Err(settings.wrong("stride", &format!("whole numbers of a product up to {MOST_PLACES}")));
    }
    Ok(stride)
}

/// The channels of an input `[batch, channels, …]` that fall into each group.
fn channels_of_group<F: Real>(
    layer: &str,
    axes: usize,
    input: &Var<'_, F>,
    (groups, out): (usize, usize),
) -> Result<(usize, usize), String> {
    let shape = input.shape();
    if shape.len() != axes + 2 {
        let spatial = if axes == 1 { "length" } else { "height, width" };
        return Err(format!("{layer}: expected an input [batch, channels, {spatial}], got shape {shape:?}"));
    }
    let channels = shape[1];
    if groups == 0 || !channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
        return Err(format!(
            "{layer}: {groups} groups must divide {channels} input and {out} output channels"
        ));
    }
    Ok((channels, channels / groups))
}

impl<F: Real, const D: usize> Module<F> for Conv<D>
where
    nn_ops::Conv<D>: Op<F>,
{
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let layer = if D == 1 { "conv1d" } else { "conv2d" };
        let from = match channels_of_group(layer, D, &input, (self.groups, self.out)) {
            Ok((_, from)) => from,
            Err(message) => return scope.graph().complain(message),
        };
        if self.is_same && self.stride != [1; D] {
            let message =
                format!("{layer}: padding to the same length needs stride 1, not {:?}", self.stride);
            return scope.graph().complain(message);
        }
        let shape = [&[self.out, from], &self.kernel[..]].concat();
        self.parameters.record(layer, scope, self.operation(), input, (&shape, self.out))
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let layer = Description::new(if D == 1 { "Conv1d" } else { "Conv2d" })
            .with("out", self.out)
            .with("kernel", self.kernel)
            .with("stride", self.stride);
        let layer = match self.is_same {
            true => layer.with("padding", SAME),
            false => layer.with("padding", self.padding.map(|[before, _]| before)),
        };
        Ok(self.parameters.describe(layer.with("dilation", self.dilation).with("groups", self.groups)))
    }
}

impl<F: Real, const D: usize> Module<F> for ConvTranspose<D>
where
    nn_ops::ConvTranspose<D>: Op<F>,
{
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let layer = if D == 1 { "conv_transpose1d" } else { "conv_transpose2d" };
        let groups = self.operation.groups;
        let channels = match channels_of_group(layer, D, &input, (groups, self.out)) {
            Ok((channels, _)) => channels,
            Err(message) => return scope.graph().complain(message),
        };
        let shape = [&[channels, self.out / groups], &self.kernel[..]].concat();
        self.parameters.record(layer, scope, self.operation, input, (&shape, self.out))
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let nn_ops::ConvTranspose { stride, padding, output_padding, dilation, groups, .. } = self.operation;
        let layer = Description::new(if D == 1 { "ConvTranspose1d" } else { "ConvTranspose2d" })
            .with("out", self.out)
            .with("kernel", self.kernel)
            .with("stride", stride)
            .with("padding", padding)
            .with("output_padding", output_padding)
            .with("dilation", dilation)
            .with("groups", groups);
        Ok(self.parameters.describe(layer))
    }
}
