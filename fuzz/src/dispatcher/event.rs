//! What happens to a dispatcher.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{Input, Peer};
use mpcsfaas_core::id::WorkerId;
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::op::Submission;
use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_core::task::Status;
use mpcsfaas_core::wire::json;
use mpcsfaas_core::wire::message::{Finished, FromWorker, ToDispatcher, UNNUMBERED};

use super::{World, native_peer};
use crate::draw::Draw;

/// How far ahead something may be due to be waited for.
const NEAR: Duration = Duration::from_secs(120);

impl World {
    /// One thing happens.
    pub(super) fn happen(&mut self, draw: &mut Draw<'_>) {
        match draw.number(0, 63) {
            0..4 => self.hello(draw),
            4..8 => self.says_something(draw),
            8..15 => self.finishes(draw),
            15 => self.says_anything(draw),
            16 => {
                let peer = native_peer(draw.worker(), draw.number(1, 4));
                self.closes(peer);
            }
            17..19 => self.beats(draw),
            19..24 => self.says_legacy(draw),
            24 => {
                let peer = draw.legacy_peer();
                self.guests.says_legacy(&peer, None);
                self.feed(Input::JunkReceived { peer });
            }
            25 => {
                let peer = draw.legacy_peer();
                self.closes(peer);
            }
            26..29 => self.submits(draw),
            29 => drop(
                self.requests
                    .apply(self.now, Op::Cancel { task: draw.task() }),
            ),
            30 => self.hear(),
            31..46 => self.store_event(draw),
            46 => self.requests.claim_elsewhere(self.now),
            47 => self.requests.reap_all(self.now),
            48..62 => self.time_passes(draw),
            62 => self.stand_still(draw.wait()),
            _ => {
                if draw.flag() {
                    self.leaving = true;
                    self.feed(Input::DrainRequested);
                }
            }
        }
    }

    /// Says something in a worker's name, from its connection of that session.
    pub(super) fn say(&mut self, worker: u64, session: u64, number: u64, body: ToDispatcher) {
        self.say_from(native_peer(worker, session), worker, session, number, body);
    }

    fn say_from(&mut self, peer: Peer, worker: u64, session: u64, number: u64, body: ToDispatcher) {
        let message = FromWorker {
            worker: WorkerId(worker),
            session,
            number,
            body,
        };
        self.guests.says(&peer, &message);
        self.feed(Input::MessageReceived { peer, message });
    }

    /// Says the next thing in a worker's last session.
    pub(super) fn say_next(&mut self, worker: u64, body: ToDispatcher) {
        let session = self.guests.session(worker);
        let peer = native_peer(worker, session);
        let number = self.guests.talk(&peer, session).said.saturating_add(1);
        self.say(worker, session, number, body);
    }

    /// A worker opens its next session. Mostly it lists what it holds.
    fn hello(&mut self, draw: &mut Draw<'_>) {
        let worker = draw.worker();
        let last = self.guests.session(worker);
        let mut hello = draw.hello();
        if !draw.rarely(4) {
            let holds = &self.guests.talk(&native_peer(worker, last), last).holds;
            hello.running = holds.iter().copied().collect();
            hello.finished.clear();
        }
        self.say(worker, last + 1, 1, ToDispatcher::Hello(hello));
    }

    fn says_something(&mut self, draw: &mut Draw<'_>) {
        let worker = draw.worker();
        let body = draw.worker_says();
        self.say_next(worker, body);
    }

    /// A worker finishes something that it holds.
    fn finishes(&mut self, draw: &mut Draw<'_>) {
        let worker = draw.worker();
        let session = self.guests.session(worker);
        let holds = &self
            .guests
            .talk(&native_peer(worker, session), session)
            .holds;
        let which = draw.index(holds.len());
        let Some(task) = holds.iter().nth(which).copied() else {
            return;
        };
        let outcome = draw.outcome();
        self.say_next(
            worker,
            ToDispatcher::Finished(vec![Finished { task, outcome }]),
        );
    }

    fn beats(&mut self, draw: &mut Draw<'_>) {
        let worker = draw.worker();
        let session = self.guests.session(worker);
        let last = self
            .guests
            .talk(&native_peer(worker, session), session)
            .said;
        let credit = draw.edge32();
        self.say(
            worker,
            session,
            UNNUMBERED,
            ToDispatcher::Beat { last, credit },
        );
    }

    /// Somebody says anything in anybody's name.
    fn says_anything(&mut self, draw: &mut Draw<'_>) {
        let peer = match draw.index(4) {
            0 => draw.legacy_peer(),
            _ => native_peer(draw.worker(), draw.number(0, 4)),
        };
        let (worker, session, number) = (draw.worker(), draw.edge(), draw.edge());
        let body = draw.worker_says();
        if session < u64::MAX / 2 {
            self.say_from(peer, worker, session, number, body);
        }
    }

    fn says_legacy(&mut self, draw: &mut Draw<'_>) {
        let peer = draw.legacy_peer();
        let worker_id = draw.one_of(&["a", "b"]).to_owned();
        let message = match draw.index(6) {
            0 => json::FromWorker::Register { worker_id },
            1 => json::FromWorker::Heartbeat { worker_id },
            2 | 3 => json::FromWorker::RequestTask { worker_id },
            kind => {
                let given = self.guests.given(&peer).filter(|_| kind == 4);
                json::FromWorker::TaskResult {
                    worker_id,
                    task: given.unwrap_or_else(|| draw.task()),
                    status: draw.one_of(&[Status::Completed, Status::Failed]),
                    result: draw
                        .one_of(&[&b""[..], b"\x80\x04\x8c\x01a.", b"junk"])
                        .into(),
                }
            }
        };
        self.guests.says_legacy(&peer, Some(&message));
        self.feed(Input::LegacyReceived { peer, message });
    }

    fn closes(&mut self, peer: Peer) {
        self.feed(Input::PeerClosed { peer });
    }

    fn submits(&mut self, draw: &mut Draw<'_>) {
        let tasks = draw.list(4, |draw| Submission {
            task: draw.task(),
            function: draw.function_id(),
            params: Bytes::new(),
            options: draw.options(),
        });
        self.requests.apply(self.now, Op::Submit(tasks));
        if draw.flag() {
            self.hear();
        }
    }

    /// The store says what it has claimed ahead last, or that tasks wait.
    fn hear(&mut self) {
        let hint = self.requests.hints.pop();
        self.feed(hint.map_or(Input::DoorbellRang, Input::ClaimedAhead));
    }

    fn store_event(&mut self, draw: &mut Draw<'_>) {
        if !self.requests.connected {
            self.requests.connected = true;
            return self.feed(Input::StoreConnected);
        }
        let kind = draw.number(0, 15);
        let Some(request) = self.requests.name(draw.index(4)) else {
            return;
        };
        match kind {
            0..7 => self.answer(request),
            7..11 => self.answer_all(),
            11 => {
                self.requests.carry_out(self.now, request);
                self.fails(request);
            }
            12 => self.fails(request),
            13 => self.lease_is_gone(request),
            14 => self.store_is_mad(draw, request),
            _ => {
                self.requests.disconnected();
                self.feed(Input::StoreDisconnected);
            }
        }
    }

    fn fails(&mut self, request: u64) {
        self.requests.lost(request);
        self.feed(Input::StoreFailed { request });
    }

    /// The store answers that there is no lease, where it may.
    fn lease_is_gone(&mut self, request: u64) {
        if self.requests.needs_lease(request) {
            self.requests.reap_all(self.now);
            self.answer(request);
        }
    }

    /// An answer that fits no question, or a question that was not asked. No store does that, and all
    /// that is asked for is that the dispatcher stays sound.
    fn store_is_mad(&mut self, draw: &mut Draw<'_>, request: u64) {
        self.mad = true;
        let request = request + draw.one_of(&[0, 0, 1_000]);
        self.requests.answered(request);
        let reply = match draw.flag() {
            true => Reply::Done,
            false => Reply::LeaseGone,
        };
        self.feed(Input::StoreReplied { request, reply });
    }

    fn answer(&mut self, request: u64) {
        if let Some(reply) = self.requests.carry_out(self.now, request) {
            self.requests.answered(request);
            self.feed(Input::StoreReplied { request, reply });
        }
    }

    /// Answers what is outstanding, oldest first, and what that leads to.
    pub(super) fn answer_all(&mut self) {
        for _ in 0..100 {
            match self.requests.name(0) {
                Some(request) if !self.gone => self.answer(request),
                _ => return,
            }
        }
        panic!("each answer leads to another request");
    }

    fn time_passes(&mut self, draw: &mut Draw<'_>) {
        if draw.flag() {
            return self.wait(draw.wait());
        }
        let due = self.dispatcher.poll_timeout();
        if let Some(time) = due
            .map(|due| due.since(self.now))
            .filter(|time| *time < NEAR)
        {
            self.wait(time);
        }
    }
}

impl Draw<'_> {
    fn worker(&mut self) -> u64 {
        self.number(1, 3)
    }

    fn legacy_peer(&mut self) -> Peer {
        let name = self.number(0, 1);
        let delimited = self.flag();
        Peer {
            identity: format!("json-{name}-{delimited}").into(),
            delimited,
        }
    }
}
