//! The worker's rules, one test a sentence.
//!
//! [`TestEnv`] is a worker with a clock, a scripted dispatcher at the other end of its connection
//! and scripted children. After every step it checks the machine's invariants; what the worker
//! says is checked for gaps (R8), and no deadline may be left unmet.

mod children;
mod credit;
mod hostile;
mod leaving;
mod limits;
mod pipes;
mod sessions;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::child::{ChildFact, ChildOrder, SlotId};
use super::session::Link;
use super::{Config, Input, Output, Worker};
use crate::id::{FunctionId, Incarnation, Session, TaskId, WorkerId};
use crate::machine::{Machine, step};
use crate::task::{FailureKind, Function, Options, Outcome, Versions};
use crate::time::Instant;
use crate::wire::message::{
    Finished, Flow, FromDispatcher, FromWorker, Hello, Run, TaskRef, ToDispatcher, ToWorker,
    UNNUMBERED,
};

const F: FunctionId = FunctionId(9);
const G: FunctionId = FunctionId(10);

struct TestEnv {
    worker: Worker,
    now: Instant,
    /// What was said and not yet read, of every session.
    said: VecDeque<FromWorker>,
    /// The session and number of the message read last.
    read: (Session, u64),
    connections: Vec<Session>,
    orders: VecDeque<ChildOrder>,
    /// Which child each task was given to last, and when.
    slots: BTreeMap<TaskRef, (SlotId, Instant)>,
    /// When each child answered last.
    answered: BTreeMap<SlotId, Instant>,
    /// Whether the children read ahead.
    read_ahead: bool,
    /// The number of the dispatcher's last message in the current session.
    told: u64,
    exits: u32,
}

impl TestEnv {
    /// A push worker whose children are ready and that has been welcomed.
    fn new(processes: u32) -> TestEnv {
        TestEnv::welcomed(processes, Flow::Push)
    }

    /// A pull worker, likewise.
    fn pulling(processes: u32) -> TestEnv {
        TestEnv::welcomed(processes, Flow::Pull)
    }

    fn welcomed(processes: u32, flow: Flow) -> TestEnv {
        let mut env = TestEnv::starting(processes, flow);
        for slot in 0..processes {
            env.ready(slot);
        }
        env.welcome();
        env.orders.clear();
        env
    }

    /// A worker whose children have been started and are not ready.
    fn starting(processes: u32, flow: Flow) -> TestEnv {
        let config = Config::new(WorkerId(5), processes, flow, 1);
        let mut env = TestEnv {
            worker: Worker::new(config, Instant::ZERO),
            now: Instant::ZERO,
            said: VecDeque::new(),
            read: (0, 0),
            connections: Vec::new(),
            orders: VecDeque::new(),
            slots: BTreeMap::new(),
            answered: BTreeMap::new(),
            read_ahead: true,
            told: 0,
            exits: 0,
        };
        env.step(None);
        env
    }

    fn step(&mut self, input: Option<Input>) {
        let mut outputs = Vec::new();
        step(&mut self.worker, self.now, input, |o| outputs.push(o));
        self.worker.check().expect("the worker is sound");
        for output in outputs {
            match output {
                Output::Connect { session } => {
                    self.connections.push(session);
                    self.told = 0;
                }
                Output::Send(message) => self.said.push_back(message),
                Output::Child(order) => self.obey(order),
                Output::Exit => self.exits += 1,
            }
        }
    }

    fn obey(&mut self, order: ChildOrder) {
        if let ChildOrder::Execute {
            slot,
            task,
            attempt,
            ..
        } = &order
        {
            let task = TaskRef {
                task: *task,
                attempt: *attempt,
            };
            self.slots.insert(task, (*slot, self.now));
        }
        self.orders.push_back(order);
    }

    /// Lets time pass without a word from anybody.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.worker.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.step(None);
            let next = self.worker.poll_timeout();
            assert!(
                next.is_none_or(|at| at > self.now),
                "a deadline that was not met"
            );
        }
        self.now = until;
    }

    /// Lets time pass while the dispatcher beats.
    fn wait_beating(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.beat();
            self.wait(ms(500).min(until - self.now));
        }
    }

    /// Lets time pass until the worker has said Hello and waits for the answer.
    fn wait_for_hello(&mut self) {
        let limit = self.now + secs(10);
        while self.worker.link != Link::Greeting {
            assert!(self.now < limit, "no Hello");
            self.wait(ms(1));
        }
    }

    // The dispatcher.

    fn tell(&mut self, body: ToWorker) {
        let number = match body {
            ToWorker::Beat { .. } | ToWorker::SayHello => UNNUMBERED,
            _ => {
                self.told += 1;
                self.told
            }
        };
        self.tell_in(self.worker.session(), number, body);
    }

    fn tell_in(&mut self, session: Session, number: u64, body: ToWorker) {
        self.step(Some(Input::MessageReceived(FromDispatcher {
            session,
            number,
            body,
        })));
    }

    /// The dispatcher says something that never arrives.
    fn tell_into_the_void(&mut self) {
        self.told += 1;
    }

    fn welcome(&mut self) {
        self.welcome_with(secs(1), secs(3));
    }

    fn welcome_with(&mut self, beat: Duration, timeout: Duration) {
        self.tell(ToWorker::Welcome {
            dispatcher: Incarnation { boot: 1, epoch: 0 },
            beat,
            timeout,
        });
    }

    fn beat(&mut self) {
        self.tell(ToWorker::Beat { last: self.told });
    }

    /// Sends tasks of the function F, with its body.
    fn give(&mut self, tasks: &[TaskRef]) {
        self.give_with(tasks, Options::default());
    }

    fn give_with(&mut self, tasks: &[TaskRef], options: Options) {
        self.tell(ToWorker::Function {
            id: F,
            function: function(),
        });
        self.run(F, tasks, options);
    }

    fn run(&mut self, function: FunctionId, tasks: &[TaskRef], options: Options) {
        let run = |task: &TaskRef| Run {
            task: *task,
            function,
            params: Bytes::from_static(b"params"),
            options,
        };
        self.tell(ToWorker::Run(tasks.iter().map(run).collect()));
    }

    fn ack(&mut self, tasks: &[TaskRef]) {
        self.tell(ToWorker::Ack(tasks.to_vec()));
    }

    fn drop(&mut self, tasks: &[TaskRef]) {
        self.tell(ToWorker::Drop(tasks.to_vec()));
    }

    fn close(&mut self) {
        let session = self.worker.session();
        self.step(Some(Input::ConnectionClosed { session }));
    }

    /// What the worker said since the last call, less beats.
    fn said(&mut self) -> Vec<ToDispatcher> {
        let mut bodies = Vec::new();
        for message in self.said.drain(..) {
            if message.session != self.read.0 {
                self.read = (message.session, 0);
            }
            match message.body {
                ToDispatcher::Beat { last, .. } => {
                    assert_eq!(last, self.read.1, "a beat tells of a gap");
                }
                body => {
                    self.read.1 += 1;
                    assert_eq!(message.number, self.read.1, "a gap in the numbers");
                    bodies.push(body);
                }
            }
        }
        bodies
    }

    /// The beats since the last call and the credit each told; all else is forgotten.
    fn beats(&mut self) -> Vec<u32> {
        let credit = |message: FromWorker| match message.body {
            ToDispatcher::Beat { credit, .. } => Some(credit),
            _ => None,
        };
        self.said.drain(..).filter_map(credit).collect()
    }

    /// The Hello that was said last; all else is forgotten.
    fn hello(&mut self) -> Hello {
        let hellos = self.said().into_iter().filter_map(|body| match body {
            ToDispatcher::Hello(hello) => Some(hello),
            _ => None,
        });
        hellos.last().expect("a Hello")
    }

    /// The results that were told since the last call.
    fn results(&mut self) -> Vec<Finished> {
        let results = |body| match body {
            ToDispatcher::Finished(results) => results,
            _ => Vec::new(),
        };
        self.said().into_iter().flat_map(results).collect()
    }

    /// How the one task ended that was told since the last call.
    fn failure(&mut self) -> crate::task::Failure {
        let [result] = &self.results()[..] else {
            panic!("one result")
        };
        result.outcome.result.clone().expect_err("a failure")
    }

    // The children.

    fn ready(&mut self, slot: SlotId) {
        self.child(ChildFact::Ready {
            slot,
            versions: Versions::default(),
            reads_ahead: self.read_ahead,
        });
    }

    fn child(&mut self, fact: ChildFact) {
        self.step(Some(Input::Child(fact)));
    }

    /// The child that runs a task has its result.
    fn reply(&mut self, task: TaskRef) {
        self.reply_with(task, outcome_of(task));
    }

    fn reply_with(&mut self, task: TaskRef, outcome: Outcome) {
        let (slot, given) = self.slots[&task];
        let since = self.answered.get(&slot).copied().unwrap_or_default();
        let took = self.now.since(since.max(given));
        self.answered.insert(slot, self.now);
        let TaskRef { task, attempt } = task;
        self.child(ChildFact::Replied {
            slot,
            task,
            attempt,
            outcome,
            took,
        });
    }

    /// A child ends with the first of the tasks that it was given and has not answered, as far as
    /// the worker knows.
    fn exited(&mut self, slot: SlotId, code: Option<i32>, signal: Option<i32>) {
        let first = self.worker.in_slot(slot).first().copied();
        self.exited_with(slot, (code, signal), first.into_iter().collect());
    }

    fn exited_with(
        &mut self,
        slot: SlotId,
        (code, signal): (Option<i32>, Option<i32>),
        begun: Vec<TaskRef>,
    ) {
        self.child(ChildFact::Exited {
            slot,
            code,
            signal,
            output: Bytes::from_static(b"last words"),
            begun,
        });
    }

    /// A child gives back tasks that it has not begun.
    fn recalled(&mut self, slot: SlotId, tasks: &[TaskRef]) {
        let tasks = tasks.to_vec();
        self.child(ChildFact::Recalled { slot, tasks });
    }

    /// What the children were ordered since the last call.
    fn orders(&mut self) -> Vec<String> {
        let say = |order| match order {
            ChildOrder::Spawn { slot } => format!("spawn {slot}"),
            ChildOrder::Execute {
                slot,
                task,
                attempt,
                ..
            } => format!("run {}.{attempt} in {slot}", task.0),
            ChildOrder::Recall { slot } => format!("recall {slot}"),
            ChildOrder::Terminate { slot } => format!("terminate {slot}"),
            ChildOrder::Kill { slot } => format!("kill {slot}"),
        };
        self.orders.drain(..).map(say).collect()
    }

    fn leave(&mut self) {
        self.step(Some(Input::DrainRequested));
    }
}

fn function() -> Arc<Function> {
    Arc::new(Function {
        name: "f".to_owned(),
        body: Bytes::from_static(b"body"),
        options: Options::default(),
        pickled_by: Versions::default(),
    })
}

/// The first attempt of a task.
fn task(number: u128) -> TaskRef {
    TaskRef {
        task: TaskId(number),
        attempt: 1,
    }
}

fn tasks(numbers: impl IntoIterator<Item = u128>) -> Vec<TaskRef> {
    numbers.into_iter().map(task).collect()
}

fn outcome_of(task: TaskRef) -> Outcome {
    Outcome::completed(task.task.0.to_string())
}

fn timeout(time: Duration) -> Options {
    Options {
        timeout_ms: u64::try_from(time.as_millis()).ok(),
        ..Options::default()
    }
}

fn once() -> Options {
    Options {
        at_most_once: true,
        ..Options::default()
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
