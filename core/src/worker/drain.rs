//! Leaving: goodbye, the last results, an empty Hello, exit on its answer (R11).

use super::hold::Held;
use super::session::Link;
use super::{Output, Worker};
use crate::task::{FailureKind, Outcome};
use crate::time::Instant;
use crate::wire::message::{TaskRef, ToDispatcher};

/// How far the worker is with leaving.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Drain {
    /// It stays.
    No,
    /// Running tasks finish and results are acknowledged until this time.
    Finishing(Instant),
    /// What still ran has been ended; the last results are acknowledged until this time.
    Ended(Instant),
    /// The empty Hello is sent; its answer is awaited until this time.
    Leaving(Instant),
    /// The process ends.
    Gone,
}

impl Worker {
    pub(super) fn on_drain_requested(&mut self, now: Instant) {
        if self.drain != Drain::No {
            return;
        }
        self.drain = Drain::Finishing(now + self.config.timing.drain);
        let returned = self.take_waiting();
        self.announced = 0;
        self.send(ToDispatcher::Goodbye { returned });
        self.recall_all();
    }

    /// Whether no new work is taken.
    pub(super) fn is_draining(&self) -> bool {
        self.drain != Drain::No
    }

    /// Whether the next Welcome ends the conversation.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.drain, Drain::Leaving(_))
    }

    /// Takes the next step of leaving, if its time has come.
    pub(super) fn finish_drain(&mut self, now: Instant) {
        let patience = self.config.timing.timeout;
        match self.drain {
            Drain::No | Drain::Gone => {}
            Drain::Finishing(_) | Drain::Ended(_) if self.held.is_empty() => self.leave(now),
            Drain::Finishing(deadline) if now >= deadline => {
                self.end_running(now);
                self.drain = Drain::Ended(now + patience);
                self.finish_drain(now);
            }
            Drain::Ended(deadline) if now >= deadline => self.exit(),
            Drain::Leaving(deadline) if self.link == Link::Over || now >= deadline => self.exit(),
            Drain::Finishing(_) | Drain::Ended(_) | Drain::Leaving(_) => {}
        }
    }

    /// Nothing is held any more. Without a connection nobody needs to be told.
    fn leave(&mut self, now: Instant) {
        match self.link {
            Link::Greeting | Link::Up => {
                self.drain = Drain::Leaving(now + self.config.timing.timeout);
                self.open_session(now);
            }
            Link::Starting | Link::Down(_) | Link::Over => self.exit(),
        }
    }

    /// The drain deadline: what still runs is ended. It is not listed in the next Hello, so it
    /// runs again elsewhere; an at-most-once task may not, and fails here.
    fn end_running(&mut self, now: Instant) {
        let running: Vec<(TaskRef, u32, bool)> = self
            .held
            .iter()
            .filter_map(|(task, held)| match held {
                Held::Running { slot, options } => Some((*task, *slot, options.at_most_once)),
                Held::Waiting { .. } | Held::Finished(_) => None,
            })
            .collect();
        for (task, slot, at_most_once) in running {
            self.held.remove(&task);
            self.drop_in_slot(now, slot, task);
            if at_most_once {
                let message = "lost: the worker left before this at-most-once task had ended";
                self.finish(task, Outcome::failed(FailureKind::Lost, message));
            }
        }
        self.tell_results(now);
    }

    fn exit(&mut self) {
        self.drain = Drain::Gone;
        self.link = Link::Over;
        self.outputs.push_back(Output::Exit);
    }

    /// When time next matters to leaving.
    pub(super) fn drain_deadline(&self) -> Option<Instant> {
        match self.drain {
            Drain::No | Drain::Gone => None,
            Drain::Finishing(at) | Drain::Ended(at) | Drain::Leaving(at) => Some(at),
        }
    }
}
