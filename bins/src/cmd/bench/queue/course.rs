//! Carries the measurements out.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use mpcsfaas_core::mime_base64;
use mpcsfaas_core::store::op::Mode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use super::QueueError;
use super::figures::{Look, Window, bounds, windows};
use super::processes::{Taken, descendants, taken};
use super::stub;
use crate::api::{Connection, Target};
use crate::cmd::bench::scratch::Scratch;
use crate::cmd::bench::study::key_space::KeySpace;
use crate::cmd::bench::study::site::Site;
use crate::load::{self, NOOP_FUNCTION};
use crate::platform::{Logs, Shape};
use crate::shutdown::Shutdown;

/// Workers of the idle platform, each with one process.
const IDLE_WORKERS: u32 = 2;

/// How long the idle platform is left alone before it is watched.
const SETTLING: Duration = Duration::from_secs(5);

/// How long a dispatcher may take to come.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Tasks of one submission. Two connections submit.
const BATCH: u64 = 1_000;

/// How often the queue is looked at while it shrinks: a short one is gone soon.
const LOOKS_MS: (u64, u64) = (5, 50);

/// The pause before the gateway is asked again whether a dispatcher has come.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long after the drain the last look at the memory is.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// Tasks that are submitted and drained before anything is measured.
const WARM_UP: u64 = 2_000;

/// What all measurements share.
pub(super) struct Course<'a> {
    pub(super) tasks: u64,
    pub(super) bytes: usize,
    pub(super) workers: u32,
    pub(super) patience: Duration,
    /// The URL of the Redis, or nothing for the embedded store.
    pub(super) redis: Option<&'a str>,
    pub(super) python: &'a Path,
    pub(super) scratch: Scratch,
    pub(super) shutdown: Shutdown,
}

/// A process of the idle platform.
#[derive(Clone, Debug, Serialize)]
pub(super) struct IdleRow {
    pub(super) process: String,
    /// Of one processor.
    pub(super) cpu_percent: f64,
    #[serde(flatten)]
    pub(super) taken: Taken,
}

/// What the parts of a platform held at a time, in KiB; the store is what Redis says of itself.
pub(super) type Memory = BTreeMap<String, u64>;

/// The long queue.
#[derive(Clone, Debug, Serialize)]
pub(super) struct QueueFigures {
    pub(super) fill: Vec<Window>,
    pub(super) drain: Vec<Window>,
    pub(super) memory_empty_kib: Memory,
    pub(super) memory_full_kib: Memory,
    pub(super) memory_drained_kib: Memory,
    pub(super) memory_peak_kib: Memory,
}

/// A platform that runs, and how its parts are looked at.
struct Bench {
    site: Site,
    space: Option<KeySpace>,
}

impl Course<'_> {
    /// What a platform does that has nothing to do.
    ///
    /// # Errors
    /// See [`QueueError`]. Nothing is left running.
    pub(super) async fn idle(&self, watched: Duration) -> Result<Vec<IdleRow>, QueueError> {
        let mut bench = self.start("idle", IDLE_WORKERS)?;
        let watch = async {
            bench.site.ready().await?;
            tokio::time::sleep(SETTLING).await;
            let before = bench.all_processes();
            let store = bench.store_use().await?;
            let start = Instant::now();
            tokio::time::sleep(watched).await;
            let seconds = start.elapsed().as_secs_f64();
            let percent = |spent: Duration| spent.as_secs_f64() / seconds * 100.0;
            let mut rows = Vec::new();
            for (process, pid, then) in before {
                if let Some(taken) = taken(pid) {
                    rows.push(IdleRow {
                        process,
                        cpu_percent: percent(taken.cpu.saturating_sub(then.cpu)),
                        taken,
                    });
                }
            }
            if let (Some((_, then)), Some((bytes, now))) = (store, bench.store_use().await?) {
                rows.push(IdleRow {
                    process: "Redis".to_owned(),
                    cpu_percent: percent(now.saturating_sub(then)),
                    taken: Taken {
                        memory_kib: bytes / 1024,
                        ..Taken::default()
                    },
                });
            }
            Ok::<_, QueueError>(rows)
        };
        let watched = tokio::select! {
            watched = watch => watched,
            () = self.shutdown.clone().asked() => Err(QueueError::Interrupted),
        };
        let stopped = bench.site.stop(&[]).await;
        let rows = watched?;
        stopped?;
        Ok(rows)
    }

    /// Fills the queue and drains it.
    ///
    /// # Errors
    /// See [`QueueError`]. Nothing is left running.
    pub(super) async fn queue(&self) -> Result<QueueFigures, QueueError> {
        let bench = self.start("queue", 0)?;
        let mut functions = Vec::new();
        let measured = tokio::select! {
            measured = self.fill_and_drain(&bench, &mut functions) => measured,
            () = self.shutdown.clone().asked() => Err(QueueError::Interrupted),
        };
        let stopped = bench.site.stop(&functions).await;
        let figures = measured?;
        stopped?;
        Ok(figures)
    }

    fn start(&self, name: &str, workers: u32) -> Result<Bench, QueueError> {
        let shape = Shape {
            mode: Mode::Push,
            workers,
            processes: 1,
            logs: Logs::Text,
        };
        let directory = self.scratch.directory(name)?;
        let space = self.redis.map(KeySpace::new);
        let site = Site::start(shape, space.clone(), &directory, self.python)?;
        Ok(Bench { site, space })
    }

    async fn fill_and_drain(
        &self,
        bench: &Bench,
        functions: &mut Vec<String>,
    ) -> Result<QueueFigures, QueueError> {
        let target = bench.site.target();
        let ready = dispatcher_came(target);
        let in_time = tokio::time::timeout(START_LIMIT, ready).await;
        in_time.map_err(|_| QueueError::NoDispatcher(START_LIMIT))?;
        let function = load::register(target, "len", NOOP_FUNCTION).await?;
        functions.push(function.clone());
        let task = json!({"function_id": function, "payload": params(self.bytes)});

        // What is allocated once, or loaded at the first use, is there before anything is measured.
        self.fill(bench, &task, WARM_UP.min(self.tasks)).await?;
        self.drain(bench).await?;
        tokio::time::sleep(AFTERWARDS).await;
        let memory_empty_kib = bench.memory(|taken| taken.memory_kib).await?;

        eprintln!("submitting {} tasks", self.tasks);
        let filled = self.fill(bench, &task, self.tasks).await?;
        let memory_full_kib = bench.memory(|taken| taken.memory_kib).await?;
        eprintln!("draining them");
        let drained = self.drain(bench).await?;
        tokio::time::sleep(AFTERWARDS).await;
        let bounds = bounds(self.tasks);
        Ok(QueueFigures {
            fill: windows(&filled, &bounds),
            drain: windows(&drained, &bounds),
            memory_empty_kib,
            memory_full_kib,
            memory_drained_kib: bench.memory(|taken| taken.memory_kib).await?,
            memory_peak_kib: bench.memory(|taken| taken.peak_kib).await?,
        })
    }

    /// Submits so many tasks to an empty queue, and looks after each hundredth of them.
    async fn fill(
        &self,
        bench: &Bench,
        task: &serde_json::Value,
        tasks: u64,
    ) -> Result<Vec<Look>, QueueError> {
        let size = BATCH.min(tasks / 100);
        let body = |tasks: u64| {
            let list = vec![task; usize::try_from(tasks).unwrap_or(0)];
            Bytes::from(json!({ "tasks": list }).to_string())
        };
        let whole = body(size);
        let start = Instant::now();
        let progress = Mutex::new(Progress {
            left: tasks,
            queued: 0,
            looks: vec![bench.look(start, 0).await?],
        });
        let submit = async || {
            let mut client = Connection::connect(bench.site.target()).await?;
            loop {
                let (batch, queued) = progress.lock().await.take(size);
                let body = match batch {
                    0 => return Ok::<_, QueueError>(()),
                    batch if batch == size => whole.clone(),
                    batch => body(batch),
                };
                submit_batch(&mut client, body, queued).await?;
                let mut progress = progress.lock().await;
                progress.queued += batch;
                let (queued, seen) = (progress.queued, progress.seen());
                if queued - seen >= tasks / 100 || queued == tasks {
                    progress.looks.push(bench.look(start, queued).await?);
                }
            }
        };
        let (one, other) = tokio::join!(submit(), submit());
        one.and(other)?;
        Ok(progress.into_inner().looks)
    }

    /// Lets workers come, and looks until nothing is queued any more.
    async fn drain(&self, bench: &Bench) -> Result<Vec<Look>, QueueError> {
        let target = bench.site.target();
        let start = Instant::now();
        let mut looks = vec![bench.look(start, queued(target).await?).await?];
        let _workers = stub::start(self.workers, bench.site.workers_at());
        let mut changed = Instant::now();
        let pause = (self.tasks / 20_000).clamp(LOOKS_MS.0, LOOKS_MS.1);
        let pause = Duration::from_millis(pause);
        loop {
            tokio::time::sleep(pause).await;
            let look = bench.look(start, queued(target).await?).await?;
            let (left, before) = (look.queued, looks.last().map(|look| look.queued));
            looks.push(look);
            if Some(left) != before {
                changed = Instant::now();
            }
            if left == 0 {
                return Ok(looks);
            }
            if changed.elapsed() >= self.patience {
                return Err(QueueError::Stuck {
                    queued: left,
                    patience: self.patience,
                });
            }
        }
    }
}

/// How far the submitters are.
struct Progress {
    /// Not submitted yet.
    left: u64,
    queued: u64,
    looks: Vec<Look>,
}

impl Progress {
    /// The next batch, and how many are queued.
    fn take(&mut self, size: u64) -> (u64, u64) {
        let batch = size.min(self.left);
        self.left -= batch;
        (batch, self.queued)
    }

    /// So many were queued at the last look.
    fn seen(&self) -> u64 {
        self.looks.last().map_or(0, |look| look.queued)
    }
}

impl Bench {
    async fn store_use(&self) -> Result<Option<(u64, Duration)>, QueueError> {
        match &self.space {
            Some(space) => Ok(Some(space.server_use().await?)),
            None => Ok(None),
        }
    }

    /// The platform's processes and all that they have started.
    fn all_processes(&self) -> Vec<(String, u32, Taken)> {
        let parts = self.site.processes().into_iter();
        let all = parts.flat_map(|part| {
            let below = descendants(part.1);
            [part].into_iter().chain(below)
        });
        all.filter_map(|(name, pid)| Some((name, pid, taken(pid)?)))
            .collect()
    }

    async fn look(&self, start: Instant, queued: u64) -> Result<Look, QueueError> {
        let mut cpu: BTreeMap<String, Duration> = BTreeMap::new();
        for (name, pid) in self.site.processes() {
            if let Some(taken) = taken(pid) {
                cpu.insert(name, taken.cpu);
            }
        }
        let at = start.elapsed();
        if let Some((_, spent)) = self.store_use().await? {
            cpu.insert("Redis".to_owned(), spent);
        }
        Ok(Look { at, queued, cpu })
    }

    async fn memory(&self, what: impl Fn(&Taken) -> u64) -> Result<Memory, QueueError> {
        let parts = self.site.processes().into_iter();
        let parts = parts.filter_map(|(name, pid)| Some((name, what(&taken(pid)?))));
        let mut memory: Memory = parts.collect();
        if let Some((bytes, _)) = self.store_use().await? {
            memory.insert("Redis".to_owned(), bytes / 1024);
        }
        Ok(memory)
    }
}

#[derive(Deserialize)]
struct Overview {
    queued: u64,
    dispatchers: Vec<serde::de::IgnoredAny>,
}

async fn overview(target: &Target) -> Result<Overview, QueueError> {
    let asked = target.ask::<Overview>(Method::GET, "/v1/overview", ANSWER_LIMIT);
    asked
        .await?
        .map_err(|refusal| QueueError::Refused { queued: 0, refusal })
}

async fn queued(target: &Target) -> Result<u64, QueueError> {
    overview(target).await.map(|seen| seen.queued)
}

async fn dispatcher_came(target: &Target) {
    // Until it has bound its port, and while the store is away, there is no answer.
    while !overview(target)
        .await
        .is_ok_and(|seen| !seen.dispatchers.is_empty())
    {
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn submit_batch(client: &mut Connection, body: Bytes, queued: u64) -> Result<(), QueueError> {
    #[derive(Deserialize)]
    struct Submitted {
        tasks: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        status: Option<u16>,
        detail: Option<String>,
    }
    let answer = client.ask::<Submitted>(Method::POST, "/v1/tasks:batch", body);
    let submitted = answer.await?;
    let submitted = submitted.map_err(|refusal| QueueError::Refused { queued, refusal })?;
    match submitted
        .tasks
        .into_iter()
        .find(|item| item.status.is_some())
    {
        Some(refused) => Err(QueueError::TaskRefused {
            queued,
            detail: refused.detail.unwrap_or_default(),
        }),
        None => Ok(()),
    }
}

/// `((data,), {})`, pickled, of so many bytes in all, in base64.
fn params(bytes: usize) -> String {
    // PROTO 4, BINBYTES with four bytes of length, TUPLE1, EMPTY_DICT, TUPLE2, STOP.
    let data = vec![b'x'; bytes.saturating_sub(11)];
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
    let pickled = [&b"\x80\x04B"[..], &length, &data, b"\x85}\x86."].concat();
    mime_base64::encode_mime(&pickled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_parameters_and_as_long_as_they_should_be() {
        for bytes in [16, 200, 65_536] {
            let pickled = mime_base64::decode_lenient(params(bytes).as_bytes()).unwrap();
            assert_eq!(pickled.len(), bytes);
            assert!(mpcsfaas_core::pickle::check_params(&pickled).is_ok());
        }
    }
}
