//! Sessions: Hello and adoption, numbers, silence, death (R5, R6, R8, R9, R11).

use std::collections::BTreeSet;

use super::belief::Place;
use super::input::Peer;
use super::roster::{Seat, SeatState};
use super::timer::Timer;
use super::{Dispatcher, Output};
use crate::id::{Session, WorkerKey};
use crate::store::op::EndReason;
use crate::time::Instant;
use crate::wire::message::{
    FromDispatcher, FromWorker, Hello, TaskRef, ToDispatcher, ToWorker, UNNUMBERED,
};

/// How many peers that spoke in an old or unknown session are remembered, so that each is logged
/// once.
const NOTED_LIMIT: usize = 1_024;

/// What the session of a message is to the dispatcher.
enum Standing {
    /// The current one.
    Current,
    /// One that ended: ignored.
    Old,
    /// One that it never heard a Hello of, or declared dead: it is asked for one.
    Unknown,
}

impl Dispatcher {
    pub(super) fn on_message(&mut self, now: Instant, peer: Peer, message: FromWorker) {
        let worker = WorkerKey::Native(message.worker);
        let FromWorker {
            session,
            number,
            body,
            ..
        } = message;
        if let ToDispatcher::Hello(hello) = body {
            return self.on_hello(now, peer, worker, session, hello);
        }
        match self.standing(&peer, &worker, session) {
            Standing::Old => self.note_stale(&peer, &worker, session),
            Standing::Unknown => {
                self.note_stale(&peer, &worker, session);
                self.send_to_peer(peer, session, UNNUMBERED, ToWorker::SayHello);
            }
            Standing::Current => self.on_numbered(now, worker, number, body),
        }
    }

    fn standing(&self, peer: &Peer, worker: &WorkerKey, session: Session) -> Standing {
        let Some(seat) = self.roster.get(worker) else {
            return Standing::Unknown;
        };
        if session < seat.session {
            return Standing::Old;
        }
        let speaks = session == seat.session && !seat.is_dead() && seat.peer == *peer;
        if speaks {
            Standing::Current
        } else {
            Standing::Unknown
        }
    }

    /// Counts what an old or foreign session says, and logs it once a peer.
    fn note_stale(&mut self, peer: &Peer, worker: &WorkerKey, session: Session) {
        self.counters.stale_messages += 1;
        if self.noted.len() < NOTED_LIMIT && self.noted.insert(peer.clone()) {
            tracing::info!(%worker, session, "a session that is over or unknown; more is ignored");
        }
    }

    /// A gap in the numbers ends the session; a repeat is ignored (R8, P10).
    fn on_numbered(&mut self, now: Instant, worker: WorkerKey, number: u64, body: ToDispatcher) {
        let Some(seat) = self.roster.touch(&worker) else {
            return;
        };
        seat.last_heard = now;
        let complete = match &body {
            // A beat of before the last message has come again, with a credit of before.
            ToDispatcher::Beat { last, .. } if *last < seat.received => {
                self.counters.stale_messages += 1;
                return;
            }
            ToDispatcher::Beat { last, .. } => *last == seat.received,
            ToDispatcher::Hello(_)
            | ToDispatcher::Pull { .. }
            | ToDispatcher::Finished(_)
            | ToDispatcher::Returned { .. }
            | ToDispatcher::Goodbye { .. } => {
                if number <= seat.received {
                    self.counters.stale_messages += 1;
                    return;
                }
                number == seat.received + 1
            }
        };
        if seat.state == SeatState::Broken || !complete {
            return self.break_session(&worker);
        }
        if number != UNNUMBERED {
            seat.received = number;
        }
        self.on_body(worker, body);
    }

    fn on_body(&mut self, worker: WorkerKey, body: ToDispatcher) {
        match body {
            // Handled before; a Hello needs no session.
            ToDispatcher::Hello(_) => {}
            ToDispatcher::Beat { credit, .. } => self.set_credit(&worker, credit, false),
            ToDispatcher::Pull { credit } => self.set_credit(&worker, credit, true),
            ToDispatcher::Finished(results) => self.on_finished(&worker, results),
            ToDispatcher::Returned { tasks, missing } => {
                if let Some(seat) = self.roster.touch(&worker) {
                    for function in missing {
                        seat.known.remove(&function);
                    }
                }
                self.on_returned(&worker, tasks);
            }
            ToDispatcher::Goodbye { returned } => {
                self.roster.update(&worker, |seat| seat.draining = true);
                self.on_returned(&worker, returned);
                tracing::info!(%worker, "worker says goodbye");
            }
        }
    }

    fn set_credit(&mut self, worker: &WorkerKey, credit: u32, asked: bool) {
        self.roster.update(worker, |seat| {
            seat.credit = credit;
            seat.asked |= asked;
        });
    }

    fn break_session(&mut self, worker: &WorkerKey) {
        self.counters.gaps += 1;
        self.roster
            .update(worker, |seat| seat.state = SeatState::Broken);
        let Some(seat) = self.roster.get(worker) else {
            return;
        };
        let (peer, session) = (seat.peer.clone(), seat.session);
        self.send_to_peer(peer, session, UNNUMBERED, ToWorker::SayHello);
    }

    fn on_hello(
        &mut self,
        now: Instant,
        peer: Peer,
        worker: WorkerKey,
        session: Session,
        hello: Hello,
    ) {
        let known = self.roster.get(&worker);
        let old = known.is_some_and(|seat| session <= seat.session);
        let full = known.is_none() && self.roster.len() >= self.config.worker_limit;
        if old || full {
            return self.note_stale(&peer, &worker, session);
        }
        self.counters.sessions += 1;
        let listed: BTreeSet<TaskRef> = hello
            .running
            .iter()
            .chain(&hello.finished)
            .copied()
            .collect();
        let before = self.roster.remove(&worker);
        let seat = Seat {
            peer,
            session,
            state: SeatState::Live,
            flow: hello.flow,
            processes: hello.processes,
            credit: hello.credit,
            versions: hello.versions,
            asked: false,
            draining: hello.draining,
            received: 1,
            sent: 0,
            last_heard: now,
            known: BTreeSet::new(),
            tasks: BTreeSet::new(),
            suspects: 0,
            used: before.as_ref().map_or(0, |seat| seat.used),
        };
        if before.as_ref().is_none_or(|seat| seat.is_dead()) {
            tracing::info!(%worker, session, processes = seat.processes, "worker joined");
            self.report_soon(now);
        }
        let leaving = hello.draining && listed.is_empty();
        self.roster.insert(worker.clone(), seat);
        self.timers.set(
            Timer::Silence(worker.clone()),
            now + self.config.timing.timeout,
        );
        self.timers.cancel(&Timer::End(worker.clone()));
        self.reconcile(now, &worker, session, before, &listed);
        self.welcome(&worker);
        if leaving {
            self.bury(now, &worker);
        } else if self.is_draining() {
            self.send(&worker, ToWorker::Drain);
        }
    }

    /// Makes the beliefs agree with what a Hello lists: what is listed is adopted, also where it
    /// is believed already; what is believed and not listed goes back, uncharged (R6).
    fn reconcile(
        &mut self,
        now: Instant,
        worker: &WorkerKey,
        session: Session,
        before: Option<Seat>,
        listed: &BTreeSet<TaskRef>,
    ) {
        let believed = before.map(|seat| seat.tasks).unwrap_or_default();
        for key in believed.difference(listed) {
            let Some(belief) = self.beliefs.get(key) else {
                continue;
            };
            match &belief.place {
                Place::At(..) | Place::Adopting(..) => {
                    let place = Place::Requeuing(EndReason::NotHeld, Some(worker.clone()));
                    self.moved(*key, place);
                }
                // Nobody holds it any more: its Ack has no addressee, its commit goes on.
                Place::Committing { outcome, .. } => {
                    let place = Place::Committing {
                        at: None,
                        outcome: outcome.clone(),
                    };
                    self.moved(*key, place);
                }
                Place::Unplaced(_) | Place::Requeuing(..) => {}
            }
        }
        for key in listed {
            let adopting = Place::Adopting(worker.clone(), session);
            match self.beliefs.get(key).map(|belief| &belief.place) {
                None => self.believe(now, *key, adopting, false),
                Some(Place::Committing { outcome, .. }) => {
                    let at = Some((worker.clone(), session));
                    let place = Place::Committing {
                        at,
                        outcome: outcome.clone(),
                    };
                    self.moved(*key, place);
                }
                Some(
                    Place::Unplaced(_) | Place::At(..) | Place::Adopting(..) | Place::Requeuing(..),
                ) => self.moved(*key, adopting),
            }
        }
    }

    fn welcome(&mut self, worker: &WorkerKey) {
        let welcome = ToWorker::Welcome {
            dispatcher: self.incarnation,
            beat: self.config.timing.beat,
            timeout: self.config.timing.timeout,
        };
        self.send(worker, welcome);
    }

    /// A closed connection gets no new work; its worker has a moment for a new one (R9).
    pub(super) fn on_peer_closed(&mut self, now: Instant, peer: &Peer) {
        self.noted.remove(peer);
        let Some(worker) = self.roster.of_peer(peer).cloned() else {
            return;
        };
        let until = now + self.config.timing.closed_grace;
        let closed = self.roster.update(&worker, |seat| {
            let open = matches!(seat.state, SeatState::Live | SeatState::Broken);
            if open {
                seat.state = SeatState::Closed(until);
            }
            open
        });
        if closed == Some(true) {
            self.timers.set(Timer::End(worker), until);
        }
    }

    /// Gives up on a worker: what it held goes back and is charged, as it may be to blame (R14).
    pub(super) fn declare_dead(&mut self, now: Instant, worker: &WorkerKey) {
        self.counters.deaths += 1;
        let tasks = self.bury(now, worker);
        self.report_soon(now);
        tracing::warn!(%worker, tasks, "worker declared dead");
    }

    /// Ends a worker's session for good; only its number is remembered. Returns how many tasks
    /// went back to the queue.
    pub(super) fn bury(&mut self, now: Instant, worker: &WorkerKey) -> usize {
        let Some(seat) = self.roster.get(worker) else {
            return 0;
        };
        let mut given_back = 0;
        for key in seat.tasks.clone() {
            let Some(belief) = self.beliefs.get(&key) else {
                continue;
            };
            let place = match &belief.place {
                Place::At(..) | Place::Adopting(..) => {
                    given_back += 1;
                    Place::Requeuing(EndReason::WorkerLost, Some(worker.clone()))
                }
                Place::Committing { outcome, .. } => Place::Committing {
                    at: None,
                    outcome: outcome.clone(),
                },
                Place::Unplaced(_) | Place::Requeuing(..) => continue,
            };
            self.moved(key, place);
        }
        self.roster.update(worker, |seat| {
            seat.state = SeatState::Dead(now);
            seat.known.clear();
        });
        self.timers.cancel(&Timer::Silence(worker.clone()));
        self.timers
            .set(Timer::End(worker.clone()), now + self.config.memory);
        given_back
    }

    /// Bytes that make no sense are counted and otherwise ignored (P8), but for a peer that waits
    /// for an answer.
    pub(super) fn on_junk(&mut self, peer: Peer) {
        self.counters.junk += 1;
        tracing::debug!(?peer, "junk");
        self.refuse(peer, "not a message");
    }

    /// Says something in a worker's current session.
    pub(super) fn send(&mut self, worker: &WorkerKey, body: ToWorker) {
        let Some(seat) = self.roster.touch(worker) else {
            return;
        };
        if matches!(seat.state, SeatState::Broken | SeatState::Dead(_)) {
            return;
        }
        seat.sent += 1;
        let (peer, session, number) = (seat.peer.clone(), seat.session, seat.sent);
        self.send_to_peer(peer, session, number, body);
    }

    pub(super) fn send_to_peer(
        &mut self,
        peer: Peer,
        session: Session,
        number: u64,
        body: ToWorker,
    ) {
        let message = FromDispatcher {
            session,
            number,
            body,
        };
        self.outputs.push_back(Output::Send { peer, message });
    }
}
