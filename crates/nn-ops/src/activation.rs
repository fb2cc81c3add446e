//! Activation functions: on arrays, and fused over rows with a bias.

use nn_core::{Grad, Io, Memory, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range};

use crate::kernel::{map, map_grad_rows, map_rows};
use crate::operation::Body;
use crate::shapes::elementwise;
use crate::simd::dispatch;
use crate::slices::join;

/// An activation function, applied to each element.
///
/// Formulas, defaults, and the gradients at corners are those of PyTorch. NaN stays NaN; in ELU and SELU its gradient
/// is NaN too, where PyTorch's is that of the positive side.
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::Activation;
///
/// let x = array![-2.0, 0.0, 3.0].into_dyn();
/// let (op, step) = (Activation::leaky_relu(0.1).unwrap(), Step::default());
/// let mut y = evaluate(&op, &step, &[x.view()]).unwrap();
/// assert_eq!(y.output, array![-0.2, 0.0, 3.0].into_dyn());
/// let dx = y.backward(&op, &step, &[x.view()], array![1.0, 1.0, 1.0].into_dyn().view());
/// assert_eq!(dx[0], array![0.1, 0.1, 1.0].into_dyn());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x.
    Identity,
    /// max(x, 0); the gradient at 0 is 0.
    Relu,
    /// x where x > 0, else slope·x; the gradient at 0 is the slope.
    ///
    /// Maas, Hannun, Ng 2013, "Rectifier nonlinearities improve neural network acoustic models".
    LeakyRelu {
        /// The factor of negative x; PyTorch's default is 0.01.
        slope: f64,
    },
    /// x where x > 0, else α(eˣ − 1).
    ///
    /// Clevert, Unterthiner, Hochreiter 2016, "Fast and accurate deep network learning by exponential linear units".
    Elu {
        /// The limit of −y for large negative x; PyTorch's default is 1.
        alpha: f64,
    },
    /// λx where x > 0, else λα(eˣ − 1), with λ = 1.0507… and α = 1.6732….
    ///
    /// Klambauer and others 2017, "Self-normalizing neural networks", equation 2.
    Selu,
    /// x·Φ(x), Φ being the distribution function of the standard normal distribution.
    ///
    /// Hendrycks, Gimpel 2016, "Gaussian error linear units".
    Gelu,
    /// The approximation x/2·(1 + tanh(√(2/π)(x + 0.044715x³))) of [`Activation::Gelu`].
    ///
    /// Its gradient at ±∞ is its limit there (NaN in PyTorch).
    GeluTanh,
    /// x·σ(x), also called swish.
    Silu,
    /// ln(1 + eˣ); x itself above 20, as in PyTorch.
    Softplus,
    /// σ(x) = 1/(1 + e⁻ˣ); 0 where that is below the least normal number.
    Sigmoid,
    /// tanh x.
    Tanh,
}

/// λ of the self-normalising activation.
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// α of the self-normalising activation.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// Above it softplus is the identity.
const SOFTPLUS_THRESHOLD: f64 = 20.0;
/// Above what softplus gives at its threshold, its gradient is 1.
const SOFTPLUS_AT_THRESHOLD: f64 = 20.000_000_002_061_16;
/// The factor of x³ in the approximation of GELU.
const GELU_CUBIC: f64 = 0.044_715;

/// From here on the tanh in the approximation of GELU is 1.
const GELU_SATURATED: f64 = 16.0;

impl Activation {
    /// [`Activation::LeakyRelu`]; PyTorch's default slope is 0.01.
    ///
    /// # Errors
    /// When the slope is not finite.
    pub fn leaky_relu(slope: f64) -> Result<Self, RangeError> {
        check_range("LeakyRelu", "slope", slope, "(-inf, inf)", slope.is_finite())?;
        Ok(Activation::LeakyRelu { slope })
    }

    /// [`Activation::Elu`]; PyTorch's default α is 1.
    ///
    /// # Errors
    /// When α is not finite.
    pub fn elu(alpha: f64) -> Result<Self, RangeError> {
        check_range("Elu", "alpha", alpha, "(-inf, inf)", alpha.is_finite())?;
        Ok(Activation::Elu { alpha })
    }

    /// The name, as PyTorch writes it: `leaky_relu`.
    pub fn name(&self) -> &'static str {
        match self {
            Activation::Identity => "identity",
            Activation::Relu => "relu",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Elu { .. } => "elu",
            Activation::Selu => "selu",
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu_tanh",
            Activation::Silu => "silu",
            Activation::Softplus => "softplus",
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
        }
    }

    /// Whether the derivative is computed from the output y; otherwise it is from the input x.
    ///
    /// True where y determines the derivative: all but GELU, SiLU, and leaky ReLU or ELU whose parameter is not
    /// positive.
    pub fn derivative_reads_output(&self) -> bool {
        match self {
            Activation::LeakyRelu { slope } => *slope > 0.0,
            Activation::Elu { alpha } => *alpha > 0.0,
            Activation::Gelu | Activation::GeluTanh | Activation::Silu => false,
            _ => true,
        }
    }

    /// y = act(y + bias) in place, over contiguous rows of `width` elements, in one pass.
    ///
    /// # Panics
    /// When the bias has not `width` elements, or `rows` is not a whole number of rows.
    #[track_caller]
    pub fn activate_rows<F: Real>(&self, rows: &mut [F], bias: Option<&[F]>, width: usize) {
        check_rows(self.name(), rows.len(), bias.map(<[F]>::len), width);
        if !rows.is_empty() {
            self.activate_parts(rows, bias, width);
        }
    }

    /// As [`activate_rows`](Self::activate_rows), many rows divided among threads.
    fn activate_parts<F: Real>(&self, rows: &mut [F], bias: Option<&[F]>, width: usize) {
        let middle = rows.len() / width / 2 * width;
        if rows.len() < PARALLEL_ROWS || middle == 0 || rayon::current_num_threads() == 1 {
            return self.apply(Rows { rows, bias });
        }
        let (first, second) = rows.split_at_mut(middle);
        join(true, || self.activate_parts(first, bias, width), || self.activate_parts(second, bias, width));
    }

    /// dz = dy·act′ over contiguous rows of `width` elements, and d_bias += the column sums of dz, in one pass.
    ///
    /// `kept` is the output y where [`derivative_reads_output`](Self::derivative_reads_output), else the input of
    /// the activation. The columns are summed in an order that depends on the shape alone.
    ///
    /// # Panics
    /// When the lengths of `kept`, `dy` and `dz` differ, `d_bias` has not `width` elements, or `dz` is not a whole
    /// number of rows.
    #[track_caller]
    pub fn backward_rows<F: Real>(
        &self,
        kept: &[F],
        dy: &[F],
        dz: &mut [F],
        d_bias: Option<&mut [F]>,
        width: usize,
    ) {
        check_rows(self.name(), dz.len(), d_bias.as_ref().map(|b| b.len()), width);
        let lengths = (kept.len(), dy.len());
        assert_eq!(lengths, (dz.len(), dz.len()), "{}: lengths of value and gradients differ", self.name());
        if !dz.is_empty() {
            self.apply_derivative(GradRows { kept, dy, dz, d_bias });
        }
    }

    /// Runs the loop of `rows`, compiled for this one function x ↦ y.
    fn apply<F: Real>(&self, rows: Rows<'_, F>) {
        let constant = F::from_f64;
        let (zero, one, half) = (F::zero(), F::one(), constant(0.5));
        match *self {
            Activation::Identity if rows.bias.is_none() => {}
            Activation::Identity => rows.run(move |x| x),
            Activation::Relu => rows.run(move |x| if x < zero { zero } else { x }),
            Activation::LeakyRelu { slope } => {
                let slope = constant(slope);
                rows.run(move |x| if x > zero { x } else { x * slope });
            }
            Activation::Elu { alpha } => rows.run(exponential(one, constant(alpha))),
            Activation::Selu => {
                rows.run(exponential(constant(SELU_SCALE), constant(SELU_SCALE * SELU_ALPHA)));
            }
            Activation::Gelu => {
                let root = constant(std::f64::consts::FRAC_1_SQRT_2);
                rows.run(
                    #[inline(always)]
                    move |x| x * half * (one + (x * root).erf()),
                );
            }
            Activation::GeluTanh => rows.run(
                #[inline(always)]
                move |x| x * half * (one + gelu_argument(x).tanh()),
            ),
            Activation::Silu => rows.run(
                #[inline(always)]
                move |x| x * x.sigmoid(),
            ),
            Activation::Softplus => {
                let threshold = constant(SOFTPLUS_THRESHOLD);
                rows.run(
                    #[inline(always)]
                    move |x| {
                        let y = x.exp().ln_1p();
                        if x > threshold { x } else { y }
                    },
                );
            }
            Activation::Sigmoid => rows.run(sigmoid),
            Activation::Tanh => rows.run(F::tanh),
        }
    }

    /// Runs the loop of `rows`, compiled for this one function (kept, dy) ↦ dy·act′; `kept` is y or x, see
    /// [`derivative_reads_output`](Self::derivative_reads_output).
    fn apply_derivative<F: Real>(&self, rows: GradRows<'_, F>) {
        let constant = F::from_f64;
        let (zero, one, half) = (F::zero(), F::one(), constant(0.5));
        match *self {
            Activation::Identity => rows.run(move |_, d| d),
            Activation::Relu => rows.run(move |y, d| if y <= zero { zero } else { d }),
            Activation::LeakyRelu { slope } => {
                let slope = constant(slope);
                rows.run(move |v, d| if v > zero { d } else { d * slope });
            }
            Activation::Elu { alpha } if alpha > 0.0 => rows.run(exponential_back(one, constant(alpha))),
            Activation::Elu { alpha } => {
                let alpha = constant(alpha);
                rows.run(
                    #[inline(always)]
                    move |x, d| {
                        let slope = alpha * x.exp();
                        if x > zero { d } else { d * slope }
                    },
                );
            }
            Activation::Selu => {
                rows.run(exponential_back(constant(SELU_SCALE), constant(SELU_SCALE * SELU_ALPHA)));
            }
            Activation::Gelu => {
                let root = constant(std::f64::consts::FRAC_1_SQRT_2);
                let density = constant(std::f64::consts::FRAC_2_SQRT_PI) * root * half;
                rows.run(
                    #[inline(always)]
                    move |x, d| {
                        let distribution = half * (one + (x * root).erf());
                        d * (distribution + x * density * (-half * x * x).exp())
                    },
                );
            }
            Activation::GeluTanh => {
                let (scale, cubic) = (gelu_scale::<F>(), constant(3.0 * GELU_CUBIC));
                let limit = constant(GELU_SATURATED);
                rows.run(
                    #[inline(always)]
                    move |x, d| {
                        let t = gelu_argument(x).tanh();
                        // Where x is as large as this, 1 − t² is 0, and the square of x may be infinite.
                        let near = x.max(-limit).min(limit);
                        let inner = scale * (one + cubic * near * near);
                        d * half * (one + t + near * (one - t * t) * inner)
                    },
                );
            }
            Activation::Silu => rows.run(
                #[inline(always)]
                move |x, d| {
                    let s = x.sigmoid();
                    d * s * (one + x * (one - s))
                },
            ),
            Activation::Softplus => {
                let threshold = constant(SOFTPLUS_AT_THRESHOLD);
                rows.run(
                    #[inline(always)]
                    move |y, d| {
                        let slope = -(-y).exp_m1();
                        if y > threshold { d } else { d * slope }
                    },
                );
            }
            Activation::Sigmoid => rows.run(move |y, d| d * (one - y) * y),
            Activation::Tanh => rows.run(move |y, d| d * (one - y * y)),
        }
    }
}

/// a·x where x > 0, else b(eˣ − 1).
#[inline(always)]
fn exponential<F: Real>(a: F, b: F) -> impl Fn(F) -> F {
    #[inline(always)]
    move |x| {
        let negative = b * x.exp_m1();
        if x > F::zero() { x * a } else { negative }
    }
}

/// The gradient of [`exponential`] from its output: beˣ = y + b.
#[inline(always)]
fn exponential_back<F: Real>(a: F, b: F) -> impl Fn(F, F) -> F {
    #[inline(always)]
    move |y, d| if y > F::zero() { d * a } else { d * (y + b) }
}

/// [`Real::sigmoid`] by the fast exponential: 0 where eˣ is below the least normal number.
#[inline(always)]
fn sigmoid<F: Real>(x: F) -> F {
    let t = (-x.abs()).exp_nonpositive();
    let above = if x < F::zero() { t } else { F::one() };
    above / (F::one() + t)
}

/// √(2/π).
#[inline(always)]
fn gelu_scale<F: Real>() -> F {
    F::from_f64(std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2)
}

/// √(2/π)(x + 0.044715x³).
#[inline(always)]
fn gelu_argument<F: Real>(x: F) -> F {
    gelu_scale::<F>() * (x + F::from_f64(GELU_CUBIC) * x * x * x)
}

impl<F: Real> Body<F> for Activation {
    fn name(&self) -> &'static str {
        Activation::name(self)
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = elementwise(self.name(), inputs)?;
        Ok(match self {
            Activation::Identity => outline,
            _ if self.derivative_reads_output() => outline.reads_output(),
            _ => outline.reads_inputs(&[0]),
        })
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        if *self == Activation::Relu {
            let zero = F::zero();
            return map([&inputs[0]], output, move |[x]| if x < zero { zero } else { x });
        }
        map_rows([&inputs[0]], output, &|[x], y| {
            for (x, y) in x.chunks(CHUNK).zip(y.chunks_mut(CHUNK)) {
                y.copy_from_slice(x);
                self.apply(Rows { rows: y, bias: None });
            }
        });
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let grad = &mut dx[0];
        if !grad.is_needed() {
            return;
        }
        let kept = match self {
            Activation::Identity => dy.clone(),
            _ if self.derivative_reads_output() => io.output(),
            _ => io.input(0),
        };
        let back = |[kept, dy]: [&[F]; 2], dz: &mut [F]| {
            self.apply_derivative(GradRows { kept, dy, dz, d_bias: None });
        };
        map_grad_rows([&kept, &dy], grad, Some(&back));
    }
}

#[track_caller]
fn check_rows(name: &str, len: usize, bias: Option<usize>, width: usize) {
    assert!(bias.is_none_or(|b| b == width), "{name}: rows of {width} elements, a bias of {bias:?}");
    let whole = if width == 0 { len == 0 } else { len.is_multiple_of(width) };
    assert!(whole, "{name}: {len} elements are not whole rows of {width}");
}

/// Elements in the buffer in which a bias is repeated, so that loops over several narrow rows are one long loop.
const REPEATED: usize = 512;
/// A multiple of the number of elements in a vector.
const LANES: usize = 16;

/// The number of elements in which `rows` elements of this width are worked on; up to [`REPEATED`] it is several rows.
fn stretch(width: usize, rows: usize) -> usize {
    let times = REPEATED / width;
    let times = if times > LANES { times / LANES * LANES } else { times };
    rows.min(times * width)
}

/// Elements of rows above which work is divided among threads.
const PARALLEL_ROWS: usize = 1 << 16;

/// Elements that are copied before the function is applied to them in place: few enough to stay in the first cache.
const CHUNK: usize = 4096;

/// Rows in which a function is to be applied, with what is added before.
struct Rows<'a, F> {
    rows: &'a mut [F],
    bias: Option<&'a [F]>,
}

impl<F: Real> Rows<'_, F> {
    /// `y = f(y + bias)`.
    fn run(self, f: impl Fn(F) -> F) {
        let Rows { rows, bias } = self;
        // −0 is the number that, added, changes nothing.
        let mut repeated = [-F::zero(); REPEATED];
        let bias = match bias {
            None => &repeated[..],
            Some(bias) if bias.len() > REPEATED => bias,
            Some(bias) => {
                let len = stretch(bias.len(), rows.len());
                repeat(bias, &mut repeated[..len]);
                &repeated[..len]
            }
        };
        dispatch(
            #[inline(always)]
            move || {
                for row in rows.chunks_mut(bias.len()) {
                    for (y, b) in row.iter_mut().zip(bias) {
                        *y = f(*y + *b);
                    }
                }
            },
        );
    }
}

/// Fills the buffer, whose length is a multiple of that of `part`, with copies of it.
fn repeat<F: Copy>(part: &[F], buffer: &mut [F]) {
    buffer[..part.len()].copy_from_slice(part);
    let mut filled = part.len();
    while filled < buffer.len() {
        let more = filled.min(buffer.len() - filled);
        buffer.copy_within(..more, filled);
        filled += more;
    }
}

/// Rows of gradients that are to be taken back through a function, and where their columns are summed.
struct GradRows<'a, F> {
    kept: &'a [F],
    dy: &'a [F],
    dz: &'a mut [F],
    d_bias: Option<&'a mut [F]>,
}

impl<F: Real> GradRows<'_, F> {
    /// `dz = f(kept, dy)`, and `d_bias += dz`, row by row.
    fn run(self, f: impl Fn(F, F) -> F) {
        let GradRows { kept, dy, dz, d_bias } = self;
        match d_bias {
            None => dispatch(
                #[inline(always)]
                move || {
                    let (kept, dy) = (&kept[..dz.len()], &dy[..dz.len()]);
                    for (i, dz) in dz.iter_mut().enumerate() {
                        *dz = f(kept[i], dy[i]);
                    }
                },
            ),
            Some(d_bias) => add_columns(dz.len(), d_bias, |sums| {
                let width = sums.len();
                dispatch(
                    #[inline(always)]
                    move || {
                        for (i, dz) in dz.chunks_mut(width).enumerate() {
                            let len = dz.len();
                            let (kept, dy) = (&kept[i * width..][..len], &dy[i * width..][..len]);
                            let sums = &mut sums[..len];
                            for j in 0..len {
                                let d = f(kept[j], dy[j]);
                                dz[j] = d;
                                sums[j] += d;
                            }
                        }
                    },
                );
            }),
        }
    }
}

/// Lets `add` add `len` elements of rows to the sums of their columns: those it is given are as many as `sums`, or
/// several times as many where these are few, and element i of the rows belongs to the sum at i modulo their number.
#[inline(always)]
fn add_columns<F: Real>(len: usize, sums: &mut [F], add: impl FnOnce(&mut [F])) {
    if sums.len() > REPEATED {
        return add(sums);
    }
    let mut repeated = [F::zero(); REPEATED];
    let repeated = &mut repeated[..stretch(sums.len(), len)];
    add(repeated);
    dispatch(
        #[inline(always)]
        move || {
            for part in repeated.chunks_exact(sums.len()) {
                sums.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
            }
        },
    );
}

/// `sums +=` the sums of the columns of contiguous rows, in the order of [`Activation::backward_rows`].
pub(crate) fn add_column_sums<F: Real>(rows: &[F], sums: &mut [F]) {
    if rows.is_empty() {
        return;
    }
    add_columns(rows.len(), sums, |sums| {
        let width = sums.len();
        dispatch(
            #[inline(always)]
            move || {
                for row in rows.chunks(width) {
                    sums.iter_mut().zip(row).for_each(|(sum, &d)| *sum += d);
                }
            },
        );
    });
}
