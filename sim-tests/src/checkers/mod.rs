//! The checkers: one file for each promise. They look at a history and at nothing else.
//!
//! Reading order: this file (what a checker is), `setting` (what bounds depend on), `clean` (since
//! when a place has been out of trouble), `each` (a value for each worker), then the promises.

mod clean;
mod each;
mod p01_claims_lead_to_starts;
mod p01_every_task_ends;
mod p02_results_do_not_change;
mod p03_only_the_current_attempt_commits;
mod p04_credit_is_kept;
mod p05_status_moves_by_the_table;
mod p06_live_workers_work_again;
mod p07_leavers_hand_back;
mod p08_nobody_blocks_another;
mod p09_a_paused_dispatcher_is_patient;
mod p10_repeats_are_harmless;
mod p11_no_attempt_starts_twice;
mod p12_running_work_is_adopted;
mod p13_lines_have_limits;
mod r01_claims_leave_out;
mod r03_only_owners_give_back;
mod r04_disowned_work_stops;
mod r04_leases_are_kept;
mod r04_owners_know_their_tasks;
mod r06_adoptions_follow_the_worker;
mod r07_results_are_kept_until_committed;
mod r11_leavers_release;
mod r14_losses_are_counted;
mod r16_at_most_once_is_not_given_up_early;
mod setting;
#[cfg(test)]
pub(crate) mod testing;

use mpcsfaas_transport_sim::history::{End, Seen};

pub use self::setting::Setting;
use crate::oracle::Oracle;

/// Judges one promise.
pub trait Checker: Fork + std::fmt::Debug + Send + Sync {
    /// Which, such as `P7`.
    fn promise(&self) -> &'static str;

    /// Looks at one thing that was seen. It costs as much as the thing touches.
    ///
    /// # Errors
    /// How the promise was broken.
    fn observe(&mut self, seen: &Seen) -> Result<(), String>;

    /// Looks at the end of a run.
    ///
    /// # Errors
    /// How the promise was broken.
    fn finish(&mut self, _end: &End) -> Result<(), String> {
        Ok(())
    }

    /// How often its premise held: a checker whose premise never held has judged nothing.
    fn premises(&self) -> u64;
}

/// A copy behind a pointer, so that a search can go on in two ways. Whatever is `Clone` has it.
pub trait Fork {
    /// The same once more.
    fn fork(&self) -> Box<dyn Checker>;
}

impl<C: Checker + Clone + 'static> Fork for C {
    fn fork(&self) -> Box<dyn Checker> {
        Box::new(self.clone())
    }
}

/// All checkers, fresh.
pub fn all(setting: &Setting) -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(p01_every_task_ends::EveryTaskEnds::new(setting)),
        Box::new(p01_claims_lead_to_starts::ClaimsLeadToStarts::default()),
        Box::new(p02_results_do_not_change::ResultsDoNotChange::default()),
        Box::new(p03_only_the_current_attempt_commits::OnlyTheCurrentAttemptCommits::default()),
        Box::new(p04_credit_is_kept::CreditIsKept::default()),
        Box::new(p05_status_moves_by_the_table::StatusMovesByTheTable::default()),
        Box::new(p06_live_workers_work_again::LiveWorkersWorkAgain::new(
            setting,
        )),
        Box::new(p07_leavers_hand_back::LeaversHandBack::new(setting)),
        Box::new(p08_nobody_blocks_another::NobodyBlocksAnother::new(setting)),
        Box::new(p08_nobody_blocks_another::NobodyBlocksAnother::promptly(
            setting,
        )),
        Box::new(p09_a_paused_dispatcher_is_patient::APausedDispatcherIsPatient::new(setting)),
        Box::new(p10_repeats_are_harmless::RepeatsAreHarmless::new(setting)),
        Box::new(p11_no_attempt_starts_twice::NoAttemptStartsTwice::default()),
        Box::new(p12_running_work_is_adopted::RunningWorkIsAdopted::new(
            setting,
        )),
        Box::new(p13_lines_have_limits::LinesHaveLimits::new(setting)),
        Box::new(r01_claims_leave_out::ClaimsLeaveOut::default()),
        Box::new(r03_only_owners_give_back::OnlyOwnersGiveBack::default()),
        Box::new(r04_disowned_work_stops::DisownedWorkStops::new(setting)),
        Box::new(r04_leases_are_kept::LeasesAreKept::new(setting)),
        Box::new(r04_owners_know_their_tasks::OwnersKnowTheirTasks::default()),
        Box::new(r06_adoptions_follow_the_worker::AdoptionsFollowTheWorker::default()),
        Box::new(r07_results_are_kept_until_committed::ResultsAreKeptUntilCommitted::default()),
        Box::new(r11_leavers_release::LeaversRelease::new(setting)),
        Box::new(r14_losses_are_counted::LossesAreCounted::default()),
        Box::new(r16_at_most_once_is_not_given_up_early::AtMostOnceIsNotGivenUpEarly::default()),
        Box::new(Oracle::new(setting)),
    ]
}
