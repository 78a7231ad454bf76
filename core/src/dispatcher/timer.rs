//! The timers: a named enum, a table, and what each does when it is due.

use std::collections::{BTreeMap, BTreeSet};

use super::Dispatcher;
use super::roster::SeatState;
use crate::id::WorkerKey;
use crate::store::RequestId;
use crate::time::Instant;
use crate::wire::message::{ToWorker, UNNUMBERED};

/// What may become due.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Timer {
    /// When to beat to every worker.
    Beat,
    /// When to look whether a worker has been silent for too long.
    Silence(WorkerKey),
    /// When to declare a worker dead whose connection closed, or to forget a dead one.
    End(WorkerKey),
    /// When to renew the lease, and look for those that are over.
    Renew,
    /// When to look at the queue without a doorbell.
    Poll,
    /// When to repeat a failed request.
    Retry(RequestId),
    /// When to tell a worker of the original that there is no task.
    LegacyAnswer(WorkerKey),
    /// When to leave with work still running, or with the lease not given back.
    Drain,
}

/// The deadlines, at most one a timer.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Timers {
    at: BTreeMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Sets a timer, or moves it.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.cancel(&timer);
        self.order.insert((at, timer.clone()));
        self.at.insert(timer, at);
    }

    /// Sets a timer unless it is set to an earlier time already.
    pub(super) fn set_earlier(&mut self, timer: Timer, at: Instant) {
        if self.at.get(&timer).is_none_or(|set| at < *set) {
            self.set(timer, at);
        }
    }

    /// Whether it is set to any time.
    pub(super) fn is_set(&self, timer: &Timer) -> bool {
        self.at.contains_key(timer)
    }

    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some(at) = self.at.remove(timer) {
            self.order.remove(&(at, timer.clone()));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }
}

impl Dispatcher {
    pub(super) fn on_timer(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Beat => self.beat(now),
            Timer::Silence(worker) => self.on_silence(now, worker),
            Timer::End(worker) => self.on_end(now, worker),
            Timer::Renew => self.renew(now),
            Timer::Poll => self.queue.poll(),
            Timer::Retry(request) => self.repeat(request),
            Timer::LegacyAnswer(worker) => self.answer_no_task(&worker),
            Timer::Drain => self.on_drain_deadline(now),
        }
    }

    fn beat(&mut self, now: Instant) {
        self.timers.set(Timer::Beat, now + self.config.timing.beat);
        let native = |worker: &WorkerKey| matches!(worker, WorkerKey::Native(_));
        let beats: Vec<_> = self
            .roster
            .iter()
            .filter(|(worker, seat)| native(worker) && seat.state == SeatState::Live)
            .map(|(_, seat)| (seat.peer.clone(), seat.session, seat.sent))
            .collect();
        for (peer, session, last) in beats {
            self.send_to_peer(peer, session, UNNUMBERED, ToWorker::Beat { last });
        }
    }

    /// A silence timer is not moved by every message: when it is due, it looks.
    fn on_silence(&mut self, now: Instant, worker: WorkerKey) {
        let Some(seat) = self.roster.get(&worker) else {
            return;
        };
        if seat.is_dead() {
            return;
        }
        let deadline = seat.last_heard + self.config.timing.timeout;
        match now >= deadline {
            true => self.declare_dead(now, &worker),
            false => self.timers.set(Timer::Silence(worker), deadline),
        }
    }

    fn on_end(&mut self, now: Instant, worker: WorkerKey) {
        let Some(seat) = self.roster.get(&worker) else {
            return;
        };
        match seat.state {
            SeatState::Closed(until) if now >= until => self.declare_dead(now, &worker),
            SeatState::Dead(_) => {
                self.roster.remove(&worker);
            }
            SeatState::Live | SeatState::Broken | SeatState::Closed(_) => {}
        }
    }

    /// A jump of the own clock says that this process stood still, not that everybody else is
    /// dead: all get a full timeout again (R10, P9).
    pub(super) fn notice_pause(&mut self, now: Instant) {
        let timeout = self.config.timing.timeout;
        let jumped = now.since(self.last_seen) > timeout / 2;
        self.last_seen = now;
        if !jumped {
            return;
        }
        self.counters.pauses += 1;
        let workers: Vec<WorkerKey> = self
            .roster
            .live()
            .map(|(worker, _)| worker.clone())
            .collect();
        for worker in workers {
            let Some(seat) = self.roster.touch(&worker) else {
                continue;
            };
            seat.last_heard = now;
            if let SeatState::Closed(until) = &mut seat.state {
                *until = now + self.config.timing.closed_grace;
                let until = *until;
                self.timers.set(Timer::End(worker), until);
            }
        }
    }
}
