//! Everything about a run that is decided before it begins: who is there, what is submitted, what
//! goes wrong, and where a message does not travel as it usually would.
//!
//! All times are absolute, so that taking one thing away moves no other. A seed draws a plan
//! ([`crate::Knobs::draw`]); a scenario file is one; a shrunk failure is one. A plan that is run as
//! it stands draws no random number.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;

use crate::place::Place;

/// A time that never comes.
pub const FOR_GOOD: Duration = Duration::MAX;

/// A task's number that is short enough to be its name.
const SHORT: u128 = 99_999;

/// A whole run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Who is there.
    pub shape: Shape,
    /// What the client submits.
    pub submits: Vec<Submit>,
    /// What goes wrong at a time.
    pub faults: Vec<Fault>,
    /// What does not go as it usually would.
    pub twists: Vec<Twist>,
    /// When trouble ends: everybody but those who left for good is up, awake and connected.
    pub heal_at: Instant,
}

impl Plan {
    /// Short numbers for its tasks, by which people know them.
    pub fn task_numbers(&self) -> BTreeMap<TaskId, u128> {
        number(self.submits.iter().map(|submit| submit.task))
    }
}

/// Numbers tasks: with their own numbers if all of these are short, else by their places, from 1.
pub fn number(tasks: impl Iterator<Item = TaskId> + Clone) -> BTreeMap<TaskId, u128> {
    match tasks.clone().all(|task| task.0 <= SHORT) {
        true => tasks.map(|task| (task, task.0)).collect(),
        false => tasks.zip(1..).collect(),
    }
}

/// Who is there, and how they are connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Identities of processes are made from it, so that their order differs from run to run.
    pub salt: u64,
    /// When each dispatcher starts.
    pub dispatchers: Vec<Instant>,
    /// The workers.
    pub workers: Vec<WorkerShape>,
    /// How workers take tasks.
    pub flow: Flow,
    /// How long a message travels, and a store request each way.
    pub latency: Duration,
    /// The most tasks that may be queued.
    pub queue_limit: u64,
    /// The most tasks that a dispatcher claims in one request.
    pub claim_limit: u32,
    /// Declared dead after so long a silence.
    pub timeout: Duration,
}

/// A worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkerShape {
    /// When it starts.
    pub starts: Instant,
    /// Its Python processes.
    pub processes: u32,
}

/// A task that the client submits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Submit {
    /// When.
    pub at: Instant,
    /// Its name.
    pub task: TaskId,
    /// How long each attempt runs.
    pub runs: Duration,
    /// How each attempt ends.
    pub ends: Ending,
    /// The deadline of an attempt.
    pub timeout: Option<Duration>,
    /// Whether it may run at most once (R16).
    pub at_most_once: bool,
}

/// How an attempt ends in its Python child.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ending {
    /// With a result.
    Returns,
    /// With an exception.
    Raises,
    /// It ends its process (`os._exit`).
    Exits,
    /// A signal ends its process.
    Crashes,
    /// Never by itself.
    Hangs,
    /// With a result over the size limit.
    ReturnsTooMuch,
}

/// Something that goes wrong at a time.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// When.
    pub at: Instant,
    /// To whom. For links and Python children: the worker.
    pub node: Place,
    /// What.
    pub what: Trouble,
}

/// What can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trouble {
    /// A worker's connection is cut. What is on its way is lost.
    Cut,
    /// A worker's connection delivers nothing for a while, then everything.
    Clog(Duration),
    /// Nothing passes between a worker and a dispatcher for a while, on new connections neither.
    Partition {
        /// The dispatcher.
        from: usize,
        /// Which way.
        way: Way,
        /// For how long.
        time: Duration,
    },
    /// Each thing that a node does takes so much longer, for a while.
    Slow {
        /// How much.
        by: Duration,
        /// For how long.
        time: Duration,
    },
    /// A node stands still.
    Pause(Duration),
    /// A process ends without a word, and another takes its place after a while. The store keeps
    /// what it has acknowledged.
    Crash(Duration),
    /// A process is asked to leave, and another takes its place after a while.
    Leave(Duration),
    /// A dispatcher loses its connection to the store.
    StoreCut(Duration),
    /// A node's clock runs faster by so many millionths from now on; slower if it is below zero.
    ClockDrift(i32),
    /// A node's clock jumps; back only if it is the store's.
    ClockJump {
        /// How far, in milliseconds.
        millis: i64,
    },
    /// A user cancels the task at this place in the plan.
    Cancel(usize),
    /// A peer sends a dispatcher what is no message.
    Junk,
    /// A peer that nobody knows says that this worker's tasks have ended, in a session long over.
    Impostor,
}

/// Which way a partition blocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// Both ways.
    Both,
    /// From the worker to the dispatcher.
    Up,
    /// From the dispatcher to the worker.
    Down,
}

/// One thing that does not go as it usually would.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Twist {
    /// When, at the earliest: it befalls the first such occasion from here on.
    pub at: Instant,
    /// How many such occasions at this very instant go by before.
    pub nth: u32,
    /// What it befalls.
    pub on: Occasion,
    /// What happens instead.
    pub bend: Bend,
}

/// Something that usually goes one way, and may go another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Occasion {
    /// A worker's message travels to its dispatcher.
    Up(usize),
    /// A message travels to a worker.
    Down(usize),
    /// A worker connects; usually to the first dispatcher that is up, counted from its own index.
    Dial(usize),
    /// A worker's connection ends, and the dispatcher's side hears of it.
    EndUp(usize),
    /// A worker's connection ends, and the worker hears of it.
    EndDown(usize),
    /// A dispatcher's request travels to the store.
    Request(usize),
    /// The store's answer travels back.
    Reply(usize),
    /// The store tells a dispatcher that there are tasks.
    Doorbell(usize),
    /// The store's answer to a submit travels to the client, who asks again without one.
    Answer,
    /// A node goes on after it stood still; usually what has arrived comes before the timer.
    Waking(Place),
    /// A worker starts a Python child.
    Spawn(usize),
}

/// What may happen instead of the usual.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bend {
    /// It comes so much later.
    Late(Duration),
    /// It never comes. Of a connection's end: nobody hears of it.
    Lost,
    /// It comes, and so much later once more.
    Twice(Duration),
    /// Of a dial: it goes to this dispatcher.
    To(usize),
    /// Of a connection's end: what was sent before is lost, too.
    Swallowed,
    /// Of a waking: the timer comes first.
    TimerFirst,
    /// Of a spawn: the child ends before it is ready.
    Fails,
}
