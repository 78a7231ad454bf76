//! What a function costs through a platform: a private one for each mode and number of processes.

use std::time::Duration;

use hyper::Method;
use mpcsfaas_core::store::op::Mode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::AdviseError;
use super::profile::Profile;
use crate::api::{Connection, Refusal, Target};
use crate::cmd::bench::scratch::Scratch;
use crate::failure::Failure;
use crate::load::{self, Config, LoadError, LoadReport};
use crate::platform::{Logs, Platform, PlatformError, Shape};
use crate::python_client::PythonClient;
use crate::shutdown::Shutdown;

/// Every measurement has so many tasks that it takes about this long.
const LENGTH: Duration = Duration::from_secs(1);

/// In so many parts, of which the differences say how far a figure can be trusted.
const ROUNDS: usize = 3;

/// The most tasks of one measurement.
const MOST_TASKS: f64 = 10_000.0;

/// Callers at a time, where the platform is to be busy: more than it needs for each process.
const CALLERS: u32 = 16;

/// The sizes of batches that are tried.
const BATCHES: [u64; 4] = [4, 16, 64, 256];

/// A function that takes no longer is called more often.
const SHORT: Duration = Duration::from_millis(50);

/// The figures of one platform.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Measured {
    /// How tasks got to the processes.
    pub(super) mode: Mode,
    /// Python processes.
    pub(super) processes: u32,
    /// What half of the tasks stayed below from submit to result, one at a time, in milliseconds.
    pub(super) alone_ms: f64,
    /// Tasks a second that many callers got, who submit one task at a time each: the median of
    /// several rounds.
    pub(super) tasks_per_s: f64,
    /// The slowest and the fastest round.
    pub(super) range: (f64, f64),
    /// The same in batches, by size; empty if the platform has none, or the task is long.
    pub(super) batches: Vec<Batches>,
}

/// Tasks a second in batches of a size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Batches {
    pub(super) size: u64,
    pub(super) tasks_per_s: f64,
}

/// What all measurements share.
pub(super) struct Laboratory<'a> {
    pub(super) client: &'a PythonClient,
    pub(super) scratch: &'a Scratch,
    pub(super) profile: &'a Profile,
    pub(super) shutdown: &'a Shutdown,
    /// How long one task may take on the platform.
    pub(super) patience: Duration,
}

impl Laboratory<'_> {
    /// Starts a platform, measures and stops it again, also when it is interrupted.
    pub(super) async fn measure(
        &self,
        mode: Mode,
        processes: u32,
    ) -> Result<Measured, AdviseError> {
        let broken = |source: PlatformError| AdviseError::Platform { mode, source };
        let directory = self
            .scratch
            .directory(&format!("{}-{processes}", mode.as_str()))?;
        let shape = Shape {
            mode,
            workers: 1,
            processes,
            logs: Logs::Text,
        };
        let mut platform =
            Platform::start(shape, &directory, self.client.python()).map_err(broken)?;
        let measured = tokio::select! {
            measured = async {
                platform.ready().await.map_err(broken)?;
                self.on(platform.target(), mode, processes).await
            } => measured,
            () = self.shutdown.clone().asked() => Err(AdviseError::Interrupted),
        };
        let stopped = platform.stop().await.map_err(broken);
        // If both went wrong, the first is the cause.
        let measured = measured?;
        stopped.map(|()| measured)
    }

    async fn on(
        &self,
        target: &Target,
        mode: Mode,
        processes: u32,
    ) -> Result<Measured, AdviseError> {
        let broken = |source| AdviseError::Load { mode, source };
        let Profile {
            function, payload, ..
        } = self.profile;
        let function_id = load::register(target, function, payload)
            .await
            .map_err(broken)?;
        let trial = self.trial(target, mode, &function_id);
        match tokio::time::timeout(self.patience, trial).await {
            Ok(trial) => trial?,
            Err(_) => {
                return Err(AdviseError::Slow {
                    what: "a first task did not end",
                    limit: self.patience,
                });
            }
        }
        let config = |connections: u32, tasks: u64| Config {
            target: target.clone(),
            function_id: function_id.clone(),
            params: self.profile.params.clone(),
            // The same function may give another result each time.
            expected: Vec::new(),
            connections: connections as usize,
            keep_alive: true,
            tasks,
            wait_s: 30,
            patience: self.patience,
        };
        let right = |report: LoadReport| match report.failed {
            0 => Ok(report),
            failed => Err(AdviseError::Unsteady {
                mode,
                failed,
                tasks: failed + report.completed,
            }),
        };
        let run = async |connections, tasks| {
            let report = load::closed_loop(config(connections, tasks)).await;
            right(report.map_err(broken)?)
        };
        let callers = CALLERS.max(2 * processes);
        let short = self.profile.seconds() < SHORT.as_secs_f64();
        // Every process has the function before anything is measured, and how many tasks a
        // measurement needs is known.
        let (many, few) = if short {
            (4 * callers, 5)
        } else {
            (processes, 1)
        };
        let many = run(callers, u64::from(many)).await?.tasks_per_second();
        let few = run(1, few).await?.tasks_per_second();
        let alone = run(1, tasks_for(few, 1)).await?;
        let mut rounds = Vec::new();
        for _ in 0..if short { ROUNDS } else { 1 } {
            let tasks = tasks_for(many / ROUNDS as f64, processes);
            rounds.push(run(callers, tasks).await?.tasks_per_second());
        }
        rounds.sort_by(f64::total_cmp);
        let (slowest, fastest) = (rounds[0], rounds[rounds.len() - 1]);
        let tasks_per_s = rounds[rounds.len() / 2];
        let mut reached = tasks_per_s;
        let mut batches = Vec::new();
        // Of longer tasks nothing is won by submitting several at once.
        for size in BATCHES.into_iter().filter(|_| short) {
            // Enough batches for two callers, so that one is under way while another is made.
            let tasks = tasks_for(reached, processes).max(4 * size);
            match load::closed_batches(config(2, tasks), size).await {
                Ok(report) => {
                    let tasks_per_s = right(report)?.tasks_per_second();
                    reached = reached.max(tasks_per_s);
                    batches.push(Batches { size, tasks_per_s });
                }
                Err(LoadError::NoBatch) => break,
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(Measured {
            mode,
            processes,
            alone_ms: alone.latency_ms(0.5),
            tasks_per_s,
            range: (slowest, fastest),
            batches,
        })
    }

    /// One task, to learn why it fails if it does: workers see other files and modules than the
    /// Python that has measured it.
    async fn trial(
        &self,
        target: &Target,
        mode: Mode,
        function_id: &str,
    ) -> Result<(), AdviseError> {
        #[derive(Deserialize)]
        struct Accepted {
            task_id: String,
        }
        #[derive(Deserialize)]
        struct State {
            status: String,
        }
        #[derive(Deserialize)]
        struct Details {
            error: Option<Failure>,
        }
        let broken = |error| AdviseError::Load {
            mode,
            source: LoadError::Api(error),
        };
        let refused = |refusal: Refusal| AdviseError::Load {
            mode,
            source: LoadError::Refused(refusal),
        };
        let mut connection = Connection::connect(target).await.map_err(broken)?;
        let body = json!({"function_id": function_id, "payload": self.profile.params});
        let submitted: Result<Accepted, Refusal> = connection
            .ask(Method::POST, "/execute_function", body.to_string().into())
            .await
            .map_err(broken)?;
        let Accepted { task_id } = submitted.map_err(refused)?;
        let path = format!("/result/{task_id}?wait=30");
        loop {
            let asked = connection.ask::<State>(Method::GET, &path, Default::default());
            match asked
                .await
                .map_err(broken)?
                .map_err(refused)?
                .status
                .as_str()
            {
                "COMPLETED" => return Ok(()),
                "FAILED" => break,
                _ => {}
            }
        }
        let path = format!("/v1/tasks/{task_id}");
        let asked = connection.ask::<Details>(Method::GET, &path, Default::default());
        let details = asked.await.map_err(broken)?.map_err(refused)?;
        Err(AdviseError::Failed {
            mode,
            failure: details.error.unwrap_or_default(),
        })
    }
}

/// How many tasks take about as long as a measurement is to take, at so many a second.
fn tasks_for(tasks_per_s: f64, fewest: u32) -> u64 {
    let fewest = f64::from(fewest);
    let tasks = tasks_per_s * LENGTH.as_secs_f64();
    tasks.clamp(fewest, MOST_TASKS.max(fewest)).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_has_as_many_tasks_as_its_time_allows() {
        assert_eq!(tasks_for(1_234.5, 2), 1_235);
        assert_eq!(tasks_for(0.1, 2), 2);
        assert_eq!(tasks_for(1e9, 2), 10_000);
    }
}
