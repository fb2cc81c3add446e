//! Histograms, percentiles and pictures.

use nn_monitor::{Histogram, Image, PERCENTILES, percentiles};
use proptest::prelude::*;

/// A percentile by its definition, from all numbers in order.
fn by_definition(values: &[f32], percent: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = percent / 100.0 * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

proptest! {
    #[test]
    fn every_number_is_in_its_bucket(
        values in prop::collection::vec(-1e3..1e3f32, 1..200),
        buckets in 1usize..20,
    ) {
        let histograms = [Histogram::exponential(&values), Histogram::uniform(&values, buckets).unwrap()];
        for histogram in histograms {
            let (limits, counts) = (histogram.limits(), histogram.counts());
            prop_assert_eq!(limits.len(), counts.len() + 1);
            prop_assert!(limits.is_sorted());
            prop_assert_eq!(histogram.count(), values.len() as u64);
            prop_assert!(counts[0] > 0 && (counts[counts.len() - 1] > 0 || limits[0] == limits[1]));
            for (i, &count) in counts.iter().enumerate() {
                // A number within rounding of a limit may be on either side of it.
                let margin = 1e-9 * (1.0 + limits[i].abs() + limits[i + 1].abs());
                let (low, high) = (limits[i], limits[i + 1]);
                let inside = |low: f64, high: f64| {
                    values.iter().filter(|&&x| (low..high).contains(&f64::from(x))).count() as u64
                };
                let last = u64::from(i + 1 == counts.len()) * values.len() as u64;
                prop_assert!(count >= inside(low + margin, high - margin), "{low} {high} {count}");
                prop_assert!(count <= inside(low - margin, high + margin) + last, "{low} {high} {count}");
            }
            for (p, value) in PERCENTILES.iter().zip(histogram.percentiles()) {
                prop_assert!((value - by_definition(&values, *p)).abs() < 1e-9);
            }
            let sum: f64 = values.iter().map(|&x| f64::from(x)).sum();
            prop_assert!((histogram.sum() - sum).abs() <= 1e-9 * (1.0 + sum.abs()));
            prop_assert_eq!(histogram.max(), f64::from(values.iter().copied().reduce(f32::max).unwrap()));
        }
    }

    #[test]
    fn percentiles_are_those_of_numpy(values in prop::collection::vec(-5i8..5, 1..50), p in 0.0..=100.0f64) {
        let values: Vec<f32> = values.into_iter().map(f32::from).collect();
        let found = percentiles(&values, &[p, 0.0, 100.0]).unwrap();
        prop_assert!((found[0] - by_definition(&values, p)).abs() < 1e-12);
        prop_assert_eq!(found[1], f64::from(values.iter().copied().reduce(f32::min).unwrap()));
    }
}

#[test]
fn exponential_buckets_are_those_of_tensorflow() {
    let histogram = Histogram::exponential(&[0.0f64, 1e-13, -1e-13, 5e-13, f64::MAX, -f64::MAX, 1e30]);
    let limits = histogram.limits();
    // 0 and its neighbours; the outermost reach to the largest numbers.
    let zero = limits.iter().position(|&limit| limit == 0.0).unwrap();
    assert_eq!(limits[zero - 1..=zero + 1], [-1e-12, 0.0, 1e-12]);
    assert_eq!((limits[0], limits[limits.len() - 1]), (-f64::MAX, f64::MAX));
    assert_eq!((histogram.counts()[zero], histogram.counts()[zero - 1]), (3, 1));
    assert_eq!((histogram.counts()[0], *histogram.counts().last().unwrap()), (1, 2));
    // Empty buckets side by side are one, here from 2.2 to 990; at the ends there are none.
    let counts = |values: &[f32]| Histogram::exponential(values).counts().to_vec();
    assert_eq!(counts(&[2.0, 1000.0, 2.0]), [2, 0, 1]);
    let ratio = |limits: &[f64]| limits[1] / limits[0];
    assert!((ratio(Histogram::exponential(&[3e-7f32]).limits()) - 1.1).abs() < 1e-12);
    assert_eq!(Histogram::exponential(&[1.0f32; 5]).counts(), [5]);
}

#[test]
fn what_is_not_finite_is_counted_apart() {
    let values = [f32::NAN, 1.0, f32::INFINITY, 3.0, f32::NEG_INFINITY];
    for histogram in [Histogram::exponential(&values), Histogram::uniform(&values, 2).unwrap()] {
        assert_eq!((histogram.count(), histogram.non_finite()), (2, 3));
        assert_eq!((histogram.min(), histogram.max(), histogram.median()), (1.0, 3.0, 2.0));
        assert_eq!((histogram.mean(), histogram.std()), (2.0, 1.0));
    }
    for empty in [Histogram::exponential::<f32>(&[]), Histogram::uniform(&[f64::NAN], 3).unwrap()] {
        assert!(empty.count() == 0 && empty.limits().is_empty() && empty.counts().is_empty());
        assert!(empty.min().is_nan() && empty.median().is_nan() && empty.mean().is_nan());
    }
    assert!(percentiles::<f32>(&[], &[50.0]).unwrap()[0].is_nan());
}

#[test]
fn extremes_have_buckets() {
    let histogram = Histogram::uniform(&[-f64::MAX, 0.0, f64::MAX], 2).unwrap();
    assert_eq!(histogram.limits(), [-f64::MAX, 0.0, f64::MAX]);
    assert_eq!(histogram.counts(), [1, 2]);
    let same = Histogram::uniform(&[2.0f32; 4], 3).unwrap();
    assert_eq!((same.counts(), same.limits()), (&[4, 0, 0][..], &[2.0; 4][..]));
}

#[test]
fn numbers_of_buckets_and_percents_are_checked() {
    let error = Histogram::uniform(&[1.0], 0).unwrap_err().to_string();
    assert_eq!(error, "Histogram: buckets must lie in [1, inf), got 0");
    let error = percentiles(&[1.0], &[100.5]).unwrap_err().to_string();
    assert_eq!(error, "percentiles: percent must lie in [0, 100], got 100.5");
}

#[test]
fn a_png_file_holds_the_picture() {
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    let pixels: Vec<u8> = (0..2 * 3 * 3).map(|i| i * 14).collect();
    let file = Image::new(3, 2, 3, pixels.clone()).unwrap().png();
    assert_eq!(file[..16], *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
    assert_eq!(file[16..29], [0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
    // The last chunk is the same in every file, with its check sum.
    assert_eq!(file[file.len() - 12..], *b"\0\0\0\0IEND\xae\x42\x60\x82");
    let length = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
    assert_eq!(file[37..41], *b"IDAT");
    let mut rows = Vec::new();
    ZlibDecoder::new(&file[41..41 + length]).read_to_end(&mut rows).unwrap();
    let expected = [&[0], &pixels[..9], &[0], &pixels[9..]].concat();
    assert_eq!(rows, expected);
}

#[test]
fn pictures_of_arrays() {
    use ndarray::{Array3, array};

    let image = Image::scaled(&array![[-1.0f64, f64::NAN], [0.0, 1.0]]).unwrap();
    assert_eq!(image.pixels(), [0, 0, 128, 255]);
    assert_eq!(Image::scaled(&array![[7.0f32, 7.0]]).unwrap().pixels(), [0, 0]);
    // Channels come first in an array, last in a picture.
    let planes = Array3::from_shape_fn((3, 1, 2), |(c, _, x)| (c * 2 + x) as f32 * 51.0);
    let image = Image::scaled(&planes).unwrap();
    assert_eq!((image.width(), image.channels()), (2, 3));
    assert_eq!(image.pixels(), [0, 102, 204, 51, 153, 255]);
    let error = Image::scaled(&Array3::<f32>::zeros((2, 4, 4))).unwrap_err().to_string();
    let expected = "image: input 0 must be [height, width], [1, height, width] or [3, height, width], got shape [2, 4, 4]";
    assert_eq!(error, expected);
    for (width, height, channels, length) in
        [(0, 1, 1, 0), (2, 2, 2, 8), (2, 2, 1, 5), (70_000, 1, 1, 70_000)]
    {
        assert!(Image::new(width, height, channels, vec![0; length]).is_err(), "{width} {height} {channels}");
    }
    assert!(Image::scaled(&ndarray::Array2::<f32>::zeros((0, 3))).is_err());
}
