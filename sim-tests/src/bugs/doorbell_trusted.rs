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
    /// Claims that were let through and have not been answered.
    claims: BTreeMap<RequestId, LetThrough>,
    /// So many were not.
    kept_back: u64,
    made_up: Vec<Input>,
}

/// A claim that was let through.
#[derive(Clone, Copy, Debug)]
struct LetThrough {
    max: u32,
    /// So many had been kept back when it was sent.
    kept_back: u64,
}

impl Tamper<Dispatcher> for DoorbellTrusted {
    fn input(&mut self, _now: Instant, _dispatcher: &Dispatcher, mut input: Input) -> Vec<Input> {
        match &mut input {
            Input::ClaimedAhead(ahead) => ahead.number += self.kept_back,
            Input::DoorbellRang | Input::StoreConnected => self.rung = true,
            Input::StoreReplied { request, reply } => {
                let asked = self.claims.remove(request);
                self.rung |= match (asked, reply) {
                    (Some(asked), Reply::Claimed(tasks)) => tasks.len() >= asked.max as usize,
                    // It has just opened its lease.
                    (None, Reply::Done) => true,
                    _ => false,
                };
            }
            _ => {}
        }
        vec![input]
    }

    fn output(
        &mut self,
        _now: Instant,
        _dispatcher: &Dispatcher,
        mut output: Output,
    ) -> Vec<Output> {
        if let Output::Store {
            request,
            op: Op::Claim(claim),
        } = &mut output
        {
            let kept_back = match self.claims.get(request) {
                Some(let_through) => let_through.kept_back,
                None if std::mem::take(&mut self.rung) => {
                    let (max, kept_back) = (claim.max, self.kept_back);
                    self.claims.insert(*request, LetThrough { max, kept_back });
                    kept_back
                }
                None => {
                    self.kept_back += 1;
                    self.made_up.push(Input::StoreReplied {
                        request: *request,
                        reply: Reply::Claimed(Vec::new()),
                    });
                    return Vec::new();
                }
            };
            // The store has not seen the numbers of the others.
            claim.number -= kept_back;
        }
        vec![output]
    }

    fn made_up(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.made_up)
    }
}
