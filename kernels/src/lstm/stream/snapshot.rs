//! The state of one instance, to go on after a restart with the same bits.

use serde::{Deserialize, Serialize};

use super::part::Order;
use super::seat::Saved;
use super::{Stream, StreamError};
use crate::op::network::Spec;

/// Most ticks of a snapshot; the same number again lies beyond any stream's life.
const TICKS_MAX: u64 = u64::MAX / 2;

/// The state of one instance, independent of how the model was compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Shape of the model.
    pub spec: Spec,
    /// Hash of the model's shape and weights, in hexadecimal.
    pub model: String,
    /// [`StreamOptions::window`](super::StreamOptions::window) of the stream.
    pub window: Option<usize>,
    /// Ticks taken.
    pub ticks: u64,
    /// Hidden then cell state, `[layers, 2, rows, hidden]` with one row, or one for each window under way.
    pub values: Vec<f32>,
    /// Ticks to come whose predictions are NaN, for the sake of a row that was not finite.
    #[serde(default)]
    pub spoiled: u64,
}

impl Stream {
    /// A copy of an instance's state, after the work that the last tick may have left is done.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist, or a worker has ended.
    pub fn snapshot(&mut self, instance: usize) -> Result<Snapshot, StreamError> {
        self.check(instance)?;
        let (spec, units) = (self.packed.spec, self.packed.units);
        let states = 2 * spec.layers * self.window.unwrap_or(1);
        let mut values = vec![0.0; states * units];
        if let Some(team) = &mut self.team {
            team.lend(Saved { ticks: 0, values });
            team.order(Order::Save(instance), None, &self.part)?;
            self.part.settle(instance)?;
            team.finish()?;
            values = team.give_back().values;
        } else {
            self.part.settle(instance)?;
        }
        self.part.save(instance, &mut values);
        Ok(Snapshot {
            spec,
            model: self.model.to_string(),
            window: self.window,
            ticks: self.part.ticks(instance),
            spoiled: self.spoiled[instance],
            values: values.chunks_exact(units).flat_map(|row| &row[..spec.hidden]).copied().collect(),
        })
    }

    /// Puts an instance where `snapshot` was taken; the next ticks give the same bits.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist, or the snapshot is damaged or of another shape, window or
    /// model, and the state is then unchanged; or when a worker has ended.
    pub fn restore(&mut self, instance: usize, snapshot: &Snapshot) -> Result<(), StreamError> {
        self.check(instance)?;
        let (spec, units) = (self.packed.spec, self.packed.units);
        if snapshot.spec != spec {
            return Err(StreamError::SnapshotShape { found: snapshot.spec, wanted: spec });
        }
        if snapshot.window != self.window {
            return Err(StreamError::SnapshotWindow { found: snapshot.window, wanted: self.window });
        }
        if *snapshot.model != *self.model {
            let (found, wanted) = (snapshot.model.clone(), self.model.to_string());
            return Err(StreamError::SnapshotModel { found, wanted });
        }
        if snapshot.ticks > TICKS_MAX {
            return Err(StreamError::SnapshotTicks { ticks: snapshot.ticks });
        }
        if let Some(index) = snapshot.values.iter().position(|x| !x.is_finite()) {
            return Err(StreamError::SnapshotNotFinite { index, value: snapshot.values[index] });
        }
        let wanted = 2 * spec.layers * self.window.unwrap_or(1) * spec.hidden;
        if snapshot.values.len() != wanted {
            return Err(StreamError::Snapshot { found: snapshot.values.len(), wanted });
        }
        let mut values = vec![0.0; wanted / spec.hidden * units];
        for (row, saved) in values.chunks_exact_mut(units).zip(snapshot.values.chunks_exact(spec.hidden)) {
            row[..spec.hidden].copy_from_slice(saved);
        }
        self.part.load(instance, snapshot.ticks, &values);
        // No row can spoil more ticks than a window has, or with carried state all.
        self.spoiled[instance] = snapshot.spoiled.min(self.window.map_or(u64::MAX, |window| window as u64));
        if let Some(team) = &mut self.team {
            team.lend(Saved { ticks: snapshot.ticks, values });
            team.order(Order::Load(instance), None, &self.part)?;
            team.finish()?;
            team.give_back();
        }
        Ok(())
    }
}
