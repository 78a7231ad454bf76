//! Carries a plan out: platform after platform, run after run.

use std::path::Path;

use hyper::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mpcsfaas_core::store::op::Mode;

use super::StudyError;
use super::functions::Function;
use super::key_space::KeySpace;
use super::outcome::{Key, RunRow};
use super::pacing::{Ending, Load};
use super::plan::{Pacing, Plan, Run};
use super::site::Site;
use crate::cmd::bench::scratch::Scratch;
use crate::load;
use crate::platform::{Logs, Shape};
use crate::shutdown::Shutdown;

/// Tasks of each workload for each Python process, before the clock starts: so each process has
/// very likely loaded the function.
const WARM_UP: u32 = 2;

/// What all platforms of a study share.
pub struct Course<'a> {
    pub plan: &'a Plan,
    pub functions: &'a [Function],
    pub python: &'a Path,
    /// The Redis, or nothing for the embedded store.
    pub redis: Option<&'a str>,
    pub scratch: &'a Scratch,
    pub shutdown: Shutdown,
}

/// What is done on a platform that is there.
enum Work<'a> {
    /// Everything once, to see that it works.
    Trial,
    /// What is left of the runs; what has been measured is moved from the one to the other.
    Measure {
        left: &'a mut Vec<Run>,
        rows: &'a mut Vec<RunRow>,
        bar: &'a ProgressBar,
    },
}

impl Course<'_> {
    /// Starts each mode with the most workers and runs every workload there, so that what cannot
    /// work is known before anything is measured.
    ///
    /// # Errors
    /// A process does not start, or a task is not done.
    pub async fn trial(&self) -> Result<(), StudyError> {
        for &mode in &self.plan.modes {
            let workers = self.plan.most_workers();
            eprintln!(
                "{:<5}  trying {}",
                mode.as_str(),
                counted(workers, "worker")
            );
            self.on_a_platform(mode, workers, Work::Trial).await?;
        }
        Ok(())
    }

    /// Measures everything. What has been measured is in `rows`, also after an error.
    ///
    /// # Errors
    /// A platform did not start, run or stop as it should, or Ctrl-C.
    pub async fn measure(&self, rows: &mut Vec<RunRow>) -> Result<(), StudyError> {
        let bar = bar(self.plan.all_tasks());
        for &mode in &self.plan.modes {
            for &workers in &self.plan.workers {
                let mut left = self.plan.runs(workers);
                // From the end, because that is where a vector gives.
                left.reverse();
                while !left.is_empty() {
                    let (left, rows, bar) = (&mut left, &mut *rows, &bar);
                    let work = Work::Measure { left, rows, bar };
                    self.on_a_platform(mode, workers, work).await?;
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Starts a platform, works on it and stops it again, whatever came of the work.
    async fn on_a_platform(
        &self,
        mode: Mode,
        workers: u32,
        work: Work<'_>,
    ) -> Result<(), StudyError> {
        let broken = |source| StudyError::Site {
            mode,
            workers,
            source,
        };
        let shape = Shape {
            mode,
            workers,
            processes: self.plan.processes,
            logs: Logs::Text,
        };
        let directory = self
            .scratch
            .directory(&format!("{:016x}", rand::random::<u64>()))?;
        let space = self.redis.map(KeySpace::new);
        let mut site = Site::start(shape, space, &directory, self.python).map_err(broken)?;
        let mut ids = Vec::new();
        let worked = tokio::select! {
            worked = self.work(shape, &mut site, &mut ids, work) => worked,
            () = self.shutdown.clone().asked() => Err(StudyError::Interrupted),
        };
        let stopped = site.stop(&ids).await.map_err(broken);
        // If both went wrong, the first is the cause.
        worked.and(stopped)
    }

    async fn work(
        &self,
        shape: Shape,
        site: &mut Site,
        ids: &mut Vec<String>,
        work: Work<'_>,
    ) -> Result<(), StudyError> {
        let Shape { mode, workers, .. } = shape;
        let ready = site.ready().await;
        ready.map_err(|source| StudyError::Site {
            mode,
            workers,
            source,
        })?;
        for function in self.functions {
            let id = load::register(site.target(), &function.name, &function.payload);
            ids.push(id.await?);
        }
        self.warm_up(shape, site, ids).await?;
        let Work::Measure { left, rows, bar } = work else {
            return Ok(());
        };
        bar.suspend(|| {
            let (mode, workers) = (mode.as_str(), counted(workers, "worker"));
            eprintln!(
                "{mode:<5}  measuring {workers}: {}",
                counted_runs(left.len())
            );
        });
        while let Some(run) = left.pop() {
            let function = &self.functions[run.workload];
            bar.set_message(format!(
                "{}, {}, {}, {} scaling, round {}",
                mode.as_str(),
                counted(workers, "worker"),
                function.workload,
                run.scaling.as_str(),
                run.round
            ));
            let id = &ids[run.workload];
            let load = Load::new(site.target(), id, &function.params, run.tasks, self.plan);
            let measured = load.measure(bar).await?;
            let key = Key {
                mode,
                workload: function.workload.clone(),
                scaling: run.scaling,
                workers,
            };
            let row = RunRow::of(key, &run, &measured);
            let unfinished = row.unfinished;
            rows.push(row);
            if unfinished > 0 {
                // They would be in the way of the next run: that one gets a platform of its own.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Runs each workload until its function has been loaded everywhere.
    async fn warm_up(&self, shape: Shape, site: &Site, ids: &[String]) -> Result<(), StudyError> {
        let tasks = WARM_UP * shape.workers * shape.processes;
        for (function, id) in self.functions.iter().zip(ids) {
            let mut load = Load::new(site.target(), id, &function.params, tasks, self.plan);
            load.pacing = Pacing::Burst;
            let measured = load.measure(&ProgressBar::hidden()).await?;
            let undone = |ending| {
                let those = measured.tasks.iter().filter(|task| task.ending == ending);
                those.count()
            };
            let [failed, refused, unfinished] =
                [Ending::Failed, Ending::Refused, Ending::Unfinished].map(undone);
            if failed + refused + unfinished > 0 {
                return Err(StudyError::Trial {
                    mode: shape.mode,
                    workload: function.workload.clone(),
                    tasks,
                    failed,
                    refused,
                    unfinished,
                    why: why(site, id, function).await,
                });
            }
        }
        Ok(())
    }
}

/// Runs a function once more, and tells how that failed.
async fn why(site: &Site, function_id: &str, function: &Function) -> String {
    #[derive(serde::Deserialize)]
    struct Submitted {
        task_id: String,
    }
    #[derive(serde::Deserialize)]
    struct Details {
        status: String,
        reason: String,
        error: Option<crate::failure::Failure>,
    }
    let ask = async {
        let mut client = crate::api::Connection::connect(site.target()).await?;
        let body = serde_json::json!({"function_id": function_id, "payload": function.params});
        let body = body.to_string().into();
        let submitted = client.ask::<Submitted>(Method::POST, "/execute_function", body);
        let submitted = match submitted.await? {
            Ok(submitted) => submitted,
            Err(refusal) => return Ok(refusal.to_string()),
        };
        let result = format!("/result/{}?wait=10", submitted.task_id);
        let waited = client.ask::<serde::de::IgnoredAny>(Method::GET, &result, bytes::Bytes::new());
        let _ended_or_not = waited.await?;
        let task = format!("/v1/tasks/{}", submitted.task_id);
        let told = client.ask::<Details>(Method::GET, &task, bytes::Bytes::new());
        Ok::<_, crate::api::ApiError>(match told.await? {
            Ok(Details {
                error: Some(error), ..
            }) => error.to_string(),
            Ok(Details { status, reason, .. }) => format!("{status}: {reason}"),
            Err(refusal) => refusal.to_string(),
        })
    };
    ask.await.unwrap_or_else(|error| error.to_string())
}

/// `1 worker`, `2 workers`.
pub fn counted(count: u32, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

fn counted_runs(runs: usize) -> String {
    counted(u32::try_from(runs).unwrap_or(u32::MAX), "run")
}

/// Draws nothing where standard error is no terminal.
fn bar(tasks: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(tasks), ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("[{bar:30}] {pos}/{len} tasks, {eta} left  {wide_msg}");
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar
}
