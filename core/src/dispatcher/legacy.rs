//! The original's workers, which speak JSON and get these rules as far as their dialect goes (R15).
//!
//! They have no session, list nothing and acknowledge nothing. What that costs is written down in
//! the protocol's documentation: a worker that registers again is taken to have lost its tasks,
//! and a late result counts for whichever attempt this worker was given last.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::belief::Place;
use super::input::Peer;
use super::roster::{Seat, SeatState};
use super::timer::Timer;
use super::{Dispatcher, Output};
use crate::id::{TaskId, WorkerKey};
use crate::pickle::unpickle_str;
use crate::task::{Failure, FailureKind, Outcome, Status, Versions};
use crate::time::Instant;
use crate::wire::json::{Answers, FromWorker, ToWorker};
use crate::wire::message::{Flow, TaskRef};

/// Why a worker is not let in.
const FULL: &str = "this dispatcher has as many workers as it may";

impl Dispatcher {
    pub(super) fn on_legacy(&mut self, now: Instant, peer: Peer, message: FromWorker) {
        match message {
            FromWorker::Register { worker_id } => {
                let worker = WorkerKey::Legacy(worker_id);
                if self.roster.get(&worker).is_some_and(|seat| !seat.is_dead()) {
                    self.declare_dead(now, &worker);
                }
                if self.seat_legacy(now, &peer, &worker) {
                    self.answer(
                        peer,
                        ToWorker::Ok {
                            answers: Answers::Register,
                        },
                    );
                } else {
                    self.refuse(peer, FULL);
                }
            }
            FromWorker::Heartbeat { worker_id } => {
                // A beat of a worker that was declared dead seats it again (P6).
                if self.seat_legacy(now, &peer, &WorkerKey::Legacy(worker_id)) {
                    self.answer(
                        peer,
                        ToWorker::Ok {
                            answers: Answers::Heartbeat,
                        },
                    );
                } else {
                    self.refuse(peer, FULL);
                }
            }
            FromWorker::RequestTask { worker_id } => {
                let worker = WorkerKey::Legacy(worker_id);
                if self.seat_legacy(now, &peer, &worker) {
                    self.on_request(now, &worker);
                } else {
                    self.refuse(peer, FULL);
                }
            }
            FromWorker::TaskResult {
                worker_id,
                task,
                status,
                result,
            } => {
                let worker = WorkerKey::Legacy(worker_id);
                self.on_legacy_result(now, &worker, task, status, result);
                if peer.delimited {
                    self.answer(
                        peer,
                        ToWorker::Ok {
                            answers: Answers::TaskResult,
                        },
                    );
                }
            }
        }
    }

    /// Seats a worker, or notes that it lives. Says whether there was room.
    fn seat_legacy(&mut self, now: Instant, peer: &Peer, worker: &WorkerKey) -> bool {
        let live = |seat: &Seat| !seat.is_dead() && seat.peer == *peer;
        if self.roster.get(worker).is_some_and(live) {
            self.roster.update(worker, |seat| {
                seat.last_heard = now;
                seat.state = SeatState::Live;
            });
            return true;
        }
        let before = self.roster.get(worker);
        if before.is_none() && self.roster.len() >= self.config.worker_limit {
            return false;
        }
        if before.is_some_and(|seat| !seat.is_dead()) {
            self.declare_dead(now, worker);
        }
        self.legacy_sessions += 1;
        self.counters.sessions += 1;
        let seat = Seat {
            peer: peer.clone(),
            session: self.legacy_sessions,
            state: SeatState::Live,
            flow: if peer.delimited {
                Flow::Pull
            } else {
                Flow::Push
            },
            processes: self.config.json_credit,
            credit: self.config.json_credit,
            versions: Versions::default(),
            asked: false,
            draining: false,
            received: 0,
            sent: 0,
            last_heard: now,
            known: BTreeSet::new(),
            tasks: BTreeSet::new(),
            suspects: 0,
            used: 0,
        };
        self.roster.insert(worker.clone(), seat);
        self.timers.set(
            Timer::Silence(worker.clone()),
            now + self.config.timing.timeout,
        );
        self.timers.cancel(&Timer::End(worker.clone()));
        tracing::info!(%worker, "a worker of the original joined");
        true
    }

    /// A question is answered at once: with a task if the store has one for it, else that there
    /// is none. A parked answer would block the worker's beats and results.
    fn on_request(&mut self, now: Instant, worker: &WorkerKey) {
        let room = self.roster.update(worker, |seat| {
            seat.asked = true;
            seat.free() > 0
        });
        if room == Some(true) && self.store_up && !self.is_draining() {
            self.queue.look();
            let until = now + self.config.json_patience;
            self.timers.set(Timer::LegacyAnswer(worker.clone()), until);
        } else {
            self.answer_no_task(worker);
        }
    }

    pub(super) fn answer_no_task(&mut self, worker: &WorkerKey) {
        if self.roster.get(worker).is_some_and(|seat| seat.asked) {
            self.send_legacy(worker, ToWorker::NoTask);
        }
    }

    /// The queue is empty: whoever asked in the original's way is told so.
    pub(super) fn answer_empty_queue(&mut self) {
        let asking: Vec<WorkerKey> = self
            .roster
            .live()
            .filter(|(worker, seat)| seat.asked && matches!(worker, WorkerKey::Legacy(_)))
            .map(|(worker, _)| worker.clone())
            .collect();
        for worker in asking {
            self.answer_no_task(&worker);
        }
    }

    fn on_legacy_result(
        &mut self,
        now: Instant,
        worker: &WorkerKey,
        task: TaskId,
        status: Status,
        result: Bytes,
    ) {
        let Some(seat) = self.roster.touch(worker) else {
            self.counters.stale_messages += 1;
            return;
        };
        seat.last_heard = now;
        let session = seat.session;
        let given = self
            .attempts_of(task)
            .find(|(_, belief)| matches!(&belief.place, Place::At(at, _) if at == worker))
            .map(|(key, _)| *key);
        let Some(key): Option<TaskRef> = given else {
            self.counters.stale_messages += 1;
            return;
        };
        let at = Some((worker.clone(), session));
        self.moved(
            key,
            Place::Committing {
                at,
                outcome: legacy_outcome(status, result),
            },
        );
    }

    /// Tells a peer in lock-step that its message came to nothing: it says nothing more, not even
    /// that it lives, before it has an answer. Others are not waiting for one.
    pub(super) fn refuse(&mut self, peer: Peer, why: &str) {
        if peer.delimited {
            let message = why.to_owned();
            self.answer(peer, ToWorker::Error { message });
        }
    }

    fn answer(&mut self, peer: Peer, message: ToWorker) {
        self.outputs.push_back(Output::SendLegacy { peer, message });
    }
}

/// The original says of a failure only `str(exception)`, pickled.
fn legacy_outcome(status: Status, result: Bytes) -> Outcome {
    if status == Status::Completed {
        return Outcome::completed(result).limited();
    }
    let message = unpickle_str(&result).unwrap_or_else(|| "the function raised".to_owned());
    let failure = Failure::new(FailureKind::Raised, message);
    let outcome = Outcome {
        result: Err(Failure {
            pickled_message: result,
            ..failure
        }),
        output: Bytes::new(),
    };
    outcome.limited()
}
