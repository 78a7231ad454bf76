//! Scripted Python children: processes that speak `runner.py`'s frames over pipes, run each task as
//! long as the plan says and end it so, heed signals, or do not.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::timing::PAYLOAD_LIMIT;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::child::SlotId;
use mpcsfaas_transport_real::python::child::{Exit, Launcher, Started};
use mpcsfaas_transport_sim::history::What;
use mpcsfaas_transport_sim::plan::{Bend, Ending, Occasion};
use mpcsfaas_transport_sim::{Place, result_of};
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::pipe::{Reader, Writer, pipe};
use crate::world::World;

/// How long a child takes to start, and to be reaped when it has ended.
const START: Duration = Duration::from_millis(40);
const REAP: Duration = Duration::from_millis(2);

/// What a child says first.
const HELLO: &[u8] = br#"H{"python":"3.11.2","dill":"0.4.0","pid":7}"#;

/// What it says of an exception.
const RAISED: &[u8] = br#"{"kind":"raised","type":"ValueError","message":"scripted","traceback":"","exit_code":null}"#;

/// Starts the children of one slot.
#[derive(Debug)]
pub(crate) struct ScriptedLauncher {
    world: World,
    place: Place,
    slot: SlotId,
    /// Of the present child.
    signals: Mutex<Option<mpsc::UnboundedSender<Signal>>>,
}

impl ScriptedLauncher {
    pub(crate) fn new(world: &World, place: Place, slot: SlotId) -> ScriptedLauncher {
        ScriptedLauncher {
            world: world.clone(),
            place,
            slot,
            signals: Mutex::default(),
        }
    }
}

impl Launcher for ScriptedLauncher {
    type Sink = Writer;
    type Source = Reader;

    async fn launch(&mut self) -> io::Result<Started<Writer, Reader>> {
        let (requests, stdin) = pipe();
        let (stdout, replies) = pipe();
        let (stderr, capture) = pipe();
        let (signals, signalled) = mpsc::unbounded_channel();
        let (exit, exited) = oneshot::channel();
        *self.signals.lock().unwrap_or_else(PoisonError::into_inner) = Some(signals);
        let child = Child {
            world: self.world.clone(),
            place: self.place,
            slot: self.slot,
            stdin,
            stdout,
            stderr,
            functions: BTreeSet::new(),
            running: None,
            is_stubborn: Arc::default(),
        };
        self.world.outside(child.live(signalled, exit));
        Ok(Started {
            requests,
            replies,
            capture,
            exited,
            // These children take one task at a time.
            ledger: None,
        })
    }

    fn signal(&self, signal: Signal) {
        let signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signals) = &*signals {
            // One that has ended hears nothing.
            let _ = signals.send(signal);
        }
    }
}

/// A child.
struct Child {
    world: World,
    place: Place,
    slot: SlotId,
    stdin: Reader,
    stdout: Writer,
    stderr: Writer,
    functions: BTreeSet<FunctionId>,
    running: Option<TaskRef>,
    /// Whether it does not heed SIGTERM now.
    is_stubborn: Arc<AtomicBool>,
}

impl Child {
    async fn live(mut self, signals: mpsc::UnboundedReceiver<Signal>, exit: oneshot::Sender<Exit>) {
        let is_stubborn = Arc::clone(&self.is_stubborn);
        let (end, by_itself) = tokio::select! {
            biased;
            end = killed(signals, &is_stubborn) => (end, false),
            end = self.run() => (end, true),
        };
        if let Some(task) = self.running.take() {
            self.world
                .watch
                .stopped(self.place, self.slot, task, by_itself);
        }
        self.world.watch.is_ready(self.place, self.slot, false);
        // Its pipes close, and then it is reaped.
        drop(self);
        sleep(REAP).await;
        let _ = exit.send(end);
    }

    async fn run(&mut self) -> Exit {
        let exited = |code| Exit {
            code: Some(code),
            signal: None,
        };
        sleep(START).await;
        if self.world.spawn_fails() {
            if let Place::Worker(index) = self.place {
                let (on, bend) = (Occasion::Spawn(index), Bend::Fails);
                self.world.watch.see(What::Twisted { on, bend });
            }
            return exited(1);
        }
        self.world.watch.is_ready(self.place, self.slot, true);
        let mut reply = HELLO.to_vec();
        loop {
            if self.write(&reply).await.is_err() {
                return exited(1);
            }
            // The parent has closed the pipe.
            let Ok(Some(task)) = self.next_run().await else {
                return exited(0);
            };
            match self.execute(task).await {
                Ok(bytes) => reply = bytes,
                Err(exit) => return exit,
            }
        }
    }

    /// Takes in frames until one asks for a run.
    async fn next_run(&mut self) -> io::Result<Option<TaskRef>> {
        loop {
            let length = self.stdin.read_exact(4).await?;
            let length = length.as_slice().get_u32_le() as usize;
            let mut frame = Bytes::from(self.stdin.read_exact(length).await?);
            match frame.get_u8() {
                b'F' => _ = self.functions.insert(FunctionId(frame.get_u128())),
                b'D' => _ = self.functions.remove(&FunctionId(frame.get_u128())),
                b'R' => {
                    let task = TaskId(frame.get_u128());
                    let attempt = frame.get_u32_le();
                    let _number_and_heard = frame.get_u16();
                    let function = FunctionId(frame.get_u128());
                    if !self.functions.contains(&function) {
                        let what = format!("{function} is to be run and was never sent");
                        self.world.watch.checked(self.place, Err(what));
                    }
                    return Ok(Some(TaskRef { task, attempt }));
                }
                kind => {
                    let what = format!("a child was sent a frame of the kind {kind}");
                    self.world.watch.checked(self.place, Err(what));
                    return Ok(None);
                }
            }
        }
    }

    /// Runs a task; returns the reply, or how the process ends with it.
    async fn execute(&mut self, task: TaskRef) -> Result<Vec<u8>, Exit> {
        let script = self.world.script(task.task);
        let (runs, ends) = script.map_or((Duration::ZERO, Ending::Returns), |s| (s.runs, s.ends));
        self.running = Some(task);
        self.world.watch.started(self.place, self.slot, task);
        if ends == Ending::Hangs {
            self.is_stubborn.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        sleep(runs).await;
        let _ = self.stderr.write_all(b"printed\n").await;
        let died = |code, signal| Err(Exit { code, signal });
        let result = match ends {
            Ending::Exits => return died(Some(1), None),
            Ending::Crashes => return died(None, Some(Signal::SIGSEGV as i32)),
            Ending::Raises => Err(RAISED),
            Ending::ReturnsTooMuch => Ok(Bytes::from(vec![0; PAYLOAD_LIMIT + 1])),
            Ending::Returns | Ending::Hangs => Ok(result_of(task)),
        };
        self.running = None;
        self.world.watch.stopped(self.place, self.slot, task, true);
        let mut reply = vec![if result.is_ok() { b'C' } else { b'E' }];
        reply.put_u128(task.task.0);
        reply.put_u32_le(task.attempt);
        reply.put_u32_le(u32::try_from(runs.as_micros()).unwrap_or(u32::MAX));
        reply.put_u8(1);
        match result {
            Ok(bytes) => reply.put_slice(&bytes),
            Err(raised) => {
                reply.put_u32_le(0);
                reply.put_slice(raised);
            }
        }
        Ok(reply)
    }

    async fn write(&self, reply: &[u8]) -> io::Result<()> {
        let length = u32::try_from(reply.len()).unwrap_or(u32::MAX);
        self.stdout.write_all(&length.to_le_bytes()).await?;
        self.stdout.write_all(reply).await
    }
}

/// Waits for a signal that ends a child, or for its parent's end, which does so, too.
async fn killed(mut signals: mpsc::UnboundedReceiver<Signal>, is_stubborn: &AtomicBool) -> Exit {
    loop {
        let signal = signals.recv().await;
        if signal == Some(Signal::SIGTERM) && is_stubborn.load(Ordering::Relaxed) {
            continue;
        }
        let signal = signal.unwrap_or(Signal::SIGKILL) as i32;
        return Exit {
            code: None,
            signal: Some(signal),
        };
    }
}
