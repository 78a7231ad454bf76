//! Classes of trouble, each of which can be taken out of a world.

use mpcsfaas_transport_sim::Knobs;
use mpcsfaas_transport_sim::marks::FAULTS;

/// A class of trouble: one kind, or a family of kinds that can stand in for each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Class {
    /// Its name on the command line.
    pub name: &'static str,
    kinds: Vec<&'static str>,
}

/// A kind of trouble that is a rate, and where it is set.
type Rate = (&'static str, fn(&mut Knobs) -> &mut u32);

/// What befalls messages, requests, timers, children and tasks, beside the faults.
const RATES: [Rate; 17] = [
    ("message-late", |knobs| &mut knobs.odds.late),
    ("message-lost", |knobs| &mut knobs.odds.lost),
    ("message-twice", |knobs| &mut knobs.odds.twice),
    ("detour", |knobs| &mut knobs.odds.detour),
    ("end-unheard", |knobs| &mut knobs.odds.unheard),
    ("end-swallowed", |knobs| &mut knobs.odds.swallowed),
    ("request-late", |knobs| &mut knobs.odds.request_late),
    ("request-lost", |knobs| &mut knobs.odds.request_lost),
    ("request-twice", |knobs| &mut knobs.odds.request_twice),
    ("reply-lost", |knobs| &mut knobs.odds.reply_lost),
    ("doorbell-lost", |knobs| &mut knobs.odds.doorbell_lost),
    ("timer-first", |knobs| &mut knobs.odds.timer_first),
    ("spawn-fails", |knobs| &mut knobs.odds.spawn_fails),
    ("slow-tasks", |knobs| &mut knobs.slow_tasks),
    ("at-most-once", |knobs| &mut knobs.at_most_once),
    ("deadlines", |knobs| &mut knobs.deadlines),
    ("bad-ends", |knobs| &mut knobs.bad_ends),
];

/// A queue that is full now and then.
const FULL_QUEUE: &str = "full-queue";

const FAMILIES: [(&str, &[&str]); 12] = [
    (
        "connections",
        &[
            "cut",
            "clog",
            "partition",
            "partition-up",
            "partition-down",
            "detour",
            "end-unheard",
            "end-swallowed",
        ],
    ),
    (
        "messages",
        &["message-late", "message-lost", "message-twice"],
    ),
    (
        "requests",
        &[
            "request-late",
            "request-lost",
            "request-twice",
            "reply-lost",
            "doorbell-lost",
        ],
    ),
    (
        "store",
        &[
            "store-cut",
            "store-slow",
            "store-pause",
            "store-crash",
            "store-clock-jump",
        ],
    ),
    (
        "crashes",
        &["worker-crash", "dispatcher-crash", "store-crash"],
    ),
    (
        "pauses",
        &[
            "worker-pause",
            "dispatcher-pause",
            "store-pause",
            "timer-first",
        ],
    ),
    ("leaves", &["worker-leave", "dispatcher-leave"]),
    (
        "slowness",
        &["worker-slow", "dispatcher-slow", "store-slow"],
    ),
    (
        "clocks",
        &[
            "worker-clock-drift",
            "worker-clock-jump",
            "dispatcher-clock-drift",
            "dispatcher-clock-jump",
            "store-clock-jump",
        ],
    ),
    ("strangers", &["junk", "impostor"]),
    ("children", &["spawn-fails", "bad-ends", "deadlines"]),
    ("users", &["cancel", "at-most-once", "full-queue"]),
];

impl Class {
    /// Families first, then each kind alone.
    pub fn all() -> Vec<Class> {
        let families = FAMILIES.into_iter().map(|(name, kinds)| Class {
            name,
            kinds: kinds.to_vec(),
        });
        let rates = RATES.into_iter().map(|(name, _)| name);
        let kinds = FAULTS.into_iter().chain(rates).chain([FULL_QUEUE]);
        let alone = kinds.map(|name| Class {
            name,
            kinds: vec![name],
        });
        families.chain(alone).collect()
    }

    /// Whether it is a family of kinds.
    pub fn is_family(&self) -> bool {
        self.kinds != [self.name]
    }

    /// Takes it out of a world.
    pub fn off(&self, knobs: &mut Knobs) {
        for kind in &self.kinds {
            knobs.faults.retain(|(name, _)| name != kind);
            if *kind == FULL_QUEUE {
                knobs.queue_limit = Knobs::calm().queue_limit;
            }
            for (name, rate) in RATES {
                if name == *kind {
                    *rate(knobs) = 0;
                }
            }
        }
    }
}
