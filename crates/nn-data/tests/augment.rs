//! Augmentation: known values, SciPy's numbers, moments of what is drawn, and the same bits in any order.

use std::ops::RangeInclusive;

use ndarray::{Array, Array4, ArrayD, Axis, IxDyn, array};
use nn_core::{RangeError, Streams};
use nn_data::{Augment, Augmented, DataError, Dataset, Source};
use proptest::prelude::*;

type Built = Result<Augment, RangeError>;

/// One image `[1, height, width]` after the change.
fn change(augment: &Augment, sample: usize, image: &[f64], [height, width]: [usize; 2]) -> Vec<f64> {
    let mut images = Array4::from_shape_vec((1, 1, height, width), image.to_vec()).unwrap();
    augment.apply(Streams::new(1), 0, &[sample], images.view_mut());
    images.into_raw_vec_and_offset().0
}

/// Numbers from −1 to 1 in a fixed disorder.
fn noise(n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * 7919 + 13) % 997) as f64 / 498.5 - 1.0).collect()
}

#[test]
fn refuses_what_is_outside_its_range() {
    let new = Augment::new;
    let (one, wide) = (1.0..=1.0, 0.1..=0.5);
    let table: Vec<(Built, &str)> = vec![
        (new().horizontal_flip(1.5), "Augment: horizontal_flip must lie in [0, 1], got 1.5"),
        (new().vertical_flip(f64::NAN), "Augment: vertical_flip must lie in [0, 1], got NaN"),
        (new().shift(0.0..=f64::INFINITY, 0.0..=0.0), "Augment: vertical shift must lie in (−∞, ∞), got inf"),
        (new().shift(0.0..=0.0, f64::NAN..=0.0), "Augment: horizontal shift must lie in (−∞, ∞), got NaN"),
        (new().rotation(-361.0..=0.0), "Augment: rotation must lie in [−360, 360], got -361"),
        (new().rotation(5.0..=-5.0), "Augment: rotation must lie in [beginning of the range, ∞), got -5"),
        (new().scale(0.0..=1.0), "Augment: scale must lie in [0.01, 100], got 0"),
        (new().shear(-10.0..=90.0), "Augment: shear must lie in [−80, 80], got 90"),
        (new().elastic(-1.0, 4.0), "Augment: elastic alpha must lie in [0, 10⁶], got -1"),
        (new().elastic(34.0, 0.0), "Augment: elastic sigma must lie in (0, 100], got 0"),
        (new().fill(f64::INFINITY), "Augment: fill must lie in (−∞, ∞), got inf"),
        (new().contrast(-0.5..=1.0), "Augment: contrast must lie in [0, 100], got -0.5"),
        (new().brightness(f64::NAN..=1.0), "Augment: brightness must lie in (−∞, ∞), got NaN"),
        (new().clamp(1.0..=0.0), "Augment: clamp must lie in [beginning of the range, ∞), got 0"),
        (
            new().erasing(-0.1, wide.clone(), one.clone(), 0.0),
            "Augment: erasing probability must lie in [0, 1], got -0.1",
        ),
        (new().erasing(0.5, 0.0..=0.5, one.clone(), 0.0), "Augment: erasing area must lie in (0, 1], got 0"),
        (
            new().erasing(0.5, wide.clone(), 1.0..=101.0, 0.0),
            "Augment: erasing aspect must lie in [0.01, 100], got 101",
        ),
        (new().erasing(0.5, wide, one, f64::NAN), "Augment: erasing value must lie in (−∞, ∞), got NaN"),
    ];
    for (built, expected) in table {
        assert_eq!(built.unwrap_err().to_string(), expected);
    }
}

#[test]
fn identity_is_exact() {
    let image: Vec<f64> =
        noise(35).into_iter().chain([-0.0, f64::MAX, f64::MIN_POSITIVE, 1e300, -1e300]).collect();
    let nothing = 0.0..=0.0;
    let table: Vec<Augment> = vec![
        Augment::new(),
        Augment::new().rotation(nothing.clone()).unwrap().shear(nothing.clone()).unwrap(),
        Augment::new().scale(1.0..=1.0).unwrap().shift(nothing.clone(), nothing.clone()).unwrap(),
        Augment::new().contrast(1.0..=1.0).unwrap().brightness(nothing).unwrap().crop(0),
        Augment::new().horizontal_flip(0.0).unwrap().vertical_flip(0.0).unwrap().fill(7.0).unwrap(),
        Augment::new().erasing(0.0, 0.5..=0.5, 1.0..=1.0, 3.0).unwrap(),
    ];
    for augment in table {
        for (got, expected) in change(&augment, 0, &image, [8, 5]).iter().zip(&image) {
            assert_eq!(got.to_bits(), expected.to_bits(), "{augment:?}");
        }
    }
    // Displacements of 0 are interpolated all the same, with weights of 0 and 1.
    let image = noise(40);
    assert_eq!(change(&Augment::new().elastic(0.0, 2.0).unwrap(), 0, &image, [8, 5]), image);
}

#[test]
fn known_values() {
    let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let by = |x: f64| x..=x;
    let shift = |y, x| Augment::new().shift(by(y), by(x)).unwrap().fill(9.0).unwrap();
    let table: Vec<(Augment, [f64; 6])> = vec![
        (Augment::new().horizontal_flip(1.0).unwrap(), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]),
        (Augment::new().vertical_flip(1.0).unwrap(), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]),
        (shift(1.0, 0.0), [9.0, 9.0, 9.0, 1.0, 2.0, 3.0]),
        (shift(0.0, 2.0), [9.0, 9.0, 1.0, 9.0, 9.0, 4.0]),
        (shift(-1.0, -1.0), [5.0, 6.0, 9.0, 9.0, 9.0, 9.0]),
        (shift(0.0, 3.0), [9.0; 6]),
        (shift(-40.0, 0.0), [9.0; 6]),
        (shift(0.0, -1.0).horizontal_flip(1.0).unwrap(), [2.0, 1.0, 9.0, 5.0, 4.0, 9.0]),
        (shift(0.0, 0.25), [0.75 + 2.25, 1.75, 2.75, 3.0 + 2.25, 4.75, 5.75]),
        // Mean 3.5.
        (Augment::new().contrast(by(2.0)).unwrap(), [-1.5, 0.5, 2.5, 4.5, 6.5, 8.5]),
        (Augment::new().contrast(by(0.0)).unwrap().brightness(by(0.5)).unwrap(), [4.0; 6]),
        (
            Augment::new().brightness(by(-2.0)).unwrap().clamp(0.0..=3.5).unwrap(),
            [0.0, 0.0, 1.0, 2.0, 3.0, 3.5],
        ),
    ];
    for (augment, expected) in table {
        assert_eq!(change(&augment, 0, &image, [2, 3]), expected, "{augment:?}");
    }
    let turned = change(
        &Augment::new().rotation(by(90.0)).unwrap(),
        0,
        &(1..=9).map(f64::from).collect::<Vec<_>>(),
        [3, 3],
    );
    for (got, expected) in turned.iter().zip([3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]) {
        assert!((got - expected).abs() < 1e-12, "{turned:?}");
    }
}

/// `tests/fixtures/make_augment.py` says what stands in a line.
#[test]
fn affine_maps_are_those_of_scipy() {
    let mut cases = 0;
    for line in include_str!("fixtures/affine.csv").lines() {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let [height, width] = [cells[0] as usize, cells[1] as usize];
        let by = |cell: usize| cells[cell]..=cells[cell];
        let augment = Augment::new().rotation(by(2)).unwrap().scale(by(3)).unwrap().shear(by(4)).unwrap();
        let augment = augment.shift(by(5), by(6)).unwrap().fill(cells[9]).unwrap();
        let augment = augment.horizontal_flip(cells[7]).unwrap().vertical_flip(cells[8]).unwrap();
        let (image, expected) = cells[10..].split_at(height * width);
        for (at, (got, expected)) in
            change(&augment, 0, image, [height, width]).iter().zip(expected).enumerate()
        {
            assert!((got - expected).abs() < 1e-12, "{:?} pixel {at}: {got} for {expected}", &cells[..10]);
        }
        cases += 1;
    }
    assert_eq!(cases, 14);
}

/// Where the single bright pixel of an image comes to lie.
fn place(augment: &Augment, sample: usize) -> (i64, i64) {
    let mut image = vec![0.0; 21 * 21];
    image[10 * 21 + 12] = 1.0;
    let after = change(augment, sample, &image, [21, 21]);
    let at = after.iter().position(|&x| x == 1.0).unwrap() as i64;
    (at / 21 - 10, at % 21 - 12)
}

#[test]
fn flips_and_crops_come_as_often_as_they_should() {
    const SAMPLES: usize = 4000;
    let mut flips = [[0; 2]; 2];
    let augment = Augment::new().horizontal_flip(0.25).unwrap().vertical_flip(0.5).unwrap();
    let image = [1.0, 2.0, 3.0, 4.0];
    for sample in 0..SAMPLES {
        let after = change(&augment, sample, &image, [2, 2]);
        let corner = image.iter().position(|&x| x == after[0]).unwrap();
        flips[corner / 2][corner % 2] += 1;
    }
    // Independent, with the probabilities ½·¾ and ½·¼, within 5 standard deviations.
    for (got, expected) in flips.into_iter().flatten().zip([0.375, 0.125, 0.375, 0.125]) {
        let n = SAMPLES as f64;
        assert!(
            (f64::from(got) - n * expected).abs() < 5.0 * (n * expected * (1.0 - expected)).sqrt(),
            "{flips:?}"
        );
    }

    let mut crops = [[0; 5]; 5];
    for sample in 0..SAMPLES {
        let (y, x) = place(&Augment::new().crop(2), sample);
        crops[(y + 2) as usize][(x + 2) as usize] += 1;
    }
    // 160 each, give or take 5 standard deviations of 12.4.
    assert!(crops.iter().flatten().all(|&n| (98..222).contains(&n)), "{crops:?}");
}

#[test]
fn shifts_are_uniform_in_their_range() {
    let augment = Augment::new().shift(-3.0..=1.0, 0.5..=2.5).unwrap();
    let (mut sums, mut squares, n) = ([0.0; 2], [0.0; 2], 2000);
    for sample in 0..n {
        let mut image = vec![0.0; 15 * 15];
        image[7 * 15 + 7] = 1.0;
        let after = change(&augment, sample, &image, [15, 15]);
        // Interpolation keeps the centre of gravity.
        for (axis, low, high) in [(0, -3.0, 1.0), (1, 0.5, 2.5)] {
            let place = |at: usize| [at / 15, at % 15][axis] as f64 - 7.0;
            let moved: f64 = after.iter().enumerate().map(|(at, &x)| x * place(at)).sum();
            assert!(moved > low - 1e-12 && moved < high + 1e-12);
            sums[axis] += moved;
            squares[axis] += moved * moved;
        }
    }
    for (axis, mean, width) in [(0, -1.0, 4.0), (1, 1.5, 2.0)] {
        let (n, variance) = (n as f64, width * width / 12.0);
        let got = sums[axis] / n;
        assert!((got - mean).abs() < 5.0 * f64::sqrt(variance / n), "mean {got} on axis {axis}");
        let spread = squares[axis] / n - got * got;
        assert!((spread / variance - 1.0).abs() < 0.1, "variance {spread} on axis {axis}");
    }
}

#[test]
fn erasing_takes_its_share_of_the_images_and_of_each() {
    let (area, aspect): (RangeInclusive<f64>, RangeInclusive<f64>) = (0.1..=0.4, 0.5..=2.0);
    let augment = Augment::new().erasing(0.5, area, aspect, 9.0).unwrap();
    let mut erased = 0;
    for sample in 0..2000 {
        let mut images = Array4::<f64>::zeros((1, 2, 20, 30));
        augment.apply(Streams::new(3), 0, &[sample], images.view_mut());
        let [first, second] = [0, 1].map(|c| images.index_axis(Axis(0), 0).index_axis(Axis(0), c).to_owned());
        assert_eq!(first, second);
        let rows: Vec<usize> = (0..20).filter(|&i| first.row(i).iter().any(|&x| x > 0.0)).collect();
        let columns: Vec<usize> = (0..30).filter(|&j| first.column(j).iter().any(|&x| x > 0.0)).collect();
        if rows.is_empty() {
            continue;
        }
        erased += 1;
        let (height, width) = (rows.len(), columns.len());
        // A full rectangle, whose sides were rounded down.
        assert_eq!(first.sum(), 9.0 * (height * width) as f64);
        assert_eq!((rows[height - 1] - rows[0], columns[width - 1] - columns[0]), (height - 1, width - 1));
        assert!(height * width <= 240 && (height + 1) * (width + 1) > 60, "{height}×{width}");
        let (low, high) = (height as f64 / (width + 1) as f64, (height + 1) as f64 / width as f64);
        assert!(low < 2.0 && high > 0.5, "{height}×{width}");
    }
    assert!((900..1100).contains(&erased), "{erased}");
}

fn everything() -> Augment {
    let augment = Augment::new().horizontal_flip(0.5).unwrap().vertical_flip(0.5).unwrap().crop(2);
    let augment = augment.shift(-2.0..=2.0, -2.0..=2.0).unwrap().rotation(-20.0..=20.0).unwrap();
    let augment = augment.scale(0.8..=1.2).unwrap().shear(-10.0..=10.0).unwrap().elastic(20.0, 3.0).unwrap();
    let augment = augment.contrast(0.8..=1.2).unwrap().brightness(-0.1..=0.1).unwrap();
    augment.erasing(0.5, 0.02..=0.2, 0.3..=3.0, 0.0).unwrap()
}

fn images(n: usize) -> Array4<f32> {
    Array::from_iter(noise(n * 2 * 12 * 10).into_iter().map(|x| x as f32))
        .into_shape_with_order((n, 2, 12, 10))
        .unwrap()
}

/// 240 pixels a sample: a batch of 200 is divided into six tasks.
#[test]
fn the_same_bits_on_any_number_of_threads_and_in_any_order() {
    let (augment, n, streams) = (everything(), 200, Streams::new(5));
    let run = |threads: usize, samples: &[usize]| {
        let mut batch = images(n).select(Axis(0), samples);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| augment.apply(streams, 3, samples, batch.view_mut()));
        batch
    };
    let forward: Vec<usize> = (0..n).collect();
    let expected = run(1, &forward);
    for threads in [2, 4] {
        assert_eq!(run(threads, &forward), expected);
    }
    let backward: Vec<usize> = (0..n).rev().collect();
    assert_eq!(run(3, &backward), expected.select(Axis(0), &backward));
    assert_eq!(run(1, &[17]), expected.select(Axis(0), &[17]));
    // In another memory layout.
    let mut transposed = images(n).permuted_axes([0, 1, 3, 2]).as_standard_layout().into_owned();
    augment.apply(streams, 3, &forward, transposed.view_mut().permuted_axes([0, 1, 3, 2]));
    assert_eq!(transposed.permuted_axes([0, 1, 3, 2]), expected);
}

#[test]
fn each_sample_in_each_epoch_of_each_seed_is_another() {
    let mut seen = Vec::new();
    for (seed, epoch, sample) in [(1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1), (2, 0, 0)] {
        let mut image = images(1);
        everything().apply(Streams::new(seed), epoch, &[sample], image.view_mut());
        assert!(!seen.contains(&image), "{seed}, {epoch}, {sample}");
        seen.push(image);
    }
}

/// What a change draws does not depend on the others.
#[test]
fn changes_draw_by_themselves() {
    let image = noise(120);
    let flip = Augment::new().horizontal_flip(0.5).unwrap();
    let with = flip.clone().brightness(1.0..=2.0).unwrap().crop(0).rotation(0.0..=0.0).unwrap();
    for sample in 0..50 {
        let (alone, together) =
            (change(&flip, sample, &image, [12, 10]), change(&with, sample, &image, [12, 10]));
        let difference = together[0] - alone[0];
        assert!(alone.iter().zip(&together).all(|(a, b)| (b - a - difference).abs() < 1e-12));
    }
}

#[test]
fn a_source_is_changed_in_an_epoch_and_not_without_one() {
    let labels = Array::from_iter((0..40).map(|i| (i % 3) as f32));
    let set = Dataset::classification(images(40), labels, 3).unwrap();
    let source = Augmented::new(&set, everything(), Streams::new(5)).unwrap();
    assert_eq!((source.len(), source.input_shape(), source.target_shape()), (40, &[2, 12, 10][..], &[][..]));
    assert_eq!((Source::classes(&source), source.is_quick()), (Some(3), false));
    let samples = [7, 3, 38];
    let memory = || (ArrayD::<f32>::zeros(IxDyn(&[3, 2, 12, 10])), ArrayD::<f32>::zeros(IxDyn(&[3])));

    let (mut inputs, mut targets) = memory();
    source.gather(None, &samples, inputs.view_mut(), targets.view_mut()).unwrap();
    let mut expected = images(40).select(Axis(0), &samples);
    assert_eq!(inputs, expected.clone().into_dyn());
    assert_eq!(targets, array![1.0, 0.0, 2.0].into_dyn());

    source.gather(Some(6), &samples, inputs.view_mut(), targets.view_mut()).unwrap();
    everything().apply(Streams::new(5), 6, &samples, expected.view_mut());
    assert_eq!(inputs, expected.clone().into_dyn());

    // Memory in column-major order.
    let mut turned = ArrayD::<f32>::zeros(IxDyn(&[10, 12, 2, 3]));
    source.gather(Some(6), &samples, turned.view_mut().reversed_axes(), targets.view_mut()).unwrap();
    assert_eq!(turned.reversed_axes(), expected.into_dyn());
}

#[test]
fn samples_must_be_images() {
    let flat = Dataset::regression(Array::<f64, _>::zeros((5, 12)), Array::zeros(5)).unwrap();
    let error = Augmented::new(&flat, Augment::new(), Streams::new(1)).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "augmentation: expected samples of shape [channels, height, width] or [height, width], got [12]"
    );
    let error =
        Augmented::with_shape(&flat, Augment::new(), Streams::new(1), [1, 3, 5]).map(drop).unwrap_err();
    assert!(matches!(error, DataError::ImageShape { .. }), "{error}");
    assert!(Augmented::with_shape(&flat, Augment::new(), Streams::new(1), [1, 3, 4]).is_ok());
}

#[test]
#[should_panic(expected = "augment: expected 2 images, got 3")]
fn there_must_be_an_image_for_each_sample() {
    Augment::new().apply(Streams::new(1), 0, &[1, 2], images(3).view_mut());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn geometric_changes_stay_within_the_range_of_the_image_and_the_fill_value(
        pixels in prop::collection::vec(-1e3f32..1e3, 24),
        (height, width) in prop::sample::select(vec![(1, 24), (24, 1), (4, 6), (2, 4), (3, 8)]),
        (angle, slant) in (-180.0..180.0, -60.0..60.0),
        (factor, down, right) in (0.05..20.0, -9.0..9.0, -9.0..9.0),
        (alpha, sigma) in (0.0..100.0, 0.1..5.0),
        fill in -2e3..2e3,
        seed: u64,
    ) {
        let by = |x: f64| x..=x;
        let augment = Augment::new().rotation(by(angle)).unwrap().shear(by(slant)).unwrap().scale(by(factor)).unwrap();
        let augment = augment.shift(by(down), by(right)).unwrap().elastic(alpha, sigma).unwrap().fill(fill).unwrap();
        let channels = 24 / (height * width);
        let mut image = Array4::from_shape_vec((1, channels, height, width), pixels.clone()).unwrap();
        augment.apply(Streams::new(seed), 1, &[0], image.view_mut());
        let all = || pixels.iter().copied().chain([fill as f32]);
        let (low, high) = (all().fold(f32::MAX, f32::min), all().fold(f32::MIN, f32::max));
        // Up to the rounding of three interpolations.
        let error = 4.0 * f32::EPSILON * low.abs().max(high.abs());
        prop_assert!(image.iter().all(|&x| x >= low - error && x <= high + error), "{} {} {:?}", low, high, image);
    }
}
