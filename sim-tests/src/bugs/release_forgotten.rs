//! A dispatcher that leaves ends without giving back its lease: what it still has waits until the
//! lease is over.

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "release-forgotten",
    "a dispatcher that leaves keeps its lease and what it has claimed",
    || Box::<ReleaseForgotten>::default(),
);

/// Answers each Release itself.
#[derive(Clone, Debug, Default)]
struct ReleaseForgotten {
    made_up: Vec<Input>,
}

impl Tamper<Dispatcher> for ReleaseForgotten {
    fn output(&mut self, _now: Instant, _dispatcher: &Dispatcher, output: Output) -> Vec<Output> {
        match output {
            Output::Store {
                request,
                op: Op::Release { .. },
            } => {
                let reply = Reply::Released(0);
                self.made_up.push(Input::StoreReplied { request, reply });
                Vec::new()
            }
            output => vec![output],
        }
    }

    fn made_up(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.made_up)
    }
}
