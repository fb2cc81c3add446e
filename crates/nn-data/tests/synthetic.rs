//! Synthetic problems: scikit-learn's points, the definitions of the sequences, and what curves look like.

use ndarray::{Array2, ArrayView1, Axis, Ix2, Ix3, array};
use nn_core::Streams;
use nn_data::{DataError, Dataset, synthetic};

fn streams() -> Streams {
    Streams::new(4)
}

/// `tests/fixtures/make_synthetic.py` says what stands in a line.
#[test]
fn points_without_noise_are_those_of_scikit_learn() {
    let mut cases = 0;
    for line in include_str!("fixtures/synthetic.csv").lines() {
        let (name, numbers) = line.split_once(',').unwrap();
        let numbers: Vec<f64> = numbers.split(',').map(|cell| cell.parse().unwrap()).collect();
        let (samples, rest) = (numbers[0] as usize, &numbers[1..]);
        let (parameters, rows) = rest.split_at(rest.len() - 3 * samples);
        let set: Dataset<f64> = match name {
            "moons" => synthetic::moons(samples, 0.0, streams()),
            "circles" => synthetic::circles(samples, 0.0, parameters[0], streams()),
            "blobs" => {
                let centers = Array2::from_shape_vec((3, 2), parameters.to_vec()).unwrap();
                synthetic::blobs(samples, centers.view(), 0.0, streams())
            }
            _ => panic!("{name}"),
        }
        .unwrap();
        assert_eq!(set.len(), samples);
        let classes = set.labels().unwrap();
        for ((row, point), class) in rows.chunks(3).zip(set.inputs().outer_iter()).zip(classes) {
            assert_eq!(class as f64, row[2], "{line}");
            assert!(
                point.iter().zip(row).all(|(got, expected)| (got - expected).abs() < 1e-15),
                "{name}: {point}"
            );
        }
        cases += 1;
    }
    assert_eq!(cases, 13);
}

#[test]
fn spirals_wind_from_the_middle_to_radius_1() {
    let (arms, turns) = (3, 1.25);
    let set = synthetic::spirals::<f64>(11, arms, turns, 0.0, streams()).unwrap();
    assert_eq!(set.labels().unwrap(), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]);
    assert_eq!(set.classes(), Some(3));
    for (i, point) in set.inputs().outer_iter().enumerate() {
        let (arm, radius) = (i / 4, (i % 4 + 1) as f64 / if i < 8 { 4.0 } else { 3.0 });
        let angle = std::f64::consts::TAU * (turns * radius + arm as f64 / 3.0);
        let expected = [radius * angle.cos(), radius * angle.sin()];
        assert!(
            point.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-15),
            "{i}: {point}"
        );
    }
}

/// The mean and the spread of the differences from the points without noise.
fn check_noise(with: &Dataset<f64>, without: &Dataset<f64>, std: f64) {
    assert_eq!(with.targets(), without.targets());
    let difference = with.inputs() - without.inputs();
    let n = difference.len() as f64;
    for (axis, column) in difference.axis_iter(Axis(1)).enumerate() {
        let (mean, square) = (column.sum() * 2.0 / n, column.mapv(|x| x * x).sum() * 2.0 / n);
        // Five standard errors.
        assert!(mean.abs() < 5.0 * std / (n / 2.0).sqrt(), "axis {axis}: mean {mean}");
        assert!((square / (std * std) - 1.0).abs() < 5.0 * (4.0 / n).sqrt(), "axis {axis}: {square}");
    }
    assert!(difference.iter().any(|x| x.abs() > 2.5 * std));
}

#[test]
fn noise_has_its_spread() {
    const N: usize = 4000;
    let centers = array![[-1.5, 2.0], [3.0, 0.25]];
    type Make = Box<dyn Fn(f64) -> Dataset<f64>>;
    let table: Vec<(&str, Make)> = vec![
        ("moons", Box::new(|std| synthetic::moons(N, std, streams()).unwrap())),
        ("circles", Box::new(|std| synthetic::circles(N, std, 0.5, streams()).unwrap())),
        ("spirals", Box::new(|std| synthetic::spirals(N, 2, 3.0, std, streams()).unwrap())),
        ("blobs", Box::new(move |std| synthetic::blobs(N, centers.view(), std, streams()).unwrap())),
    ];
    for (name, make) in table {
        check_noise(&make(0.3), &make(0.0), 0.3);
        assert_eq!(make(0.3), make(0.3), "{name}");
    }
    let [one, other] = [1, 2].map(|seed| synthetic::moons::<f64>(10, 0.1, Streams::new(seed)).unwrap());
    assert_ne!(one, other);
}

#[test]
fn centers_are_uniform_in_their_box() {
    let centers = synthetic::blob_centers(2000, 2, streams());
    assert_eq!(centers.dim(), (2000, 2));
    assert!(centers.iter().all(|x| x.abs() < 10.0));
    // Standard error of the mean: 10/√(3·4000) = 0.09; of the mean square 100/3: 29.8/√4000 = 0.47.
    assert!(centers.mean().unwrap().abs() < 0.45);
    assert!((centers.mapv(|x| x * x).mean().unwrap() - 100.0 / 3.0).abs() < 2.4);
}

/// The steps that are not zeros before the sequence.
fn marks(steps: ndarray::ArrayView2<'_, f64>, mark: f64) -> Vec<usize> {
    (0..steps.nrows()).filter(|&t| steps[[t, 1]] == mark).collect()
}

#[test]
fn marked_numbers_are_added_and_multiplied() {
    let length = 80;
    let (sums, products) = (
        synthetic::addition::<f64>(500, length, streams()).unwrap(),
        synthetic::multiplication::<f64>(500, length, streams()).unwrap(),
    );
    for (set, product) in [(&sums, false), (&products, true)] {
        let inputs = set.inputs().view().into_dimensionality::<Ix3>().unwrap();
        assert_eq!((inputs.dim(), set.targets().shape()), ((500, 87, 2), &[500, 1][..]));
        let (mut lengths, mut firsts, mut seconds) = ([0; 8], [0; 8], [0; 32]);
        for (steps, target) in inputs.outer_iter().zip(set.targets()) {
            let start = steps.column(0).iter().position(|&x| x != 0.0).unwrap();
            assert!(steps.column(0).iter().skip(start).all(|&x| x > 0.0 && x < 1.0));
            let actual = 87 - start;
            lengths[actual - 80] += 1;
            let ones = marks(steps, 1.0);
            let [first, second] = ones[..] else { panic!("{ones:?}") };
            firsts[first - start] += 1;
            seconds[second - start - 8] += 1;
            // Step 0 is marked −1, unless it is the first number.
            let minus: Vec<usize> = [start, 87 - 3].into_iter().filter(|&t| t != first).collect();
            assert_eq!(marks(steps, -1.0), minus);
            assert_eq!(marks(steps, 0.0).len(), 87 - 2 - minus.len());
            let (a, b) = (steps[[first, 0]], steps[[second, 0]]);
            assert_eq!(*target, if product { a * b } else { a + b });
        }
        // Each is 62.5 (15.6 for the second number), give or take 5 standard deviations.
        assert!(
            lengths.iter().chain(&firsts).all(|&n| (25..101).contains(&n)) && lengths[7] > 0,
            "{lengths:?}, {firsts:?}"
        );
        assert!(seconds.iter().all(|&n| n < 36), "{seconds:?}");
    }
    assert_ne!(sums.inputs(), products.inputs());
    let fewer = synthetic::addition::<f64>(20, length, streams()).unwrap();
    assert_eq!(fewer, sums.select(&(0..20).collect::<Vec<_>>()).unwrap());
}

/// The places of the ones of each step.
fn symbols(steps: ndarray::ArrayView2<'_, f64>) -> Vec<usize> {
    let one = |row: ArrayView1<'_, f64>| {
        assert_eq!(row.sum(), 1.0);
        row.iter().position(|&x| x == 1.0).unwrap()
    };
    steps.outer_iter().map(one).collect()
}

#[test]
fn memory_is_asked_for_what_came_first() {
    let table = [
        (synthetic::memory_5_bit::<f64>(30).unwrap(), 32, 2, 5),
        (synthetic::memory_20_bit::<f64>(200, 40, streams()).unwrap(), 200, 5, 10),
    ];
    for (set, samples, alphabet, count) in table {
        let inputs = set.inputs().view().into_dimensionality::<Ix3>().unwrap();
        let targets = set.targets().view().into_dimensionality::<Ix2>().unwrap();
        let length = inputs.dim().1;
        assert_eq!(
            (inputs.dim().0, inputs.dim().2, targets.dim()),
            (samples, alphabet + 2, (samples, length))
        );
        let mut seen = std::collections::HashSet::new();
        let mut counts = vec![0; alphabet];
        for (steps, targets) in inputs.outer_iter().zip(targets.outer_iter()) {
            let steps = symbols(steps);
            let (drawn, rest) = steps.split_at(count);
            drawn.iter().for_each(|&symbol| counts[symbol] += 1);
            let (wait, last) = rest.split_at(length - 2 * count);
            let (cue, blanks) = wait.split_last().unwrap();
            assert_eq!(*cue, alphabet);
            assert!(blanks.iter().chain(last).all(|&symbol| symbol == alphabet + 1));
            let targets: Vec<usize> = targets.iter().map(|&x| x as usize).collect();
            assert!(targets[..length - count].iter().all(|&class| class == alphabet));
            assert_eq!(&targets[length - count..], drawn);
            seen.insert(drawn.to_vec());
        }
        assert_eq!(seen.len(), samples, "sequences repeat");
        // 80 of each of two symbols exactly; 400 of each of five, give or take 5 standard deviations.
        let off = if samples == 32 { 0 } else { 90 };
        assert!(counts.iter().all(|&n: &usize| n.abs_diff(samples * count / alphabet) <= off), "{counts:?}");
    }
}

#[test]
fn curves_are_thin_and_smooth_and_go_through_the_middle() {
    let set = synthetic::curves::<f64>(200, streams()).unwrap();
    assert_eq!((set.inputs().shape(), set.inputs()), (&[200, 784][..], set.targets()));
    let mut means = 0.0;
    for image in set.inputs().outer_iter() {
        let image = image.to_shape((28, 28)).unwrap();
        assert!(image.iter().all(|&x| (0.0..=1.0).contains(&x)));
        assert!((0..28).all(|i| image[[0, i]] == 0.0
            && image[[27, i]] == 0.0
            && image[[i, 0]] == 0.0
            && image[[i, 27]] == 0.0));
        let bright: Vec<(usize, usize)> =
            image.indexed_iter().filter(|&(_, &x)| x > 0.3).map(|(at, _)| at).collect();
        assert!(bright.len() >= 3);
        // One piece: every bright pixel is reached from the first by steps to neighbours.
        let mut reached = vec![bright[0]];
        let mut next = 0;
        while next < reached.len() {
            let (i, j) = reached[next];
            for &(y, x) in &bright {
                if y.abs_diff(i) <= 1 && x.abs_diff(j) <= 1 && !reached.contains(&(y, x)) {
                    reached.push((y, x));
                }
            }
            next += 1;
        }
        assert_eq!(reached.len(), bright.len(), "the curve has a gap");
        means += image.mean().unwrap() / 200.0;
    }
    // A curve of length l has an area of about l; three points 10 pixels apart make some 20 to 40 pixels of 784.
    assert!(means > 0.02 && means < 0.06, "{means}");
    let fewer = synthetic::curves::<f64>(3, streams()).unwrap();
    assert_eq!(fewer, set.select(&[0, 1, 2]).unwrap());
    assert_ne!(set.inputs().index_axis(Axis(0), 0), set.inputs().index_axis(Axis(0), 1));
}

#[test]
fn refuses_what_is_outside_its_range() {
    let one = array![[0.0, 0.0]];
    let table: Vec<(Result<Dataset<f32>, DataError>, &str)> = vec![
        (synthetic::moons(1, 0.0, streams()), "synthetic data: samples must lie in [2, ∞), got 1"),
        (synthetic::moons(9, -1.0, streams()), "synthetic data: noise must lie in [0, ∞), got -1"),
        (synthetic::circles(0, 0.0, 0.5, streams()), "synthetic data: samples must lie in [2, ∞), got 0"),
        (synthetic::circles(9, 0.0, 1.0, streams()), "synthetic data: factor must lie in [0, 1), got 1"),
        (
            synthetic::circles(9, f64::NAN, 0.5, streams()),
            "synthetic data: noise must lie in [0, ∞), got NaN",
        ),
        (synthetic::spirals(9, 0, 1.0, 0.0, streams()), "synthetic data: arms must lie in [1, ∞), got 0"),
        (
            synthetic::spirals(2, 3, 1.0, 0.0, streams()),
            "synthetic data: samples must lie in [arms, ∞), got 2",
        ),
        (
            synthetic::spirals(9, 3, f64::INFINITY, 0.0, streams()),
            "synthetic data: turns must lie in (−∞, ∞), got inf",
        ),
        (
            synthetic::blobs(9, Array2::zeros((0, 2)).view(), 1.0, streams()),
            "synthetic data: centers must lie in [1, ∞), got 0",
        ),
        (
            synthetic::blobs(0, one.view(), 1.0, streams()),
            "synthetic data: samples must lie in [centers, ∞), got 0",
        ),
        (
            synthetic::blobs(9, one.view(), f64::INFINITY, streams()),
            "synthetic data: std must lie in [0, ∞), got inf",
        ),
        (synthetic::addition(0, 80, streams()), "synthetic data: samples must lie in [1, ∞), got 0"),
        (synthetic::addition(5, 9, streams()), "synthetic data: length must lie in [10, ∞), got 9"),
        (synthetic::multiplication(5, 9, streams()), "synthetic data: length must lie in [10, ∞), got 9"),
        (synthetic::memory_5_bit(10), "synthetic data: length must lie in [11, ∞), got 10"),
        (synthetic::memory_20_bit(5, 20, streams()), "synthetic data: length must lie in [21, ∞), got 20"),
        (synthetic::memory_20_bit(0, 21, streams()), "synthetic data: samples must lie in [1, ∞), got 0"),
        (synthetic::curves(0, streams()), "synthetic data: samples must lie in [1, ∞), got 0"),
    ];
    for (result, expected) in table {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}
