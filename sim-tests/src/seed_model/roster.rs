//! Who is registered, since when not heard, and with which tasks.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;

/// The registered workers, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Roster {
    seats: Vec<Seat>,
}

#[derive(Debug)]
struct Seat {
    worker: String,
    last_beat: Instant,
    tasks: Vec<TaskId>,
}

impl Roster {
    /// Registers a worker. One that is registered keeps its place in the order, and its tasks are
    /// forgotten (19).
    pub(super) fn register(&mut self, now: Instant, worker: &str) {
        let seat = Seat {
            worker: worker.to_owned(),
            last_beat: now,
            tasks: Vec::new(),
        };
        match self.seat(worker) {
            Some(old) => *old = seat,
            None => self.seats.push(seat),
        }
    }

    /// Notes a beat. One of an unknown worker changes nothing (2, 4).
    pub(super) fn beat(&mut self, now: Instant, worker: &str) {
        if let Some(seat) = self.seat(worker) {
            seat.last_beat = now;
        }
    }

    /// The worker with the fewest tasks, of several the earliest registered. Nobody asks how many
    /// it can hold, or whether it still lives.
    pub(super) fn least_loaded(&self) -> Option<&str> {
        let seat = self.seats.iter().min_by_key(|seat| seat.tasks.len())?;
        Some(&seat.worker)
    }

    /// Notes that a worker has a task, if the worker is registered; says whether it is.
    pub(super) fn assign(&mut self, worker: &str, task: TaskId) -> bool {
        let seat = self.seat(worker);
        let known = seat.is_some();
        if let Some(seat) = seat {
            seat.tasks.push(task);
        }
        known
    }

    /// Notes that a worker no longer has a task.
    pub(super) fn unassign(&mut self, worker: &str, task: TaskId) {
        if let Some(seat) = self.seat(worker) {
            seat.tasks.retain(|had| *had != task);
        }
    }

    /// Removes a worker, and gives its tasks.
    pub(super) fn remove(&mut self, worker: &str) -> Vec<TaskId> {
        self.remove_if(|seat| seat.worker == worker)
    }

    /// Removes the workers whose last beat is longer ago than `timeout`, and gives their tasks.
    pub(super) fn remove_silent(&mut self, now: Instant, timeout: Duration) -> Vec<TaskId> {
        self.remove_if(|seat| now.since(seat.last_beat) > timeout)
    }

    fn remove_if(&mut self, gone: impl Fn(&mut Seat) -> bool) -> Vec<TaskId> {
        let removed = self.seats.extract_if(.., |seat| gone(seat));
        removed.flat_map(|seat| seat.tasks).collect()
    }

    fn seat(&mut self, worker: &str) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.worker == worker)
    }
}
