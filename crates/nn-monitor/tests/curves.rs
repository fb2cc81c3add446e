//! Curves, and the worst of many.

use nn_monitor::{At, Curve, Curves, Worst};
use proptest::prelude::*;

fn curve(values: &[f64]) -> Curve {
    let mut curve = Curve::new("x");
    values.iter().zip(1..).for_each(|(&value, step)| curve.push(At::new(step, 0.0), value));
    curve
}

#[test]
fn extremes_are_the_first_and_finite() {
    let curve = curve(&[f64::NAN, 2.0, -1.0, f64::INFINITY, 2.0, -1.0, f64::NEG_INFINITY]);
    assert_eq!((curve.min(), curve.max()), (Some((At::new(3, 0.0), -1.0)), Some((At::new(2, 0.0), 2.0))));
    assert_eq!(curve.last(), Some(f64::NEG_INFINITY));
    assert!(Curve::new("").min().is_none() && Curve::new("").last().is_none());
}

#[test]
fn what_is_not_finite_does_not_spoil_an_average() {
    let whole = curve(&[4.0, f64::NAN, 2.0, f64::INFINITY, 1.0]).smoothed(0.9).unwrap();
    let without = curve(&[4.0, 2.0, 1.0]).smoothed(0.9).unwrap();
    let finite: Vec<f64> = whole.points().iter().map(|point| point.1).filter(|y| y.is_finite()).collect();
    let expected: Vec<f64> = without.points().iter().map(|point| point.1).collect();
    assert_eq!(finite, expected);
    assert!(whole.points()[1].1.is_nan() && whole.points()[3].1 == f64::INFINITY);
    assert!(curve(&[1.0]).smoothed(1.0).is_err());
}

#[test]
fn curves_begin_when_they_are_named() {
    let mut curves = Curves::new();
    for name in ["b", "a", "b"] {
        curves.push(name, At::new(1, 0.5), 1.0);
    }
    let found: Vec<(&str, usize)> = curves.iter().map(|curve| (curve.name(), curve.points().len())).collect();
    assert_eq!(found, [("b", 2), ("a", 1)]);
    assert!(curves.get("c").is_none());
}

proptest! {
    #[test]
    fn the_worst_are_those_of_sorting(losses in prop::collection::vec(0u8..6, 0..40), most in 0usize..8) {
        let mut worst = Worst::new(most);
        for (i, &loss) in losses.iter().enumerate() {
            // 5 stands for NaN, the worst.
            worst.offer(if loss == 5 { f64::NAN } else { loss.into() }, || i);
        }
        let mut sorted: Vec<usize> = (0..losses.len()).collect();
        sorted.sort_by_key(|&i| std::cmp::Reverse(losses[i])); // equal ones stay in order
        sorted.truncate(most);
        let found: Vec<usize> = worst.into_vec().into_iter().map(|(_, i)| i).collect();
        prop_assert_eq!(found, sorted);
    }
}
