//! Bugs that are planted on purpose, around the machines and not in them, to see that the judges
//! find them.
//!
//! Each is a mistake that a programmer could have made. Each passes the happy path: a world without
//! faults shows nothing. Most are found by seeds of the swarm, and the same seeds without them are
//! clean: [`crate::catalogue`] says how many seeds that takes.

mod acknowledged_before_commit;
mod adoption_by_an_older_session;
mod adoption_names_another;
mod adoption_without_attempt;
mod ahead_answer_forgotten;
mod at_most_once_again;
mod attempt_not_raised;
mod batch_half_committed;
mod beat_taken_for_gap;
mod cancel_swallowed;
mod child_end_unnoticed;
mod claim_answer_forgotten;
mod commit_without_fence;
mod credit_counted_twice;
mod deadline_ignored;
mod diverging;
mod doorbell_trusted;
mod drop_ignored;
mod exceptions_not_told;
mod gap_ignored;
mod goodbye_forgotten;
mod goodbye_without_end;
mod half_a_hello;
mod hand_back_charged;
mod hand_back_ignored;
mod identity_handed_over;
mod last_answer_only;
mod lease_loss_ignored;
mod lease_off_by_one;
mod losses_not_counted;
mod lost_registration;
mod past_not_kept;
mod pause_not_noticed;
mod reap_forgotten;
mod reap_without_owner;
mod received;
mod release_forgotten;
mod renumbered;
mod repeat_taken_for_new;
mod requeue_after_commit;
mod requeue_by_anybody;
mod results_not_repeated;
mod results_outside_the_credit;
mod retry_forgotten;
mod stale_results_unacknowledged;
mod stale_session_accepted;
mod submit_not_idempotent;
mod timer_not_rearmed;
mod unlisted_forgotten;

use mpcsfaas_core::dispatcher::Dispatcher;
use mpcsfaas_core::worker::Worker;
use mpcsfaas_transport_sim::Tampers;
use mpcsfaas_transport_sim::tamper::{Around, AroundStore};

pub use self::diverging::DIVERGING;

/// A planted bug.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// Its name on the command line.
    pub name: &'static str,
    /// What goes wrong, in a sentence.
    pub what: &'static str,
    /// What stands around the machines.
    pub tampers: Tampers,
    /// What would find it, if 200 seeds of the swarm hardly do.
    pub wants: Option<&'static str>,
}

const NONE: Tampers = Tampers {
    dispatcher: None,
    worker: None,
    store: None,
};

impl Bug {
    const fn of_dispatchers(
        name: &'static str,
        what: &'static str,
        make: Around<Dispatcher>,
    ) -> Bug {
        let tampers = Tampers {
            dispatcher: Some(make),
            ..NONE
        };
        Bug {
            name,
            what,
            tampers,
            wants: None,
        }
    }

    const fn of_workers(name: &'static str, what: &'static str, make: Around<Worker>) -> Bug {
        let tampers = Tampers {
            worker: Some(make),
            ..NONE
        };
        Bug {
            name,
            what,
            tampers,
            wants: None,
        }
    }

    const fn of_stores(name: &'static str, what: &'static str, make: AroundStore) -> Bug {
        let tampers = Tampers {
            store: Some(make),
            ..NONE
        };
        Bug {
            name,
            what,
            tampers,
            wants: None,
        }
    }

    /// The same, that seeds hardly find: this would.
    const fn wanting(mut self, wants: &'static str) -> Bug {
        self.wants = Some(wants);
        self
    }
}

/// All of them.
pub const ALL: [Bug; 46] = [
    commit_without_fence::BUG,
    goodbye_forgotten::BUG,
    lost_registration::BUG,
    credit_counted_twice::BUG,
    requeue_after_commit::BUG,
    acknowledged_before_commit::BUG,
    adoption_by_an_older_session::BUG,
    adoption_names_another::BUG,
    adoption_without_attempt::BUG,
    ahead_answer_forgotten::BUG,
    at_most_once_again::BUG,
    attempt_not_raised::BUG,
    batch_half_committed::BUG,
    beat_taken_for_gap::BUG,
    cancel_swallowed::BUG,
    child_end_unnoticed::BUG,
    claim_answer_forgotten::BUG,
    deadline_ignored::BUG,
    doorbell_trusted::BUG,
    drop_ignored::BUG,
    exceptions_not_told::BUG,
    gap_ignored::BUG,
    goodbye_without_end::BUG,
    half_a_hello::BUG,
    hand_back_charged::BUG,
    hand_back_ignored::BUG,
    identity_handed_over::BUG,
    last_answer_only::BUG,
    lease_loss_ignored::BUG,
    lease_off_by_one::BUG,
    losses_not_counted::BUG,
    past_not_kept::BUG,
    pause_not_noticed::BUG,
    reap_forgotten::BUG,
    reap_without_owner::BUG,
    release_forgotten::BUG,
    repeat_taken_for_new::BUG,
    requeue_by_anybody::BUG,
    results_not_repeated::BUG,
    results_outside_the_credit::BUG,
    retry_forgotten::BUG,
    stale_results_unacknowledged::BUG,
    stale_session_accepted::BUG,
    submit_not_idempotent::BUG,
    timer_not_rearmed::BUG,
    unlisted_forgotten::BUG,
];

/// The bug of this name.
pub fn named(name: &str) -> Option<Bug> {
    ALL.into_iter().find(|bug| bug.name == name)
}
