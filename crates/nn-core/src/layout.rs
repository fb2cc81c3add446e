//! Where each parameter lies in the one buffer that holds them all.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::shape;

/// What a parameter is for; decay, penalties and constraints choose by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Role {
    /// A weight matrix or kernel.
    Weight,
    /// A bias.
    Bias,
    /// The scale γ of a normalisation.
    NormScale,
    /// The shift β of a normalisation.
    NormShift,
    /// A running mean or variance: part of the state, not trained. Its place in the gradients holds what an update
    /// subtracts from it, as it is.
    RunningStatistic,
}

impl Role {
    /// Whether it is trained: an optimizer moves it by its rule.
    pub fn is_trained(self) -> bool {
        self != Role::RunningStatistic
    }
}

/// One parameter: its name, shape, role and place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ParamSpec {
    /// The name, as PyTorch gives it: `0.weight`, `fc1.bias`.
    pub name: String,
    /// The shape: `[out, in]` for linear weights, `[out, in, kh, kw]` for convolutions.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Index of its first element in the buffer, a multiple of 16.
    pub offset: usize,
}

impl ParamSpec {
    /// The number of elements.
    pub fn size(&self) -> usize {
        shape::size(&self.shape)
    }

    /// Where its elements lie in the buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.size()
    }
}

/// The names, shapes, roles and places of all parameters of a network.
///
/// Values, gradients and every slot of an optimizer lie in buffers of the same layout, so that an update is one
/// pass over memory. Each parameter begins at a multiple of 16 elements; the gap before the next is padding, which
/// is zero and stays zero.
///
/// ```
/// use nn_core::{ParamLayout, Role};
///
/// let mut layout = ParamLayout::new();
/// layout.add("0.weight", &[3, 2], Role::Weight).unwrap();
/// layout.add("0.bias", &[3], Role::Bias).unwrap();
/// assert_eq!(layout.find("0.bias").unwrap().range(), 16..19);
/// assert_eq!((layout.count(), layout.buffer_len()), (9, 32));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Vec<Declaration>", try_from = "Vec<Declaration>"))]
pub struct ParamLayout {
    params: Vec<ParamSpec>,
    by_name: HashMap<String, usize>,
    buffer_len: usize,
}

/// Name, shape and role of a parameter: from them alone a layout is built, so a saved one cannot contradict itself.
#[cfg(feature = "serde")]
type Declaration = (String, Vec<usize>, Role);

#[cfg(feature = "serde")]
impl From<ParamLayout> for Vec<Declaration> {
    fn from(layout: ParamLayout) -> Self {
        layout.params.into_iter().map(|spec| (spec.name, spec.shape, spec.role)).collect()
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Vec<Declaration>> for ParamLayout {
    type Error = DuplicateParam;

    fn try_from(declarations: Vec<Declaration>) -> Result<Self, DuplicateParam> {
        let mut layout = ParamLayout::new();
        for (name, shape, role) in declarations {
            layout.add(&name, &shape, role)?;
        }
        Ok(layout)
    }
}

/// Elements to which the beginning of each parameter is rounded up.
const GRAIN: usize = 16;

/// A second parameter with the name of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateParam {
    /// The name.
    pub name: String,
    /// The shape that it has already.
    pub present: Vec<usize>,
    /// The shape that the second was to have.
    pub wanted: Vec<usize>,
}

impl fmt::Display for DuplicateParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DuplicateParam { name, present, wanted } = self;
        write!(f, "parameter `{name}` of shape {wanted:?} exists already, with shape {present:?}")
    }
}

impl std::error::Error for DuplicateParam {}

impl ParamLayout {
    /// A layout without parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter at the end and returns its position in [`params`](Self::params).
    ///
    /// # Errors
    /// When the name is taken.
    pub fn add(&mut self, name: &str, shape: &[usize], role: Role) -> Result<usize, DuplicateParam> {
        if let Some(present) = self.find(name) {
            let (name, present) = (name.to_owned(), present.shape.clone());
            return Err(DuplicateParam { name, present, wanted: shape.to_vec() });
        }
        let position = self.params.len();
        let offset = self.buffer_len;
        self.buffer_len = (offset + shape::size(shape)).next_multiple_of(GRAIN);
        self.params.push(ParamSpec { name: name.to_owned(), shape: shape.to_vec(), role, offset });
        self.by_name.insert(name.to_owned(), position);
        Ok(position)
    }

    /// All parameters, in the order in which they were added, which is that of their places.
    pub fn params(&self) -> &[ParamSpec] {
        &self.params
    }

    /// The position of the parameter with this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The parameter with this name.
    pub fn find(&self, name: &str) -> Option<&ParamSpec> {
        self.position(name).map(|i| &self.params[i])
    }

    /// The number of elements of all parameters, without padding.
    pub fn count(&self) -> usize {
        self.params.iter().map(ParamSpec::size).sum()
    }

    /// The number of elements of a buffer of this layout, with padding.
    pub fn buffer_len(&self) -> usize {
        self.buffer_len
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::{ParamLayout, Role};

    #[test]
    fn is_saved_and_loaded() {
        let mut layout = ParamLayout::new();
        layout.add("0.weight", &[3, 2], Role::Weight).unwrap();
        layout.add("0.bias", &[3], Role::Bias).unwrap();
        let text = serde_json::to_string(&layout).unwrap();
        assert_eq!(text, r#"[["0.weight",[3,2],"Weight"],["0.bias",[3],"Bias"]]"#);
        assert_eq!(serde_json::from_str::<ParamLayout>(&text).unwrap(), layout);
        let twice = text.replace("0.bias", "0.weight");
        let message = serde_json::from_str::<ParamLayout>(&twice).unwrap_err().to_string();
        assert!(message.starts_with("parameter `0.weight` of shape [3] exists already"), "{message}");
    }
}
