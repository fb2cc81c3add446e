//! A lesson in checking gradients: a backward pass written by hand, its classic errors one by one, and what the check
//! says of each.

mod network;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use ndarray::{ArrayD, array};
use nn_train::core::Streams;
use nn_train::gradcheck::{Complex64, GradCheck, Param, Report, Stencil, held, wants_color};
use rand::RngExt;

use crate::network::{Bug, LAMBDA, NAMES, Network, SAMPLES};

/// Checks a backward pass that was written by hand, right at first and then with the errors that everybody makes.
#[derive(Parser)]
struct Args {
    /// The step of the differences, in (0, 1)
    #[arg(long, default_value_t = 1e-7)]
    epsilon: f64,
}

/// A wrong line of the backward pass, the right one, and what there is to learn.
struct Lesson {
    bug: Bug,
    title: &'static str,
    wrong: &'static str,
    right: &'static str,
    moral: &'static str,
}

const LESSONS: [Lesson; 8] = [
    Lesson {
        bug: Bug::TwiceW2,
        title: "dW2 is twice too large",
        wrong: "dw2 = 2.0 * (dz2.t().dot(&hidden) + lambda * w2) / m",
        right: "dw2 = (dz2.t().dot(&hidden) + lambda * w2) / m",
        moral: "A network with this error still learns, only worse. The cost curve would not tell; the check \
                does, and b2, computed from the same dz2, being sound says where to look.",
    },
    Lesson {
        bug: Bug::FourOverM,
        title: "db1 is averaged with 4/m",
        wrong: "db1 = 4.0 / m * dz1.sum_axis(Axis(0))",
        right: "db1 = 1.0 / m * dz1.sum_axis(Axis(0))",
        moral: "A verdict per parameter finds it. Over all parameters together a small bias may drown.",
    },
    Lesson {
        bug: Bug::NoMeanW1,
        title: "dW1 lacks the division by m",
        wrong: "dw1 = dz1.t().dot(&x) + lambda * w1",
        right: "dw1 = (dz1.t().dot(&x) + lambda * w1) / m",
        moral: "J is a mean over m samples, so every gradient is. Told m by `samples`, the check knows this \
                factor; without being told it guesses.",
    },
    Lesson {
        bug: Bug::SignB2,
        title: "db2 has the wrong sign",
        wrong: "db2 = (&t - &p).sum_axis(Axis(0)) / m",
        right: "db2 = (&p - &t).sum_axis(Axis(0)) / m",
        moral: "A relative error of 1 means g = -ĝ: gradient descent climbs along this parameter.",
    },
    Lesson {
        bug: Bug::NoPenaltyW2,
        title: "the regularisation is forgotten in dW2",
        wrong: "dw2 = dz2.t().dot(&hidden) / m",
        right: "dw2 = (dz2.t().dot(&hidden) + lambda * w2) / m",
        moral: "What is missing is a multiple of W2 itself, so it must come from a penalty. The cost that you \
                check has to be the J that you minimise: penalties included.",
    },
    Lesson {
        bug: Bug::TransposedW1,
        title: "dW1 is transposed",
        wrong: "dw1 = (x.t().dot(&dz1) + lambda * w1.t()) / m",
        right: "dw1 = (dz1.t().dot(&x) + lambda * w1) / m",
        moral: "The shapes fit because the matrix is square. With sizes that all differ, such an \
                error would be one of shapes: choose them so where you can.",
    },
    Lesson {
        bug: Bug::RowW2,
        title: "the last row of dW2 is not written",
        wrong: "for class in 0..2 { dw2.row_mut(class).assign(...) }",
        right: "for class in 0..3 { dw2.row_mut(class).assign(...) }",
        moral: "Off by one: one class never learns its weights. `worst at` points into the row.",
    },
    Lesson {
        bug: Bug::NoB1,
        title: "b1 receives no gradient",
        wrong: "let db1 = Array1::zeros(4)  // never computed",
        right: "let db1 = dz1.sum_axis(Axis(0)) / m",
        moral: "`report.assert_every_gradient()` fails for this alone, and `without_gradient(&arena)` finds it in \
                a training loop, without any differences.",
    },
];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let check = GradCheck::new().epsilon(args.epsilon)?.samples(SAMPLES)?;
    one_dimension(check);
    let (network, all) = (Network::new(), Network::keep_all());
    right(check, &network);
    for (number, lesson) in LESSONS.iter().enumerate() {
        heading(&format!("Error {}: {}", number + 1, lesson.title));
        code("wrong", lesson.wrong, "31");
        code("right", lesson.right, "32");
        println!();
        compare(check, &network, &network.gradient(&all, lesson.bug)).print();
        moral(lesson.moral);
    }
    dropout(check, &network);
    kink(check);
    many_parameters(check, &network)?;
    other_differences(&network);
    heading("In your own code");
    say("A test of three lines keeps a backward pass right for good:");
    println!();
    println!("    let report = GradCheck::new().check_array(\"w\", &w, &dw, |w| cost(w));");
    println!("    report.assert_every_gradient();");
    println!("    report.assert_sound();");
    Ok(())
}

/// The exercise of the well-known course: J = θ·x.
fn one_dimension(check: GradCheck) {
    heading("One parameter: J(θ) = θ·x at x = 2, θ = 4");
    say("By hand, dJ/dθ = x. The check moves θ by ε in both directions and takes the numeric gradient \
         ĝ = (J(θ + ε) - J(θ - ε)) / 2ε, then compares it with g = x by ‖g - ĝ‖ / (‖g‖ + ‖ĝ‖):");
    println!();
    let report = check.check_fn(|theta| theta[0] * 2.0, &[4.0], &[2.0]);
    println!("    {:e}", report.relative_error());
    println!();
    say(
        "Below 1e-7 a gradient is sound, below 1e-5 acceptable, below 1e-3 suspicious; from there on it is wrong.",
    );
}

/// The network with its right gradient.
fn right(check: GradCheck, network: &Network) {
    heading("A network: 4 inputs, 4 tanh units, softmax over 3 classes");
    say(&format!(
        "J is the mean cross-entropy over m = {SAMPLES} samples plus a penalty, λ/2m·(‖W1‖² + ‖W2‖²) with \
         λ = {LAMBDA}. The backward pass is written by hand, and right:"
    ));
    println!();
    compare(check, network, &network.gradient(&Network::keep_all(), Bug::None)).print();
    moral("A row per parameter: its relative error, and where and how much the two gradients differ most.");
}

/// The report on a gradient of the network without dropout.
fn compare(check: GradCheck, network: &Network, gradient: &[ArrayD<f64>]) -> Report {
    let all = Network::keep_all();
    check.check_params(&params(network, gradient), |p| network.cost(p, &all))
}

fn params<'a>(network: &'a Network, gradient: &'a [ArrayD<f64>]) -> Vec<Param<'a>> {
    let pairs = network.params.iter().zip(gradient);
    pairs.zip(NAMES).map(|((value, gradient), name)| Param::new(name, value, gradient)).collect()
}

/// A dropout that is left on, and then held.
fn dropout(check: GradCheck, network: &Network) {
    heading("Error 9: dropout is left on");
    let generator = || Streams::new(3).rng("dropout", 0);
    let mut rng = generator();
    let gradient = network.gradient(&Network::dropout(|| rng.random()), Bug::None);
    let params = params(network, &gradient);
    check.check_params(&params, |p| network.cost(p, &Network::dropout(|| rng.random()))).print();
    moral(
        "Before it takes differences, the check evaluates J four times at the same point. With the mask held \
           (`held` gives every evaluation the same generator) the same network is sound:",
    );
    println!();
    let cost = held(generator, |p: &[ArrayD<f64>], rng| network.cost(p, &Network::dropout(|| rng.random())));
    check.check_params(&params, cost).print();
}

/// A ReLU at zero.
fn kink(check: GradCheck) {
    heading("No error: a ReLU at zero");
    let (x, w) = (array![[1.0, 2.0], [1.5, 1.0]], array![0.5, -0.25]);
    say(
        "J = Σ relu(x·w) at a point where x·w is exactly 0 for the first sample. The backward pass takes the slope \
         there as 0, the difference sees half of each side:",
    );
    println!();
    let dw = x.t().dot(&x.dot(&w).mapv(|z| if z > 0.0 { 1.0 } else { 0.0 }));
    check.check_array("w", &w, &dw, |w| x.dot(&w).mapv(|z| z.max(0.0)).sum()).print();
    moral(
        "The differences to the left and to the right are not the same, and the analytic gradient lies between \
           them: a kink, where every such value is a right one. It does not count.",
    );
}

/// Random directions.
fn many_parameters(check: GradCheck, network: &Network) -> Result<(), Box<dyn Error>> {
    heading("Many parameters: random directions");
    say(
        "Two evaluations per parameter are too many for a large network. Along three random directions in the \
         space of all parameters six are enough, whatever its size:",
    );
    println!();
    let check = check.directions(3)?;
    let all = Network::keep_all();
    compare(check, network, &network.gradient(&all, Bug::None)).print();
    println!();
    say("If they disagree, three directions in each parameter name the one at fault:");
    println!();
    compare(check, network, &network.gradient(&all, Bug::SignB2)).print();
    Ok(())
}

/// The same gradient by other differences, and the complex step.
fn other_differences(network: &Network) {
    heading("Other differences");
    let gradient = network.gradient(&Network::keep_all(), Bug::None);
    let stencils = [
        ("forward, ε = 1e-8", Stencil::Forward { epsilon: Stencil::FORWARD_EPSILON }),
        ("central, ε = 1e-7", Stencil::Central { epsilon: Stencil::CENTRAL_EPSILON }),
        ("five points, h = 1e-3", Stencil::FivePoint { epsilon: Stencil::FIVE_POINT_EPSILON }),
        ("automatic step", Stencil::Automatic),
    ];
    for (name, stencil) in stencils {
        let report = compare(GradCheck::new().stencil(stencil), network, &gradient);
        println!("    {name:<22} {:>8.1e}  {}", report.relative_error(), report.verdict());
    }
    let cost = |z: &[Complex64]| (z[0] * z[1]).tanh();
    let slope = 1.0 - (0.3f64 * 2.0).tanh().powi(2);
    let report = GradCheck::new().check_fn_complex(cost, &[0.3, 2.0], &[2.0 * slope, 0.3 * slope]);
    println!("    {:<22} {:>8.1e}  {}", "complex step, 1e-200", report.relative_error(), report.verdict());
    moral(
        "The relative errors of the same right gradient: what remains is the error of the differences. The \
           complex step, here of tanh(θ₀·θ₁), has none, but needs J over complex numbers.",
    );
}

/// A title in bold, a line above it.
fn heading(title: &str) {
    println!();
    println!("{}", paint(&format!("── {title}"), "1;36"));
    println!();
}

/// A line of code.
fn code(label: &str, line: &str, style: &str) {
    println!("    {} {line}", paint(label, style));
}

/// What there is to learn.
fn moral(text: &str) {
    println!();
    say(text);
}

/// A text of many lines, of at most 80 characters.
fn say(text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 80 {
            println!("{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    println!("{line}");
}

/// The text in this style where colour is wanted.
fn paint(text: &str, style: &str) -> String {
    if wants_color() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}
