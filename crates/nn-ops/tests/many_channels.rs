//! Convolutions with so many channels that they are computed by tiles: the properties of every operation, in other
//! memory layouts and with an activation.

use ndarray::{ArrayD, IxDyn};
use nn_core::shape;
use nn_gradcheck::properties::{Case, check_operation};
use nn_gradcheck::strategies::{Laid, Layout};
use nn_ops::{Activation, Conv};

fn laid(shape: &[usize], seed: usize, layout: Layout) -> Laid {
    let number =
        |i: usize| ((i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as f64 / f64::from(1 << 20) - 0.5;
    let values = (0..shape::size(shape)).map(number).collect();
    Laid::new(ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().view(), layout)
}

#[test]
fn gradients_and_properties() {
    let plain = Conv::<2> { padding: [[1, 1]; 2], ..Conv::default() };
    let smooth = Conv { padding: [[0, 1], [2, 0]], activation: Activation::Tanh, ..plain };
    for (op, [from, to], [height, width], layouts) in [
        (plain, [31, 32], [4, 4], [Layout::C, Layout::Reversed, Layout::C, Layout::Rotated]),
        (smooth, [32, 31], [5, 4], [Layout::Strided, Layout::C, Layout::Fortran, Layout::C]),
    ] {
        let [of_x, of_w, of_y, of_gradients] = layouts;
        let inputs = vec![
            laid(&[7, from, height, width], 1, of_x),
            laid(&[to, from, 3, 3], 2, of_w),
            laid(&[to], 3, Layout::C),
        ];
        let case = Case::new(op, inputs).layouts(of_y, of_y, of_gradients);
        let error = check_operation(&case).unwrap_or_else(|reason| panic!("{op:?}: {reason}"));
        assert!(error.is_some_and(|error| error < 1e-8), "{op:?}: {error:?}");
    }
}
