//! All that a run needs to go on with the same bits, as a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nn_core::{Arena, ParamLayout, Real};
use nn_optim::{BufferState, State};
use nn_regularize::StoppingState;
use serde::{Deserialize, Serialize};

use super::weights::{insert_arena, take_arena};
use super::{CheckpointError, CheckpointProblem, TensorFile, version};
use crate::EpochRecord;
use crate::evaluate::Tally;

/// The version of the format that is written, and the newest that is read.
const VERSION: u64 = 1;
const WHAT: &str = "state of a run";
/// The prefixes of what stands beside the network.
const OPTIMIZER: &str = "optimizer/";
const BUFFERS: &str = "buffer/";
const BEST: &str = "best/";

/// The settings with which a run is the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) scalar: String,
    pub(crate) seed: u64,
    pub(crate) batch_size: usize,
    pub(crate) samples: usize,
    pub(crate) drop_last: bool,
    pub(crate) accumulate: u64,
    pub(crate) loss: String,
}

impl Settings {
    /// Whether a run with these settings can go on with those of a file.
    fn check(&self, saved: &Settings) -> Result<(), CheckpointProblem> {
        let both: [(&'static str, String, String); 7] = [
            ("numbers of type", self.scalar.clone(), saved.scalar.clone()),
            ("seed", self.seed.to_string(), saved.seed.to_string()),
            ("batch size", self.batch_size.to_string(), saved.batch_size.to_string()),
            ("training samples:", self.samples.to_string(), saved.samples.to_string()),
            ("drop_last", self.drop_last.to_string(), saved.drop_last.to_string()),
            ("accumulated batches:", self.accumulate.to_string(), saved.accumulate.to_string()),
            ("loss", self.loss.clone(), saved.loss.clone()),
        ];
        match both.into_iter().find(|(_, now, then)| now != then) {
            None => Ok(()),
            Some((setting, expected, got)) => Err(CheckpointProblem::Setting { setting, expected, got }),
        }
    }
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The step to be done next, from 0.
    pub(crate) step: u64,
    /// The losses of the current epoch so far.
    pub(crate) tally: Tally,
    /// The time that the current epoch has taken.
    pub(crate) duration: Duration,
    pub(crate) epochs: Vec<EpochRecord>,
    pub(crate) stopping: Option<StoppingState>,
    /// Whether training has been stopped before its last epoch.
    pub(crate) stopped: bool,
}

/// All that a run needs to go on with the same bits.
#[derive(Clone, Debug)]
pub(crate) struct RunState<F: Real> {
    pub(crate) settings: Settings,
    pub(crate) position: Position,
    pub(crate) params: Arena<F>,
    pub(crate) optimizer: State<F>,
    /// What stands around the optimizer, by name.
    pub(crate) buffers: BTreeMap<String, BufferState<F>>,
    pub(crate) best: Option<Arena<F>>,
}

/// What stands in the metadata.
#[derive(Serialize, Deserialize)]
struct Text {
    version: u64,
    settings: Settings,
    position: Position,
    optimizer: OptimizerText,
    buffers: BTreeMap<String, BufferText>,
    has_best: bool,
}

#[derive(Serialize, Deserialize)]
struct OptimizerText {
    rule: String,
    step: u64,
    learning_rate: f64,
    #[serde(default)]
    scalars: BTreeMap<String, Named>,
    slots: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Named(#[serde(with = "super::number")] f64);

#[derive(Serialize, Deserialize)]
struct BufferText {
    owner: String,
    count: u64,
    is_full: bool,
}

impl<F: Real> RunState<F> {
    /// As a file.
    pub(crate) fn to_file(&self) -> TensorFile<F> {
        let State { rule, step, learning_rate, scalars, slots } = &self.optimizer;
        let buffer = |state: &BufferState<F>| BufferText {
            owner: state.owner.clone(),
            count: state.count,
            is_full: state.buffer.is_some(),
        };
        let text = Text {
            version: VERSION,
            settings: self.settings.clone(),
            position: self.position.clone(),
            optimizer: OptimizerText {
                rule: rule.clone(),
                step: *step,
                learning_rate: *learning_rate,
                scalars: scalars.iter().map(|(name, &x)| (name.clone(), Named(x))).collect(),
                slots: slots.keys().cloned().collect(),
            },
            buffers: self.buffers.iter().map(|(name, state)| (name.clone(), buffer(state))).collect(),
            has_best: self.best.is_some(),
        };
        let mut file = TensorFile::new(serde_json::to_string(&text).expect("its parts are plain data"));
        insert_arena(&mut file, "", &self.params);
        for (slot, arena) in slots {
            insert_arena(&mut file, &format!("{OPTIMIZER}{slot}/"), arena);
        }
        for (name, state) in &self.buffers {
            state
                .buffer
                .iter()
                .for_each(|arena| insert_arena(&mut file, &format!("{BUFFERS}{name}/"), arena));
        }
        self.best.iter().for_each(|arena| insert_arena(&mut file, BEST, arena));
        file
    }

    /// Reads the state of a run with these settings, on parameters of this layout.
    pub(crate) fn read(
        path: &Path,
        settings: &Settings,
        layout: &Arc<ParamLayout>,
    ) -> Result<Self, CheckpointError> {
        let file = TensorFile::read(path)?;
        Self::from_file(&file, settings, layout).map_err(|problem| problem.of(path))
    }

    fn from_file(
        file: &TensorFile<F>,
        settings: &Settings,
        layout: &Arc<ParamLayout>,
    ) -> Result<Self, CheckpointProblem> {
        let text = parse(file.text().unwrap_or_default())?;
        settings.check(&text.settings)?;
        let take = |prefix: &str| take_arena(file, prefix, layout);
        let params = take("")?;
        let OptimizerText { rule, step, learning_rate, scalars, slots } = text.optimizer;
        let slots = slots.into_iter().map(|slot| {
            let arena = take(&format!("{OPTIMIZER}{slot}/"))?;
            Ok((slot, arena))
        });
        let buffers = text.buffers.into_iter().map(|(name, BufferText { owner, count, is_full })| {
            let buffer = is_full.then(|| take(&format!("{BUFFERS}{name}/"))).transpose()?;
            Ok((name, BufferState { owner, count, buffer }))
        });
        Ok(RunState {
            settings: text.settings,
            position: text.position,
            params,
            optimizer: State {
                rule,
                step,
                learning_rate,
                scalars: scalars.into_iter().map(|(name, x)| (name, x.0)).collect(),
                slots: slots.collect::<Result<_, CheckpointProblem>>()?,
            },
            buffers: buffers.collect::<Result<_, CheckpointProblem>>()?,
            best: text.has_best.then(|| take(BEST)).transpose()?,
        })
    }
}

fn parse(text: &str) -> Result<Text, CheckpointProblem> {
    let failed =
        |error: serde_json::Error| CheckpointProblem::Text { what: WHAT, message: error.to_string() };
    serde_json::from_str(version::checked(text, WHAT, VERSION)?).map_err(failed)
}
