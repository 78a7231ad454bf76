//! What a good run should show: how often each fault acted, and each rule had something to do.
//!
//! A simulation that never reaches a rule says nothing about it. So runs count, and a thousand
//! seeds in which some count stays at zero fail.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use mpcsfaas_core::dispatcher;
use mpcsfaas_core::worker;

use crate::place::Place;
use crate::plan::{Bend, Fault, Occasion, Trouble, Way};

/// Counts of one run, or of many together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// How often each kind of fault struck, by its name.
    pub faults: BTreeMap<&'static str, u64>,
    /// How often something took another way than the usual, by its name.
    pub bends: BTreeMap<&'static str, u64>,
    /// What all dispatchers have seen.
    pub dispatchers: dispatcher::Counters,
    /// What all workers have seen.
    pub workers: worker::Counters,
    /// Submits that found the queue full.
    pub queue_full: u64,
    /// Tasks that a user cancelled in time.
    pub cancelled: u64,
    /// Claims that were repeated, and answered as before.
    pub claims_repeated: u64,
    /// Requeues that the store refused.
    pub stale_requeues: u64,
    /// Tasks that were given back with a loss.
    pub losses: u64,
    /// Tasks that failed because a worker was lost each time.
    pub worker_lost: u64,
    /// At-most-once tasks that may have started and were lost.
    pub lost: u64,
    /// Tasks that ran past their deadline.
    pub timeouts: u64,
    /// Python children that ended by themselves under a task.
    pub child_ends: u64,
    /// Results that were too large.
    pub too_large: u64,
    /// Workers that were asked to leave with tasks that had not started.
    pub handed_back: u64,
}

/// Every kind of fault that a swarm draws.
pub const FAULTS: [&str; 25] = [
    "cut",
    "clog",
    "partition",
    "partition-up",
    "partition-down",
    "worker-slow",
    "worker-pause",
    "worker-crash",
    "worker-leave",
    "worker-clock-drift",
    "worker-clock-jump",
    "dispatcher-slow",
    "dispatcher-pause",
    "dispatcher-crash",
    "dispatcher-leave",
    "dispatcher-clock-drift",
    "dispatcher-clock-jump",
    "store-cut",
    "store-slow",
    "store-pause",
    "store-crash",
    "store-clock-jump",
    "cancel",
    "junk",
    "impostor",
];

/// Every other way that a swarm draws.
pub const BENDS: [&str; 14] = [
    "message-late",
    "message-lost",
    "message-twice",
    "detour",
    "end-unheard",
    "end-swallowed",
    "request-late",
    "request-lost",
    "request-twice",
    "reply-lost",
    "answer-lost",
    "doorbell-lost",
    "timer-first",
    "spawn-fails",
];

/// The name of a kind of fault.
pub fn name_of(fault: &Fault) -> &'static str {
    match (fault.what, fault.node) {
        (Trouble::Cut, _) => "cut",
        (Trouble::Clog(_), _) => "clog",
        (Trouble::Partition { way: Way::Both, .. }, _) => "partition",
        (Trouble::Partition { way: Way::Up, .. }, _) => "partition-up",
        (Trouble::Partition { way: Way::Down, .. }, _) => "partition-down",
        (Trouble::Slow { .. }, Place::Worker(_)) => "worker-slow",
        (Trouble::Slow { .. }, Place::Dispatcher(_)) => "dispatcher-slow",
        (Trouble::Slow { .. }, _) => "store-slow",
        (Trouble::Pause(_), Place::Worker(_)) => "worker-pause",
        (Trouble::Pause(_), Place::Dispatcher(_)) => "dispatcher-pause",
        (Trouble::Pause(_), _) => "store-pause",
        (Trouble::Crash(_), Place::Worker(_)) => "worker-crash",
        (Trouble::Crash(_), Place::Dispatcher(_)) => "dispatcher-crash",
        (Trouble::Crash(_), _) => "store-crash",
        (Trouble::Leave(_), Place::Worker(_)) => "worker-leave",
        (Trouble::Leave(_), _) => "dispatcher-leave",
        (Trouble::StoreCut(_), _) => "store-cut",
        (Trouble::ClockDrift(_), Place::Worker(_)) => "worker-clock-drift",
        (Trouble::ClockDrift(_), _) => "dispatcher-clock-drift",
        (Trouble::ClockJump { .. }, Place::Worker(_)) => "worker-clock-jump",
        (Trouble::ClockJump { .. }, Place::Dispatcher(_)) => "dispatcher-clock-jump",
        (Trouble::ClockJump { .. }, _) => "store-clock-jump",
        (Trouble::Cancel(_), _) => "cancel",
        (Trouble::Junk, _) => "junk",
        (Trouble::Impostor, _) => "impostor",
    }
}

/// The name of another way than the usual.
pub fn name_of_bend(on: Occasion, bend: Bend) -> &'static str {
    match (on, bend) {
        (Occasion::Request(_), Bend::Late(_)) => "request-late",
        (Occasion::Request(_), Bend::Lost) => "request-lost",
        (Occasion::Request(_), _) => "request-twice",
        (Occasion::Reply(_), _) => "reply-lost",
        (Occasion::Answer, _) => "answer-lost",
        (Occasion::Doorbell(_), _) => "doorbell-lost",
        (Occasion::Waking(_), _) => "timer-first",
        (Occasion::Spawn(_), _) => "spawn-fails",
        (Occasion::Dial(_), _) => "detour",
        (Occasion::EndUp(_) | Occasion::EndDown(_), Bend::Swallowed) => "end-swallowed",
        (Occasion::EndUp(_) | Occasion::EndDown(_), _) => "end-unheard",
        (Occasion::Up(_) | Occasion::Down(_), Bend::Late(_)) => "message-late",
        (Occasion::Up(_) | Occasion::Down(_), Bend::Twice(_)) => "message-twice",
        (Occasion::Up(_) | Occasion::Down(_), _) => "message-lost",
    }
}

impl Marks {
    /// Everything that was counted, by name: what a thousand seeds must have shown.
    pub fn coverage(&self) -> Vec<(&'static str, u64)> {
        let (d, w) = (&self.dispatchers, &self.workers);
        vec![
            ("a session was opened", d.sessions),
            ("a message of an old session was ignored", d.stale_messages),
            ("a gap ended a session", d.gaps),
            ("a worker was declared dead", d.deaths),
            ("a stale commit was rejected", d.stale_commits),
            ("a task was adopted", d.adopted),
            ("an adoption was refused", d.refused_adoptions),
            ("a task was requeued", d.requeued),
            ("a stale requeue was rejected", self.stale_requeues),
            ("a lease expired", d.leases_lost),
            ("a dead dispatcher's task was reaped", d.reaped),
            ("a running task was disowned", d.disowned),
            ("a dispatcher noticed its own pause", d.pauses),
            ("a worker dropped a running task", w.dropped),
            ("a worker ignored an old session", w.stale_messages),
            ("a worker noticed a gap", w.gaps),
            ("a claim was repeated", self.claims_repeated),
            ("a task was claimed ahead", d.claimed_ahead),
            ("a hint of a claim ahead was missed", d.hints_missed),
            ("a loss was marked", self.losses),
            ("a task failed for its losses", self.worker_lost),
            ("an at-most-once task was lost", self.lost),
            ("a task timed out", self.timeouts),
            ("a Python child ended under its task", self.child_ends),
            ("a result was too large", self.too_large),
            ("the queue was full", self.queue_full),
            ("a task was cancelled", self.cancelled),
            ("a leaving worker handed tasks back", self.handed_back),
        ]
    }
}

impl AddAssign<&Marks> for Marks {
    fn add_assign(&mut self, other: &Marks) {
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        for (name, count) in &other.bends {
            *self.bends.entry(name).or_default() += count;
        }
        self.add_dispatcher(other.dispatchers);
        self.add_worker(other.workers);
        self.queue_full += other.queue_full;
        self.cancelled += other.cancelled;
        self.claims_repeated += other.claims_repeated;
        self.stale_requeues += other.stale_requeues;
        self.losses += other.losses;
        self.worker_lost += other.worker_lost;
        self.lost += other.lost;
        self.timeouts += other.timeouts;
        self.child_ends += other.child_ends;
        self.too_large += other.too_large;
        self.handed_back += other.handed_back;
    }
}

impl Marks {
    /// A dispatcher's life is over, or the run is.
    pub(crate) fn add_dispatcher(&mut self, more: dispatcher::Counters) {
        let sum = &mut self.dispatchers;
        sum.junk += more.junk;
        sum.stale_messages += more.stale_messages;
        sum.gaps += more.gaps;
        sum.sessions += more.sessions;
        sum.deaths += more.deaths;
        sum.claimed += more.claimed;
        sum.claimed_ahead += more.claimed_ahead;
        sum.hints_missed += more.hints_missed;
        sum.committed += more.committed;
        sum.stale_commits += more.stale_commits;
        sum.adopted += more.adopted;
        sum.refused_adoptions += more.refused_adoptions;
        sum.requeued += more.requeued;
        sum.leases_lost += more.leases_lost;
        sum.reaped += more.reaped;
        sum.disowned += more.disowned;
        sum.pauses += more.pauses;
    }

    /// A worker's life is over, or the run is.
    pub(crate) fn add_worker(&mut self, more: worker::Counters) {
        let sum = &mut self.workers;
        sum.sessions += more.sessions;
        sum.stale_messages += more.stale_messages;
        sum.gaps += more.gaps;
        sum.over_credit += more.over_credit;
        sum.started += more.started;
        sum.dropped += more.dropped;
    }
}
