//! Reading the settings of a description.

use std::cell::RefCell;
use std::fmt;

use nn_core::{RangeError, Real};
use nn_ops::PerAxis;

use crate::description::{Description, Setting, brief};
use crate::{Module, Registry};

/// How deep modules may be nested in a description.
const MAX_DEPTH: usize = 64;
/// The largest kernel, stride, padding, and so on.
const WIDEST: usize = 1 << 20;

/// What a [`Registry`](crate::Registry) has a module built of: settings, to be asked for by name and type.
///
/// A setting that the constructor does not ask for is an error, so that none is overlooked.
#[derive(Debug)]
pub struct Settings<'a, F: Real> {
    description: &'a Description,
    registry: &'a Registry<F>,
    path: String,
    depth: usize,
    asked: RefCell<Vec<&'a str>>,
}

/// Builds what a description stands for, and checks that all settings were asked for.
pub(crate) fn build_at<F: Real, T>(
    description: &Description,
    registry: &Registry<F>,
    (path, depth): (String, usize),
    build: impl FnOnce(&Settings<'_, F>) -> Result<T, DescriptionError>,
) -> Result<T, DescriptionError> {
    if depth == MAX_DEPTH {
        return Err(DescriptionError::TooDeep { path, limit: MAX_DEPTH });
    }
    let settings = Settings { description, registry, path, depth, asked: RefCell::default() };
    let built = build(&settings)?;
    let asked = settings.asked.into_inner();
    match description.settings().find(|(name, _)| !asked.contains(name)) {
        Some((name, _)) => Err(DescriptionError::UnknownSetting {
            path: settings.path,
            kind: brief(description.kind()),
            setting: brief(name),
        }),
        None => Ok(built),
    }
}

impl<'a, F: Real> Settings<'a, F> {
    /// The kind of module.
    pub fn kind(&self) -> &'a str {
        self.description.kind()
    }

    /// Whether there is such a setting.
    pub fn has(&self, setting: &str) -> bool {
        self.description.get(setting).is_some()
    }

    /// True or false.
    ///
    /// # Errors
    /// When the setting is missing or something else.
    pub fn flag(&self, setting: &str) -> Result<bool, DescriptionError> {
        self.read(setting, "true or false", |value| match value {
            Setting::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A whole number from 0 to 4,294,967,295.
    ///
    /// # Errors
    /// When the setting is missing or something else.
    pub fn size(&self, setting: &str) -> Result<usize, DescriptionError> {
        self.read(setting, "a whole number from 0 to 4294967295", size)
    }

    /// Whole numbers as of [`size`](Self::size).
    ///
    /// # Errors
    /// When the setting is missing or something else.
    pub fn sizes(&self, setting: &str) -> Result<Vec<usize>, DescriptionError> {
        self.read(setting, "a list of whole numbers from 0 to 4294967295", |value| match value {
            Setting::List(list) => list.iter().map(size).collect(),
            _ => None,
        })
    }

    /// One whole number for each axis, such as a stride; at most [`WIDEST`], since much depends on them.
    pub(crate) fn per_axis<const D: usize>(&self, setting: &str) -> Result<PerAxis<D>, DescriptionError> {
        let what = if D == 1 { "number" } else { "numbers" };
        let expected = format!("a list of {D} whole {what} from 0 to {WIDEST}");
        let numbers = self.read(setting, &expected, |value| match value {
            Setting::List(list) => list.iter().map(size).collect::<Option<Vec<usize>>>(),
            _ => None,
        })?;
        match <[usize; D]>::try_from(numbers) {
            Ok(numbers) if numbers.iter().all(|&number| number <= WIDEST) => Ok(PerAxis(numbers)),
            _ => Err(self.wrong(setting, &expected)),
        }
    }

    /// A finite number.
    ///
    /// # Errors
    /// When the setting is missing or something else.
    pub fn number(&self, setting: &str) -> Result<f64, DescriptionError> {
        self.read(setting, "a finite number", |value| match value {
            Setting::Real(number) if number.is_finite() => Some(*number),
            Setting::Whole(number) => Some(*number as f64),
            _ => None,
        })
    }

    /// A text.
    ///
    /// # Errors
    /// When the setting is missing or something else.
    pub fn text(&self, setting: &str) -> Result<&'a str, DescriptionError> {
        self.read(setting, "a text", |value| match value {
            Setting::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A module inside of the module.
    ///
    /// # Errors
    /// When the setting is missing or something else, or of what is wrong with the description inside.
    pub fn module(&self, setting: &str) -> Result<Box<dyn Module<F>>, DescriptionError> {
        self.part(setting, |part| self.registry.construct(part))
    }

    /// Modules inside of the module; in messages their paths are their positions.
    ///
    /// # Errors
    /// When the setting is missing or something else, or of what is wrong with a description inside.
    pub fn modules(&self, setting: &str) -> Result<Vec<Box<dyn Module<F>>>, DescriptionError> {
        let list = self.read(setting, "a list of modules", |value| match value {
            Setting::List(list) => list.iter().map(inner).collect::<Option<Vec<_>>>(),
            _ => None,
        })?;
        let build = |(i, description): (usize, &Description)| {
            let place = (self.path_of(&i.to_string()), self.depth + 1);
            build_at(description, self.registry, place, |part| self.registry.construct(part))
        };
        list.into_iter().enumerate().map(build).collect()
    }

    /// Anything that a description inside of this one stands for.
    pub(crate) fn part<T>(
        &self,
        setting: &str,
        build: impl FnOnce(&Settings<'_, F>) -> Result<T, DescriptionError>,
    ) -> Result<T, DescriptionError> {
        let description = self.read(setting, "a module", inner)?;
        build_at(description, self.registry, (self.path_of(setting), self.depth + 1), build)
    }

    /// The result of a constructor that checks ranges; its error is that of the setting named as its field.
    ///
    /// # Errors
    /// When the setting is out of its range.
    pub fn in_range<T>(&self, result: Result<T, RangeError>) -> Result<T, DescriptionError> {
        result.map_err(|error| DescriptionError::WrongSetting {
            path: self.path.clone(),
            kind: brief(self.kind()),
            setting: error.field.to_owned(),
            value: error.value.to_string(),
            expected: format!("a number in {}", error.range),
        })
    }

    /// The error that a setting is not what was expected: `one of "tanh" and "relu"`.
    pub fn wrong(&self, setting: &str, expected: &str) -> DescriptionError {
        DescriptionError::WrongSetting {
            path: self.path.clone(),
            kind: brief(self.kind()),
            setting: setting.to_owned(),
            value: self.description.get(setting).map_or("nothing".to_owned(), ToString::to_string),
            expected: expected.to_owned(),
        }
    }

    /// The error that the kind is none that could stand here.
    pub(crate) fn unknown_kind(&self) -> DescriptionError {
        DescriptionError::UnknownKind { path: self.path.clone(), kind: brief(self.kind()) }
    }

    fn read<T>(
        &self,
        setting: &str,
        expected: &str,
        convert: impl FnOnce(&'a Setting) -> Option<T>,
    ) -> Result<T, DescriptionError> {
        let Some((name, value)) = self.description.settings().find(|(name, _)| *name == setting) else {
            let (path, kind) = (self.path.clone(), brief(self.kind()));
            let (setting, expected) = (setting.to_owned(), expected.to_owned());
            return Err(DescriptionError::MissingSetting { path, kind, setting, expected });
        };
        self.asked.borrow_mut().push(name);
        convert(value).ok_or_else(|| self.wrong(setting, expected))
    }

    fn path_of(&self, part: &str) -> String {
        if self.path.is_empty() { part.to_owned() } else { format!("{}.{part}", self.path) }
    }
}

fn size(value: &Setting) -> Option<usize> {
    match value {
        Setting::Whole(number) => u32::try_from(*number).ok()?.try_into().ok(),
        _ => None,
    }
}

fn inner(value: &Setting) -> Option<&Description> {
    match value {
        Setting::Description(description) => Some(description),
        _ => None,
    }
}

/// Why a description does not stand for a module. Paths are those of the parameters: `1.branch` is the setting `branch`
/// of module 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptionError {
    /// A kind that the registry does not know.
    UnknownKind {
        /// The path of the module; empty for the outermost.
        path: String,
        /// The kind.
        kind: String,
    },
    /// A setting that the module needs.
    MissingSetting {
        /// The path of the module; empty for the outermost.
        path: String,
        /// The kind of the module.
        kind: String,
        /// The setting.
        setting: String,
        /// What it must be.
        expected: String,
    },
    /// A setting of the wrong type, or out of its range.
    WrongSetting {
        /// The path of the module; empty for the outermost.
        path: String,
        /// The kind of the module.
        kind: String,
        /// The setting.
        setting: String,
        /// Its value.
        value: String,
        /// What it must be.
        expected: String,
    },
    /// A setting that the module does not have.
    UnknownSetting {
        /// The path of the module; empty for the outermost.
        path: String,
        /// The kind of the module.
        kind: String,
        /// The setting.
        setting: String,
    },
    /// Modules inside of modules, too many times.
    TooDeep {
        /// The path of the first module that is too deep.
        path: String,
        /// How deep they may be nested.
        limit: usize,
    },
}

impl fmt::Display for DescriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (DescriptionError::UnknownKind { path, .. }
        | DescriptionError::MissingSetting { path, .. }
        | DescriptionError::WrongSetting { path, .. }
        | DescriptionError::UnknownSetting { path, .. }
        | DescriptionError::TooDeep { path, .. }) = self;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        match self {
            DescriptionError::UnknownKind { kind, .. } => {
                write!(f, "there is no kind of module `{kind}` here")
            }
            DescriptionError::MissingSetting { kind, setting, expected, .. } => {
                write!(f, "{kind}: expected a setting `{setting}`: {expected}")
            }
            DescriptionError::WrongSetting { kind, setting, value, expected, .. } => {
                write!(f, "{kind}: expected as `{setting}` {expected}, got {value}")
            }
            DescriptionError::UnknownSetting { kind, setting, .. } => {
                write!(f, "{kind}: there is no setting `{setting}`")
            }
            DescriptionError::TooDeep { limit, .. } => {
                write!(f, "modules are nested more than {limit} times")
            }
        }
    }
}

impl std::error::Error for DescriptionError {}
