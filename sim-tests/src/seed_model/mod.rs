//! The Python original's processes, as small machines: what our promises are measured against.
//!
//! Each is a [`Guest`](mpcsfaas_transport_sim::guest::Guest) and does what the original does, in the
//! order in which it does it. No machine knows a scenario: what goes wrong in a world goes wrong
//! because of what stands here. The original's threads are states that wait for one thing at a time,
//! and a thread that waits for Redis does nothing else meanwhile. That is where its races come from.
//!
//! ```text
//!              SET QUEUED                      JSON
//!   gateway ──────────────▶ Redis    dispatcher ◀──▶ worker ─▶ pool of processes
//!           ──── PUBLISH ──▶   │ ─ id ─▶ ▲ │
//!                              └── GET, SET ┘
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`gateway`] | `SET`, `PUBLISH`, accepted |
//! | [`push_dispatcher`] | a pusher, a receiver and a scanner over one ROUTER |
//! | [`pull_dispatcher`] | one REP, a question at a time |
//! | [`local_dispatcher`] | a pool in the dispatcher's own process |
//! | [`push_worker`], [`pull_worker`] | a DEALER, a REQ |
//! | `desk`, `roster` | what both remote dispatchers do alike: the queue in memory, the failure scan |
//! | `redis` | `GET`, change, `SET`: no row ever changes in another way |
//! | `router` | a socket that two threads share without a lock |
//! | `pool` | which process runs what |
//! | `wire` | the JSON, both ways |
//! | [`stranger`] | a peer that is no worker |
//! | [`cast`] | who lives where in a world |
//! | [`stall_rule`] | how many tasks wait for dead workers, by arithmetic alone |
//!
//! # Its failures
//!
//! Comments name them by number. What is missing needs real processes: 13, a killed dispatcher's
//! children run on, and 24, the gateway unpickles what users send.
//!
//! | | mode | what happens | why |
//! |---|---|---|---|
//! | 1 | all | published while nobody listens: QUEUED for ever | `desk` |
//! | 2 | push | after a dispatcher's restart nobody registers again | [`push_dispatcher`] |
//! | 3 | pull | the dispatcher ends during a question: the worker hangs | [`pull_worker`] |
//! | 4 | push | a worker that was paused beats, and gets no task | [`push_dispatcher`] |
//! | 5 | pull | a removed worker is served: its tasks have no guard | [`pull_dispatcher`] |
//! | 6 | all | a late result of a requeued task is overwritten | `desk` |
//! | 7 | push | a killed worker's tasks are RUNNING until the scan | `desk` |
//! | 8 | all | a function that ends its process: RUNNING for ever | `pool` |
//! | 9 | both | the first worker takes all, a newcomer idles | [`pull_worker`], `roster` |
//! | 10 | push | a signal drops a finished result | [`push_worker`] |
//! | 11 | pull | a signal while the dispatcher hangs: never exits | [`pull_worker`] |
//! | 12 | local | a signal while a task runs: RUNNING for ever | [`local_dispatcher`] |
//! | 14 | push | a worker that starts first gives up | [`push_worker`] |
//! | 15 | all | Redis away for a while: deaf for ever | the dispatchers |
//! | 16 | all | two dispatchers run each task twice | the dispatchers |
//! | 17 | both | anybody ends a task, in any status | `desk` |
//! | 18 | both | one that only beats keeps its tasks RUNNING | `roster` |
//! | 19 | push | a name that registers again has its tasks forgotten | `roster` |
//! | 20 | push | a worker is removed between choice and send: RUNNING for ever | [`push_dispatcher`] |
//! | 21 | all | Redis fails after the task left the queue: lost | `redis`, `desk` |
//! | 22 | all | a requeue overwrites a result | `redis`, `desk` |
//! | 23 | push | frames of two threads interleave | `router` |
//!
//! # For the world that runs them
//!
//! Each machine's first step is due at once; there it binds, connects, subscribes. Every request to
//! Redis is answered, if only by an error. A DEALER's peer at the ROUTER has the identity that the
//! worker connected with: its name. After [`Order::Exit`](mpcsfaas_transport_sim::guest::Order::Exit)
//! nobody steps a machine.

pub mod cast;
mod desk;
pub mod gateway;
pub mod local_dispatcher;
mod pool;
pub mod pull_dispatcher;
pub mod pull_worker;
pub mod push_dispatcher;
pub mod push_worker;
mod redis;
mod roster;
mod router;
pub mod stall_rule;
pub mod stranger;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use self::cast::{Mode, Original, Part};
pub use self::gateway::Gateway;
pub use self::local_dispatcher::LocalDispatcher;
pub use self::pull_dispatcher::PullDispatcher;
pub use self::pull_worker::PullWorker;
pub use self::push_dispatcher::PushDispatcher;
pub use self::push_worker::PushWorker;
pub use self::stranger::Role;

// All constants are the original's own.

/// A worker beats this often.
pub const BEAT: Duration = Duration::from_secs(1);
/// A worker is declared dead after this time without a beat.
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// A dispatcher looks for dead workers this often, counted from its start.
pub const SCAN: Duration = Duration::from_secs(5);
/// The pusher's nap when there is no task.
pub const IDLE_NAP: Duration = Duration::from_millis(100);
/// The pusher's nap when there is no worker.
pub const NO_WORKER_NAP: Duration = Duration::from_millis(500);
/// A push worker waits this long for the answer to its registration.
pub const REGISTER_PATIENCE: Duration = Duration::from_secs(5);
/// The nap of a push worker's result sender when there is no result.
pub const RESULT_NAP: Duration = Duration::from_millis(10);
/// A pull worker's nap when there was no task for it.
pub const NO_TASK_NAP: Duration = Duration::from_millis(500);
/// The client submits this many tasks at a time.
pub const BATCH: usize = 5;
/// The client's pause after each batch but the last.
pub const BATCH_PAUSE: Duration = Duration::from_millis(200);

/// How a push or pull dispatcher is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DispatcherConfig {
    /// A worker is declared dead by a scan after this time without a beat.
    pub timeout: Duration,
    /// How often it scans.
    pub scan: Duration,
    /// What if: a push worker's `unregister` is understood, and its tasks are requeued at once.
    pub goodbye: bool,
    /// The time between the two frames of a message of the push dispatcher, in which another thread
    /// may write. `None`: nothing comes between them.
    pub frame_gap: Option<Duration>,
}

impl Default for DispatcherConfig {
    fn default() -> DispatcherConfig {
        DispatcherConfig {
            timeout: TIMEOUT,
            scan: SCAN,
            goodbye: false,
            frame_gap: None,
        }
    }
}

/// How a worker is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkerConfig {
    /// How many processes its pool has.
    pub processes: usize,
    /// How often it beats.
    pub beat: Duration,
    /// What if: a push worker says `unregister` before it exits.
    pub goodbye: bool,
}

impl Default for WorkerConfig {
    fn default() -> WorkerConfig {
        WorkerConfig {
            processes: 1,
            beat: BEAT,
            goodbye: false,
        }
    }
}
