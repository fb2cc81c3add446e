//! Picking rows of a table by their numbers.

use ndarray::{Axis, Dimension};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, ValueError, View, ViewMut};

use crate::kernel::{copy, copy_grad};
use crate::operation::Body;
use crate::shapes::arity;
use crate::slices::{PARALLEL, add_into, join};

/// Picks rows of a table by number.
///
/// Inputs: the table `[rows, …]`, and row numbers of any shape as whole numbers from 0. Output: the shape of the
/// row numbers, then that of one row. The gradient of the table sums over repeated rows, in a fixed order; that of
/// the row numbers is 0.
///
/// Values: [`nn_core::Op::check`] refuses row numbers that are fractional or out of range. A forward or backward pass that
/// was not preceded by it panics on such numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatherRows;

/// Looks up the vectors of words, or of any other numbered things.
///
/// y(…) = table(number(…)). Inputs: the table `[count, width]`, and numbers of any shape, whole from 0 to count − 1;
/// output: the shape of the numbers, then `width`.
///
/// Backward: row r of the table's gradient is the sum of dy over all places whose number is r, in row-major order of
/// the places, on any number of threads. The row `padding_idx` gets none.
///
/// Values: [`nn_core::Op::check`] refuses other numbers before anything is written.
///
/// Source: `torch.nn.functional.embedding`.
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::EmbeddingLookup;
///
/// let (table, words) = (array![[0.0, 0.0], [1.0, 2.0]].into_dyn(), array![1.0, 0.0, 1.0].into_dyn());
/// let (op, step) = (EmbeddingLookup { padding_idx: Some(0) }, Step::default());
/// let mut y = evaluate(&op, &step, &[table.view(), words.view()])?;
/// assert_eq!(y.output, array![[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]].into_dyn());
/// let dy = array![[1.0, 1.0], [5.0, 5.0], [2.0, 3.0]].into_dyn();
/// let gradients = y.backward(&op, &step, &[table.view(), words.view()], dy.view());
/// assert_eq!(gradients[0], array![[0.0, 0.0], [3.0, 4.0]].into_dyn());
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingLookup {
    /// The number of a row that is not trained, such as that of the word that fills short sentences; none by default.
    pub padding_idx: Option<usize>,
}

/// The row number that a value stands for; `None` where it is fractional or out of range.
fn row_number<F: Real>(value: F, rows: usize) -> Option<usize> {
    let number = value.to_f64();
    (number >= 0.0 && number < rows as f64 && number.floor() == number).then_some(number as usize)
}

/// As [`row_number`], for numbers that were checked.
#[track_caller]
fn checked_row<F: Real>(value: F, rows: usize) -> usize {
    match row_number(value, rows) {
        Some(row) => row,
        None => panic!("{value} is not a row number from 0 to {}", rows as isize - 1),
    }
}

fn infer(op: &'static str, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
    arity(op, 2, inputs)?;
    let [table, numbers] = [inputs[0], inputs[1]];
    if table.is_empty() {
        let expected = "a table with at least one axis".to_owned();
        return Err(ShapeError::Input { op, input: 0, expected, got: Vec::new() });
    }
    let shape: Vec<usize> = numbers.iter().chain(&table[1..]).copied().collect();
    Ok(Outline::new(shape, 2).reads_inputs(&[1]))
}

fn check<F: Real>(op: &'static str, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
    let rows = inputs[0].len_of(Axis(0));
    match inputs[1].indexed_iter().find(|&(_, &value)| row_number(value, rows).is_none()) {
        None => Ok(()),
        Some((place, value)) => Err(ValueError {
            op,
            input: 1,
            index: place.slice().to_vec(),
            value: value.to_f64(),
            expected: format!("a row number from 0 to {}", rows as isize - 1),
        }),
    }
}

/// The gradients of the table, of which the row `skip` gets none, and of the numbers.
fn backward<F: Real>(io: &Io<'_, '_, F>, skip: Option<usize>, dy: &View<'_, F>, dx: &mut [Grad<'_, F>]) {
    if let Some((mut table, accumulate)) = dx[0].target() {
        if !accumulate {
            table.fill(F::zero());
        }
        scatter_add(table, &io.input(1), dy, skip);
    }
    if let Some((mut numbers, false)) = dx[1].target() {
        numbers.fill(F::zero());
    }
}

impl<F: Real> Body<F> for GatherRows {
    fn name(&self) -> &'static str {
        "gather_rows"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        infer("gather_rows", inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check("gather_rows", inputs)
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        gather(&inputs[0], &inputs[1], output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        backward(io, None, &dy, dx);
    }
}

impl<F: Real> Body<F> for EmbeddingLookup {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = infer("embedding", inputs)?;
        match (inputs[0], self.padding_idx) {
            (&[rows, _], Some(padding)) if padding >= rows => {
                let expected = format!("a table that has the row {padding} of the padding");
                Err(ShapeError::Input { op: "embedding", input: 0, expected, got: inputs[0].to_vec() })
            }
            (&[_, _], _) => Ok(outline),
            (table, _) => {
                let expected = "a table [count, width]".to_owned();
                Err(ShapeError::Input { op: "embedding", input: 0, expected, got: table.to_vec() })
            }
        }
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check("embedding", inputs)
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        gather(&inputs[0], &inputs[1], output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        backward(io, self.padding_idx, &dy, dx);
    }
}

/// `output[i, …] = table[numbers[i], …]`.
fn gather<F: Real>(table: &View<'_, F>, numbers: &View<'_, F>, mut output: ViewMut<'_, F>) {
    if numbers.ndim() > 0 {
        let len = numbers.len_of(Axis(0));
        if output.len() >= PARALLEL && len > 1 {
            let (left, right) = numbers.view().split_at(Axis(0), len / 2);
            let (low, high) = output.split_at(Axis(0), len / 2);
            join(true, || gather(table, &left, low), || gather(table, &right, high));
            return;
        }
        for (numbers, output) in numbers.outer_iter().zip(output.outer_iter_mut()) {
            gather(table, &numbers, output);
        }
    } else if let Some(&number) = numbers.first() {
        let row = checked_row(number, table.len_of(Axis(0)));
        let row = table.index_axis(Axis(0), row);
        match (row.as_slice(), output.as_slice_mut()) {
            (Some(from), Some(to)) => to.copy_from_slice(from),
            _ => copy(&row, output),
        }
    }
}

/// `table[numbers[i], …] += d_output[i, …]`, in row-major order of `i`, but not into the row `skip`. Large work is
/// divided by columns, so that each thread adds to its own, in the same order.
fn scatter_add<F: Real>(
    mut table: ViewMut<'_, F>,
    numbers: &View<'_, F>,
    d_output: &View<'_, F>,
    skip: Option<usize>,
) {
    let width = table.shape().last().copied().unwrap_or(1);
    if d_output.len() >= PARALLEL && table.ndim() > 1 && width > 1 {
        let last = |axes: usize| Axis(axes - 1);
        let (left, right) = d_output.view().split_at(last(d_output.ndim()), width / 2);
        let axis = last(table.ndim());
        let (low, high) = table.split_at(axis, width / 2);
        join(true, || scatter_add(low, numbers, &left, skip), || scatter_add(high, numbers, &right, skip));
        return;
    }
    add_rows(&mut table, numbers, d_output, skip);
}

fn add_rows<F: Real>(
    table: &mut ViewMut<'_, F>,
    numbers: &View<'_, F>,
    d_output: &View<'_, F>,
    skip: Option<usize>,
) {
    if numbers.ndim() > 0 {
        for (numbers, d_output) in numbers.outer_iter().zip(d_output.outer_iter()) {
            add_rows(table, &numbers, &d_output, skip);
        }
    } else if let Some(&number) = numbers.first() {
        let row = checked_row(number, table.len_of(Axis(0)));
        if Some(row) == skip {
            return;
        }
        let mut target = table.index_axis_mut(Axis(0), row);
        match (d_output.as_slice(), target.as_slice_mut()) {
            (Some(from), Some(to)) => add_into(from, to),
            _ => copy_grad(d_output, &mut Grad::Accumulate(target)),
        }
    }
}
