//! Nobody looks for dispatchers whose lease is over: each thinks that another does (R4).

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "reap-forgotten",
    "no dispatcher gives back what dead ones have left",
    || Box::<ReapForgotten>::default(),
);

/// Answers each Reap itself: there is nothing to give back.
#[derive(Clone, Debug, Default)]
struct ReapForgotten {
    made_up: Vec<Input>,
}

impl Tamper<Dispatcher> for ReapForgotten {
    fn output(&mut self, _now: Instant, _dispatcher: &Dispatcher, output: Output) -> Vec<Output> {
        match output {
            Output::Store {
                request,
                op: Op::Reap,
            } => {
                let (tasks, more) = (0, false);
                let reply = Reply::Reaped { tasks, more };
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
