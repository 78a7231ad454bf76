//! Two platforms a mode, one that tells where its tasks are and one that does not, and the tasks that
//! go through them in turns.

use std::path::Path;
use std::time::{Duration, Instant};

use mpcsfaas_core::store::op::Mode;
use tokio::task::JoinSet;

use super::HopsError;
use super::client::{Client, FUNCTION, TaskError};
use super::figures::ModeFigures;
use super::trail::{Seen, Told};
use crate::api::Target;
use crate::cmd::bench::scratch::{Scratch, ScratchError};
use crate::cmd::bench::study::key_space::KeySpace;
use crate::cmd::bench::study::site::Site;
use crate::load;
use crate::platform::{Logs, Shape};
use crate::shutdown::Shutdown;

/// Tasks before the clock starts, for each Python process: it has loaded the function then, and the
/// worker knows how long a task takes.
const WARM_UP: u32 = 20;

/// What the measurements of all modes share.
pub(super) struct Course<'a> {
    /// How many tasks.
    pub(super) tasks: u32,
    /// The time from one submission to the next; `None` lets each wait for the end of the one before.
    pub(super) pause: Option<Duration>,
    pub(super) workers: u32,
    pub(super) processes: u32,
    /// The URL of the Redis, or nothing for the embedded store.
    pub(super) redis: Option<&'a str>,
    pub(super) python: &'a Path,
    pub(super) scratch: Scratch,
    pub(super) shutdown: Shutdown,
}

/// What the tasks of both platforms were like.
#[derive(Default)]
struct Measured {
    told: Vec<Seen>,
    silent: Vec<Seen>,
}

impl Course<'_> {
    /// Measures one mode.
    ///
    /// # Errors
    /// See [`HopsError`]. Nothing is left running.
    pub(super) async fn mode(&self, mode: Mode) -> Result<ModeFigures, HopsError> {
        let broken = |source| HopsError::Site { mode, source };
        let directory = |kind: &str| self.scratch.directory(&format!("{}-{kind}", mode.as_str()));
        let (telling, silent) = (directory("telling")?, directory("silent")?);
        let start = |logs, directory: &Path| {
            let shape = Shape {
                mode,
                workers: self.workers,
                processes: self.processes,
                logs,
            };
            Site::start(shape, self.redis.map(KeySpace::new), directory, self.python)
        };
        let mut sites = [
            start(Logs::Hops, &telling).map_err(broken)?,
            start(Logs::Text, &silent).map_err(broken)?,
        ];
        let mut functions = Vec::new();
        let measured = tokio::select! {
            measured = self.measure(mode, &mut sites, &mut functions) => measured,
            () = self.shutdown.clone().asked() => Err(HopsError::Interrupted),
        };
        let [one, other] = sites;
        let (one, other) = tokio::join!(one.stop(&functions), other.stop(&functions));
        // If several went wrong, the first is the cause.
        let measured = measured?;
        one.and(other).map_err(broken)?;
        let told = read_logs(&telling)?;
        let waited = measured.silent.iter().map(|seen| seen.got - seen.begun);
        ModeFigures::of(&measured.told, &told, waited.collect()).ok_or(HopsError::Untold(mode))
    }

    async fn measure(
        &self,
        mode: Mode,
        sites: &mut [Site; 2],
        functions: &mut Vec<String>,
    ) -> Result<Measured, HopsError> {
        let mut lanes = Vec::new();
        for site in sites {
            let ready = site.ready().await;
            ready.map_err(|source| HopsError::Site { mode, source })?;
            let function = load::register(site.target(), "monotonic_ns", FUNCTION).await?;
            functions.push(function.clone());
            lanes.push(Lane::new(site.target().clone(), function));
        }
        let measured = async {
            for lane in &mut lanes {
                for _ in 0..WARM_UP * self.workers * self.processes {
                    lane.one_more().await?;
                }
                lane.seen.clear();
            }
            match self.pause {
                None => {
                    for _ in 0..self.tasks {
                        for lane in &mut lanes {
                            lane.one_more().await?;
                        }
                    }
                }
                Some(pause) => self.paced(&mut lanes, pause).await?,
            }
            Ok(())
        };
        let measured: Result<(), TaskError> = measured.await;
        measured.map_err(|source| HopsError::Task { mode, source })?;
        let mut lanes = lanes.into_iter().map(|lane| lane.seen);
        Ok(Measured {
            told: lanes.next().unwrap_or_default(),
            silent: lanes.next().unwrap_or_default(),
        })
    }

    /// Both platforms get a task at each turn, the second half a turn after the first. No task waits
    /// for another, so the time of each begins when it is sent: this process may be late for a
    /// millisecond, and that would be a hop of its own.
    async fn paced(&self, lanes: &mut [Lane], pause: Duration) -> Result<(), TaskError> {
        let start = Instant::now();
        let parts = u32::try_from(lanes.len()).unwrap_or(1);
        let mut under_way: JoinSet<Result<(usize, Client, Seen), TaskError>> = JoinSet::new();
        for turn in 0..self.tasks {
            for (number, lane) in (0..).zip(lanes.iter_mut()) {
                let due = pause * turn + pause / parts * number;
                tokio::time::sleep_until((start + due).into()).await;
                let (client, place) = (lane.client().await?, number as usize);
                under_way.spawn(async move {
                    let mut client = client;
                    let seen = client.task().await?;
                    Ok((place, client, seen))
                });
            }
            while let Some(ended) = under_way.try_join_next() {
                take_in(lanes, ended)?;
            }
        }
        while let Some(ended) = under_way.join_next().await {
            take_in(lanes, ended)?;
        }
        Ok(())
    }
}

type Joined = Result<Result<(usize, Client, Seen), TaskError>, tokio::task::JoinError>;

fn take_in(lanes: &mut [Lane], ended: Joined) -> Result<(), TaskError> {
    let (place, client, seen) = ended.map_err(std::io::Error::other)??;
    lanes[place].idle.push(client);
    lanes[place].seen.push(seen);
    Ok(())
}

/// One platform, and what was seen of it.
struct Lane {
    target: Target,
    function: String,
    /// Connections that nobody uses now.
    idle: Vec<Client>,
    seen: Vec<Seen>,
}

impl Lane {
    fn new(target: Target, function: String) -> Lane {
        let (idle, seen) = (Vec::new(), Vec::new());
        Lane {
            target,
            function,
            idle,
            seen,
        }
    }

    async fn client(&mut self) -> Result<Client, TaskError> {
        match self.idle.pop() {
            Some(client) => Ok(client),
            None => Ok(Client::connect(&self.target, &self.function).await?),
        }
    }

    async fn one_more(&mut self) -> Result<(), TaskError> {
        let mut client = self.client().await?;
        self.seen.push(client.task().await?);
        self.idle.push(client);
        Ok(())
    }
}

/// All that the processes of a platform told.
fn read_logs(directory: &Path) -> Result<Told, ScratchError> {
    let mut told = Told::default();
    let files = std::fs::read_dir(directory).map_err(ScratchError::of(directory))?;
    for file in files.flatten() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let text = std::fs::read_to_string(&path).map_err(ScratchError::of(&path))?;
            text.lines().for_each(|line| told.take_in(line));
        }
    }
    Ok(told)
}
