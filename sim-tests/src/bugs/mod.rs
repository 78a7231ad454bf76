//! Bugs that are planted on purpose, around the machines and not in them, to see that the judges
//! find them.
//!
//! Each passes the happy path: a world without faults shows nothing. Each is found by seeds of the
//! swarm, and the same seeds without it are clean.

mod commit_without_fence;
mod credit_counted_twice;
mod diverging;
mod goodbye_forgotten;
mod lost_registration;
mod requeue_after_commit;

use mpcsfaas_transport_sim::Tampers;

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
}

const NONE: Tampers = Tampers {
    dispatcher: None,
    worker: None,
    store: None,
};

/// All of them.
pub const ALL: [Bug; 5] = [
    Bug {
        name: "commit-without-fence",
        what: "the store takes a result of any attempt",
        tampers: Tampers {
            store: Some(|| Box::new(commit_without_fence::CommitWithoutFence)),
            ..NONE
        },
    },
    Bug {
        name: "goodbye-forgotten",
        what: "a worker that leaves hands nothing back",
        tampers: Tampers {
            worker: Some(|| Box::new(goodbye_forgotten::GoodbyeForgotten)),
            ..NONE
        },
    },
    Bug {
        name: "lost-registration",
        what: "a worker takes \"say Hello\" for a beat",
        tampers: Tampers {
            worker: Some(|| Box::<lost_registration::LostRegistration>::default()),
            ..NONE
        },
    },
    Bug {
        name: "credit-counted-twice",
        what: "a dispatcher doubles each credit",
        tampers: Tampers {
            dispatcher: Some(|| Box::new(credit_counted_twice::CreditCountedTwice)),
            ..NONE
        },
    },
    Bug {
        name: "requeue-after-commit",
        what: "the store puts back a task that has ended",
        tampers: Tampers {
            store: Some(|| Box::new(requeue_after_commit::RequeueAfterCommit)),
            ..NONE
        },
    },
];

/// The bug of this name.
pub fn named(name: &str) -> Option<Bug> {
    ALL.into_iter().find(|bug| bug.name == name)
}
