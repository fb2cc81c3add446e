//! Functions of two variables that are hard in five different ways.

use nn_train::prelude::*;

/// A function, where to begin, and what to show of it.
pub(crate) struct Problem {
    pub(crate) name: &'static str,
    pub(crate) formula: &'static str,
    pub(crate) start: [f64; 2],
    /// A minimum in the window.
    pub(crate) minimum: [f64; 2],
    /// The value there.
    pub(crate) lowest: f64,
    /// The least and the largest x and y of the picture.
    pub(crate) window: [[f64; 2]; 2],
    build: for<'g> fn(Var<'g, f64>, Var<'g, f64>) -> Var<'g, f64>,
}

pub(crate) const PROBLEMS: &[Problem] = &[
    Problem {
        name: "rosenbrock",
        formula: "(1 − x)² + 100·(y − x²)²",
        start: [-1.5, 2.0],
        minimum: [1.0, 1.0],
        lowest: 0.0,
        window: [[-2.0, 2.0], [-0.7, 3.0]],
        build: |x, y| (1.0 - x).square() + 100.0 * (y - x.square()).square(),
    },
    Problem {
        name: "beale",
        formula: "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
        start: [1.0, 1.7],
        minimum: [3.0, 0.5],
        lowest: 0.0,
        window: [[-1.5, 4.2], [-1.4, 2.2]],
        build: |x, y| {
            let first = (1.5 - x + x * y).square();
            first + (2.25 - x + x * y.square()).square() + (2.625 - x + x * y * y.square()).square()
        },
    },
    Problem {
        name: "ravine",
        formula: "½·(x² + 100·y²)",
        start: [-9.0, 1.0],
        minimum: [0.0, 0.0],
        lowest: 0.0,
        window: [[-10.0, 4.0], [-2.5, 2.5]],
        build: |x, y| 0.5 * (x.square() + 100.0 * y.square()),
    },
    Problem {
        name: "saddle",
        formula: "½·x² − ½·y² + ⅛·y⁴",
        start: [-2.0, 0.01],
        minimum: [0.0, std::f64::consts::SQRT_2],
        lowest: -0.5,
        window: [[-2.4, 2.4], [-2.2, 2.2]],
        build: |x, y| 0.5 * x.square() - 0.5 * y.square() + 0.125 * y.square().square(),
    },
    Problem {
        name: "plateau",
        formula: "1 − exp(−(x² + 2·y²)/2)",
        start: [-2.4, 1.5],
        minimum: [0.0, 0.0],
        lowest: 0.0,
        window: [[-3.2, 3.2], [-2.4, 2.4]],
        build: |x, y| 1.0 - (-0.5 * (x.square() + 2.0 * y.square())).exp(),
    },
];

impl Problem {
    /// Whether a point lies in the window.
    pub(crate) fn shows(&self, at: [f64; 2]) -> bool {
        at.iter().zip(self.window).all(|(x, [from, to])| (from..=to).contains(x))
    }
}

/// A function recorded in a graph, which derives its gradient.
pub(crate) struct Surface {
    problem: &'static Problem,
    plan: Plan<f64>,
    point: Arena<f64>,
    gradient: Arena<f64>,
}

impl Surface {
    pub(crate) fn new(problem: &'static Problem) -> Result<Self, Box<dyn std::error::Error>> {
        let graph = Graph::new();
        let (x, y) = (graph.param("x", &[], Role::Weight), graph.param("y", &[], Role::Weight));
        let plan = graph.training_plan((problem.build)(x, y), &[])?;
        let point = Arena::zeros(plan.layout().clone());
        Ok(Surface { problem, plan, gradient: point.clone(), point })
    }

    pub(crate) fn problem(&self) -> &'static Problem {
        self.problem
    }

    pub(crate) fn value(&mut self, at: [f64; 2]) -> Result<f64, Box<dyn std::error::Error>> {
        self.move_to(at);
        self.plan.forward(&self.point, &Step::default())?;
        Ok(self.plan.cost(&self.point))
    }

    pub(crate) fn gradient(&mut self, at: [f64; 2]) -> Result<[f64; 2], Box<dyn std::error::Error>> {
        self.move_to(at);
        self.plan.step(&self.point, &mut self.gradient, &Step::default())?;
        Ok([0, 1].map(|i| self.gradient.view(i).sum()))
    }

    fn move_to(&mut self, at: [f64; 2]) {
        for (i, x) in at.into_iter().enumerate() {
            self.point.view_mut(i).fill(x);
        }
    }
}
