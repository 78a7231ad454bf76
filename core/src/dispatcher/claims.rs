//! Claims: as many tasks as there is free credit for, in as many requests as that takes (R1).
//!
//! A claim is for at most [`Config::claim_limit`] tasks. Where more would fit, several are under way
//! at once, all but the last of them as large as may be: so a long queue comes in one turn, and
//! while a smaller one is under way, what becomes free gathers for the next.
//!
//! [`Config::claim_limit`]: super::Config::claim_limit

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Dispatcher;
use super::timer::Timer;
use crate::id::TaskId;
use crate::store::Op;
use crate::store::op::{Ahead, CLAIMS_AHEAD, CLAIMS_KEPT, Claim, Claimed};
use crate::time::Instant;
use crate::wire::message::TaskRef;

/// What is known of the queue.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Queue {
    /// How many claims there is a reason for: the doorbell rang, a poll is due, an answer was full.
    reasons: u64,
    /// How many of them came since the last claim was sent.
    fresh: u64,
    /// The last claim's answer left nothing in the queue.
    exhausted: bool,
    /// A claim brought as many tasks with a loss as it had places for, so that its answer does not
    /// tell whether more of them wait (R14).
    blind: bool,
    /// The number of the last claim sent, and of the last that was answered.
    number: u64,
    answered: u64,
    /// The claims under way, by their numbers.
    under_way: BTreeMap<u64, Places>,
    /// The last number of which it is known whether the queue had more than it brought.
    seen: u64,
    /// A claim has brought all that one may ask for, since tasks were placed last.
    long: bool,
    /// Whether a poll is due at some time. Each step asks, and among the timers of a thousand
    /// workers that would take longer than the step.
    polls: bool,
    /// Claimed tasks that wait for their function's body, and so hold credit back.
    pub(super) unplaced: u32,
}

/// What a claim may bring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Places {
    max: u32,
    /// So many of them with a loss.
    suspects: u32,
    /// For how many tasks there is a place at all.
    all: u32,
}

impl Queue {
    /// The doorbell rang: there is as much as one claim brings, as it seems.
    pub(super) fn ring(&mut self) {
        self.more(1);
        self.fresh = self.reasons.min(self.fresh + 1);
    }

    /// There may be tasks, as always.
    pub(super) fn look(&mut self) {
        self.reasons = self.reasons.max(1);
        self.fresh = self.fresh.max(1);
    }

    /// A poll was due.
    pub(super) fn poll(&mut self) {
        self.polls = false;
        self.look();
    }

    /// Whether a poll is due at some time.
    pub(super) fn polls(&self) -> bool {
        self.polls
    }

    /// Reasons for so many claims more.
    fn more(&mut self, reasons: u64) {
        self.reasons = CLAIMS_KEPT.min(self.reasons + reasons);
    }

    /// Whether the queue was found empty since this was last asked.
    pub(super) fn take_exhausted(&mut self) -> bool {
        std::mem::take(&mut self.exhausted)
    }

    /// The number of the last claim that was sent.
    pub(super) fn last_number(&self) -> u64 {
        self.number
    }

    /// The number of the oldest claim under way.
    pub(super) fn oldest_under_way(&self) -> Option<u64> {
        self.under_way.keys().next().copied()
    }

    /// The numbers of all claims under way.
    pub(super) fn under_way(&self) -> impl Iterator<Item = u64> + '_ {
        self.under_way.keys().copied()
    }

    /// How many tasks, and how many of them with a loss, the claims under way may bring.
    fn expected(&self) -> (u64, u32) {
        let places = || self.under_way.values();
        let tasks = places().map(|places| u64::from(places.max)).sum();
        let suspects = places().fold(0, |sum, places| places.suspects.saturating_add(sum));
        (tasks, suspects)
    }

    /// Whether one more claim may be sent. While a small one is under way none is: what becomes
    /// free meanwhile goes together. The store keeps the answers to the last numbers only.
    fn has_room(&self, claim_limit: u32, in_flight: u64) -> bool {
        match (self.oldest_under_way(), self.under_way.values().next_back()) {
            (Some(oldest), Some(last)) => {
                let span = self.number + 1 - oldest;
                last.max >= claim_limit && span < in_flight.min(CLAIMS_KEPT - CLAIMS_AHEAD)
            }
            _ => true,
        }
    }

    fn sent(&mut self, places: Places) -> u64 {
        self.number += 1;
        self.under_way.insert(self.number, places);
        self.reasons = self.reasons.saturating_sub(1);
        self.fresh = 0;
        self.number
    }

    /// A claim has brought so many tasks, and so many of them with a loss. Says whether it was
    /// waited for.
    fn answered(&mut self, claim: &Claim, tasks: usize, suspects: usize, limit: u32) -> bool {
        let Some(places) = self.under_way.remove(&claim.number) else {
            return false;
        };
        let is_newest = claim.number > self.answered;
        self.answered = self.answered.max(claim.number);
        let blind = suspects >= places.suspects as usize;
        self.blind = blind || (self.blind && claim.number < self.number);
        match tasks >= places.max as usize {
            // There may be more, and no claim is on its way to see: twice as many as have seen.
            true if claim.number == self.number => {
                self.more(2 * (self.number - self.seen));
                self.seen = self.number;
            }
            true => {}
            // The queue is empty, and the doorbell or a poll says when it is no longer.
            false if is_newest => {
                self.reasons = self.fresh;
                self.seen = self.seen.max(claim.number);
                self.exhausted = true;
            }
            false => {}
        }
        self.long |= tasks >= limit as usize;
        true
    }

    /// The store has carried out the next claim already.
    fn came_ahead(&mut self, long: bool) {
        self.number += 1;
        self.seen = self.number;
        self.long |= long;
    }

    /// A claim was answered with what is no answer to it: nothing is known, and a poll will tell. If it took
    /// tasks, the renewals list them.
    pub(super) fn give_up(&mut self, number: u64) {
        self.under_way.remove(&number);
    }

    /// All that is here is being placed. Says whether it came out of a long queue.
    pub(super) fn take_long(&mut self) -> bool {
        std::mem::take(&mut self.long)
    }

    /// A new incarnation: the answers to the claims of the old one will be thrown away, because
    /// nobody waits for their numbers any more (R1).
    pub(super) fn restart(&mut self) {
        *self = Queue {
            number: self.number,
            answered: self.number,
            seen: self.number,
            polls: self.polls,
            ..Queue::default()
        };
    }
}

impl Dispatcher {
    /// Claims as many tasks as there is free credit for. Credit first, then the claim: nothing is
    /// taken that cannot run. While every worker has enough ahead it waits, so that one claim brings
    /// many.
    pub(super) fn claim_more(&mut self, now: Instant) {
        let able = self.store_up && self.lease.is_open() && !self.is_draining();
        while able && let Some(places) = self.places(now) {
            if std::mem::take(&mut self.queue.polls) {
                self.timers.cancel(&Timer::Poll);
            }
            let claim = Claim {
                incarnation: self.incarnation,
                number: self.queue.sent(places),
                max: places.max,
                suspects: places.suspects,
                places: places.all,
                except: self.undecided(),
            };
            self.ask(Op::Claim(claim), Vec::new());
        }
    }

    /// What the next claim is to bring, if there is room for one and a reason.
    fn places(&mut self, now: Instant) -> Option<Places> {
        let (tasks, suspects) = self.queue.expected();
        let reserved = u64::from(self.queue.unplaced) + tasks;
        let free = self.roster.free_total().saturating_sub(reserved);
        let limit = self.config.claim_limit;
        if !self.queue.has_room(limit, self.config.claims_in_flight) {
            return None;
        }
        let small = |places: u64| u32::try_from(places).unwrap_or(u32::MAX);
        let max = small(free).min(limit);
        let alone = tasks == 0;
        let suspects = self.roster.free_clean().saturating_sub(suspects);
        let places = Places {
            max,
            suspects,
            all: small(free),
        };
        // What was brought ahead and not heard of is asked for, even if there is no place for more.
        let owed = self.unaccounted.values().max();
        if alone && owed.is_some_and(|last| *last > self.queue.last_number()) {
            return Some(places);
        }
        if free == 0 || !self.roster.is_hungry() {
            return None;
        }
        if self.queue.reasons == 0 && !(alone && self.queue.blind && suspects > 0) {
            if alone && !std::mem::replace(&mut self.queue.polls, true) {
                self.timers.set(Timer::Poll, now + self.config.poll);
            }
            return None;
        }
        Some(places)
    }

    /// Tasks that may be in the queue although a result or a running attempt of them is known here.
    fn undecided(&self) -> Vec<TaskId> {
        let mut tasks: Vec<_> = self.wants.undecided.iter().map(|key| key.task).collect();
        tasks.dedup();
        tasks
    }

    pub(super) fn on_claimed(&mut self, now: Instant, claim: &Claim, claimed: Vec<Claimed>) {
        let suspects = claimed.iter().filter(|task| task.losses > 0).count();
        let limit = self.config.claim_limit;
        if !self.queue.answered(claim, claimed.len(), suspects, limit) {
            return;
        }
        self.take_in(now, claimed);
    }

    /// The store has claimed tasks before it was asked to.
    pub(super) fn on_claimed_ahead(&mut self, now: Instant, ahead: Ahead) {
        if ahead.incarnation != self.incarnation {
            return;
        }
        match ahead.number.cmp(&(self.queue.last_number() + 1)) {
            // A claim of this number is under way, or answered: that brings these tasks.
            Ordering::Less => {}
            Ordering::Equal => {
                let count = ahead.tasks.len();
                self.queue
                    .came_ahead(count >= self.config.claim_limit as usize);
                self.counters.claimed_ahead += count as u64;
                self.take_in(now, ahead.tasks);
            }
            // Those before it were not told, and are to be asked for first.
            Ordering::Greater => {
                self.counters.hints_missed += 1;
                self.queue.ring();
            }
        }
    }

    fn take_in(&mut self, now: Instant, claimed: Vec<Claimed>) {
        self.counters.claimed += claimed.len() as u64;
        for task in claimed {
            let key = TaskRef {
                task: task.task,
                attempt: task.attempt,
            };
            let function = task.function;
            if !self.believe_claimed(now, key, task) {
                continue;
            }
            let waiters = self.fetching.entry(function).or_default();
            waiters.push(key);
            if waiters.len() == 1 && !self.functions.contains_key(&function) {
                self.ask(Op::GetFunction { id: function }, Vec::new());
            }
        }
    }
}
