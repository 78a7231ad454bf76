//! The checkers: one file for each promise.

mod p01_every_task_ends;
mod p02_results_do_not_change;
mod p03_only_the_current_attempt_commits;
mod p04_credit_is_kept;
mod p05_status_moves_by_the_table;
mod p06_live_workers_work_again;
mod p11_no_attempt_starts_twice;

use mpcsfaas_transport_sim::{Step, World};

/// Judges one promise.
pub trait Checker {
    /// Which.
    fn promise(&self) -> &'static str;

    /// Looks at what a step did.
    ///
    /// # Errors
    /// How the promise was broken.
    fn observe(&mut self, world: &World, step: &Step) -> Result<(), String>;

    /// Looks at the end of a run.
    ///
    /// # Errors
    /// How the promise was broken.
    fn finish(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }
}

/// All checkers, fresh.
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(p01_every_task_ends::EveryTaskEnds),
        Box::new(p02_results_do_not_change::ResultsDoNotChange::default()),
        Box::new(p03_only_the_current_attempt_commits::OnlyTheCurrentAttemptCommits),
        Box::new(p04_credit_is_kept::CreditIsKept),
        Box::new(p05_status_moves_by_the_table::StatusMovesByTheTable::default()),
        Box::new(p06_live_workers_work_again::LiveWorkersWorkAgain),
        Box::new(p11_no_attempt_starts_twice::NoAttemptStartsTwice::default()),
    ]
}
