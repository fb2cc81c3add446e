//! Values computed by hand or by PyTorch's documented rules: corners, ties, infinities, NaN, and errors.

use ndarray::{ArrayD, IxDyn, array};
use nn_core::{Op, Step, evaluate};
use nn_ops::*;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

fn vector(x: &[f64]) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(&[x.len()]), x.to_vec()).unwrap()
}

fn assert_close(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(expected) {
        let close = g == e || g.is_nan() && e.is_nan() || (g - e).abs() < 1e-13 * (1.0 + e.abs());
        assert!(close, "{what}: {got:?}, expected {expected:?}");
    }
}

/// For each: inputs, output, and gradient with respect to the input where that of the output is 1.
type Known = (Box<dyn Op<f64>>, &'static [f64], &'static [f64], &'static [f64]);

fn table() -> Vec<Known> {
    vec![
        (Box::new(Abs), &[-2.0, 0.0, 3.0, NAN], &[2.0, 0.0, 3.0, NAN], &[-1.0, 0.0, 1.0, NAN]),
        (
            Box::new(Ln),
            &[1.0, 0.0, -1.0, 2.0],
            &[0.0, -INF, NAN, std::f64::consts::LN_2],
            &[1.0, INF, -1.0, 0.5],
        ),
        (Box::new(Sqrt), &[4.0, 0.0, -1.0], &[2.0, 0.0, NAN], &[0.25, INF, NAN]),
        (Box::new(Powf(3.0)), &[-2.0, 0.0], &[-8.0, 0.0], &[12.0, 0.0]),
        (Box::new(Powf(0.0)), &[0.0, 2.0], &[1.0, 1.0], &[0.0, 0.0]),
        (
            Box::new(Clamp::new(-1.0, 2.0).unwrap()),
            &[-3.0, -1.0, 0.5, 2.0, 9.0, NAN],
            &[-1.0, -1.0, 0.5, 2.0, 2.0, NAN],
            &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        ),
        (
            Box::new(Activation::Relu),
            &[-1.0, 0.0, 2.0, INF, NAN],
            &[0.0, 0.0, 2.0, INF, NAN],
            &[0.0, 0.0, 1.0, 1.0, 1.0],
        ),
        (
            Box::new(Activation::leaky_relu(0.01).unwrap()),
            &[-1.0, 0.0, 2.0, NAN],
            &[-0.01, 0.0, 2.0, NAN],
            &[0.01, 0.01, 1.0, 0.01],
        ),
        (
            Box::new(Activation::elu(2.0).unwrap()),
            &[-1.0, 0.0, 3.0, -INF, 1e4],
            &[-1.2642411176571153, 0.0, 3.0, -2.0, 1e4],
            &[0.7357588823428847, 2.0, 1.0, 0.0, 1.0],
        ),
        (
            Box::new(Activation::Selu),
            &[-1.0, 1.0],
            &[-1.1113307378125625, 1.0507009873554805],
            &[0.646768603034814, 1.0507009873554805],
        ),
        // Φ(1) = 0.841344746068543 and φ(1) = 0.241970724519143.
        (
            Box::new(Activation::Gelu),
            &[-1.0, 0.0, 1.0],
            &[-0.15865525393145707, 0.0, 0.8413447460685429],
            &[-0.083_315_470_587_686_3, 0.5, 1.0833154705876863],
        ),
        (Box::new(Activation::GeluTanh), &[0.0, 1.0], &[0.0, 0.8411919906082768], &[0.5, 1.0829640838457826]),
        (Box::new(Activation::Silu), &[0.0, 1.0], &[0.0, 0.7310585786300049], &[0.5, 0.9276705118714869]),
        (
            Box::new(Activation::Softplus),
            &[0.0, 20.5, 800.0, -800.0],
            &[std::f64::consts::LN_2, 20.5, 800.0, 0.0],
            &[0.5, 1.0, 1.0, 0.0],
        ),
        (
            Box::new(Activation::Sigmoid),
            &[0.0, 1.0, -INF, INF, NAN],
            &[0.5, 0.7310585786300049, 0.0, 1.0, NAN],
            &[0.25, 0.19661193324148185, 0.0, 0.0, NAN],
        ),
        (
            Box::new(Activation::Tanh),
            &[0.0, 1.0, -INF],
            &[0.0, 0.7615941559557649, -1.0],
            &[1.0, 0.41997434161402614, 0.0],
        ),
        (Box::new(Max::default()), &[3.0, 7.0, 7.0, -1.0], &[7.0], &[0.0, 0.5, 0.5, 0.0]),
        (Box::new(Max::default()), &[3.0, NAN], &[NAN], &[NAN, NAN]),
        (Box::new(LogSumExp::default()), &[1000.0, 1000.0], &[1000.0 + std::f64::consts::LN_2], &[0.5, 0.5]),
        (Box::new(LogSumExp::default()), &[-INF, 0.0], &[0.0], &[0.0, 1.0]),
        (Box::new(Softmax::default()), &[1000.0, 1000.0, -INF], &[0.5, 0.5, 0.0], &[0.0, 0.0, 0.0]),
        (
            Box::new(LogSoftmax::default()),
            &[-1000.0, -1000.0],
            &[-std::f64::consts::LN_2, -std::f64::consts::LN_2],
            &[0.0, 0.0],
        ),
        (Box::new(Mean::default()), &[1.0, 2.0, 6.0], &[3.0], &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]),
        (Box::new(Mean::default()), &[], &[NAN], &[]),
        (Box::new(Sum::default()), &[], &[0.0], &[]),
        (Box::new(LogSumExp::default()), &[], &[-INF], &[]),
        (
            Box::new(Slice { axis: -1, start: 1, end: 4, step: 2 }),
            &[5.0, 6.0, 7.0, 8.0],
            &[6.0, 8.0],
            &[0.0, 1.0, 0.0, 1.0],
        ),
    ]
}

#[test]
fn outputs_and_gradients() {
    for (op, x, y, dx) in table() {
        let what = format!("{op:?} of {x:?}");
        let (x, step) = (vector(x), Step::default());
        let mut result = evaluate(&*op, &step, &[x.view()]).unwrap();
        assert_close(&what, result.output.as_slice().unwrap(), y);
        let ones = result.output.mapv(|_| 1.0);
        let gradients = result.backward(&*op, &step, &[x.view()], ones.view());
        assert_close(&format!("gradient of {what}"), gradients[0].as_slice().unwrap(), dx);
    }
}

#[test]
fn equal_numbers_share_the_gradient_of_their_extremum() {
    let (x, y) = (vector(&[1.0, 2.0, 3.0]), vector(&[2.0, 2.0, 2.0]));
    let views = [x.view(), y.view()];
    let operations: [(Box<dyn Op<f64>>, [f64; 3]); 2] =
        [(Box::new(Maximum), [0.0, 0.5, 1.0]), (Box::new(Minimum), [1.0, 0.5, 0.0])];
    for (op, of_x) in operations {
        let step = Step::default();
        let mut z = evaluate(&*op, &step, &views).unwrap();
        let gradients = z.backward(&*op, &step, &views, vector(&[1.0, 1.0, 1.0]).view());
        assert_eq!(gradients[0].as_slice().unwrap(), of_x);
        assert_eq!(gradients[1].as_slice().unwrap(), of_x.map(|g| 1.0 - g));
    }
}

#[test]
fn the_gradient_of_gathered_rows_adds_up() {
    let table = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].into_dyn();
    let numbers = vector(&[2.0, 0.0, 2.0]);
    let (step, views) = (Step::default(), [table.view(), numbers.view()]);
    let mut y = evaluate(&GatherRows, &step, &views).unwrap();
    assert_eq!(y.output, array![[5.0, 6.0], [1.0, 2.0], [5.0, 6.0]].into_dyn());
    let dy = array![[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]].into_dyn();
    let gradients = y.backward(&GatherRows, &step, &views, dy.view());
    assert_eq!(gradients[0], array![[10.0, 20.0], [0.0, 0.0], [101.0, 202.0]].into_dyn());
    assert_eq!(gradients[1], vector(&[0.0; 3]));
}

#[test]
fn rows_in_place_equal_the_operation() {
    for (width, rows) in [(1, 1), (3, 50), (30, 17), (64, 20), (65, 9), (700, 4), (5, 0)] {
        let z: Vec<f64> = (0..width * rows).map(|i| ((i * 37 % 101) as f64 - 50.0) / 20.0).collect();
        let bias: Vec<f64> = (0..width).map(|i| i as f64 / width as f64 - 0.3).collect();
        let dy: Vec<f64> = z.iter().map(|z| z.cos()).collect();
        for activation in activations() {
            let what = format!("{activation:?} of {rows} rows of {width}");
            let summed: Vec<f64> = z.iter().zip(bias.iter().cycle()).map(|(z, b)| z + b).collect();
            let x = vector(&summed);
            let mut y = evaluate(&activation, &Step::default(), &[x.view()]).unwrap();
            let mut activated = z.clone();
            activation.activate_rows(&mut activated, Some(&bias), width);
            assert_close(&what, &activated, y.output.as_slice().unwrap());

            let dx = y.backward(&activation, &Step::default(), &[x.view()], vector(&dy).view());
            let dx = dx[0].as_slice().unwrap();
            let kept = if activation.derivative_reads_output() { &activated } else { &summed };
            let mut dz = vec![f64::NAN; z.len()];
            let mut d_bias = vec![1.0; width];
            activation.backward_rows(kept, &dy, &mut dz, Some(&mut d_bias), width);
            assert_close(&what, &dz, dx);
            let column = |j: usize| 1.0 + (0..rows).map(|i| dx[i * width + j]).sum::<f64>();
            assert_close(&what, &d_bias, &(0..width).map(column).collect::<Vec<_>>());
        }
    }
}

fn activations() -> Vec<Activation> {
    use Activation::*;
    vec![
        Identity,
        Relu,
        LeakyRelu { slope: 0.1 },
        LeakyRelu { slope: 0.0 },
        Elu { alpha: 1.0 },
        Elu { alpha: -1.0 },
        Selu,
        Gelu,
        GeluTanh,
        Silu,
        Softplus,
        Sigmoid,
        Tanh,
    ]
}

#[test]
fn messages_name_operation_axis_and_shapes() {
    type Refused = (Box<dyn Op<f64>>, Vec<Vec<usize>>, &'static str);
    let table: Vec<Refused> = vec![
        (
            Box::new(Add),
            vec![vec![2, 3], vec![2]],
            "add: shapes [2, 3] and [2] do not fit: axes, aligned at the last, must be equal or 1",
        ),
        (Box::new(Mul), vec![vec![2]], "mul: expected 2 inputs, got 1"),
        (
            Box::new(Softmax { axis: 2 }),
            vec![vec![4, 5]],
            "softmax: axis 2 is out of range for shape [4, 5] with 2 axes",
        ),
        (
            Box::new(LogSoftmax { axis: -1 }),
            vec![vec![]],
            "log_softmax: input 0 must be an array that has an axis -1, got shape []",
        ),
        (
            Box::new(Sum { axes: vec![0, -2], keep_axes: true }),
            vec![vec![4, 5]],
            "sum: input 0 must be reduced over different axes, but [0, -2] name one twice, got shape [4, 5]",
        ),
        (
            Box::new(Max { axes: vec![1], keep_axes: false }),
            vec![vec![4, 0]],
            "max: input 0 must be of at least one element along the axes [1], got shape [4, 0]",
        ),
        (
            Box::new(Reshape { shape: vec![4, -1] }),
            vec![vec![3, 3]],
            "reshape: input 0 must be of as many elements as [4, -1], got shape [3, 3]",
        ),
        (
            Box::new(Transpose { axes: vec![0, 0] }),
            vec![vec![3, 3]],
            "transpose: input 0 must be an array whose axes [0, 0] permutes, got shape [3, 3]",
        ),
        (
            Box::new(Slice { axis: 0, start: 1, end: 5, step: 1 }),
            vec![vec![4]],
            "slice: input 0 must be sliced along axis 0 within its length, not from 1 to 5 by 1, got shape [4]",
        ),
        (
            Box::new(Concat { axis: 1 }),
            vec![vec![2, 3], vec![3, 3]],
            "concat: shapes [2, 3] and [3, 3] do not fit: all axes but axis 1 must be equal",
        ),
        (
            Box::new(GatherRows),
            vec![vec![], vec![3]],
            "gather_rows: input 0 must be a table with at least one axis, got shape []",
        ),
    ];
    for (op, shapes, message) in table {
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        assert_eq!(op.infer(&shapes).unwrap_err().to_string(), message);
    }
}

#[test]
fn row_numbers_are_checked() {
    let table = ArrayD::<f32>::zeros(IxDyn(&[3, 2]));
    for (bad, shown) in [(3.0, "3"), (-1.0, "-1"), (0.5, "0.5"), (f32::NAN, "NaN")] {
        let numbers = array![[0.0, 1.0], [2.0, bad]].into_dyn();
        let message =
            evaluate(&GatherRows, &Step::default(), &[table.view(), numbers.view()]).unwrap_err().to_string();
        let expected =
            format!("gather_rows: input 1 holds {shown} at [1, 1], expected a row number from 0 to 2");
        assert_eq!(message, expected);
    }
}

#[test]
fn hyperparameters_are_checked() {
    let message = Clamp::new(1.0, 0.0).unwrap_err().to_string();
    assert_eq!(message, "Clamp: max must lie in [min, inf], got 0");
    assert_eq!(Activation::elu(NAN).unwrap_err().field, "alpha");
    assert_eq!(Activation::leaky_relu(INF).unwrap_err().field, "slope");
}

/// Nor does its work depend on how far it reaches: the test would not end.
#[test]
fn a_convolution_whose_stride_is_beyond_the_input_has_one_position() {
    let random = |seed: f64, shape: &[usize]| {
        let mut state = seed;
        ArrayD::from_shape_simple_fn(shape, || {
            state = (state * 1.7 + 0.31).fract();
            state - 0.5
        })
    };
    let inputs = [random(0.1, &[2, 4, 8, 7]), random(0.2, &[6, 4, 3, 2]), random(0.3, &[6])];
    let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    let all = |stride: [usize; 2]| {
        let op = Conv::<2> { stride, padding: [[1, 0], [0, 1]], ..Conv::default() };
        let mut evaluated = evaluate(&op, &Step::default(), &views).unwrap();
        assert_eq!(evaluated.output.shape(), [2, 6, 1, 1]);
        let dy = ArrayD::ones(evaluated.output.shape());
        (evaluated.output.clone(), evaluated.backward(&op, &Step::default(), &views, dy.view()))
    };
    assert_eq!(all([7, 7]), all([1 << 40, 1 << 50]));
}
