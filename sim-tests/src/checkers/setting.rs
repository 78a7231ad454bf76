//! What the bounds of the checkers depend on.

use std::sync::Arc;
use std::time::Duration;

use mpcsfaas_core::id::{Incarnation, WorkerId};
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_core::timing::Timing;
use mpcsfaas_core::{dispatcher, store, worker};
use mpcsfaas_transport_sim::by_task::ByTask;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Ending, Plan, Submit, Trouble};

/// A Python child that ends is replaced within so long, if its start does not fail.
const RESPAWN: Duration = Duration::from_millis(100);

/// How long a driver waits for the store's answer before it calls a request failed.
const STORE_PATIENCE: Duration = Duration::from_millis(500);

/// The longest pause between two starts of a Python child.
const SPAWN_BACKOFF: Duration = Duration::from_secs(5);

/// What a task costs beyond its run: claim, run, commit and acknowledgement, each there and back.
const ROUND_TRIPS: u32 = 10;

/// The times of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// How long a message travels, and a store request each way.
    pub latency: Duration,
    /// Declared dead after so long a silence.
    pub timeout: Duration,
    /// How often either side beats.
    pub beat: Duration,
    /// How long a lease lives.
    pub lease: Duration,
    /// How often it is renewed, and expired ones are looked for.
    pub renew: Duration,
    /// How often a dispatcher looks at the queue without a doorbell.
    pub poll: Duration,
    /// The pause before a failed request to the store is repeated.
    pub store_retry: Duration,
    /// The longest pause of a worker before a new connection.
    pub backoff: Duration,
    /// How long one who leaves may wait for what still runs; zero if nobody leaves.
    pub drain: Duration,
    /// How long all the work takes in one process.
    pub work: Duration,
    /// How much slower than world time the slowest clock runs, in millionths.
    pub slowness: u32,
    /// How far the store's clock is set back, in all.
    pub set_back: Duration,
    /// What was submitted, by task.
    pub submits: Arc<ByTask<Submit>>,
}

impl Setting {
    /// The usual times, and what a plan says.
    pub fn of(plan: &Plan) -> Setting {
        let timing = Timing::default();
        let incarnation = Incarnation { boot: 0, epoch: 0 };
        let dispatcher = dispatcher::Config::new(incarnation, Mode::Push);
        let worker = worker::Config::new(WorkerId(0), 1, plan.shape.flow, 0);
        let latency = plan.shape.latency;
        let work = |submit: &Submit| work_of(submit, worker.kill_grace) + ROUND_TRIPS * latency;
        let leaves = plan
            .faults
            .iter()
            .any(|fault| matches!(fault.what, Trouble::Leave(_)));
        Setting {
            latency,
            timeout: plan.shape.timeout,
            beat: timing.beat,
            lease: store::Config::default().lease,
            renew: dispatcher.renew,
            poll: dispatcher.poll,
            store_retry: dispatcher.store_retry,
            backoff: worker.backoff_limit,
            drain: if leaves { timing.drain } else { Duration::ZERO },
            work: plan.submits.iter().map(work).sum(),
            slowness: slowness_of(plan),
            set_back: set_back_of(plan),
            submits: Arc::new(plan.submits.iter().map(|s| (s.task, s.clone())).collect()),
        }
    }

    /// How long after healing the last task may end.
    ///
    /// The lease of a dead dispatcher has to run out, and then a renewal of another to come, who
    /// looks for dead ones only a lease after its own connection (R4). What its owner does not
    /// know is given back at the second renewal after. Meanwhile everybody has found everybody
    /// again, and dead Python children have been replaced.
    pub fn recovery(&self) -> Duration {
        let waiting = 2 * self.lease
            + 3 * self.renew
            + 2 * self.timeout
            + 2 * self.backoff
            + SPAWN_BACKOFF
            + self.drain
            + self.work;
        self.stretched(waiting) + self.set_back + 64 * self.latency
    }

    /// How long a momentary trouble may go on having consequences: it is noticed by silence, a
    /// new session takes a pause, and its Hello may not be answered the first time.
    pub fn settling(&self) -> Duration {
        let waiting = 2 * self.timeout + self.backoff + self.beat;
        waiting + waiting / 20 + 16 * self.latency
    }

    /// How long a request to the store that went astray may go on having consequences: it counts as
    /// failed after a while and is repeated, and so may one that waits for it be.
    pub fn retrying(&self) -> Duration {
        2 * (STORE_PATIENCE + self.store_retry) + 16 * self.latency
    }

    /// World time in which every clock has shown `time`.
    fn stretched(&self, time: Duration) -> Duration {
        let pace = 1_000_000_u32.saturating_sub(self.slowness).max(1);
        time.mul_f64(1e6 / f64::from(pace))
    }
}

fn work_of(submit: &Submit, kill_grace: Duration) -> Duration {
    let runs = match submit.ends {
        Ending::Hangs => Duration::MAX,
        Ending::Returns
        | Ending::Raises
        | Ending::Exits
        | Ending::Crashes
        | Ending::ReturnsTooMuch => submit.runs,
    };
    let limit = submit.timeout.map(|timeout| timeout + kill_grace);
    // One that hangs without a deadline waits for a user to cancel it.
    let runs = runs.min(limit.unwrap_or(Duration::MAX));
    if runs == Duration::MAX {
        RESPAWN
    } else {
        runs + RESPAWN
    }
}

fn slowness_of(plan: &Plan) -> u32 {
    let slowness = plan.faults.iter().map(|fault| match fault.what {
        Trouble::ClockDrift(millionths) if millionths < 0 => millionths.unsigned_abs(),
        _ => 0,
    });
    slowness.max().unwrap_or(0)
}

fn set_back_of(plan: &Plan) -> Duration {
    let back = plan.faults.iter().map(|fault| match fault.what {
        Trouble::ClockJump { millis } if fault.node == Place::Store && millis < 0 => {
            millis.unsigned_abs()
        }
        _ => 0,
    });
    Duration::from_millis(back.sum())
}
