//! Training gradients of norms that hold some quantities constant in the backward pass, against differences of a function
//! in which just these are held: r and d of batch renormalisation, u and v of spectral normalisation.

use ndarray::{Array1, Array2, Axis, array};
use nn_core::Streams;
use nn_gradcheck::{Stencil, numeric_gradient, relative_error};
use nn_norm::{BatchRenorm, RunningStatistics, SpectralNorm, Statistics};

/// Numbers in ±1 in no particular order.
fn wave(rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| ((i * columns + j + 1) as f64 * 2.3).sin())
}

#[track_caller]
fn agree(what: &str, analytic: &[f64], numeric: &[f64]) {
    let error = relative_error(analytic, numeric);
    assert!(error < 1e-9, "{what}: {error:e}");
    assert!(analytic.iter().any(|d| d.abs() > 1e-3), "{what}: nothing is checked by zeros");
}

#[test]
fn of_batch_renormalisation_with_r_and_d_held() {
    let (x, dy) = (wave(7, 3), wave(3, 7).reversed_axes());
    let (scale, shift) = (array![1.5, -0.5, 2.0], array![0.1, 0.2, 0.3]);
    let old = (array![0.2, -0.4, 3.0], array![0.8, 0.1, 0.5]);
    let epsilon = 1e-5;
    // Without limits to speak of; with both limits reached by some channels; as batch norm.
    for (r_max, d_max) in [(100.0, 100.0), (1.2, 0.5), (1.0, 0.0)] {
        let moments = |x: &Array2<f64>| {
            (
                x.mean_axis(Axis(0)).unwrap(),
                x.var_axis(Axis(0), 0.0).mapv(|variance| (variance + epsilon).sqrt()),
            )
        };
        let (mean, sigma) = moments(&x);
        let old_sigma = old.1.mapv(|variance: f64| (variance + epsilon).sqrt());
        let r = (&sigma / &old_sigma).mapv(|r| r.clamp(1.0 / r_max, r_max));
        let d = ((&mean - &old.0) / &old_sigma).mapv(|d| d.clamp(-d_max, d_max));
        let held = |x: &Array2<f64>, scale: &Array1<f64>, shift: &Array1<f64>| {
            let (mean, sigma) = moments(x);
            ((x - &mean) / &sigma * &r + &d) * scale + shift
        };
        let norm = BatchRenorm::new().limits(r_max, d_max).unwrap();
        let mut running =
            RunningStatistics::resume(Statistics::default(), old.0.clone(), old.1.clone(), 9.0).unwrap();
        let mut y = norm.train(&x, &scale, &shift, &mut running).unwrap();
        assert!((&y.output - &held(&x, &scale, &shift)).iter().all(|d| d.abs() < 1e-13));
        let (dx, [d_scale, d_shift]) = y.backward(&dy);
        let cost = |y: Array2<f64>| (y * &dy).sum();
        let dx_numeric = numeric_gradient(
            |x| cost(held(&Array2::from_shape_vec((7, 3), x.to_vec()).unwrap(), &scale, &shift)),
            x.as_slice().unwrap(),
            Stencil::Automatic,
        );
        agree("x", &dx.into_raw_vec_and_offset().0, &dx_numeric);
        let of_scale = |scale: &[f64]| cost(held(&x, &Array1::from(scale.to_vec()), &shift));
        let numeric = numeric_gradient(of_scale, scale.as_slice().unwrap(), Stencil::Automatic);
        agree("scale", d_scale.as_slice().unwrap(), &numeric);
        let of_shift = |shift: &[f64]| cost(held(&x, &scale, &Array1::from(shift.to_vec())));
        let numeric = numeric_gradient(of_shift, shift.as_slice().unwrap(), Stencil::Automatic);
        agree("shift", d_shift.as_slice().unwrap(), &numeric);
    }
}

#[test]
fn of_spectral_normalisation_with_u_and_v_held() {
    let (w, dy) = (wave(4, 3), wave(3, 4).reversed_axes());
    for (axis, iterations) in [(0, 1), (1, 1), (0, 3)] {
        let norm = SpectralNorm::new().axis(axis).iterations(iterations).unwrap();
        let mut vectors = norm.start(&w, &Streams::new(5)).unwrap();
        // Far from the singular vectors, so that the step moves them, and so that the gradient of what is held is not
        // that of the largest singular value.
        vectors.u[0] += 2.0;
        vectors.v[1] -= 1.0;
        let before = vectors.clone();
        let mut y = norm.train(&w, &mut vectors).unwrap();
        assert!(vectors != before, "the step moves the vectors");
        // W/(uᵀWv) with the vectors that the step has moved.
        let held = |w: &Array2<f64>| {
            let matrix = if axis == 0 { w.view() } else { w.t() };
            w / vectors.u.dot(&matrix.dot(&vectors.v))
        };
        assert!((&y.output - &held(&w)).iter().all(|d| d.abs() < 1e-13));
        let (dw, []) = y.backward(&dy);
        let numeric = numeric_gradient(
            |w| (held(&Array2::from_shape_vec((4, 3), w.to_vec()).unwrap()) * &dy).sum(),
            w.as_slice().unwrap(),
            Stencil::Automatic,
        );
        agree("weight", &dw.into_raw_vec_and_offset().0, &numeric);
    }
}
