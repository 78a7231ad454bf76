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
//! | [`stall_rule`] | how many tasks wait for dead workers, by arithmetic alone |
//!
//! The machines expect that every request to Redis is answered, if only by an error, and that
//! nobody steps them after [`Order::Exit`](mpcsfaas_transport_sim::guest::Order::Exit). They start
//! with their first step, which is due at once.
//!
//! One thing is worse here than in the original. Its pool puts a new process in the place of one
//! that ended itself; the task it ran is never heard of again. Here nobody is told of such an end,
//! so that the place stays taken as well.

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
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use self::gateway::Gateway;
pub use self::local_dispatcher::LocalDispatcher;
pub use self::pull_dispatcher::PullDispatcher;
pub use self::pull_worker::PullWorker;
pub use self::push_dispatcher::PushDispatcher;
pub use self::push_worker::PushWorker;

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
