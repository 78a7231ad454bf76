//! The faults end: the store answers, and one worker does all that it is given (P1).

use std::time::Duration;

use mpcsfaas_core::dispatcher::Input;
use mpcsfaas_core::task::{Outcome, Versions};
use mpcsfaas_core::wire::message::{Finished, Flow, Hello, TaskRef, ToDispatcher, UNNUMBERED};

use super::{World, native_peer};

/// The worker that does all that it is given.
const GOOD: u64 = 99;

/// How much it takes at a time.
const CREDIT: u32 = 4;

/// How often it does what it was given, and beats.
const ROUND: Duration = Duration::from_millis(500);

/// After so many rounds all must be done: every lease that was left behind is over, every silent worker
/// declared dead and, where places for workers are few, forgotten; what may be tried again has been.
const ROUNDS: usize = 300;

impl World {
    /// Lets everything be done that can be.
    pub(super) fn make_peace(&mut self) {
        if !self.requests.connected {
            self.requests.connected = true;
            self.feed(Input::StoreConnected);
        }
        self.greet();
        for _ in 0..ROUNDS {
            if self.gone || (!self.leaving && self.is_done()) {
                return;
            }
            self.work();
        }
        assert!(!self.leaving, "it was asked to leave, and has not");
        for (id, row) in self.requests.store.tasks() {
            assert!(
                row.status.is_terminal(),
                "{id} does not end: {row:?}\n{:?}",
                self.dispatcher
            );
        }
        let believed: Vec<_> = self.dispatcher.believed().collect();
        assert!(
            believed.is_empty(),
            "everything has ended, and {believed:?} are believed in"
        );
    }

    fn is_done(&self) -> bool {
        let ended = self
            .requests
            .store
            .tasks()
            .all(|(_, row)| row.status.is_terminal());
        ended && self.dispatcher.believed().next().is_none()
    }

    fn greet(&mut self) {
        let hello = Hello {
            flow: Flow::Push,
            processes: CREDIT,
            credit: CREDIT,
            versions: Versions::default(),
            running: Vec::new(),
            finished: Vec::new(),
            draining: false,
        };
        let session = self.guests.session(GOOD) + 1;
        self.say(GOOD, session, 1, ToDispatcher::Hello(hello));
        self.answer_all();
    }

    fn work(&mut self) {
        let session = self.guests.session(GOOD);
        let talk = self.guests.talk(&native_peer(GOOD, session), session);
        if talk.refused {
            self.greet();
        } else {
            let done: Vec<TaskRef> = talk.holds.iter().copied().collect();
            for task in done {
                let outcome = Outcome::completed("done");
                self.say_next(
                    GOOD,
                    ToDispatcher::Finished(vec![Finished { task, outcome }]),
                );
                self.answer_all();
            }
            let last = self.guests.talk(&native_peer(GOOD, session), session).said;
            let credit = CREDIT;
            self.say(
                GOOD,
                session,
                UNNUMBERED,
                ToDispatcher::Beat { last, credit },
            );
        }
        self.answer_all();
        self.wait(ROUND);
        if !self.gone {
            self.answer_all();
        }
    }
}
