//! The judges of a path: what they have seen so far, and what they say to more.

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::chain::Chain;
use mpcsfaas_transport_sim::history::{End, Seen, What};
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::Occasion;

use super::scope::{MOST_DISPATCHERS, MOST_TASKS, MOST_WORKERS, Scope};
use crate::checkers::{self, Checker, Setting};
use crate::run::Violation;

/// All judges, after what they have seen.
#[derive(Debug)]
pub(super) struct Judges {
    checkers: Vec<Box<dyn Checker>>,
}

/// What was seen so far, told apart by whom it is about: one chain for each task, worker and
/// dispatcher.
///
/// A judge's state is a function of what it has seen. What two nodes do at the same instant may be
/// seen in either order, which no judge heeds; what one node or one task is about, and when, is
/// seen in one order. So two paths with the same past are the same to every judge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Past {
    tasks: [u64; MOST_TASKS],
    workers: [u64; MOST_WORKERS],
    dispatchers: [u64; MOST_DISPATCHERS],
}

impl Judges {
    pub(super) fn new(scope: &Scope) -> Judges {
        Judges {
            checkers: checkers::all(&Setting::of(&scope.plan())),
        }
    }

    /// The judges after they have seen this.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn after(&self, seen: &[Seen]) -> Result<Judges, Violation> {
        let mut judges = Judges {
            checkers: self.checkers.iter().map(|checker| checker.fork()).collect(),
        };
        for seen in seen {
            for checker in &mut judges.checkers {
                checker
                    .observe(seen)
                    .map_err(|what| broken(&**checker, what, seen.at))?;
            }
        }
        Ok(judges)
    }

    /// What they say at the end.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn finish(&self, end: &End) -> Result<(), Violation> {
        for checker in &self.checkers {
            let mut checker = checker.fork();
            checker
                .finish(end)
                .map_err(|what| broken(&*checker, what, end.at))?;
        }
        Ok(())
    }
}

fn broken(checker: &dyn Checker, what: String, at: Instant) -> Violation {
    let promise = checker.promise();
    Violation { promise, what, at }
}

impl Past {
    /// Takes in what was seen.
    pub(super) fn add(&mut self, seen: &Seen) {
        let word = Chain::of(seen);
        let mut at = |place: Place| match place {
            Place::Dispatcher(index) => add(&mut self.dispatchers[index], word),
            Place::Worker(index) => add(&mut self.workers[index], word),
            Place::Client | Place::Store => {}
        };
        let task = match &seen.what {
            What::Submitted { task, .. } | What::Answered { task, .. } => Some(*task),
            What::CancelAsked(task) | What::Cancelled(task) | What::RowGone(task) => Some(*task),
            What::Leased(owner) => {
                if let Some(index) = (owner.boot as usize).checked_sub(1) {
                    at(Place::Dispatcher(index % MOST_DISPATCHERS));
                }
                None
            }
            What::Row(row) => Some(row.task),
            What::Started { at: place, task }
            | What::Stopped {
                at: place, task, ..
            } => {
                at(*place);
                Some(task.task)
            }
            What::Worker(state) => {
                at(state.node);
                None
            }
            What::DeclaredDead { by, worker } => {
                at(*by);
                at(*worker);
                None
            }
            What::Arrived(node)
            | What::Repeated(node)
            | What::Unwelcome(node)
            | What::Leaving { node, .. }
            | What::Ended { node, .. }
            | What::Over { node }
            | What::Line { node, .. } => {
                at(*node);
                None
            }
            What::Asked { by: node, .. }
            | What::Told { by: node, .. }
            | What::HandedBack { by: node, .. } => {
                at(*node);
                None
            }
            What::Served { of, ask } => {
                at(*of);
                for key in ask.attempts() {
                    self.add_of_task(key.task, word);
                }
                None
            }
            What::ServedAgain { of: node, .. } | What::Acknowledged { by: node, .. } => {
                at(*node);
                None
            }
            What::Struck(fault) => {
                at(fault.node);
                None
            }
            What::Twisted { on, .. } => {
                if let Occasion::Reply(index) = on {
                    at(Place::Dispatcher(*index));
                }
                None
            }
            What::Healed => None,
        };
        if let Some(task) = task {
            self.add_of_task(task, word);
        }
    }

    fn add_of_task(&mut self, task: TaskId, word: u64) {
        if let Some(chain) = self.tasks.get_mut((task.0 as usize).wrapping_sub(1)) {
            add(chain, word);
        }
    }
}

fn add(chain: &mut u64, word: u64) {
    *chain = Chain::of(&(*chain, word));
}
