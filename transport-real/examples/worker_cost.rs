//! What a no-op task costs in a worker: processor time of the worker's own process and of its Python
//! children, without a socket and without a store.
//!
//! `MPCSFAAS_TEST_PYTHON=.../python cargo run --release -p mpcsfaas-transport-real --example worker_cost [TASKS] [PROCESSES] [ROUND]`
//!
//! ROUND is "a burst" or "one by one"; both, if it is not given.
//!
//! A scripted dispatcher in this process fills the worker's credit, acknowledges each result and
//! sends more, so the worker's figure includes a little of the dispatcher's side.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, Incarnation, Session, TaskId, WorkerId};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_core::wire::message::{
    Flow, FromDispatcher, FromWorker, Run, TaskRef, ToDispatcher, ToWorker,
};
use mpcsfaas_core::worker::{Config, Input, Worker};
use mpcsfaas_transport_real::clock::Clock;
use mpcsfaas_transport_real::drive::INPUT_BACKLOG;
use mpcsfaas_transport_real::python::{Pool, PoolConfig};
use mpcsfaas_transport_real::work::{self, Dial};
use tokio::sync::{mpsc, oneshot};

const F: FunctionId = FunctionId(1);

/// `dill.loads` of this gives `builtins.abs`, and of the parameters `((-1,), {})`.
const FUNCTION: &[u8] = b"cbuiltins\nabs\n.";
const PARAMS: &[u8] = b"\x80\x04J\xff\xff\xff\xff\x85}\x86.";

/// The dispatcher's side of the one connection.
struct Script {
    tasks: u128,
    /// How many tasks may be at the worker at a time; at most the credit.
    window: usize,
    done: Option<oneshot::Sender<Times>>,
}

/// When the first task was sent, and what had been used by then.
struct Times {
    started: Instant,
    own: Duration,
    children: Duration,
}

impl Dial for Script {
    fn dial(
        &mut self,
        session: Session,
        inputs: mpsc::Sender<Input>,
    ) -> mpsc::UnboundedSender<FromWorker> {
        let (said, heard) = mpsc::unbounded_channel();
        let done = self.done.take();
        tokio::spawn(serve(
            session,
            inputs,
            heard,
            (self.tasks, self.window),
            done,
        ));
        said
    }
}

async fn serve(
    session: Session,
    inputs: mpsc::Sender<Input>,
    mut heard: mpsc::UnboundedReceiver<FromWorker>,
    (tasks, window): (u128, usize),
    mut done: Option<oneshot::Sender<Times>>,
) {
    let (mut number, mut credit, mut sent, mut ended) = (0, 0, 0, 0);
    let mut times = None;
    let mut say = async |body| {
        let number = match body {
            ToWorker::Beat { .. } => 0,
            _ => {
                number += 1;
                number
            }
        };
        let message = FromDispatcher {
            session,
            number,
            body,
        };
        let _ = inputs.send(Input::MessageReceived(message)).await;
        number
    };
    let mut last = 0;
    while let Some(message) = heard.recv().await {
        match message.body {
            ToDispatcher::Hello(hello) => {
                credit = hello.credit as usize;
                let dispatcher = Incarnation { boot: 1, epoch: 0 };
                let (beat, timeout) = (Duration::from_secs(1), Duration::from_secs(3));
                say(ToWorker::Welcome {
                    dispatcher,
                    beat,
                    timeout,
                })
                .await;
                let function = Arc::new(Function {
                    name: "abs".to_owned(),
                    body: Bytes::from_static(FUNCTION),
                    options: Options::default(),
                    pickled_by: Versions::default(),
                });
                last = say(ToWorker::Function { id: F, function }).await;
                times = Some(Times {
                    started: Instant::now(),
                    own: own(),
                    children: children(),
                });
            }
            ToDispatcher::Beat { credit: now, .. } => {
                credit = now as usize;
                say(ToWorker::Beat { last }).await;
            }
            ToDispatcher::Finished(results) => {
                ended += results.len() as u128;
                last = say(ToWorker::Ack(results.iter().map(|r| r.task).collect())).await;
            }
            _ => {}
        }
        let at_worker = (sent - ended) as usize;
        let room = credit
            .min(window)
            .saturating_sub(at_worker)
            .min((tasks - sent) as usize);
        // As the real one, it sends when at most half of what it may send is there.
        if room > 0 && (at_worker == 0 || room * 2 >= credit.min(window)) {
            let run = |number| Run {
                task: TaskRef {
                    task: TaskId(number),
                    attempt: 1,
                },
                function: F,
                params: Bytes::from_static(PARAMS),
                options: Options::default(),
            };
            let runs = (sent..sent + room as u128).map(run).collect();
            sent += room as u128;
            last = say(ToWorker::Run(runs)).await;
        }
        if ended == tasks
            && let (Some(done), Some(times)) = (done.take(), times.take())
        {
            let _ = done.send(times);
        }
    }
}

/// Processor time of this process so far.
fn own() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    let usage = usage.expect("getrusage works");
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
    };
    of(usage.user_time()) + of(usage.system_time())
}

/// Processor time of its children so far, by the scheduler's own account.
fn children() -> Duration {
    let me = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let time = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = stat.rsplit(") ").next()?.split(' ').nth(1)?;
        let schedstat = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let nanos = schedstat.split(' ').next()?.parse().ok()?;
        (parent == me).then_some(Duration::from_nanos(nanos))
    };
    all.filter_map(time).sum()
}

fn argument(index: usize, default: usize) -> usize {
    let text = std::env::args().nth(index);
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (tasks, processes) = (argument(1, 100_000), argument(2, 1) as u32);
    for (name, tasks, window) in [
        ("a burst", tasks, usize::MAX),
        ("one by one", tasks / 10, 1),
    ] {
        let python = PathBuf::from(std::env::var_os("MPCSFAAS_TEST_PYTHON").ok_or("no Python")?);
        runtime.block_on(measure(
            name,
            (tasks, window),
            PoolConfig::new(python, processes),
        ))?;
    }
    Ok(())
}

async fn measure(
    name: &str,
    (tasks, window): (usize, usize),
    config: PoolConfig,
) -> Result<(), Box<dyn Error>> {
    let (inputs_in, inputs) = mpsc::channel(INPUT_BACKLOG);
    let (facts_in, facts) = mpsc::channel(INPUT_BACKLOG);
    let processes = config.processes;
    let mut pool = Pool::start(config, facts_in)?;
    let (done, is_done) = oneshot::channel();
    let dial = Script {
        tasks: tasks as u128,
        window,
        done: Some(done),
    };
    let clock = Clock::start();
    let worker = Worker::new(
        Config::new(WorkerId(1), processes, Flow::Push, 1),
        clock.now(),
    );
    let commands = (|order| pool.obey(order), facts);
    let times = tokio::select! {
        () = work::run(worker, clock, commands, dial, (inputs_in, inputs)) => return Ok(()),
        times = is_done => times?,
    };
    let each = |time: Duration| time.as_secs_f64() * 1e6 / tasks as f64;
    let (wall, own, children) = (times.started.elapsed(), own(), children());
    writeln!(
        stdout(),
        "{name}: {tasks} tasks, {processes} processes; a task: {:.1} us worker, {:.1} us Python, {:.1} us wall",
        each(own - times.own),
        each(children - times.children),
        each(wall),
    )?;
    Ok(())
}
