//! A dispatcher goes on although its lease is gone: the answer that says so was taken for one that
//! names no tasks (R4).

use std::collections::BTreeMap;

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::store::op::{Owned, Verdict};
use mpcsfaas_core::store::{Op, Reply, RequestId};
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "lease-loss-ignored",
    "a dispatcher goes on although its lease is gone",
    || Box::<LeaseLossIgnored>::default(),
);

/// Makes a good answer of each that says that the lease is gone.
#[derive(Clone, Debug, Default)]
struct LeaseLossIgnored {
    asked: BTreeMap<RequestId, Op>,
}

impl Tamper<Dispatcher> for LeaseLossIgnored {
    fn input(&mut self, _now: Instant, dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        if let Input::StoreReplied { request, reply } = &mut input {
            let asked = self.asked.remove(request);
            if *reply == Reply::LeaseGone {
                *reply = match asked {
                    Some(Op::Claim(_)) => Reply::Claimed(Vec::new()),
                    Some(Op::Adopt { tasks, .. }) => Reply::Adopted(vec![Verdict::Ok; tasks.len()]),
                    Some(Op::OpenLease { .. }) => Reply::Done,
                    _ => Reply::Renewed(all_of(dispatcher)),
                };
            }
        }
        vec![input]
    }

    fn output(&mut self, _now: Instant, _dispatcher: &Dispatcher, output: Output) -> Vec<Output> {
        if let Output::Store { request, op } = &output {
            self.asked.insert(*request, op.clone());
        }
        vec![output]
    }
}

fn all_of(dispatcher: &Dispatcher) -> Vec<Owned> {
    let owned = |(task, attempt)| Owned {
        task,
        attempt,
        seat: 0,
    };
    dispatcher.believed().map(owned).collect()
}
