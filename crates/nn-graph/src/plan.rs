//! Replaying: the instructions of a plan, run over buffers that were laid out beforehand.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use nn_core::{AlignedVec, Arena, Grad, Io, Memory, Mode, Op, ParamLayout, Real, Step, View, ViewMut};

use crate::place::{Buffers, Place, Room, Spot, cut, put_back, take};
use crate::{NonFinite, RunError, pool};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Overwrite,
    Accumulate,
}

/// Where the gradient of an input is written, and what it is then added to, where the same value is an input twice.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) spot: Spot,
    pub(crate) write: Write,
    pub(crate) add_to: Option<Spot>,
}

impl Target {
    fn grad<'a, F: Real>(&self, data: &'a mut [F]) -> Grad<'a, F> {
        let view = self.spot.view_mut_of(data);
        match self.write {
            Write::Overwrite => Grad::Overwrite(view),
            Write::Accumulate => Grad::Accumulate(view),
        }
    }
}

/// The backward pass of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Backward {
    targets: Vec<Option<Target>>,
    /// Positions of the targets that lie in slots, with their slots.
    in_slots: Vec<(usize, usize)>,
    /// Positions of the targets that are gradients of parameters, with their ranges, in the order of the ranges.
    in_params: Vec<(usize, Range<usize>)>,
    d_output: Spot,
    reads_input: Vec<bool>,
    reads_output: bool,
    scratch: Option<Room>,
}

impl Backward {
    pub(crate) fn new(
        targets: Vec<Option<Target>>,
        d_output: Spot,
        reads_input: Vec<bool>,
        reads_output: bool,
        scratch: Option<Room>,
    ) -> Self {
        let (mut in_slots, mut in_params) = (vec![], vec![]);
        for (i, target) in targets.iter().enumerate() {
            match target.as_ref().map(|target| &target.spot.place) {
                Some(Place::Slot(slot)) => in_slots.push((i, *slot)),
                Some(Place::Param(range)) => in_params.push((i, range.clone())),
                Some(Place::Input(_) | Place::Constant(_)) | None => {}
            }
        }
        in_params.sort_by_key(|(_, range)| range.start);
        Backward { targets, in_slots, in_params, d_output, reads_input, reads_output, scratch }
    }
}

/// One operation of a plan with all its places.
#[derive(Clone, Debug)]
pub(crate) struct Instruction<F: Real> {
    pub(crate) node: u64,
    pub(crate) op: Arc<dyn Op<F>>,
    pub(crate) path: String,
    pub(crate) flops: u64,
    pub(crate) inputs: Vec<Spot>,
    pub(crate) output: Spot,
    pub(crate) saved: Option<Room>,
    pub(crate) scratch: Option<Room>,
    pub(crate) backward: Option<Backward>,
}

/// A placeholder, and the memory for what it is fed.
#[derive(Debug)]
pub(crate) struct Input<F> {
    pub(crate) name: String,
    pub(crate) spot: Spot,
    pub(crate) buffer: AlignedVec<F>,
}

impl<F: Real> Input<F> {
    fn check_shape(&self, value: &View<'_, F>) -> Result<(), RunError> {
        let expected = self.spot.layout.shape();
        if expected == value.shape() {
            return Ok(());
        }
        let (expected, got) = (expected.to_vec(), value.shape().to_vec());
        Err(RunError::InputShape { name: self.name.clone(), expected, got })
    }

    fn feed(&mut self, value: &View<'_, F>) -> Result<(), RunError> {
        self.check_shape(value)?;
        self.spot.view_mut_of(&mut self.buffer).assign(value);
        Ok(())
    }
}

/// The cost, and where its gradient, one, is written before the backward pass.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    pub(crate) value: Spot,
    pub(crate) gradient: Option<Spot>,
}

/// Vectors that are empty between operations and keep their memory, so that replaying does not allocate.
#[derive(Debug)]
pub(crate) struct Work<F: Real> {
    views: Vec<View<'static, F>>,
    kept: Vec<Option<View<'static, F>>>,
    grads: Vec<Grad<'static, F>>,
    taken: Vec<AlignedVec<F>>,
    lent: Vec<Option<&'static [F]>>,
}

impl<F: Real> Default for Work<F> {
    fn default() -> Self {
        Work { views: vec![], kept: vec![], grads: vec![], taken: vec![], lent: vec![] }
    }
}

/// Empties a vector of borrows and returns it for other borrows; its memory is kept (the standard library collects
/// a mapped vector in place).
fn recycle<A, B>(mut vector: Vec<A>) -> Vec<B> {
    vector.clear();
    vector.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}

/// A compiled expression: replaying it computes values and gradients without allocating.
///
/// Made by [`Graph::training_plan`](crate::Graph::training_plan) or [`Graph::forward_plan`](crate::Graph::forward_plan).
/// It owns the buffers of all intermediate values; parameters and gradients lie outside, in [`Arena`]s, so that
/// several plans share them.
#[derive(Debug)]
pub struct Plan<F: Real> {
    pub(crate) layout: Arc<ParamLayout>,
    pub(crate) mode: Mode,
    pub(crate) inputs: Vec<Input<F>>,
    pub(crate) outputs: Vec<Spot>,
    pub(crate) cost: Option<Cost>,
    pub(crate) untouched: Vec<Range<usize>>,
    pub(crate) instructions: Vec<Instruction<F>>,
    pub(crate) slots: Vec<AlignedVec<F>>,
    pub(crate) constants: Vec<AlignedVec<F>>,
    pub(crate) work: Work<F>,
}

impl<F: Real> Plan<F> {
    /// The parameters that it reads, as the arenas that it is run with must have them.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// Makes the plan accept arenas of this layout without comparing it at every run.
    ///
    /// # Panics
    /// When it is not equal to the plan's own.
    pub fn share_layout(&mut self, layout: &Arc<ParamLayout>) {
        assert!(self.layout == *layout, "the layout is not that of the plan");
        self.layout = Arc::clone(layout);
    }

    /// The number of bytes of the plan's own buffers.
    pub fn buffer_bytes(&self) -> usize {
        let inputs = self.inputs.iter().map(|input| &input.buffer);
        self.slots.iter().chain(&self.constants).chain(inputs).map(|buffer| size_of_val(&**buffer)).sum()
    }

    /// The arithmetic of a forward pass, roughly: additions, multiplications and other functions. A backward pass has
    /// about twice as much.
    pub fn flops(&self) -> u64 {
        self.instructions.iter().map(|instruction| instruction.flops).sum()
    }

    /// The names of the operations, in the order in which they run.
    pub fn operations(&self) -> impl Iterator<Item = &'static str> {
        self.instructions.iter().map(|instruction| instruction.op.name())
    }

    /// The placeholders with their shapes.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.inputs.iter().map(|input| (input.name.as_str(), input.spot.layout.shape()))
    }

    /// The buffer of a placeholder, to be written before a replay; it keeps what was written until it is written
    /// again.
    ///
    /// # Errors
    /// When there is no placeholder of this name.
    pub fn input_mut(&mut self, name: &str) -> Result<ViewMut<'_, F>, RunError> {
        let [input] = self.inputs_mut([name])?;
        Ok(input)
    }

    /// What a placeholder holds.
    ///
    /// # Errors
    /// When there is no placeholder of this name.
    pub fn input(&self, name: &str) -> Result<View<'_, F>, RunError> {
        let input = &self.inputs[self.find_input(name)?];
        Ok(input.spot.view_of(&input.buffer))
    }

    /// The buffers of several placeholders at once.
    ///
    /// # Errors
    /// When there is no placeholder of one of these names.
    ///
    /// # Panics
    /// When a name comes twice.
    pub fn inputs_mut<const N: usize>(&mut self, names: [&str; N]) -> Result<[ViewMut<'_, F>; N], RunError> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.find_input(name)?;
        }
        let inputs = self.inputs.get_disjoint_mut(places).expect("placeholders are named once");
        Ok(inputs.map(|input| input.spot.view_mut_of(&mut input.buffer)))
    }

    /// Copies an array into a placeholder.
    ///
    /// # Errors
    /// When there is no placeholder of this name, or it has another shape.
    pub fn feed(&mut self, name: &str, value: View<'_, F>) -> Result<(), RunError> {
        let place = self.find_input(name)?;
        self.inputs[place].feed(&value)
    }

    /// The value of the expression at `position` in the list of those to keep, as the last forward pass left it.
    ///
    /// # Panics
    /// When there is no such position, or the expression is a parameter.
    #[track_caller]
    pub fn output(&self, position: usize) -> View<'_, F> {
        self.outputs[position].view(&self.buffers(&[], &[]))
    }

    /// Computes the values.
    ///
    /// # Errors
    /// When an operation refuses a value; gradients and parameters are as they were.
    ///
    /// # Panics
    /// When the layout of the parameters is not the plan's.
    pub fn forward(&mut self, params: &Arena<F>, step: &Step) -> Result<(), RunError> {
        self.forward_lent(&[], params, step)
    }

    /// As [`forward`](Self::forward), with placeholders that read the caller's arrays, which need not be copied into
    /// the plan; those that are not named hold what they were fed. (An array that is not contiguous is copied.)
    ///
    /// # Errors
    /// When a placeholder does not exist or has another shape, and as [`forward`](Self::forward).
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_on(
        &mut self,
        inputs: &[(&str, View<'_, F>)],
        params: &Arena<F>,
        step: &Step,
    ) -> Result<(), RunError> {
        let lent = self.lend(inputs)?;
        let result = self.forward_lent(&lent, params, step);
        self.work.lent = recycle(lent);
        result
    }

    fn forward_lent(
        &mut self,
        lent: &[Option<&[F]>],
        params: &Arena<F>,
        step: &Step,
    ) -> Result<(), RunError> {
        self.check_layout(params);
        pool::enter(self.flops(), || {
            (0..self.instructions.len()).try_for_each(|i| self.forward_one(i, lent, params.as_slice(), step))
        })
    }

    /// Computes the gradient of the cost with respect to every parameter, after [`forward`](Self::forward) with the
    /// same parameters and step; writes all of `gradients`.
    ///
    /// # Panics
    /// When the plan has no cost, or a layout is not the plan's.
    pub fn backward(&mut self, params: &Arena<F>, gradients: &mut Arena<F>, step: &Step) {
        self.backward_lent(&[], params, gradients, step);
    }

    fn backward_lent(
        &mut self,
        lent: &[Option<&[F]>],
        params: &Arena<F>,
        gradients: &mut Arena<F>,
        step: &Step,
    ) {
        self.check_layout(params);
        self.check_layout(gradients);
        let cost = self.cost.as_ref().expect("a plan without a cost has no backward pass");
        let gradients = gradients.as_mut_slice();
        for range in &self.untouched {
            gradients[range.clone()].fill(F::zero());
        }
        match &cost.gradient {
            Some(Spot { place: Place::Slot(slot), .. }) => self.slots[*slot][0] = F::one(),
            Some(Spot { place: Place::Param(range), .. }) => gradients[range.start] = F::one(),
            _ => {}
        }
        pool::enter(self.flops(), || {
            for i in (0..self.instructions.len()).rev() {
                self.backward_one(i, lent, params.as_slice(), gradients, step);
            }
        });
    }

    /// A forward and a backward pass; returns the cost.
    ///
    /// # Errors
    /// When an operation refuses a value; gradients and parameters are as they were.
    ///
    /// # Panics
    /// As [`forward`](Self::forward) and [`backward`](Self::backward).
    pub fn step(&mut self, params: &Arena<F>, gradients: &mut Arena<F>, step: &Step) -> Result<F, RunError> {
        self.step_on(&[], params, gradients, step)
    }

    /// As [`step`](Self::step), with placeholders that read the caller's arrays, which need not be copied into the
    /// plan; those that are not named hold what they were fed. (An array that is not contiguous is copied.)
    ///
    /// # Errors
    /// When a placeholder does not exist or has another shape, and as [`step`](Self::step).
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn step_on(
        &mut self,
        inputs: &[(&str, View<'_, F>)],
        params: &Arena<F>,
        gradients: &mut Arena<F>,
        step: &Step,
    ) -> Result<F, RunError> {
        let lent = self.lend(inputs)?;
        let result = pool::enter(self.flops(), || {
            self.forward_lent(&lent, params, step)?;
            self.backward_lent(&lent, params, gradients, step);
            Ok(())
        });
        self.work.lent = recycle(lent);
        result.map(|()| self.cost(params))
    }

    /// For each placeholder the elements that are lent to it; an array that is not contiguous is copied instead.
    fn lend<'a>(&mut self, inputs: &[(&str, View<'a, F>)]) -> Result<Vec<Option<&'a [F]>>, RunError> {
        for (name, array) in inputs {
            let place = self.find_input(name)?;
            self.inputs[place].check_shape(array)?;
        }
        let mut lent: Vec<Option<&'a [F]>> = recycle(mem::take(&mut self.work.lent));
        lent.resize(self.inputs.len(), None);
        for (name, array) in inputs {
            let place = self.find_input(name)?;
            lent[place] = array.to_slice();
            if lent[place].is_none() {
                self.inputs[place].feed(array)?;
            }
        }
        Ok(lent)
    }

    /// The cost that the last forward pass computed.
    ///
    /// # Panics
    /// When the plan has no cost.
    pub fn cost(&self, params: &Arena<F>) -> F {
        let cost = self.cost.as_ref().expect("the plan has no cost");
        let view = cost.value.view(&self.buffers(&[], params.as_slice()));
        *view.first().expect("a cost is one number")
    }

    /// Runs the forward pass again, on what the placeholders were fed, and finds where the first infinity or NaN
    /// stands.
    ///
    /// # Errors
    /// When an operation refuses a value.
    pub fn find_non_finite(&mut self, params: &Arena<F>, step: &Step) -> Result<Option<NonFinite>, RunError> {
        let is_bad = |view: View<'_, F>| view.iter().any(|x| !x.is_finite());
        if let Some(name) = params.first_non_finite() {
            return Ok(Some(NonFinite::Param { name: name.to_owned() }));
        }
        for input in &self.inputs {
            if is_bad(input.spot.view_of(&input.buffer)) {
                return Ok(Some(NonFinite::Input { name: input.name.clone() }));
            }
        }
        for i in 0..self.instructions.len() {
            self.forward_one(i, &[], params.as_slice(), step)?;
            let instruction = &self.instructions[i];
            if is_bad(instruction.output.view(&self.buffers(&[], params.as_slice()))) {
                let (path, op) = (instruction.path.clone(), instruction.op.name());
                return Ok(Some(NonFinite::Operation { path, op }));
            }
        }
        Ok(None)
    }

    fn buffers<'a>(&'a self, lent: &'a [Option<&'a [F]>], params: &'a [F]) -> Buffers<'a, F> {
        Buffers { slots: &self.slots, inputs: &self.inputs, lent, params, constants: &self.constants }
    }

    fn find_input(&self, name: &str) -> Result<usize, RunError> {
        self.inputs.iter().position(|input| input.name == name).ok_or_else(|| {
            let known = self.inputs.iter().map(|input| input.name.clone()).collect();
            RunError::UnknownInput { name: name.to_owned(), known }
        })
    }

    fn check_layout(&self, arena: &Arena<F>) {
        let same = Arc::ptr_eq(arena.layout(), &self.layout) || **arena.layout() == *self.layout;
        assert!(same, "the layout of the arena is not that of the plan");
    }

    fn at(&self, step: &Step, node: u64) -> Step {
        Step { mode: self.mode, node, ..*step }
    }

    fn forward_one(
        &mut self,
        i: usize,
        lent: &[Option<&[F]>],
        params: &[F],
        step: &Step,
    ) -> Result<(), RunError> {
        let step = self.at(step, self.instructions[i].node);
        let Plan { instructions, inputs: placeholders, slots, constants, work, .. } = self;
        let Instruction { op, inputs, output, saved, scratch, path, .. } = &instructions[i];
        let Place::Slot(slot) = output.place else { unreachable!("operations write into slots") };
        let output_room = Some(Room { slot, len: output.layout.len() });
        let mut output_buffer = take(slots, output_room);
        let mut saved_buffer = take(slots, *saved);
        let mut scratch_buffer = take(slots, *scratch);
        let mut views = mem::take(&mut work.views);
        let buffers = Buffers { slots, inputs: placeholders, lent, params, constants };
        views.extend(inputs.iter().map(|spot| spot.view(&buffers)));
        let checked = if op.has_check() { op.check(&views) } else { Ok(()) };
        if checked.is_ok() {
            let memory =
                Memory { saved: cut(&mut saved_buffer, *saved), scratch: cut(&mut scratch_buffer, *scratch) };
            op.forward(&step, &views, output.view_mut_of(&mut output_buffer), memory);
        }
        work.views = recycle(views);
        put_back(slots, output_room, output_buffer);
        put_back(slots, *saved, saved_buffer);
        put_back(slots, *scratch, scratch_buffer);
        checked.map_err(|source| RunError::Value { path: path.clone(), source })
    }

    fn backward_one(
        &mut self,
        i: usize,
        lent: &[Option<&[F]>],
        params: &[F],
        gradients: &mut [F],
        step: &Step,
    ) {
        let step = self.at(step, self.instructions[i].node);
        let Plan { instructions, inputs: placeholders, slots, constants, work, .. } = self;
        let Instruction { op, inputs, output, saved, backward, .. } = &instructions[i];
        let Some(backward) = backward else { return };
        let mut saved_buffer = take(slots, *saved);
        let mut scratch_buffer = take(slots, backward.scratch);
        let mut taken = mem::take(&mut work.taken);
        taken.extend(backward.in_slots.iter().map(|&(_, slot)| mem::take(&mut slots[slot])));

        let mut grads: Vec<Grad<'_, F>> = recycle(mem::take(&mut work.grads));
        grads.extend(inputs.iter().map(|_| Grad::Skip));
        let target = |i: usize| backward.targets[i].as_ref().expect("only targets have places");
        for (buffer, &(i, _)) in taken.iter_mut().zip(&backward.in_slots) {
            grads[i] = target(i).grad(buffer);
        }
        let (mut rest, mut passed) = (&mut *gradients, 0);
        for (i, range) in &backward.in_params {
            let (mine, behind) = rest.split_at_mut(range.end - passed);
            grads[*i] = target(*i).grad(&mut mine[range.start - passed..]);
            (rest, passed) = (behind, range.end);
        }

        let mut kept = mem::take(&mut work.kept);
        let buffers = Buffers { slots, inputs: placeholders, lent, params, constants };
        let read = |(spot, &reads): (&Spot, &bool)| reads.then(|| spot.view(&buffers));
        kept.extend(inputs.iter().zip(&backward.reads_input).map(read));
        let output_view = backward.reads_output.then(|| output.view(&buffers));
        let d_output = backward.d_output.view(&buffers);
        let memory = Memory {
            saved: cut(&mut saved_buffer, *saved),
            scratch: cut(&mut scratch_buffer, backward.scratch),
        };
        op.backward(&step, &Io::new(&kept, output_view.as_ref()), memory, d_output, &mut grads);

        work.kept = recycle(kept);
        work.grads = recycle(grads);
        for (buffer, &(_, slot)) in taken.drain(..).zip(&backward.in_slots) {
            slots[slot] = buffer;
        }
        work.taken = taken;
        put_back(slots, *saved, saved_buffer);
        put_back(slots, backward.scratch, scratch_buffer);
        for target in backward.targets.iter().flatten() {
            if let Some(to) = &target.add_to {
                add(slots, gradients, &target.spot, to);
            }
        }
    }
}

/// Adds the gradient at `from`, which lies in a slot, to that at `to`.
fn add<F: Real>(slots: &mut [AlignedVec<F>], gradients: &mut [F], from: &Spot, to: &Spot) {
    let Place::Slot(from_slot) = from.place else { unreachable!("gradients in between lie in slots") };
    match &to.place {
        Place::Param(range) => {
            let mut to = to.view_mut_of(&mut gradients[range.clone()]);
            to += &from.view_of(&slots[from_slot]);
        }
        Place::Slot(to_slot) => {
            let mut buffer = mem::take(&mut slots[*to_slot]);
            let mut view = to.view_mut_of(&mut buffer);
            view += &from.view_of(&slots[from_slot]);
            slots[*to_slot] = buffer;
        }
        Place::Input(_) | Place::Constant(_) => unreachable!("only parameters and results have gradients"),
    }
}
