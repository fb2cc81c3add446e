//! Runs of parameters that one call of a rule updates, with their settings.

use std::ops::Range;

use nn_core::ParamLayout;

use crate::Decay;

/// What may differ between parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Factor of the learning rate.
    pub(crate) rate_factor: f64,
    /// Weight decay, where it is not the optimizer's.
    pub(crate) weight_decay: Option<f64>,
    /// Where it acts, where that is not as the optimizer says.
    pub(crate) decay: Option<Decay>,
}

impl Settings {
    pub(crate) const DEFAULT: Settings = Settings { rate_factor: 1.0, weight_decay: None, decay: None };
}

/// Trained parameters of equal settings that nothing but padding separates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    /// Their elements.
    pub(crate) range: Range<usize>,
    /// The position of the first in the layout.
    pub(crate) first: usize,
    pub(crate) settings: Settings,
}

/// The spans of a layout: merged as far as possible, or one for each parameter that has elements.
pub(crate) fn spans(layout: &ParamLayout, per_tensor: bool) -> Vec<Span> {
    let settings = Settings::DEFAULT;
    let mut spans: Vec<Span> = Vec::new();
    let mut adjoins = false;
    for (first, spec) in layout.params().iter().enumerate() {
        if !spec.role.is_trained() {
            adjoins = false;
            continue;
        }
        if per_tensor && spec.size() == 0 {
            continue;
        }
        match spans.last_mut() {
            Some(span) if adjoins && !per_tensor && span.settings == settings => {
                span.range.end = spec.range().end;
            }
            _ => spans.push(Span { range: spec.range(), first, settings }),
        }
        adjoins = true;
    }
    spans
}
