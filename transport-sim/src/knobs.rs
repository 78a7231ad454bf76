//! What can be set in a world, and how a seed draws it.
//!
//! Each seed draws its own subset and strength of faults (swarm testing: Groce et al. 2012), so
//! that one kind of fault does not hide what another would find.

use std::fmt;
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;

use crate::chance::Odds;
use crate::marks::FAULTS;
use crate::place::Place;
use crate::plan::{Ending, Fault, Plan, Shape, Submit, Trouble, Way, WorkerShape};
use crate::rng::Stream;

/// How much trouble there is, and how large the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// One dispatcher, a few tasks, and seldom a fault.
    Lite,
    /// Every seed its own subset and strength of every fault.
    Swarm,
    /// The standard scenario for measuring: one dispatcher, 8 workers, 1,000 tasks in 60 s, all
    /// faults at a moderate strength.
    Performance,
    /// The same with 1,000 workers and 100,000 tasks.
    Large,
}

/// The settings of a world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Knobs {
    /// Dispatchers.
    pub dispatchers: usize,
    /// Workers.
    pub workers: usize,
    /// The most Python processes of a worker.
    pub processes: usize,
    /// How workers take tasks.
    pub flow: Flow,
    /// How long a message travels.
    pub latency: Duration,
    /// The most tasks that may be queued.
    pub queue_limit: u64,
    /// The most tasks that a dispatcher claims in one request.
    pub claim_limit: u32,
    /// How long faults happen; afterwards everything is healed.
    pub trouble: Duration,
    /// Tasks that the client submits.
    pub tasks: usize,
    /// When it submits them.
    pub load: Load,
    /// The longest a task runs.
    pub longest_task: Duration,
    /// Of a thousand tasks, how many run ten times as long.
    pub slow_tasks: u32,
    /// Of a thousand tasks, how many may run at most once.
    pub at_most_once: u32,
    /// Of a thousand tasks, how many have a deadline, half of the longest task.
    pub deadlines: u32,
    /// Of a thousand tasks, how many end otherwise than by returning.
    pub bad_ends: u32,
    /// How many of each kind of fault, by its name.
    pub faults: Vec<(&'static str, u32)>,
    /// How often something takes another way than the usual.
    pub odds: Odds,
}

/// When tasks are submitted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Load {
    /// At any time.
    Even,
    /// Many at once, now and then.
    Bursts,
    /// In the first tenth and the last, with nothing to do in between.
    Idle,
    /// Ever more.
    Skewed,
}

/// What a dispatcher claims in one request, if nobody says otherwise.
const CLAIM_LIMIT: u32 = 256;

/// After which silence somebody is declared dead.
const PATIENCE: Duration = Duration::from_secs(3);

impl Knobs {
    /// A world without faults.
    pub fn calm() -> Knobs {
        Knobs {
            dispatchers: 1,
            workers: 2,
            processes: 2,
            flow: Flow::Push,
            latency: Duration::from_millis(1),
            queue_limit: 1_000_000,
            claim_limit: CLAIM_LIMIT,
            trouble: Duration::from_secs(5),
            tasks: 50,
            load: Load::Even,
            longest_task: Duration::from_millis(200),
            slow_tasks: 0,
            at_most_once: 0,
            deadlines: 0,
            bad_ends: 0,
            faults: Vec::new(),
            odds: Odds::default(),
        }
    }

    /// The world of a seed.
    pub fn of(mode: Mode, seed: u64) -> Knobs {
        let mut rng = Stream::new(seed, "knobs");
        match mode {
            Mode::Lite => Knobs::lite(&mut rng),
            Mode::Swarm => {
                let mut knobs = Knobs::swarm(&mut rng);
                // Small claims, so that several are under way with few tasks.
                let mut rng = Stream::new(seed, "claims");
                knobs.claim_limit = [CLAIM_LIMIT, CLAIM_LIMIT, 1, 2][rng.below(4)];
                knobs
            }
            Mode::Performance => Knobs::performance(),
            Mode::Large => Knobs::large(),
        }
    }

    fn lite(rng: &mut Stream) -> Knobs {
        let mut knobs = Knobs::calm();
        knobs.workers = 1 + rng.below(3);
        knobs.flow = flow(rng);
        knobs.tasks = 5 + rng.below(20);
        knobs.trouble = Duration::from_secs(10);
        let fault = FAULTS[rng.below(FAULTS.len())];
        knobs.faults = vec![(fault, 1)];
        knobs
    }

    fn swarm(rng: &mut Stream) -> Knobs {
        let mut knobs = Knobs::calm();
        knobs.dispatchers = 1 + rng.below(3);
        knobs.workers = 1 + rng.below(4);
        knobs.processes = 1 + rng.below(3);
        knobs.flow = flow(rng);
        knobs.latency = [200, 1_000, 20_000, 200_000].map(Duration::from_micros)[rng.below(4)];
        knobs.trouble = rng.between(Duration::from_secs(5), Duration::from_secs(60));
        knobs.tasks = 5 + rng.below(120);
        knobs.load = [Load::Even, Load::Bursts, Load::Idle, Load::Skewed][rng.below(4)];
        knobs.longest_task = [1, 20, 500, 5_000].map(Duration::from_millis)[rng.below(4)];
        if rng.per_mille(100) {
            knobs.queue_limit = 1 + rng.below(10) as u64;
        }
        // Much trouble at once finds what needs a coincidence; a single trouble in a quiet world
        // finds what the next trouble would repair.
        let density = [30, 150, 500][rng.below(3)];
        let mut rate = |most: usize| match rng.per_mille(density) {
            true => rng.below(most) as u32,
            false => 0,
        };
        knobs.slow_tasks = rate(100);
        knobs.at_most_once = rate(300);
        knobs.deadlines = rate(300);
        knobs.bad_ends = rate(200);
        knobs.odds = Odds {
            late: rate(300),
            latest: Duration::ZERO,
            lost: rate(40),
            twice: rate(50),
            detour: rate(500),
            unheard: rate(600),
            swallowed: rate(400),
            request_lost: rate(100),
            request_late: rate(100),
            request_twice: rate(100),
            reply_lost: rate(100),
            doorbell_lost: rate(300),
            timer_first: rate(1_000),
            spawn_fails: rate(100),
        };
        for name in FAULTS {
            let count = rate(8);
            if count > 0 {
                knobs.faults.push((name, count));
            }
        }
        let leaves = knobs.faults.iter().any(|(name, _)| *name == "worker-leave");
        if leaves && rng.per_mille(700) {
            knobs.leave_in_bursts(rng);
        }
        if rng.per_mille(500) {
            knobs.single_out(rng);
        }
        knobs.odds.latest = [1, 50, 1_000].map(Duration::from_millis)[rng.below(3)];
        knobs
    }

    /// Who leaves in the middle of a burst has something to hand back, and nothing excuses it if it
    /// does not.
    fn leave_in_bursts(&mut self, rng: &mut Stream) {
        self.load = Load::Bursts;
        self.longest_task = Duration::from_millis(20);
        self.tasks = 60 + rng.below(120);
        self.trouble = Duration::from_secs(120);
        (self.workers, self.processes) = (1 + rng.below(2), 1);
        self.slow_tasks = 300;
        self.faults = vec![("worker-leave", 4 + rng.below(8) as u32)];
        self.odds = Odds::default();
    }

    /// One trouble in a world where all else is well: nothing excuses what it costs.
    fn single_out(&mut self, rng: &mut Stream) {
        // These need some luck to hit where it hurts.
        let fault = match rng.below(12) {
            0..=3 => "dispatcher-pause",
            4 => "worker-crash",
            5 | 6 => "cancel",
            7 => "dispatcher-leave",
            8 => "worker-leave",
            _ => FAULTS[rng.below(FAULTS.len())],
        };
        // A few, far enough from each other.
        self.faults = vec![(fault, 2 + rng.below(12) as u32)];
        self.trouble = Duration::from_secs(120);
        self.odds = Odds {
            timer_first: if fault.ends_with("-pause") { 700 } else { 0 },
            ..Odds::default()
        };
        self.longest_task = [500, 5_000].map(Duration::from_millis)[rng.below(2)];
        self.tasks = 10 + rng.below(40);
        if fault == "worker-leave" && rng.per_mille(700) {
            return self.leave_in_bursts(rng);
        }
        if fault.ends_with("-leave") || fault == "cancel" {
            // Some of it outlasts the patience of who leaves, and who is told to drop it.
            self.longest_task = Duration::from_secs(60);
            self.tasks = 6 + rng.below(12);
            self.at_most_once = 500;
            self.slow_tasks = 0;
        }
        if fault == "cancel" {
            self.faults = vec![(fault, 3)];
        }
        if fault == "dispatcher-pause" {
            self.faults = vec![(fault, 8 + rng.below(8) as u32)];
        }
        if fault == "worker-crash" {
            // Under the same few tasks, time and again, as if they were to blame.
            self.faults = vec![(fault, 10)];
            self.trouble = Duration::from_secs(60);
            self.workers = 1;
            self.longest_task = Duration::from_secs(30);
            self.tasks = 3;
        }
        if rng.per_mille(500) {
            self.single_out_a_bend(rng);
        }
    }

    /// One way in which things go wrong on their way, again and again, while workers come and go.
    fn single_out_a_bend(&mut self, rng: &mut Stream) {
        let often = 50 + rng.below(250) as u32;
        let odds = &mut self.odds;
        match rng.below(10) {
            0 | 1 => odds.late = often,
            2 => odds.twice = often,
            3 | 4 => odds.request_late = often,
            5 | 6 => odds.request_twice = often,
            7 => odds.reply_lost = often,
            _ => odds.detour = 500,
        }
        if odds.detour + odds.request_late > 0 {
            // Workers move, and what the last dispatcher has asked for is still on its way.
            odds.detour = 500;
            self.dispatchers = 2 + rng.below(2);
        }
        let faults = [
            "cut",
            "cut",
            "clog",
            "worker-pause",
            "partition",
            "worker-leave",
        ];
        self.faults = vec![(faults[rng.below(faults.len())], 16)];
        if self.odds.late > 0 && rng.per_mille(500) {
            // What was said in one session arrives in the next.
            self.faults = vec![(["clog", "partition-down"][rng.below(2)], 16)];
        }
        self.load = Load::Bursts;
        (self.workers, self.processes) = (1 + rng.below(2), 1 + rng.below(2));
        self.longest_task = [20, 20, 500, 5_000].map(Duration::from_millis)[rng.below(4)];
        self.slow_tasks = 200;
        self.at_most_once = [0, 0, 300][rng.below(3)];
        self.tasks = 40 + rng.below(200);
    }

    fn performance() -> Knobs {
        let mut knobs = Knobs::calm();
        knobs.workers = 8;
        knobs.tasks = 1_000;
        knobs.trouble = Duration::from_secs(60);
        knobs.at_most_once = 50;
        knobs.deadlines = 50;
        knobs.bad_ends = 50;
        knobs.faults = FAULTS.iter().map(|name| (*name, 1)).collect();
        knobs.odds = Odds {
            late: 20,
            latest: Duration::from_millis(20),
            lost: 1,
            twice: 2,
            detour: 100,
            unheard: 200,
            swallowed: 200,
            request_lost: 5,
            request_late: 5,
            request_twice: 5,
            reply_lost: 5,
            doorbell_lost: 50,
            timer_first: 500,
            spawn_fails: 20,
        };
        knobs
    }

    fn large() -> Knobs {
        let mut knobs = Knobs::performance();
        knobs.workers = 1_000;
        knobs.tasks = 100_000;
        let many = |name: &'static str| {
            let one = name.starts_with("dispatcher") || name.starts_with("store");
            (name, if one { 1 } else { 50 })
        };
        knobs.faults = FAULTS.into_iter().map(many).collect();
        knobs
    }

    /// The plan that a seed draws under these settings.
    pub fn draw(&self, seed: u64) -> Plan {
        let mut rng = Stream::new(seed, "plan");
        let heal_at = Instant::ZERO + self.trouble;
        let workers = (0..self.workers).map(|_| WorkerShape {
            starts: Instant::ZERO + Duration::from_millis(10),
            processes: 1 + rng.below(self.processes) as u32,
        });
        let shape = Shape {
            salt: seed,
            workers: workers.collect(),
            dispatchers: vec![Instant::ZERO; self.dispatchers],
            flow: self.flow,
            latency: self.latency,
            queue_limit: self.queue_limit,
            claim_limit: self.claim_limit,
            timeout: PATIENCE,
        };
        let mut submits: Vec<Submit> = (0..self.tasks)
            .map(|index| self.draw_submit(index, &mut rng))
            .collect();
        submits.sort_by_key(|submit| submit.at);
        let mut faults = Vec::new();
        let mut rng = Stream::new(seed, "faults");
        for (name, count) in &self.faults {
            for _ in 0..*count {
                let at = self.draw_moment(&submits, &mut rng);
                let (node, what) = self.draw_trouble(name, heal_at.since(at), &mut rng);
                faults.push(Fault { at, node, what });
            }
        }
        faults.sort_by_key(|fault| fault.at);
        Plan {
            shape,
            submits,
            faults,
            twists: Vec::new(),
            heal_at,
        }
    }

    /// When a fault strikes: at any time, or soon after something was submitted, because trouble
    /// in the middle of work finds more than trouble while nothing happens.
    fn draw_moment(&self, submits: &[Submit], rng: &mut Stream) -> Instant {
        let submit = rng.below(submits.len());
        match submits.get(submit) {
            Some(submit) if rng.per_mille(500) => {
                let soon = 8 * self.latency + Duration::from_millis(50);
                let at = submit.at + rng.between(Duration::ZERO, soon);
                at.min(Instant::ZERO + self.trouble)
            }
            Some(_) | None => Instant::ZERO + rng.between(Duration::ZERO, self.trouble),
        }
    }

    fn draw_submit(&self, index: usize, rng: &mut Stream) -> Submit {
        let slow = if rng.per_mille(self.slow_tasks) {
            10
        } else {
            1
        };
        let mut ends = Ending::Returns;
        if rng.per_mille(self.bad_ends) {
            ends = match rng.below(60) {
                0 => Ending::ReturnsTooMuch,
                1..=9 => Ending::Hangs,
                10..=24 => Ending::Exits,
                25..=39 => Ending::Crashes,
                _ => Ending::Raises,
            };
        }
        let deadline = rng.per_mille(self.deadlines) || ends == Ending::Hangs;
        Submit {
            at: Instant::ZERO + self.draw_time(rng),
            task: TaskId(u128::from(rng.u64()) << 32 | index as u128),
            runs: rng.between(Duration::from_micros(100), self.longest_task) * slow,
            ends,
            timeout: deadline.then(|| (self.longest_task / 2).max(Duration::from_millis(1))),
            at_most_once: rng.per_mille(self.at_most_once),
        }
    }

    fn draw_time(&self, rng: &mut Stream) -> Duration {
        let at = rng.between(Duration::ZERO, self.trouble);
        match self.load {
            Load::Even => at,
            Load::Bursts => {
                let gap = self.trouble / 4;
                let burst = (at.as_nanos() / gap.as_nanos().max(1)) as u32;
                // Some of them at the same moment: those travel together.
                let within = (at - gap * burst) / 1_000;
                gap * burst + Duration::from_millis(within.as_millis() as u64)
            }
            Load::Idle if at < self.trouble / 2 => at / 5,
            Load::Idle => self.trouble - (self.trouble - at) / 5,
            Load::Skewed => at.max(rng.between(Duration::ZERO, self.trouble)),
        }
    }

    /// A fault of this name, that is over before the time is.
    fn draw_trouble(&self, name: &str, left: Duration, rng: &mut Stream) -> (Place, Trouble) {
        let longest = [200, 2_000, 8_000, 20_000].map(Duration::from_millis)[rng.below(4)];
        let mut time = rng.between(Duration::from_millis(10), longest).min(left);
        if name == "dispatcher-pause" && rng.per_mille(500) {
            // Hardly shorter than the patience of both sides: either may be the first to lose it.
            time = rng.between(PATIENCE * 2 / 3, PATIENCE).min(left);
        }
        let worker = Place::Worker(rng.below(self.workers));
        let from = rng.below(self.dispatchers);
        let dispatcher = Place::Dispatcher(from);
        let node = match name.split_once('-') {
            Some(("dispatcher", _)) | Some(("store", "cut")) => dispatcher,
            Some(("store", _)) => Place::Store,
            _ if name == "cancel" => Place::Client,
            _ if name == "junk" => dispatcher,
            _ => worker,
        };
        let partition = |way| Trouble::Partition { from, way, time };
        let what = match name {
            "cut" => Trouble::Cut,
            "clog" => Trouble::Clog(time),
            "partition" => partition(Way::Both),
            "partition-up" => partition(Way::Up),
            "partition-down" => partition(Way::Down),
            "store-cut" => Trouble::StoreCut(time),
            "cancel" => Trouble::Cancel(rng.below(self.tasks)),
            "junk" => Trouble::Junk,
            "impostor" => Trouble::Impostor,
            _ => match name.rsplit_once('-').map(|(_, what)| what) {
                Some("slow") => {
                    // So slow that it lags behind, and not so that it never ends.
                    let most = Duration::from_millis(20) * 8 / self.workers.max(8) as u32;
                    let by = rng.between(Duration::from_micros(10), most);
                    Trouble::Slow { by, time }
                }
                Some("pause") => Trouble::Pause(time),
                Some("crash") => Trouble::Crash(time),
                Some("leave") => Trouble::Leave(time),
                Some("drift") => Trouble::ClockDrift(rng.below(20_000) as i32 - 10_000),
                _ => Trouble::ClockJump {
                    millis: rng.below(24_000) as i64 - 8_000,
                },
            },
        };
        (node, what)
    }
}

fn flow(rng: &mut Stream) -> Flow {
    match rng.per_mille(500) {
        true => Flow::Push,
        false => Flow::Pull,
    }
}

impl fmt::Display for Knobs {
    /// One line, with what is not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} dispatcher(s), {} worker(s) x <={} {:?}, latency {:?}, {} tasks {:?} <={:?}, trouble {:?}",
            self.dispatchers,
            self.workers,
            self.processes,
            self.flow,
            self.latency,
            self.tasks,
            self.load,
            self.longest_task,
            self.trouble
        )?;
        if self.claim_limit != CLAIM_LIMIT {
            write!(f, ", claims of {}", self.claim_limit)?;
        }
        let rates = [
            ("slow", self.slow_tasks),
            ("at-most-once", self.at_most_once),
            ("deadlines", self.deadlines),
            ("bad-ends", self.bad_ends),
            ("late", self.odds.late),
            ("lost", self.odds.lost),
            ("twice", self.odds.twice),
            ("detour", self.odds.detour),
            ("unheard", self.odds.unheard),
            ("swallowed", self.odds.swallowed),
            ("request-lost", self.odds.request_lost),
            ("request-late", self.odds.request_late),
            ("request-twice", self.odds.request_twice),
            ("reply-lost", self.odds.reply_lost),
            ("doorbell-lost", self.odds.doorbell_lost),
            ("timer-first", self.odds.timer_first),
            ("spawn-fails", self.odds.spawn_fails),
        ];
        let rates: Vec<_> = rates.into_iter().filter(|(_, rate)| *rate > 0).collect();
        list(f, "; of 1000:", &rates)?;
        list(f, "; faults:", &self.faults)
    }
}

/// A heading and what stands under it, or nothing.
fn list(f: &mut fmt::Formatter<'_>, heading: &str, items: &[(&str, u32)]) -> fmt::Result {
    if !items.is_empty() {
        f.write_str(heading)?;
    }
    for (name, count) in items {
        write!(f, " {name} {count}")?;
    }
    Ok(())
}
