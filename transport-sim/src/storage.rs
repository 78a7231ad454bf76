//! Requests to the store: on their way, carried out, answered, or not.

use std::time::Duration;

use mpcsfaas_core::dispatcher::Input;
use mpcsfaas_core::store::{Op, RequestId};

use crate::world::{Event, World};

/// A dispatcher's request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    dispatcher: usize,
    life: u64,
    request: RequestId,
    op: Op,
    answer: Answer,
}

/// What becomes of the answer.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Arrives,
    IsLost,
    /// A late copy of a request that was repeated elsewhere: nobody waits for it.
    IsUnwanted,
}

/// How long a driver waits for an answer before it calls a request failed.
const PATIENCE: Duration = Duration::from_millis(500);

impl World {
    pub(crate) fn ask_store(&mut self, dispatcher: usize, request: RequestId, op: Op) {
        let life = self.dispatchers[dispatcher].life;
        let failed = Event::ToDispatcher(dispatcher, life, Input::StoreFailed { request });
        let trouble = !self.healed;
        if !self.store_links[dispatcher]
            || (trouble && self.store_rng.per_mille(self.knobs.lost_requests))
        {
            return self.schedule(PATIENCE, failed);
        }
        let answer = match trouble && self.store_rng.per_mille(self.knobs.lost_replies) {
            true => Answer::IsLost,
            false => Answer::Arrives,
        };
        let after = self.store_delay();
        let asked = Request {
            dispatcher,
            life,
            request,
            op,
            answer,
        };
        if trouble && self.store_rng.per_mille(self.knobs.repeated_requests) {
            let late = self
                .store_rng
                .between(Duration::from_millis(1), Duration::from_secs(5));
            let copy = Request {
                answer: Answer::IsUnwanted,
                ..asked.clone()
            };
            self.schedule(after + late, Event::AtStore(copy));
        }
        self.schedule(after, Event::AtStore(asked));
    }

    pub(crate) fn serve(&mut self, request: Request) {
        if self.store_paused {
            return self.store_backlog.push_back(request);
        }
        let Request {
            dispatcher,
            life,
            request,
            op,
            answer,
        } = request;
        let reply = self.apply(op);
        let input = match answer {
            Answer::Arrives => Input::StoreReplied { request, reply },
            Answer::IsLost => Input::StoreFailed { request },
            Answer::IsUnwanted => return,
        };
        // An answer finds only the connection that asked.
        let input = match self.store_links[dispatcher] {
            true => input,
            false => Input::StoreFailed { request },
        };
        let after = match input {
            Input::StoreFailed { .. } => PATIENCE,
            _ => self.store_delay(),
        };
        self.schedule(after, Event::ToDispatcher(dispatcher, life, input));
    }

    /// Tells every connected dispatcher that the queue has got tasks; a doorbell may be lost.
    pub(crate) fn ring_doorbells(&mut self) {
        for index in 0..self.dispatchers.len() {
            let lost = !self.healed && self.store_rng.per_mille(self.knobs.lost_replies);
            if self.store_links[index] && !lost {
                let after = self.store_delay();
                let life = self.dispatchers[index].life;
                self.schedule(after, Event::ToDispatcher(index, life, Input::DoorbellRang));
            }
        }
    }

    /// Cuts a dispatcher off the store for a while.
    pub(crate) fn cut_store(&mut self, dispatcher: usize, time: Duration) {
        if !std::mem::replace(&mut self.store_links[dispatcher], false) {
            return;
        }
        let life = self.dispatchers[dispatcher].life;
        self.schedule(
            Duration::ZERO,
            Event::ToDispatcher(dispatcher, life, Input::StoreDisconnected),
        );
        self.schedule(time, Event::StoreBack(dispatcher, life));
    }

    pub(crate) fn store_back(&mut self, dispatcher: usize, life: u64) {
        let node = &self.dispatchers[dispatcher];
        if node.life != life || node.machine.is_none() || self.store_links[dispatcher] {
            return;
        }
        self.store_links[dispatcher] = true;
        self.schedule(
            Duration::ZERO,
            Event::ToDispatcher(dispatcher, life, Input::StoreConnected),
        );
    }

    pub(crate) fn store_resume(&mut self) {
        self.store_paused = false;
        for request in std::mem::take(&mut self.store_backlog) {
            self.schedule(Duration::ZERO, Event::AtStore(request));
        }
    }

    fn store_delay(&mut self) -> Duration {
        self.store_rng
            .between(Duration::from_micros(50), self.knobs.latency)
    }
}
