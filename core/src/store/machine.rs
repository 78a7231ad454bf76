//! The store in the shape of a [`Machine`], as the simulator and the fuzzers drive it.

use super::{Notice, Op, Reply, Store};
use crate::machine::Machine;
use crate::time::{Instant, WallTime};

/// Names a request, so that its answer finds back. Made by the asker.
pub type RequestId = u64;

/// A fact for the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// A request has arrived.
    Requested {
        /// Who asked, in the driver's words.
        client: u64,
        /// The asker's name for it.
        request: RequestId,
        /// The store's time.
        at: WallTime,
        /// What is asked.
        op: Op,
    },
}

/// An order of the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Output {
    /// Answer a request.
    Reply {
        /// Whom.
        client: u64,
        /// Which request.
        request: RequestId,
        /// With what.
        reply: Reply,
    },
    /// Tell whoever listens.
    Notify(Notice),
}

impl Machine for Store {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, _now: Instant, input: Input) {
        let Input::Requested {
            client,
            request,
            at,
            op,
        } = input;
        let reply = self.apply(at, op);
        self.changes = super::Changes::default();
        self.outputs.push_back(Output::Reply {
            client,
            request,
            reply,
        });
        while let Some(notice) = self.poll_notice() {
            self.outputs.push_back(Output::Notify(notice));
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn check(&self) -> Result<(), String> {
        self.check_lists()
    }
}
