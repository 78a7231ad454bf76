//! What a study measures, checked before anything runs.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use mpcsfaas_core::store::op::Mode;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::StudyArgs;
use crate::cmd::run::{FunctionPath, function_path};

/// The most Python processes of one worker; local mode has one worker.
const MOST_PROCESSES: u32 = 1024;

/// The most tasks of one run: so many fit into the queue of a store.
const MOST_TASKS: u64 = 1_000_000;

/// Submissions a second where none is named.
const USUAL_RATE: f64 = 50.0;

/// How the client submits, and how it learns that a task has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// As the original's client does: five at a time with pauses, then polls.
    Original,
    /// At a fixed rate, whatever has become of the tasks before.
    Open,
    /// All at once.
    Burst,
}

/// What grows with the workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// The number of tasks does.
    Weak,
    /// Nothing does.
    Strong,
}

impl Scaling {
    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scaling::Weak => "weak",
            Scaling::Strong => "strong",
        }
    }
}

/// What each task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// One of those that the Python client has.
    BuiltIn(&'static str),
    /// A function of the user's.
    File(FunctionPath),
}

/// The workloads that the Python client has.
const BUILT_IN: [&str; 3] = ["noop", "cpu", "sleep"];

/// As on the command line.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::BuiltIn(name) => f.write_str(name),
            Workload::File(path) => write!(f, "{}:{}", path.file.display(), path.function),
        }
    }
}

/// The text names no workload.
#[derive(Debug, Error)]
#[error("expected noop, cpu, sleep or FILE.py:FUNCTION")]
pub struct NoWorkload;

/// Reads a workload's name.
///
/// # Errors
/// [`NoWorkload`].
pub fn workload(text: &str) -> Result<Workload, NoWorkload> {
    if let Some(name) = BUILT_IN.into_iter().find(|name| *name == text) {
        return Ok(Workload::BuiltIn(name));
    }
    function_path(text)
        .map(Workload::File)
        .map_err(|_| NoWorkload)
}

/// Why what was asked for cannot be measured.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A rate, and nothing that has one.
    #[error("--rate is for --pacing open")]
    RateWithoutOpen,
    /// More processes than a worker may have.
    #[error(
        "local mode would need {0} Python processes (workers x processes), and {MOST_PROCESSES} \
         is the most"
    )]
    TooManyProcesses(u64),
    /// More tasks than a queue holds.
    #[error("a run would have {0} tasks, and {MOST_TASKS} is the most")]
    TooManyTasks(u64),
    /// A function's file.
    #[error("cannot read {}: {source}", .file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// All that is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Without repetitions, in the order of the command line.
    pub modes: Vec<Mode>,
    /// Growing, without repetitions.
    pub workers: Vec<u32>,
    /// Of each worker.
    pub processes: u32,
    /// In weak scaling.
    pub tasks_per_worker: u32,
    /// In strong scaling, whatever the number of workers.
    pub strong_tasks: u32,
    /// Without repetitions.
    pub workloads: Vec<Workload>,
    /// Without repetitions.
    pub scalings: Vec<Scaling>,
    /// How often each run is repeated.
    pub rounds: u32,
    /// How tasks are submitted.
    pub pacing: Pacing,
    /// Submissions a second, of open pacing.
    pub rate: f64,
    /// How long one run may take.
    pub patience: Duration,
}

/// One measurement on a platform that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which of the workloads.
    pub workload: usize,
    /// Weak or strong.
    pub scaling: Scaling,
    /// Counted from 1.
    pub round: u32,
    /// How many tasks.
    pub tasks: u32,
}

impl Plan {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn of(args: &StudyArgs) -> Result<Plan, PlanError> {
        if args.rate.is_some() && args.pacing != Pacing::Open {
            return Err(PlanError::RateWithoutOpen);
        }
        let mut workers = args.workers.clone();
        workers.sort_unstable();
        workers.dedup();
        let most = workers.last().copied().unwrap_or(1);
        let weak_tasks = u64::from(most) * u64::from(args.tasks_per_worker.get());
        let strong_tasks = args.strong_tasks.map(NonZeroU32::get).map(u64::from);
        let strong_tasks = strong_tasks.unwrap_or(weak_tasks);
        if let Some(many) = [weak_tasks, strong_tasks]
            .into_iter()
            .find(|n| *n > MOST_TASKS)
        {
            return Err(PlanError::TooManyTasks(many));
        }
        let plan = Plan {
            modes: unique(args.modes.iter().map(|mode| Mode::from(*mode))),
            workers,
            processes: args.processes,
            tasks_per_worker: args.tasks_per_worker.get(),
            strong_tasks: u32::try_from(strong_tasks).unwrap_or(u32::MAX),
            workloads: unique(args.workloads.iter().cloned()),
            scalings: unique(args.scaling.iter().copied()),
            rounds: args.rounds.get(),
            pacing: args.pacing,
            rate: args.rate.unwrap_or(USUAL_RATE),
            patience: args.patience,
        };
        let pool = u64::from(most) * u64::from(plan.processes);
        if plan.modes.contains(&Mode::Local) && pool > u64::from(MOST_PROCESSES) {
            return Err(PlanError::TooManyProcesses(pool));
        }
        plan.check_files()?;
        Ok(plan)
    }

    fn check_files(&self) -> Result<(), PlanError> {
        for workload in &self.workloads {
            if let Workload::File(FunctionPath { file, .. }) = workload {
                let read = std::fs::read(file);
                read.map_err(|source| PlanError::File {
                    file: file.clone(),
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// The most workers of any run.
    pub fn most_workers(&self) -> u32 {
        self.workers.last().copied().unwrap_or(1)
    }

    /// What is measured on one platform. All workloads take turns in each round, so that a machine
    /// that is slow for a while is slow for all of them.
    pub fn runs(&self, workers: u32) -> Vec<Run> {
        let mut runs = Vec::new();
        for round in 1..=self.rounds {
            for &scaling in &self.scalings {
                for workload in 0..self.workloads.len() {
                    runs.push(Run {
                        workload,
                        scaling,
                        round,
                        tasks: self.tasks(scaling, workers),
                    });
                }
            }
        }
        runs
    }

    /// How many tasks a run has.
    pub const fn tasks(&self, scaling: Scaling, workers: u32) -> u32 {
        match scaling {
            Scaling::Weak => self.tasks_per_worker * workers,
            Scaling::Strong => self.strong_tasks,
        }
    }

    /// How many tasks all runs have.
    pub fn all_tasks(&self) -> u64 {
        let of_one_mode = self.workers.iter().flat_map(|workers| self.runs(*workers));
        let tasks: u64 = of_one_mode.map(|run| u64::from(run.tasks)).sum();
        tasks * self.modes.len() as u64
    }
}

fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: StudyArgs,
    }

    fn plan(options: &[&str]) -> Result<Plan, PlanError> {
        let line = Line::try_parse_from([&["study"][..], options].concat()).unwrap();
        Plan::of(&line.args)
    }

    #[test]
    fn workloads_are_named_or_a_function_of_a_file() {
        assert_eq!(workload("cpu").unwrap(), Workload::BuiltIn("cpu"));
        assert_eq!(workload("a/b.py:f").unwrap().to_string(), "a/b.py:f");
        for wrong in ["nop", "jobs.py", "jobs.py:", ":f", ""] {
            assert!(workload(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn weak_runs_grow_with_the_workers_and_strong_ones_do_not() {
        let plan = plan(&["--workers", "4,1,4", "--rounds", "2", "--workloads", "noop"]).unwrap();
        assert_eq!(plan.workers, [1, 4]);
        let tasks = |workers| -> Vec<(Scaling, u32, u32)> {
            let runs = plan.runs(workers).into_iter();
            runs.map(|run| (run.scaling, run.round, run.tasks))
                .collect()
        };
        let (weak, strong) = (Scaling::Weak, Scaling::Strong);
        let expected = [(weak, 1, 5), (strong, 1, 20), (weak, 2, 5), (strong, 2, 20)];
        assert_eq!(tasks(1), expected);
        assert_eq!(tasks(4)[0], (weak, 1, 20));
        assert_eq!(plan.all_tasks(), 3 * 2 * (5 + 20 + 20 + 20));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let error = |options: &[&str]| plan(options).unwrap_err().to_string();
        assert_eq!(error(&["--rate", "5"]), "--rate is for --pacing open");
        assert!(error(&["--workers", "256"]).contains("1280 Python processes"));
        assert!(error(&["--tasks-per-worker", "999999"]).contains("7999992 tasks"));
        assert!(error(&["--workloads", "nowhere.py:f"]).contains("cannot read nowhere.py"));
        assert!(plan(&["--workers", "256", "--modes", "pull"]).is_ok());
    }
}
