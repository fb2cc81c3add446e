//! What stands around the rules at its edges: nothing to do, late steps, any number of threads.

use nn_core::{ExponentialAverage, Streams};
use nn_optim::{
    Accumulate, Adam, ClipGlobalNorm, Ema, GradientNoise, Guard, Lbfgs, Lookahead, Optimizer, Sam, Swa,
    centralize, global_norm,
};

#[test]
fn nothing_to_do_is_no_error() {
    let (mut w, none) = (Vec::<f32>::new(), [0.0f32; 0]);
    assert_eq!(global_norm(&none), 0.0);
    centralize(&mut w);
    GradientNoise::new(1.0, Streams::new(0)).unwrap().apply(&mut w, 0);
    assert!(Guard::stop().check(&none).unwrap());
    assert!(Accumulate::new(1).unwrap().add(&none).is_some());
    let (mut ema, mut swa) = (Ema::new(0.5).unwrap(), Swa::new(1, 1).unwrap());
    ema.update(&w);
    swa.update(&w);
    ema.swap(&mut w);
    swa.apply(&mut w);
    Lookahead::new(Optimizer::new(Adam::default())).every(1).unwrap().step(&mut w, &none);
    let mut sam = Sam::new(Optimizer::new(Adam::default()));
    assert_eq!(sam.perturb(&mut w, &none), 0.0);
    sam.step(&mut w, &none);
    assert!(Lbfgs::default().minimize(&mut w, |_, _| 7.0).converged());

    let mut table = ndarray::Array2::<f64>::zeros((3, 0));
    centralize(&mut table);
    ClipGlobalNorm::new(1.0).unwrap().apply(&mut table);
}

#[test]
fn late_steps_are_like_any_other() {
    let late = 1 << 40;
    let noise = GradientNoise::new(1.0, Streams::new(0)).unwrap();
    assert!((noise.deviation(late) - 2f64.powf(-11.0)).abs() < 1e-12); // √(2⁻⁴⁰)^0.55
    let mut average = ExponentialAverage::resume(0.9, late, 2.0).unwrap();
    average.update(3.0);
    assert_eq!((average.count(), average.correction()), (late + 1, 1.0));
    assert!((average.value().unwrap() - 2.1).abs() < 1e-15);

    let mut swa = Swa::<f64>::new(1, 1).unwrap();
    swa.update(&[1.0]);
    let mut state = swa.state();
    state.count = late;
    swa.load_state(&state).unwrap();
    swa.update(&[1.0 + late as f64]);
    assert_eq!(
        (swa.count(), swa.average().unwrap().as_slice()[0]),
        (late + 1, 1.0 + 1.0 / (1.0 + 1.0 / late as f64))
    );
}

/// The results of `f` with one thread and with two.
fn with_threads<T: Send>(f: impl Fn() -> T + Sync) -> [T; 2] {
    [1, 2].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(&f))
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let g: Vec<f32> = (0..3_000_000).map(|i| (i as f32 * 0.7).sin()).collect();
    let [one, two] = with_threads(|| global_norm(&g).to_bits());
    assert_eq!(one, two);

    let [one, two] = with_threads(|| {
        let mut g = vec![0.0f64; 100_000];
        GradientNoise::new(1.0, Streams::new(0)).unwrap().apply(&mut g, 1);
        g
    });
    assert!(one == two);
    let (first, second) = one.split_at(1 << 14);
    assert!(first.iter().zip(second).all(|(a, b)| a != b), "blocks draw from streams of their own");

    let [one, two] = with_threads(|| {
        let mut w = vec![1.0f32; 1_000_000];
        let settings = Lbfgs::default().max_iterations(4).max_evaluations(100).unwrap();
        let report = settings.minimize(&mut w, |w, g| {
            let mut cost = 0.0;
            for (i, (&w, g)) in w.iter().zip(g).enumerate() {
                let curvature = 1.0 + (i % 7) as f32;
                *g = curvature * w;
                cost += f64::from(0.5 * curvature * w * w);
            }
            cost
        });
        (w.iter().map(|w| w.to_bits()).collect::<Vec<_>>(), report)
    });
    assert!(one == two && one.1.iterations > 1, "{:?} {:?}", one.1, two.1);
}
