//! From a recording to a plan: which operations run, where values and gradients lie, how long they live.

use std::sync::Arc;

use nn_core::{AlignedVec, Mode, Real, shape};
use nn_ops::Layout;

use crate::fuse::fuse;
use crate::graph::{Applied, Kind, Node, Recording, Source};
use crate::memory::SlotPlanner;
use crate::place::{Place, Room, Spot};
use crate::plan::{Backward, Cost, Input, Instruction, Plan, Target, Write};

/// Compiles the nodes that `cost` and `keep` need; with a cost also the backward pass.
pub(crate) fn compile<F: Real>(
    recording: &Recording<F>,
    mode: Mode,
    cost: Option<usize>,
    keep: &[usize],
) -> Plan<F> {
    let mut nodes = recording.nodes.clone();
    let roots: Vec<usize> = keep.iter().copied().chain(cost).collect();
    fuse(&mut nodes, &roots);
    let homes = find_homes(&nodes);
    let wanted = reachable(&nodes, &roots);
    let order: Vec<usize> =
        (0..nodes.len()).filter(|&i| wanted[i] && is_computed(&nodes, &homes, i)).collect();
    let mut compiler = Compiler {
        value_want: vec![None; nodes.len()],
        gradient_want: vec![None; nodes.len()],
        needs_gradient: needs_gradient(&nodes, recording),
        is_statistic: nodes.iter().map(|node| is_statistic(node, recording)).collect(),
        planner: SlotPlanner::default(),
        end: 2 * order.len() + 1,
        nodes,
        homes,
        wanted,
        order,
    };
    compiler.plan_values(&roots);
    let steps = cost.map(|cost| compiler.plan_backward(cost));
    compiler.finish(recording, mode, cost, keep, steps.unwrap_or_default())
}

/// Where the value of a node lies: in the buffer of node `root`, whose elements are read with this shape and then
/// with these axes in exchanged order. Reshaping and transposing copy nothing.
#[derive(Clone, Debug)]
struct Home {
    root: usize,
    dim: Vec<usize>,
    axes: Option<Vec<usize>>,
}

fn find_homes<F: Real>(nodes: &[Node<F>]) -> Vec<Home> {
    let mut homes: Vec<Home> = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        let own = Home { root: i, dim: node.shape.clone(), axes: None };
        let home = match &node.source {
            Source::Op(Applied { kind: Kind::Reshape, inputs, .. }) if homes[inputs[0]].axes.is_none() => {
                Home { root: homes[inputs[0]].root, ..own }
            }
            Source::Op(Applied { kind: Kind::Transpose(axes), inputs, .. }) => {
                let from = &homes[inputs[0]];
                let through = |&axis: &usize| from.axes.as_ref().map_or(axis, |inner| inner[axis]);
                let axes: Vec<usize> = axes.iter().map(through).collect();
                let moved = axes.iter().enumerate().any(|(to, &axis)| to != axis);
                Home { axes: moved.then_some(axes), ..from.clone() }
            }
            _ => own,
        };
        homes.push(home);
    }
    homes
}

fn is_computed<F: Real>(nodes: &[Node<F>], homes: &[Home], i: usize) -> bool {
    matches!(nodes[i].source, Source::Op(_)) && homes[i].root == i
}

fn reachable<F: Real>(nodes: &[Node<F>], roots: &[usize]) -> Vec<bool> {
    let mut wanted = vec![false; nodes.len()];
    let mut open = roots.to_vec();
    while let Some(i) = open.pop() {
        if !std::mem::replace(&mut wanted[i], true)
            && let Source::Op(applied) = &nodes[i].source
        {
            open.extend(&applied.inputs);
        }
    }
    wanted
}

fn needs_gradient<F: Real>(nodes: &[Node<F>], recording: &Recording<F>) -> Vec<bool> {
    let mut needs = vec![false; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        needs[i] = match &node.source {
            Source::Param(_) => true,
            Source::Op(applied) => {
                let mut inputs = applied.inputs.iter().zip(&applied.outline.moves);
                inputs.any(|(&input, &moves)| needs[input] && moves == is_statistic(&nodes[input], recording))
            }
            Source::Placeholder | Source::Constant(_) => false,
        };
    }
    needs
}

/// Whether the node is a parameter that only operations move which declare that they do, and that has no gradient.
fn is_statistic<F: Real>(node: &Node<F>, recording: &Recording<F>) -> bool {
    matches!(node.source, Source::Param(position) if !recording.layout.params()[position].role.is_trained())
}

/// The gradient writes of one operation, before slots are known.
#[derive(Debug)]
struct BackwardStep {
    /// For each input: nothing, or whether to overwrite or accumulate, and a buffer in between where the same
    /// value is an input twice.
    targets: Vec<Option<(Write, Option<usize>)>>,
    scratch: Option<usize>,
}

struct Compiler<F: Real> {
    nodes: Vec<Node<F>>,
    homes: Vec<Home>,
    wanted: Vec<bool>,
    /// The operations to run; number k of them runs at moment k + 1, its backward pass at moment 2n − k.
    order: Vec<usize>,
    needs_gradient: Vec<bool>,
    is_statistic: Vec<bool>,
    planner: SlotPlanner,
    value_want: Vec<Option<usize>>,
    gradient_want: Vec<Option<usize>>,
    end: usize,
}

impl<F: Real> Compiler<F> {
    fn applied(&self, node: usize) -> &Applied<F> {
        match &self.nodes[node].source {
            Source::Op(applied) => applied,
            _ => unreachable!("only operations are in the order"),
        }
    }

    fn len(&self, node: usize) -> usize {
        shape::size(&self.nodes[node].shape)
    }

    fn backward_moment(&self, k: usize) -> usize {
        2 * self.order.len() - k
    }

    /// Wants a buffer for each computed value, alive until the last operation that reads it in the forward pass;
    /// values in `roots` stay to the end.
    fn plan_values(&mut self, roots: &[usize]) {
        for k in 0..self.order.len() {
            let node = self.order[k];
            self.value_want[node] = Some(self.planner.want(k + 1, k + 1, self.len(node)));
            for input in self.applied(node).inputs.clone() {
                self.keep_value(input, k + 1);
            }
        }
        roots.iter().for_each(|&root| self.keep_value(root, self.end));
    }

    /// The value of `node` is read at `moment`.
    fn keep_value(&mut self, node: usize, moment: usize) {
        if let Some(want) = self.value_want[self.homes[node].root] {
            self.planner.extend(want, moment);
        }
    }

    /// Walks backward from the cost; for each operation that the gradient reaches, says where its input gradients
    /// go, and keeps alive what its backward pass reads.
    fn plan_backward(&mut self, cost: usize) -> Vec<Option<BackwardStep>> {
        let count = self.order.len();
        let mut reached = vec![false; self.nodes.len()];
        let cost_root = self.homes[cost].root;
        reached[cost_root] = true;
        self.want_gradient(cost_root, count + 1);
        let mut steps: Vec<Option<BackwardStep>> = (0..count).map(|_| None).collect();
        for k in (0..count).rev() {
            let (node, moment) = (self.order[k], self.backward_moment(k));
            if !(reached[node] && self.needs_gradient[node]) {
                continue;
            }
            let applied = self.applied(node).clone();
            for (&input, _) in
                applied.inputs.iter().zip(&applied.outline.reads_input).filter(|(_, reads)| **reads)
            {
                self.keep_value(input, moment);
            }
            if applied.outline.reads_output {
                self.keep_value(node, moment);
            }
            if let Some(want) = self.gradient_want[node] {
                self.planner.extend(want, moment);
            }
            let scratch = (applied.outline.scratch > 0)
                .then(|| self.planner.want(moment, moment, applied.outline.scratch));
            let targets = self.plan_targets(&applied, moment, &mut reached);
            steps[k] = Some(BackwardStep { targets, scratch });
        }
        steps
    }

    fn plan_targets(
        &mut self,
        applied: &Applied<F>,
        moment: usize,
        reached: &mut [bool],
    ) -> Vec<Option<(Write, Option<usize>)>> {
        let mut here = vec![];
        let mut targets = vec![];
        for (&input, &moves) in applied.inputs.iter().zip(&applied.outline.moves) {
            let root = self.homes[input].root;
            if !self.needs_gradient[root] || moves != self.is_statistic[root] {
                targets.push(None);
            } else if here.contains(&root) {
                let between = self.planner.want(moment, moment, self.len(input));
                targets.push(Some((Write::Overwrite, Some(between))));
            } else {
                here.push(root);
                let first = !std::mem::replace(&mut reached[root], true);
                self.want_gradient(root, moment);
                targets.push(Some((if first { Write::Overwrite } else { Write::Accumulate }, None)));
            }
        }
        targets
    }

    /// The gradient of the value of operation `root` exists from `moment` on.
    fn want_gradient(&mut self, root: usize, moment: usize) {
        if self.value_want[root].is_some() && self.needs_gradient[root] && self.gradient_want[root].is_none()
        {
            self.gradient_want[root] = Some(self.planner.want(moment, moment, self.len(root)));
        }
    }

    /// Assigns slots and writes the instructions.
    fn finish(
        mut self,
        recording: &Recording<F>,
        mode: Mode,
        cost: Option<usize>,
        keep: &[usize],
        steps: Vec<Option<BackwardStep>>,
    ) -> Plan<F> {
        let mut rooms = vec![];
        for k in 0..self.order.len() {
            let (saved, scratch) = {
                let outline = &self.applied(self.order[k]).outline;
                (outline.saved, outline.scratch)
            };
            let last =
                if steps.get(k).is_some_and(Option::is_some) { self.backward_moment(k) } else { k + 1 };
            let saved = (saved > 0).then(|| (self.planner.want(k + 1, last, saved), saved));
            let scratch = (scratch > 0).then(|| (self.planner.want(k + 1, k + 1, scratch), scratch));
            rooms.push((saved, scratch));
        }
        let slots = self.planner.assign();
        let room =
            |want: Option<(usize, usize)>| want.map(|(want, len)| Room { slot: slots.of_want[want], len });
        let mut constants = vec![];
        let places = self.places(recording, &slots.of_want, &mut constants);
        let gradient_places = self.gradient_places(recording, &slots.of_want);
        let mut touched = vec![false; recording.layout.params().len()];
        let mut instructions = vec![];
        for (k, step) in
            (0..self.order.len()).zip(steps.into_iter().map(Some).chain(std::iter::repeat_with(|| None)))
        {
            let node = self.order[k];
            let applied = self.applied(node);
            let (saved, scratch) = rooms[k];
            let backward = step.flatten().map(|step| {
                self.mark_touched(applied, &step, &mut touched);
                self.backward(node, step, &slots.of_want, &gradient_places)
            });
            instructions.push(Instruction {
                node: node as u64,
                op: Arc::clone(&applied.op),
                path: self.nodes[node].path.clone(),
                flops: applied.outline.flops,
                inputs: applied.inputs.iter().map(|&i| self.spot(i, &places)).collect(),
                output: self.spot(node, &places),
                saved: room(saved),
                scratch: room(scratch),
                backward,
            });
        }
        let cost = cost.map(|cost| {
            let root = self.homes[cost].root;
            let differentiable = self.needs_gradient[root] && !self.is_statistic[root];
            if let (Source::Param(position), true) = (&self.nodes[root].source, differentiable) {
                touched[*position] = true;
            }
            let gradient = differentiable.then(|| self.spot(cost, &gradient_places));
            Cost { value: self.spot(cost, &places), gradient }
        });
        let params = recording.layout.params().iter();
        Plan {
            layout: Arc::new(recording.layout.clone()),
            mode,
            inputs: self.inputs(&places),
            outputs: keep.iter().map(|&i| self.spot(i, &places)).collect(),
            cost,
            untouched: params.zip(touched).filter(|(_, touched)| !touched).map(|(p, _)| p.range()).collect(),
            instructions,
            slots: slots.lens.iter().map(|&len| AlignedVec::new(F::zero(), len)).collect(),
            constants,
            work: Default::default(),
        }
    }

    fn mark_touched(&self, applied: &Applied<F>, step: &BackwardStep, touched: &mut [bool]) {
        for (&input, target) in applied.inputs.iter().zip(&step.targets) {
            if let (Source::Param(position), Some(_)) = (&self.nodes[self.homes[input].root].source, target) {
                touched[*position] = true;
            }
        }
    }

    /// The place of the value of each root.
    fn places(
        &self,
        recording: &Recording<F>,
        of_want: &[usize],
        constants: &mut Vec<AlignedVec<F>>,
    ) -> Vec<Option<Place>> {
        let mut placeholders = 0..;
        let place = |(i, node): (usize, &Node<F>)| match &node.source {
            _ if !self.wanted[i] => None,
            Source::Param(position) => Some(Place::Param(recording.layout.params()[*position].range())),
            Source::Constant(value) => {
                let mut data = AlignedVec::new(F::zero(), value.len());
                data.iter_mut().zip(value.iter()).for_each(|(to, &from)| *to = from);
                constants.push(data);
                Some(Place::Constant(constants.len() - 1))
            }
            Source::Placeholder => placeholders.next().map(Place::Input),
            Source::Op(_) => self.value_want[i].map(|want| Place::Slot(of_want[want])),
        };
        self.nodes.iter().enumerate().map(place).collect()
    }

    /// The place of the gradient of each root.
    fn gradient_places(&self, recording: &Recording<F>, of_want: &[usize]) -> Vec<Option<Place>> {
        let place = |(i, node): (usize, &Node<F>)| match &node.source {
            Source::Param(position) => Some(Place::Param(recording.layout.params()[*position].range())),
            _ => self.gradient_want[i].map(|want| Place::Slot(of_want[want])),
        };
        self.nodes.iter().enumerate().map(place).collect()
    }

    /// How to look at the value, or the gradient, of `node`.
    fn spot(&self, node: usize, places: &[Option<Place>]) -> Spot {
        let Home { root, dim, axes } = &self.homes[node];
        let place = places[*root].clone().expect("everything that is read has a place");
        Spot { place, layout: Layout::new(dim, axes.as_deref()) }
    }

    fn backward(
        &self,
        node: usize,
        step: BackwardStep,
        of_want: &[usize],
        gradient_places: &[Option<Place>],
    ) -> Backward {
        let applied = self.applied(node);
        let mut targets = vec![];
        for (&input, target) in applied.inputs.iter().zip(&step.targets) {
            targets.push(target.map(|(write, between)| {
                let spot = self.spot(input, gradient_places);
                match between {
                    None => Target { spot, write, add_to: None },
                    Some(want) => {
                        let shape = &self.nodes[input].shape;
                        let place = Place::Slot(of_want[want]);
                        let between = Spot { place, layout: Layout::new(shape, None) };
                        Target { spot: between, write, add_to: Some(spot) }
                    }
                }
            }));
        }
        Backward::new(
            targets,
            self.spot(node, gradient_places),
            applied.outline.reads_input.clone(),
            applied.outline.reads_output,
            step.scratch.map(|want| Room { slot: of_want[want], len: applied.outline.scratch }),
        )
    }

    /// The placeholders, in the order of their places.
    fn inputs(&self, places: &[Option<Place>]) -> Vec<Input<F>> {
        let is_input = |&i: &usize| self.wanted[i] && matches!(self.nodes[i].source, Source::Placeholder);
        let describe = |i: usize| {
            let buffer = AlignedVec::new(F::zero(), self.len(i));
            Input { name: self.nodes[i].path.clone(), spot: self.spot(i, places), buffer }
        };
        (0..self.nodes.len()).filter(is_input).map(describe).collect()
    }
}
