//! Which convolutions are cut into tiles, and that how they are cut does not matter.

use ndarray::{Array1, Array4};
use nn_core::Real;

use super::super::behind::{self, Behind};
use super::super::geometry::Geometry;
use super::super::memory::Pieces;
use super::{Backward, BackwardBuffers, Forward, ForwardBuffers, Tiling};
use crate::Activation;
use crate::simd;

fn geometry(samples: usize, [x_channels, y_channels]: [usize; 2], [height, width]: [usize; 2]) -> Geometry {
    let (x, y) = ([height, width], [height, width]);
    let (stride, dilation, padding) = ([1; 2], [1; 2], [1; 2]);
    Geometry { samples, groups: 1, x_channels, y_channels, x, y, kernel: [3, 3], stride, dilation, padding }
}

#[test]
fn many_channels_and_large_planes_are_worth_it() {
    let chosen = |g: &Geometry| Tiling::new::<f32>(g, false).is_some();
    for (channels, plane, expected) in [
        ([128, 128], [14, 14], true),
        ([64, 56], [11, 14], true),
        ([48, 64], [4, 4], true),
        ([32, 32], [28, 28], true),
        ([24, 32], [10, 10], false),
        ([16, 64], [28, 28], true),
        ([16, 32], [28, 28], false),
        ([33, 33], [28, 28], false),
        ([512, 512], [1, 1], false),
        ([64, 64], [0, 8], false),
    ] {
        assert_eq!(chosen(&geometry(40, channels, plane)), expected, "{channels:?} {plane:?}");
    }
    assert!(chosen(&geometry(7, [31, 32], [4, 4])), "as tests/many_channels.rs takes for granted");
    for (samples, channels, plane) in [
        (3, [64, 56], [11, 14]),
        (2, [62, 76], [7, 10]),
        (1, [64, 64], [9, 10]),
        (40, [48, 64], [4, 4]),
        (3, [320, 336], [6, 8]),
    ] {
        assert!(chosen(&geometry(samples, channels, plane)), "as tests/images.rs takes for granted");
    }
    let g = geometry(40, [128, 128], [14, 14]);
    assert!(Tiling::new::<f32>(&g, true).is_none(), "a transposed convolution");
    assert!(!chosen(&Geometry { stride: [2, 1], y: [7, 14], ..g }));
    assert!(!chosen(&Geometry { dilation: [1, 2], y: [14, 12], ..g }));
    assert!(!chosen(&Geometry { groups: 2, ..g }));
    assert!(!chosen(&Geometry { kernel: [3, 5], y: [14, 12], ..g }));
}

fn element(i: usize) -> f32 {
    (i * 7919 % 1009) as f32 / 504.5 - 1.0
}

fn array(shape: [usize; 4], seed: usize) -> Array4<f32> {
    let mut i = seed;
    Array4::from_shape_simple_fn(shape, || {
        i += 1;
        element(i)
    })
}

/// How a batch of five samples of 4 × 3 tiles is cut: samples together, and tiles at most in a block.
const CUTS: [(usize, usize); 6] = [(5, 60), (1, 12), (1, 5), (2, 24), (2, 1), (3, 7)];

#[test]
fn the_output_does_not_depend_on_how_the_batch_is_cut() {
    let g = geometry(5, [6, 9], [7, 5]);
    let (x, weight, bias) =
        (array([5, 6, 7, 5], 0), array([9, 6, 3, 3], 1), Array1::from_shape_fn(9, element));
    let run = |cut| {
        let tiling = Tiling::of(&g, [4, 3], cut, 1);
        let mut y = Array4::from_elem([5, 9, 7, 5], f32::NAN);
        let size = Forward::<f32>::tables(&tiling) + ForwardBuffers::<f32>::size(&tiling);
        let mut memory = vec![f32::NAN; size];
        let mut pieces = Pieces(&mut memory);
        let way = Forward::new((tiling, simd::current()), &weight.view(), Some(&bias.view()), &mut pieces);
        way.run((x.view(), y.view_mut()), Activation::Identity, &mut pieces, &mut []);
        y
    };
    let whole = run(CUTS[0]);
    for ((n, o, row, col), &y) in whole.indexed_iter() {
        let mut sum = f64::from(bias[o]);
        for (c, r, s) in (0..6).flat_map(|c| (0..3).flat_map(move |r| (0..3).map(move |s| (c, r, s)))) {
            let at = [n, c, (row + r).wrapping_sub(1), (col + s).wrapping_sub(1)];
            sum += x.get(at).map_or(0.0, |x| f64::from(x * weight[[o, c, r, s]]));
        }
        assert!((y.to_f64() - sum).abs() < 1e-5, "{y} instead of {sum} at {:?}", [n, o, row, col]);
    }
    for cut in CUTS {
        assert_eq!(run(cut), whole, "{cut:?}");
    }
}

/// But for the order in which they are summed.
#[test]
fn the_gradients_do_not_depend_on_how_the_batch_is_cut() {
    let g = geometry(5, [6, 9], [7, 5]);
    let (x, weight, dy) = (array([5, 6, 7, 5], 0), array([9, 6, 3, 3], 1), array([5, 9, 7, 5], 2));
    let run = |cut| {
        let tiling = Tiling::of(&g, [4, 3], cut, 1);
        let (mut dx, mut dw) = (Array4::from_elem([5, 6, 7, 5], f32::NAN), Array4::zeros([9, 6, 3, 3]));
        let size = Backward::<f32>::tables(&tiling) + BackwardBuffers::<f32>::size(&tiling);
        let size = size + behind::Buffers::<f32>::size(315, 0);
        let (mut memory, mut sums) = (vec![f32::NAN; size], vec![f32::NAN; tiling.sums()]);
        let mut pieces = Pieces(&mut memory);
        let by_taps = pieces.take(tiling.by_taps());
        let of = (tiling, simd::current());
        let way = Backward::new(of, Some(&weight.view()), by_taps, &mut pieces);
        let mut behind = Behind {
            activation: Activation::Identity,
            output: None,
            d_output: dy.view(),
            room: 0,
            buffers: behind::Buffers::new(315, 0, &mut pieces),
            d_bias: None,
        };
        way.run(&x.view(), &mut behind, (Some(dx.view_mut()), false), &mut pieces, Some(&mut sums));
        way.write_weight(&sums, (dw.view_mut(), false), by_taps);
        [dx, dw]
    };
    let whole = run(CUTS[0]);
    for cut in CUTS {
        for (got, expected) in run(cut).iter().zip(&whole) {
            let same = got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(same, "{cut:?}: {got} instead of {expected}");
        }
    }
}
