//! A dispatcher looks at the queue only when the doorbell rings: the poll was taken out, because
//! there is a doorbell.

use std::collections::BTreeMap;

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::store::{Op, Reply, RequestId};
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

use super::Bug;

pub(super) const BUG: Bug = Bug::of_dispatchers(
    "doorbell-trusted",
    "a dispatcher looks at the queue only when the doorbell rings",
    || Box::<DoorbellTrusted>::default(),
);

/// Answers a claim without a reason itself: with nothing.
#[derive(Clone, Debug, Default)]
struct DoorbellTrusted {
    /// The doorbell rang, or something says that there is more, since the last claim.
    rung: bool,
    /// Claims that were let through, and how much they ask for.
    claims: BTreeMap<RequestId, u32>,
    made_up: Vec<Input>,
}

impl Tamper<Dispatcher> for DoorbellTrusted {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, input: Input) -> Vec<Input> {
        match &input {
            Input::DoorbellRang | Input::StoreConnected => self.rung = true,
            Input::StoreReplied { request, reply } => {
                let asked = self.claims.remove(request);
                self.rung |= match (asked, reply) {
                    (Some(most), Reply::Claimed(tasks)) => tasks.len() >= most as usize,
                    // It has just opened its lease.
                    (None, Reply::Done) => true,
                    _ => false,
                };
            }
            _ => {}
        }
        vec![input]
    }

    fn output(&mut self, _now: Instant, _dispatcher: &Dispatcher, output: Output) -> Vec<Output> {
        if let Output::Store {
            request,
            op: Op::Claim(claim),
        } = &output
            && !self.claims.contains_key(request)
        {
            if !std::mem::take(&mut self.rung) {
                self.made_up.push(Input::StoreReplied {
                    request: *request,
                    reply: Reply::Claimed(Vec::new()),
                });
                return Vec::new();
            }
            self.claims.insert(*request, claim.max);
        }
        vec![output]
    }

    fn made_up(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.made_up)
    }
}
