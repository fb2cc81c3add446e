//! What every operation must satisfy, as one check over random cases.
//!
//! [`prove`] draws cases from a strategy and runs [`check_operation`] on each:
//!
//! | property | what it catches |
//! |---|---|
//! | the gradient is that of differences | a wrong backward pass |
//! | any memory layout of inputs, output and gradients gives the same as row-major | assumed strides |
//! | a broadcast gradient of the output (stride 0) gives the same as a copied one | assumed strides |
//! | working memory and overwritten targets may hold anything, also NaN | reading what was never written |
//! | only the inputs and the output that the outline declares are there for the backward pass | an outline that forgets |
//! | accumulating adds the gradient to what is there | overwriting, or adding twice |
//! | skipping one gradient leaves the others as they are | gradients that depend on each other |
//! | an input said to be [constant](Case::constant) has the gradient 0, where it is asked for | rubbish left there |
//! | the backward pass is linear in the gradient of the output | a cost mixed into it |
//! | what a running statistic [moves](Outline::moves) by does not depend on that gradient | a gradient added to it |
//! | `f32` agrees with `f64` | constants and thresholds that suit one precision only |
//!
//! ```
//! use nn_core::{Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, View, ViewMut};
//! use nn_gradcheck::properties::{prove, unary};
//!
//! #[derive(Debug)]
//! struct Cube;
//!
//! impl<F: Real> Op<F> for Cube {
//!     fn name(&self) -> &'static str {
//!         "cube"
//!     }
//!     fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
//!         Ok(Outline::new(inputs[0], 1).reads_inputs(&[0]))
//!     }
//!     fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, _: Memory<'_, F>) {
//!         output.zip_mut_with(&inputs[0], |y, &x| *y = x * x * x);
//!     }
//!     fn backward(
//!         &self, _: &Step, io: &Io<'_, '_, F>, _: Memory<'_, F>, d_output: View<'_, F>, d_inputs: &mut [Grad<'_, F>],
//!     ) {
//!         let Some((mut target, accumulate)) = d_inputs[0].target() else { return };
//!         if !accumulate {
//!             target.fill(F::zero());
//!         }
//!         let slope = io.input(0).mapv(|x| F::from_f64(3.0) * x * x);
//!         target += &(slope * d_output);
//!     }
//! }
//!
//! println!("{}", prove("Cube", unary(|| Cube)));
//! ```
//!
//! In the gradient of a running statistic the backward pass leaves no gradient: differences and linearity are not
//! demanded of it, all else is. Where nothing may move, as in evaluation, declare it [constant](Case::constant).
//!
//! [`unary`] and [`binary`] draw the cases of operations that take one array, or two of one shape, of any shape. Others
//! draw their own:
//!
//! ```
//! use nn_gradcheck::properties::{Case, unary};
//! use nn_gradcheck::strategies::{away_from, laid, shapes};
//! use proptest::strategy::Strategy;
//! # use nn_core::Op;
//! # fn relu_cases<O: Op<f64> + Op<f32> + 'static>(relu: fn() -> O) -> impl Strategy<Value = Case> {
//!
//! shapes(0..=3, 4)
//!     .prop_flat_map(|shape| laid(away_from(shape, &[0.0], 0.1, 3.0)))
//!     .prop_map(move |x| Case::new(relu(), vec![x]))
//! # }
//! ```
//!
//! What is no [`Op`], but two functions on arrays, [`prove_function`] proves.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayBase, ArrayD, IxDyn};
use nn_core::{Grad, Io, Memory, Op, Outline, Real, Step, View, shape};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::assess::{Subject, suspect};
use crate::check::GradCheck;
use crate::numeric::Slope;
use crate::operation::{Probe, cotangent};
use crate::report::{Report, Row};
use crate::strategies::{Laid, Layout, layout};

mod cases;
mod functions;

pub use cases::{binary, unary};
pub use functions::prove_function;

/// The relative error that no case may exceed.
pub const LARGEST_ERROR: f64 = 1e-6;
/// The relative error below which half of all cases must lie.
pub const MEDIAN_ERROR: f64 = 1e-8;
/// How far results for different memory layouts may lie apart, relative to the largest element (or 1).
const SAME: f64 = 1e-12;
/// How far `f32` and `f64` may lie apart, relative to the largest element (or 1).
const SINGLE: f64 = 1e-5;

/// An operation with inputs to run it on.
#[derive(Clone, Debug)]
pub struct Case {
    double: Arc<dyn Op<f64>>,
    single: Arc<dyn Op<f32>>,
    inputs: Vec<Laid>,
    constant: Vec<usize>,
    step: Step,
    layouts: [Layout; 3],
}

impl Case {
    /// Runs `op` on these inputs, in training mode at step 0.
    pub fn new<O: Op<f64> + Op<f32> + 'static>(op: O, inputs: Vec<Laid>) -> Self {
        let op = Arc::new(op);
        let (double, single) = (Arc::clone(&op) as Arc<dyn Op<f64>>, op as Arc<dyn Op<f32>>);
        Case { double, single, inputs, constant: vec![], step: Step::default(), layouts: [Layout::C; 3] }
    }

    /// Says that the inputs at these positions carry no gradient, such as class or row numbers.
    #[must_use]
    pub fn constant(mut self, positions: &[usize]) -> Self {
        self.constant = positions.to_vec();
        self
    }

    /// Sets the step: the mode and the random streams.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.step = step;
        self
    }

    /// Sets the memory layouts of the output, of its gradient, and of the gradients of the inputs.
    #[must_use]
    pub fn layouts(mut self, output: Layout, d_output: Layout, d_inputs: Layout) -> Self {
        self.layouts = [output, d_output, d_inputs];
        self
    }

    /// The inputs.
    pub fn inputs(&self) -> &[Laid] {
        &self.inputs
    }

    /// The bits of the output and of all gradients, in `f64` and in `f32`: to compare between numbers of threads.
    ///
    /// # Panics
    /// When shapes or values of the inputs do not suit the operation.
    pub fn bits(&self) -> Vec<u64> {
        let single: Vec<ArrayD<f32>> = self.inputs.iter().map(|x| x.view().mapv(|x| x as f32)).collect();
        let double: Vec<View<'_, f64>> = self.inputs.iter().map(Laid::view).collect();
        let mut bits = bits_of(&*self.double, self, &double);
        bits.extend(bits_of(&*self.single, self, &single.iter().map(|x| x.view()).collect::<Vec<_>>()));
        bits
    }
}

/// What [`prove`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// What was proven.
    pub name: String,
    /// The number of cases with at least one derivative.
    pub cases: usize,
    /// The median relative error of their gradients.
    pub median: f64,
    /// The largest relative error of their gradients.
    pub largest: f64,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Proof { name, cases, median, largest } = self;
        write!(f, "{name:<32} {cases:>4} cases, relative error: median {median:.1e}, largest {largest:.1e}")
    }
}

/// Draws cases and demands of each what [`check_operation`] demands, in random memory layouts of output and
/// gradients; half of the gradients must be right to 1e-8, all to 1e-6.
///
/// The number of cases is that of proptest (256, or `PROPTEST_CASES`). The same cases are drawn every time, unless
/// `PROPTEST_RNG_SEED` names another seed.
///
/// # Panics
/// With the smallest case that proptest finds to fail, or when the median error is too large.
#[track_caller]
pub fn prove(name: &str, cases: impl Strategy<Value = Case>) -> Proof {
    let strategy =
        (cases, layout(), layout(), layout()).prop_map(|(case, y, dy, dx)| case.layouts(y, dy, dx));
    run_all(name, &strategy, check_operation)
}

/// Runs a check that returns a relative error over all cases.
#[track_caller]
fn run_all<S: Strategy>(
    name: &str,
    cases: &S,
    check: impl Fn(&S::Value) -> Result<Option<f64>, TestCaseError>,
) -> Proof {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    let errors = RefCell::new(Vec::new());
    let outcome = TestRunner::new(config).run(cases, |case| {
        errors.borrow_mut().extend(check(&case)?);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{name}: {reason}\nminimal failing case: {case:#?}"),
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
    }
    let mut errors = errors.into_inner();
    errors.sort_by(f64::total_cmp);
    let median = errors.get(errors.len() / 2).copied().unwrap_or(0.0);
    assert!(median < MEDIAN_ERROR, "{name}: median relative error {median:e} is not below {MEDIAN_ERROR:e}");
    let largest = errors.last().copied().unwrap_or(0.0);
    Proof { name: name.to_owned(), cases: errors.len(), median, largest }
}

/// Checks all properties of the table [above](self) on one case.
///
/// Returns the largest relative error of the gradients of the inputs, `None` where the inputs that carry a gradient
/// have no elements.
///
/// # Errors
/// When a property does not hold, with its name, the place and both values.
pub fn check_operation(case: &Case) -> Result<Option<f64>, TestCaseError> {
    let plain: Vec<ArrayD<f64>> = case.inputs.iter().map(Laid::to_array).collect();
    let views: Vec<View<'_, f64>> = plain.iter().map(|x| x.view()).collect();
    let run = Run::new(&*case.double, case, &views)?;
    let c = cotangent(&run.outline.shape, 0);
    let truth = run.plain(c.view(), f64::NAN);
    memory_does_not_matter(&run, &truth, &c)?;
    layouts_do_not_matter(case, &truth, &c)?;
    broadcast_gradient(&run)?;
    accumulates(&run, &truth, &c)?;
    skips(&run, &truth, &c)?;
    constants_have_none(&run, &c)?;
    is_linear(&run, &truth, &c)?;
    agrees_in_single(case, &c)?;
    gradient_is_right(&run, &truth, &c)
}

/// The bits of the results in one precision.
fn bits_of<F: Real>(op: &dyn Op<F>, case: &Case, inputs: &[View<'_, F>]) -> Vec<u64> {
    let run = match Run::new(op, case, inputs) {
        Ok(run) => run,
        Err(reason) => panic!("{}: {reason}", op.name()),
    };
    let c = cotangent(&run.outline.shape, 0).mapv(F::from_f64);
    let results = run.plain(c.view(), F::NAN);
    let arrays = std::iter::once(&results.output).chain(results.gradients.iter().flatten());
    arrays.flat_map(|x| x.view().iter().map(|x| x.bits()).collect::<Vec<_>>()).collect()
}

/// The output and the gradients of one forward and backward pass; `None` for a gradient that was skipped.
struct Results<F: Real> {
    output: Laid<F>,
    gradients: Vec<Option<Laid<F>>>,
}

/// An operation with its inputs in one precision.
struct Run<'a, F: Real> {
    op: &'a dyn Op<F>,
    case: &'a Case,
    inputs: &'a [View<'a, F>],
    outline: Outline,
}

impl<'a, F: Real> Run<'a, F> {
    fn new(op: &'a dyn Op<F>, case: &'a Case, inputs: &'a [View<'a, F>]) -> Result<Self, TestCaseError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(ArrayBase::shape).collect();
        let outline = op.infer(&shapes).map_err(fail)?;
        op.check(inputs).map_err(fail)?;
        if [outline.reads_input.len(), outline.moves.len()] != [inputs.len(); 2] {
            return Err(fail("the outline declares another number of inputs"));
        }
        Ok(Run { op, case, inputs, outline })
    }

    /// Whether input `i` carries a gradient.
    fn varies(&self, i: usize) -> bool {
        !self.case.constant.contains(&i)
    }

    /// A target for the gradient of each input that carries one.
    fn targets(&self, fill: F, layout: Layout) -> Vec<Option<Laid<F>>> {
        let target =
            |(i, x): (usize, &View<'_, F>)| self.varies(i).then(|| Laid::filled(x.shape(), fill, layout));
        self.inputs.iter().enumerate().map(target).collect()
    }

    /// Everything row-major, overwriting; all memory holds `rubbish` before it is written.
    fn plain(&self, d_output: View<'_, F>, rubbish: F) -> Results<F> {
        self.run(d_output, rubbish, Layout::C, self.targets(rubbish, Layout::C), false)
    }

    /// One forward and one backward pass into an output of this layout and into these targets.
    fn run(
        &self,
        d_output: View<'_, F>,
        rubbish: F,
        layout: Layout,
        mut gradients: Vec<Option<Laid<F>>>,
        accumulate: bool,
    ) -> Results<F> {
        let Run { op, case, inputs, outline } = self;
        let mut output = Laid::filled(&outline.shape, rubbish, layout);
        let mut saved = vec![rubbish; outline.saved];
        let mut scratch = vec![rubbish; outline.scratch];
        let memory = Memory { saved: &mut saved, scratch: &mut scratch };
        op.forward(&case.step, inputs, output.view_mut(), memory);

        scratch.fill(rubbish);
        let declared = |(x, &reads): (&View<'a, F>, &bool)| reads.then(|| x.clone());
        let kept: Vec<_> = inputs.iter().zip(&outline.reads_input).map(declared).collect();
        let y = output.view();
        let io = Io::new(&kept, outline.reads_output.then_some(&y));
        let mut targets: Vec<Grad<'_, F>> = gradients
            .iter_mut()
            .map(|target| match target {
                None => Grad::Skip,
                Some(target) => match accumulate {
                    true => Grad::Accumulate(target.view_mut()),
                    false => Grad::Overwrite(target.view_mut()),
                },
            })
            .collect();
        let memory = Memory { saved: &mut saved, scratch: &mut scratch };
        op.backward(&case.step, &io, memory, d_output, &mut targets);
        drop(targets);
        Results { output, gradients }
    }
}

/// The results do not depend on what memory held before; to the bit.
fn memory_does_not_matter(
    run: &Run<'_, f64>,
    truth: &Results<f64>,
    c: &ArrayD<f64>,
) -> Result<(), TestCaseError> {
    let other = run.plain(c.view(), 7.5);
    same_results("memory that holds other rubbish", &other, truth, 0.0)
}

/// The layouts of the case give the same as row-major arrays, and write nothing beside the arrays.
fn layouts_do_not_matter(case: &Case, truth: &Results<f64>, c: &ArrayD<f64>) -> Result<(), TestCaseError> {
    let views: Vec<View<'_, f64>> = case.inputs.iter().map(Laid::view).collect();
    let run = Run::new(&*case.double, case, &views)?;
    let [output, d_output, d_inputs] = case.layouts;
    let laid = Laid::new(c.view(), d_output);
    let results = run.run(laid.view(), f64::NAN, output, run.targets(f64::NAN, d_inputs), false);
    same_results("other memory layouts", &results, truth, SAME)?;
    let mut written = std::iter::once(&results.output).chain(results.gradients.iter().flatten());
    if written.all(Laid::is_intact) { Ok(()) } else { Err(fail("memory beside the arrays was written")) }
}

/// A gradient of the output that is one number broadcast gives the same as the number in every element.
fn broadcast_gradient(run: &Run<'_, f64>) -> Result<(), TestCaseError> {
    let shape = IxDyn(&run.outline.shape);
    let (number, copied) = (ndarray::arr0(0.75), ArrayD::from_elem(shape.clone(), 0.75));
    let broadcast = number.broadcast(shape).expect("a number takes any shape");
    let (a, b) = (run.plain(broadcast, f64::NAN), run.plain(copied.view(), f64::NAN));
    same_results("a broadcast gradient of the output", &a, &b, SAME)
}

/// Accumulating adds the gradient to what the targets hold.
fn accumulates(run: &Run<'_, f64>, truth: &Results<f64>, c: &ArrayD<f64>) -> Result<(), TestCaseError> {
    let present = 0.625;
    let targets = run.targets(present, run.case.layouts[2]);
    let results = run.run(c.view(), f64::NAN, Layout::C, targets, true);
    for (i, (got, gradient)) in results.gradients.iter().zip(&truth.gradients).enumerate() {
        if let (Some(got), Some(gradient)) = (got, gradient) {
            let expected = gradient.to_array() + present;
            same(&format!("accumulated gradient of input {i}"), got.view(), expected.view(), SAME)?;
        }
    }
    Ok(())
}

/// Whichever gradient is skipped, the others come out as before.
fn skips(run: &Run<'_, f64>, truth: &Results<f64>, c: &ArrayD<f64>) -> Result<(), TestCaseError> {
    for skipped in (0..run.inputs.len()).filter(|&i| run.varies(i)) {
        let mut targets = run.targets(f64::NAN, Layout::C);
        targets[skipped] = None;
        let results = run.run(c.view(), f64::NAN, Layout::C, targets, false);
        let name = format!("skipping the gradient of input {skipped}");
        same_results(&name, &results, truth, SAME)?;
    }
    Ok(())
}

/// Asked for nevertheless, the gradient of a constant input is zero.
fn constants_have_none(run: &Run<'_, f64>, c: &ArrayD<f64>) -> Result<(), TestCaseError> {
    for accumulate in [false, true] {
        let present = if accumulate { 0.625 } else { f64::NAN };
        let mut targets: Vec<Option<Laid>> = run.inputs.iter().map(|_| None).collect();
        for &i in &run.case.constant {
            targets[i] = Some(Laid::filled(run.inputs[i].shape(), present, run.case.layouts[2]));
        }
        let results = run.run(c.view(), f64::NAN, Layout::C, targets, accumulate);
        for (i, got) in results.gradients.iter().enumerate() {
            if let Some(got) = got {
                let expected = ArrayD::from_elem(got.view().raw_dim(), if accumulate { 0.625 } else { 0.0 });
                same(&format!("the gradient of constant input {i}"), got.view(), expected.view(), 0.0)?;
            }
        }
    }
    Ok(())
}

/// The gradients for 2c − 3e are twice those for c less three times those for e; running statistics move the same.
fn is_linear(run: &Run<'_, f64>, truth: &Results<f64>, c: &ArrayD<f64>) -> Result<(), TestCaseError> {
    let e = cotangent(&run.outline.shape, 1);
    let second = run.plain(e.view(), f64::NAN);
    let mixed = run.plain((2.0 * c - 3.0 * &e).view(), f64::NAN);
    for (i, got) in mixed.gradients.iter().enumerate() {
        if let (Some(got), Some(a), Some(b)) = (got, &truth.gradients[i], &second.gradients[i]) {
            if run.outline.moves[i] {
                let name =
                    format!("the change of running statistic {i} under another gradient of the output");
                same(&name, got.view(), a.view(), 0.0)?;
                continue;
            }
            let expected = 2.0 * a.to_array() - 3.0 * b.to_array();
            let name = format!("linearity of the gradient of input {i}");
            same(&name, got.view(), expected.view(), 10.0 * SAME)?;
        }
    }
    Ok(())
}

/// The results in `f32` are those in `f64`, from inputs that are the same numbers.
fn agrees_in_single(case: &Case, c: &ArrayD<f64>) -> Result<(), TestCaseError> {
    let inputs: Vec<ArrayD<f32>> = case.inputs.iter().map(|x| x.view().mapv(|x| x as f32)).collect();
    let exact: Vec<ArrayD<f64>> = inputs.iter().map(|x| x.mapv(f64::from)).collect();
    let c = c.mapv(|x| x as f32);
    let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    let single = Run::new(&*case.single, case, &views)?.plain(c.view(), f32::NAN);
    let views: Vec<_> = exact.iter().map(|x| x.view()).collect();
    let double = Run::new(&*case.double, case, &views)?.plain(c.mapv(f64::from).view(), f64::NAN);
    let widen = |x: &Laid<f32>| x.view().mapv(f64::from);
    same("the output in f32", widen(&single.output).view(), double.output.view(), SINGLE)?;
    for (i, (a, b)) in single.gradients.iter().zip(&double.gradients).enumerate() {
        if let (Some(a), Some(b)) = (a, b) {
            same(&format!("the gradient of input {i} in f32"), widen(a).view(), b.view(), SINGLE)?;
        }
    }
    Ok(())
}

/// The gradients are those of differences; returns the largest relative error.
fn gradient_is_right(
    run: &Run<'_, f64>,
    truth: &Results<f64>,
    c: &ArrayD<f64>,
) -> Result<Option<f64>, TestCaseError> {
    let stencil = GradCheck::new().for_operations();
    let mut probe = Probe::new(run.op, &run.case.step, run.inputs).map_err(fail)?;
    let mut largest = None;
    for (i, gradient) in truth.gradients.iter().enumerate() {
        let Some(gradient) = gradient else { continue };
        if run.outline.moves[i] || shape::size(run.inputs[i].shape()) == 0 {
            continue;
        }
        let (input, gradient) = (&run.inputs[i], gradient.view());
        let error = compare(i, input, &gradient, &probe.slopes(stencil, i, c))?;
        largest = Some(largest.map_or(error, |l: f64| l.max(error)));
    }
    Ok(largest)
}

/// The relative error of the gradient of input `i`.
fn compare(
    i: usize,
    input: &View<'_, f64>,
    gradient: &View<'_, f64>,
    slopes: &[Slope],
) -> Result<f64, TestCaseError> {
    let name = format!("input {i}");
    let subject = Subject::new(&name, input, gradient);
    let mut row = Row::compare(&name, &subject.shape, &subject.analytic, slopes);
    if row.relative_error <= LARGEST_ERROR {
        return Ok(row.relative_error);
    }
    suspect(&GradCheck::new(), &subject, slopes, &[], &mut row);
    Err(fail(format!("the gradient is not that of differences:\n{}", Report::new(vec![row]))))
}

/// Compares output and gradients, those that both have.
fn same_results(
    name: &str,
    got: &Results<f64>,
    expected: &Results<f64>,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    same(&format!("{name}: output"), got.output.view(), expected.output.view(), tolerance)?;
    for (i, (a, b)) in got.gradients.iter().zip(&expected.gradients).enumerate() {
        if let (Some(a), Some(b)) = (a, b) {
            same(&format!("{name}: gradient of input {i}"), a.view(), b.view(), tolerance)?;
        }
    }
    Ok(())
}

/// Demands that two arrays are the same but for `tolerance`, relative to the largest element or 1.
fn same(
    name: &str,
    got: View<'_, f64>,
    expected: View<'_, f64>,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let largest = expected.iter().filter(|x| x.is_finite()).fold(1.0, |m: f64, x| m.max(x.abs()));
    for ((index, &a), &b) in got.indexed_iter().zip(expected) {
        let equal = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * largest;
        if !equal {
            return Err(fail(format!("{name}: {a:e} instead of {b:e} at {index:?}")));
        }
    }
    Ok(())
}

/// A failed case.
fn fail(reason: impl ToString) -> TestCaseError {
    TestCaseError::fail(reason.to_string())
}
