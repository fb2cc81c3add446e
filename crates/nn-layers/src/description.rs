//! Modules as data: kinds and settings.

use std::fmt;

/// A module as data: its kind, such as `Linear`, and its settings by name. What a file of a model holds of the module,
/// beside the parameters.
///
/// [`Module::describe`](crate::Module::describe) makes it, and [`build`](crate::build) the module of it. It has what
/// decides over the operations and the names and shapes of the parameters; not how these are initialised, since they are
/// loaded.
///
/// With the feature `serde` it is written as a map, in JSON `{"kind":"Linear","out":10,"bias":true}`, in which the
/// settings keep their order. Numbers must be finite. To get every real number back to the bit, `serde_json` needs its
/// feature `float_roundtrip`.
///
/// ```
/// use nn_layers::{Activation, Description, Linear, Module, Sequential, build};
///
/// let module = Sequential::<f32>::new().add(Linear::new(10)).add(Activation::Relu);
/// let text = serde_json::to_string(&module.describe()?)?;
/// assert_eq!(text, r#"{"kind":"Sequential","modules":[{"kind":"Linear","out":10,"bias":true},{"kind":"ReLU"}]}"#);
/// let same = build::<f32>(&serde_json::from_str(&text)?)?;
/// assert_eq!(same.describe()?, module.describe()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    pub(crate) kind: String,
    pub(crate) settings: Vec<(String, Setting)>,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Setting {
    /// Yes or no.
    Flag(bool),
    /// A whole number from 0.
    Whole(u64),
    /// A real number.
    Real(f64),
    /// A word.
    Text(String),
    /// Several values.
    List(Vec<Setting>),
    /// A module inside of the module.
    Description(Description),
}

/// The key of the kind, which no setting can have.
pub(crate) const KIND: &str = "kind";

impl Description {
    /// A module without settings.
    pub fn new(kind: impl Into<String>) -> Self {
        Description { kind: kind.into(), settings: vec![] }
    }

    /// With a setting more, or with another value of it.
    ///
    /// # Panics
    /// When the setting is called `kind`.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, setting: &str, value: impl Into<Setting>) -> Self {
        assert!(setting != KIND, "a setting cannot be called `{KIND}`");
        let value = value.into();
        match self.settings.iter_mut().find(|(name, _)| name == setting) {
            Some((_, present)) => *present = value,
            None => self.settings.push((setting.to_owned(), value)),
        }
        self
    }

    /// With a setting more where it has a value.
    ///
    /// # Panics
    /// When the setting is called `kind`.
    #[must_use]
    #[track_caller]
    pub fn with_some(self, setting: &str, value: Option<impl Into<Setting>>) -> Self {
        match value {
            Some(value) => self.with(setting, value),
            None => self,
        }
    }

    /// The kind of module.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The value of a setting.
    pub fn get(&self, setting: &str) -> Option<&Setting> {
        self.settings.iter().find(|(name, _)| name == setting).map(|(_, value)| value)
    }

    /// All settings in their order.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl From<bool> for Setting {
    fn from(flag: bool) -> Self {
        Setting::Flag(flag)
    }
}

impl From<usize> for Setting {
    fn from(number: usize) -> Self {
        Setting::Whole(number as u64)
    }
}

impl From<f64> for Setting {
    fn from(number: f64) -> Self {
        Setting::Real(number)
    }
}

impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        Setting::Text(text.to_owned())
    }
}

impl From<Description> for Setting {
    fn from(description: Description) -> Self {
        Setting::Description(description)
    }
}

impl<T: Into<Setting>> From<Vec<T>> for Setting {
    fn from(list: Vec<T>) -> Self {
        Setting::List(list.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Setting>, const N: usize> From<[T; N]> for Setting {
    fn from(list: [T; N]) -> Self {
        Setting::List(list.map(Into::into).into())
    }
}

/// Briefly, for messages.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Flag(flag) => flag.fmt(f),
            Setting::Whole(number) => number.fmt(f),
            Setting::Real(number) => write!(f, "{number:?}"),
            Setting::Text(text) => write!(f, "\"{}\"", brief(text)),
            Setting::List(list) => write!(f, "a list of {}", list.len()),
            Setting::Description(description) => write!(f, "a module `{}`", brief(&description.kind)),
        }
    }
}

/// The beginning of a text from outside, in one line.
pub(crate) fn brief(text: &str) -> String {
    const LONGEST: usize = 40;
    let escaped: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() { escaped + "…" } else { escaped }
}

/// A module without a description: one of a user's own that does not implement
/// [`describe`](crate::Module::describe), or one that a function is part of, such as [`Scheduled`](crate::Scheduled).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undescribed {
    /// Where it is in the module that was to be described, such as `1.branch`; empty where it is that module itself.
    pub path: String,
    /// Its type.
    pub module: String,
    /// The kind, or else the type, of the module that was to be described.
    pub(crate) outermost: String,
}

impl Undescribed {
    /// A module of type `M` has no description.
    pub fn new<M: ?Sized>() -> Self {
        let module = std::any::type_name::<M>().to_owned();
        // `Scale` of `user::layers::Scale<f32>`.
        let name = module.split('<').next().unwrap_or_default();
        let outermost = name.rsplit("::").next().unwrap_or_default().to_owned();
        Undescribed { path: String::new(), module, outermost }
    }

    /// Seen from outside: it is, or is inside of, this part of a module of this kind.
    #[must_use]
    pub fn inside(self, kind: &str, part: &str) -> Self {
        let path = if self.path.is_empty() { part.to_owned() } else { format!("{part}.{}", self.path) };
        Undescribed { path, outermost: kind.to_owned(), ..self }
    }
}

impl fmt::Display for Undescribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "the module has no description: {} does not implement `Module::describe`", self.module)
    }
}

impl std::error::Error for Undescribed {}
