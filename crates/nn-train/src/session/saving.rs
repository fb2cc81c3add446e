//! Checkpoints of a run.

use std::collections::BTreeMap;

use nn_core::{Arena, Real};
use nn_optim::Accumulate;
use std::sync::Arc;

use super::Session;
use crate::averaging::Averaging;
use crate::checkpoint::{CheckpointProblem, RunState, save_weights};
use crate::{Event, TrainError};

/// The names of what stands around the optimizer.
const ACCUMULATE: &str = "accumulate";
const AVERAGE: &str = "average";

impl<F: Real> Session<'_, F> {
    /// Writes a checkpoint, where they are wanted.
    pub(super) fn save_checkpoint(&mut self) -> Result<(), TrainError> {
        let Some(checkpoints) = &self.trainer.checkpoints else { return Ok(()) };
        let path = checkpoints.path(self.position.step);
        self.state().to_file().write(&path)?;
        checkpoints.remove_old()?;
        self.tell(&Event::Saved { path: &path });
        Ok(())
    }

    /// Writes the weights of the best epoch, where checkpoints are wanted.
    pub(super) fn save_best(&mut self) -> Result<(), TrainError> {
        let Some(checkpoints) = &self.trainer.checkpoints else { return Ok(()) };
        self.swap_average();
        let saved = save_weights(self.network, checkpoints.best_path());
        self.swap_average();
        Ok(saved?)
    }

    fn state(&self) -> RunState<F> {
        let layout = self.network.params().layout();
        let accumulate = self.accumulate.as_ref().map(|a| (ACCUMULATE.to_owned(), a.state()));
        let average = self.averaging.as_ref().map(|a| (AVERAGE.to_owned(), a.state()));
        RunState {
            settings: self.settings.clone(),
            position: self.position.clone(),
            params: self.network.params().clone(),
            optimizer: self.optimizer.state(),
            buffers: accumulate.into_iter().chain(average).collect(),
            best: self.best.get().map(|values| {
                let mut best = Arena::zeros(Arc::clone(layout));
                best.as_mut_slice().copy_from_slice(values);
                best
            }),
        }
    }

    /// Goes on from the last checkpoint, where that is wanted and there is one. Until all of it is found to fit,
    /// nothing is changed.
    pub(super) fn resume(&mut self) -> Result<(), TrainError> {
        let Some(checkpoints) = &self.trainer.checkpoints else { return Ok(()) };
        let Some(path) = checkpoints.prepare()? else { return Ok(()) };
        let state = RunState::read(&path, &self.settings, self.network.params().layout())?;
        self.load(state).map_err(|problem| problem.of(&path).into())
    }

    fn load(&mut self, state: RunState<F>) -> Result<(), CheckpointProblem> {
        let RunState { position, params, optimizer, buffers, best, .. } = state;
        let (mut accumulate, mut averaging) = (self.accumulate.clone(), self.averaging.clone());
        self.load_buffers(&buffers, accumulate.as_mut(), averaging.as_mut())?;
        self.check_position(&position)?;
        self.optimizer.load_state(&optimizer)?;
        (self.accumulate, self.averaging) = (accumulate, averaging);
        self.stopping = match (self.stopping, position.stopping) {
            (Some(stopping), Some(state)) => Some(stopping.resume(state)),
            (stopping, _) => stopping,
        };
        best.iter().for_each(|best| self.best.keep(best.as_slice()));
        *self.network.params_mut() = params;
        self.position = position;
        self.snapshot.step = self.position.step;
        self.snapshot.params.clone_from(self.network.params());
        self.snapshot.optimizer.clone_from(&self.optimizer);
        self.snapshot.accumulate.clone_from(&self.accumulate);
        Ok(())
    }

    fn load_buffers(
        &self,
        buffers: &BTreeMap<String, nn_optim::BufferState<F>>,
        accumulate: Option<&mut Accumulate<F>>,
        averaging: Option<&mut Averaging<F>>,
    ) -> Result<(), CheckpointProblem> {
        let missing = |name: &str| CheckpointProblem::Missing { name: name.to_owned() };
        if let Some(accumulate) = accumulate {
            accumulate.load_state(buffers.get(ACCUMULATE).ok_or_else(|| missing(ACCUMULATE))?)?;
        }
        if let Some(averaging) = averaging {
            averaging.load_state(buffers.get(AVERAGE).ok_or_else(|| missing(AVERAGE))?)?;
        }
        let known = [(ACCUMULATE, self.accumulate.is_some()), (AVERAGE, self.averaging.is_some())];
        match buffers.keys().find(|&name| !known.contains(&(name.as_str(), true))) {
            Some(name) => Err(CheckpointProblem::Extra { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Whether steps and epochs agree.
    fn check_position(&self, position: &crate::checkpoint::Position) -> Result<(), CheckpointProblem> {
        let (per_epoch, epochs) = (self.batches.len() as u64, position.epochs.len() as u64);
        let first = epochs.saturating_mul(per_epoch);
        if (first..=first.saturating_add(per_epoch)).contains(&position.step) {
            return Ok(());
        }
        let message = format!("step {} does not lie in epoch {epochs} of {per_epoch} steps", position.step);
        Err(CheckpointProblem::Text { what: "state of a run", message })
    }
}
