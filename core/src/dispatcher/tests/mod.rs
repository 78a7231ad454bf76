//! The dispatcher's rules, one test a sentence.
//!
//! [`TestEnv`] is a dispatcher with a real store, a clock and a mailbox for each worker. After
//! every step it checks the machine's invariants, and every mailbox checks that the numbers of a
//! session have no gap (R8).

mod ahead;
mod claims;
mod hostile;
mod leases;
mod leaving;
mod legacy;
mod life;
mod limits;
mod pull;
mod results;
mod sessions;
mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::{Config, Dispatcher, Input, Output, Peer};
use crate::id::{FunctionId, Incarnation, Session, TaskId, WorkerId, WorkerKey};
use crate::machine::{Machine, step};
use crate::store::op::{Adoption, Claim, EndReason, Mode, Notice, Op, Reply, Submission};
use crate::store::{self, RequestId, Row, Store};
use crate::task::{Function, Options, Outcome, Status, Versions};
use crate::time::{Instant, WallTime};
use crate::wire::json;
use crate::wire::message::{
    Finished, Flow, FromDispatcher, FromWorker, Hello, TaskRef, ToDispatcher, ToWorker, UNNUMBERED,
};

const ME: Incarnation = Incarnation { boot: 1, epoch: 0 };
const OTHER: Incarnation = Incarnation { boot: 2, epoch: 0 };

/// The functions that every store has.
const F: FunctionId = FunctionId(9);
const G: FunctionId = FunctionId(10);

/// How the store behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It answers at once.
    Answers,
    /// Requests pile up on their way to it.
    Holds,
    /// It cannot be reached; requests are lost.
    Away,
}

/// A worker as seen from its own end.
#[derive(Clone)]
struct Guest {
    session: Session,
    peer: Peer,
    sent: u64,
    /// The last number heard in this session.
    heard: u64,
    credit: u32,
}

struct TestEnv {
    dispatcher: Dispatcher,
    store: Store,
    now: Instant,
    link: Link,
    held: VecDeque<(RequestId, Op)>,
    /// Every operation that was asked, in order.
    asked: Vec<(RequestId, Op)>,
    guests: BTreeMap<u64, Guest>,
    mail: BTreeMap<Peer, VecDeque<FromDispatcher>>,
    answers: BTreeMap<Peer, VecDeque<json::ToWorker>>,
    exits: u32,
}

impl TestEnv {
    /// A dispatcher whose store is there and whose lease is open.
    fn new() -> TestEnv {
        TestEnv::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> TestEnv {
        let mut env = TestEnv::unconnected(change);
        env.feed(Input::StoreConnected);
        env
    }

    /// One whose store claims ahead. With the others every task waits to be asked for.
    fn claiming_ahead() -> TestEnv {
        let mut env = TestEnv::unconnected_to(store::Config::default(), |_| {});
        env.feed(Input::StoreConnected);
        env
    }

    fn unconnected(change: impl FnOnce(&mut Config)) -> TestEnv {
        let config = store::Config {
            standing: Duration::ZERO,
            ..store::Config::default()
        };
        TestEnv::unconnected_to(config, change)
    }

    fn unconnected_to(store: store::Config, change: impl FnOnce(&mut Config)) -> TestEnv {
        let mut config = Config::new(ME, Mode::Push);
        change(&mut config);
        let mut env = TestEnv {
            dispatcher: Dispatcher::new(config, Instant::ZERO),
            store: Store::new(store),
            now: Instant::ZERO,
            link: Link::Answers,
            held: VecDeque::new(),
            asked: Vec::new(),
            guests: BTreeMap::new(),
            mail: BTreeMap::new(),
            answers: BTreeMap::new(),
            exits: 0,
        };
        for id in [F, G] {
            env.at_store(Op::PutFunction {
                id,
                function: function(),
            });
        }
        env
    }

    // Facts and time.

    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.step(Some(input), &mut inputs);
        }
    }

    fn step(&mut self, input: Option<Input>, inputs: &mut VecDeque<Input>) {
        let mut orders = Vec::new();
        step(&mut self.dispatcher, self.now, input, |o| orders.push(o));
        self.dispatcher.check().expect("the dispatcher is sound");
        for order in orders {
            self.obey(order, inputs);
        }
    }

    fn obey(&mut self, order: Output, inputs: &mut VecDeque<Input>) {
        match order {
            Output::Send { peer, message } => self.mail.entry(peer).or_default().push_back(message),
            Output::SendLegacy { peer, message } => {
                self.answers.entry(peer).or_default().push_back(message);
            }
            Output::Store { request, op } => {
                self.asked.push((request, op.clone()));
                match self.link {
                    Link::Answers => self.answer(request, op, inputs),
                    Link::Holds => self.held.push_back((request, op)),
                    Link::Away => inputs.push_back(Input::StoreFailed { request }),
                }
            }
            Output::Exit => self.exits += 1,
        }
    }

    fn answer(&mut self, request: RequestId, op: Op, inputs: &mut VecDeque<Input>) {
        let reply = self.at_store(op);
        inputs.push_back(Input::StoreReplied { request, reply });
        while let Some(notice) = self.store.poll_notice() {
            match notice {
                Notice::Queued => inputs.push_back(Input::DoorbellRang),
                Notice::Claimed(ahead) => inputs.push_back(Input::ClaimedAhead(ahead)),
                Notice::Ended(_) => {}
            }
        }
    }

    /// An operation of somebody else, or one of the dispatcher's own that arrives now.
    fn at_store(&mut self, op: Op) -> Reply {
        let reply = self.store.apply(self.wall(), op);
        self.store.check().expect("the store is consistent");
        reply
    }

    fn wall(&self) -> WallTime {
        WallTime(1_000 + self.now.as_nanos() / 1_000_000)
    }

    /// Lets time pass without a word from anybody, waking the dispatcher whenever it wants.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.dispatcher.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let mut inputs = VecDeque::new();
            self.step(None, &mut inputs);
            let next = self.dispatcher.poll_timeout();
            assert!(
                next.is_none_or(|at| at > self.now),
                "a deadline that was not met"
            );
            while let Some(input) = inputs.pop_front() {
                self.step(Some(input), &mut inputs);
            }
        }
        self.now = until;
    }

    /// Lets time pass while the workers beat.
    fn wait_beating(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            for worker in self.guests.keys().copied().collect::<Vec<_>>() {
                self.beat(worker);
            }
            self.wait(ms(500).min(until - self.now));
        }
    }

    /// The dispatcher's process stands still for a while.
    fn stand_still(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    // The store.

    /// Requests pile up from now on.
    fn hold_store(&mut self) {
        self.link = Link::Holds;
    }

    /// All that piled up arrives, and the store answers at once from now on.
    fn release_store(&mut self) {
        self.link = Link::Answers;
        let held = std::mem::take(&mut self.held);
        for (request, op) in held {
            self.deliver(request, op);
        }
    }

    /// One of the requests that piled up arrives and is answered, whatever was asked before it.
    fn release_one(&mut self, wanted: impl Fn(&Op) -> bool) {
        let (request, op) = self.take_held(wanted);
        self.deliver(request, op);
    }

    /// One of the requests that piled up is carried out, and its answer is lost.
    fn lose_answer(&mut self, wanted: impl Fn(&Op) -> bool) {
        let (request, op) = self.take_held(wanted);
        self.at_store(op);
        self.feed(Input::StoreFailed { request });
    }

    /// One of the requests that piled up never arrives.
    fn lose_request(&mut self, wanted: impl Fn(&Op) -> bool) {
        let (request, _) = self.take_held(wanted);
        self.feed(Input::StoreFailed { request });
    }

    fn take_held(&mut self, wanted: impl Fn(&Op) -> bool) -> (RequestId, Op) {
        let at = self.held.iter().position(|(_, op)| wanted(op));
        self.held
            .remove(at.expect("such a request is under way"))
            .expect("it is there")
    }

    fn deliver(&mut self, request: RequestId, op: Op) {
        let mut inputs = VecDeque::new();
        self.answer(request, op, &mut inputs);
        for input in inputs {
            self.feed(input);
        }
    }

    fn store_goes_away(&mut self) {
        self.link = Link::Away;
        self.feed(Input::StoreDisconnected);
    }

    fn store_comes_back(&mut self) {
        self.link = Link::Answers;
        self.feed(Input::StoreConnected);
    }

    /// What was asked since the last call.
    fn take_asked(&mut self) -> Vec<Op> {
        let asked = std::mem::take(&mut self.asked);
        asked.into_iter().map(|(_, op)| op).collect()
    }

    fn claims_asked(&mut self) -> Vec<u32> {
        let max = |op| match op {
            Op::Claim(claim) => Some(claim.max),
            _ => None,
        };
        self.take_asked().into_iter().filter_map(max).collect()
    }

    fn submit(&mut self, task: u128) -> TaskId {
        self.submit_with(task, F, Options::default())
    }

    fn submit_all(&mut self, tasks: impl IntoIterator<Item = u128>) {
        for task in tasks {
            self.submit_quietly(task, F, Options::default());
        }
        self.feed(Input::DoorbellRang);
    }

    fn submit_with(&mut self, task: u128, function: FunctionId, options: Options) -> TaskId {
        self.submit_quietly(task, function, options);
        self.feed(Input::DoorbellRang);
        TaskId(task)
    }

    /// Submits, and the doorbell is lost.
    fn submit_quietly(&mut self, task: u128, function: FunctionId, options: Options) {
        let submission = Submission {
            task: TaskId(task),
            function,
            params: Bytes::from_static(b"params"),
            options,
        };
        self.at_store(Op::Submit(vec![submission]));
        while self.store.poll_notice().is_some() {}
    }

    fn row(&self, task: u128) -> &Row {
        self.store.task(TaskId(task)).expect("the task exists")
    }

    fn status(&self, task: u128) -> Status {
        self.row(task).status
    }

    /// Why the task's last attempt was given back.
    fn last_reason(&self, task: u128) -> Option<EndReason> {
        self.row(task).past.last().map(|past| past.reason)
    }

    // Workers.

    /// A worker that takes what it is given says Hello for the first time.
    fn join(&mut self, worker: u64, credit: u32) {
        self.hello(worker, Greeting::push(credit));
    }

    /// A worker opens its next session on a new connection.
    fn hello(&mut self, worker: u64, greeting: Greeting) {
        let session = self
            .guests
            .get(&worker)
            .map_or(1, |guest| guest.session + 1);
        let guest = Guest {
            session,
            peer: peer(worker, session),
            sent: 0,
            heard: 0,
            credit: greeting.0.credit,
        };
        self.guests.insert(worker, guest);
        self.say(worker, ToDispatcher::Hello(greeting.0));
    }

    /// The worker says something in its current session.
    fn say(&mut self, worker: u64, body: ToDispatcher) {
        let guest = self.guest_mut(worker);
        let number = match body {
            ToDispatcher::Beat { .. } => UNNUMBERED,
            _ => {
                guest.sent += 1;
                guest.sent
            }
        };
        self.say_numbered(worker, number, body);
    }

    fn say_numbered(&mut self, worker: u64, number: u64, body: ToDispatcher) {
        let guest = self.guest(worker).clone();
        self.say_in(worker, guest.session, guest.peer, number, body);
    }

    fn say_in(
        &mut self,
        worker: u64,
        session: Session,
        peer: Peer,
        number: u64,
        body: ToDispatcher,
    ) {
        let message = FromWorker {
            worker: WorkerId(worker),
            session,
            number,
            body,
        };
        self.feed(Input::MessageReceived { peer, message });
    }

    /// The worker says something that never arrives.
    fn say_into_the_void(&mut self, worker: u64) {
        self.guest_mut(worker).sent += 1;
    }

    fn beat(&mut self, worker: u64) {
        let guest = self.guest(worker);
        let (last, credit) = (guest.sent, guest.credit);
        self.say(worker, ToDispatcher::Beat { last, credit });
    }

    fn give_credit(&mut self, worker: u64, credit: u32) {
        self.guest_mut(worker).credit = credit;
        self.beat(worker);
    }

    fn finish(&mut self, worker: u64, task: TaskRef) {
        self.finish_all(worker, [task]);
    }

    fn finish_all(&mut self, worker: u64, tasks: impl IntoIterator<Item = TaskRef>) {
        let finished = tasks.into_iter().map(|task| Finished {
            task,
            outcome: outcome_of(task),
        });
        self.say(worker, ToDispatcher::Finished(finished.collect()));
    }

    fn hand_back(&mut self, worker: u64, tasks: &[TaskRef]) {
        self.say(
            worker,
            ToDispatcher::Returned {
                tasks: tasks.to_vec(),
                missing: Vec::new(),
            },
        );
    }

    fn close(&mut self, worker: u64) {
        let peer = self.guest(worker).peer.clone();
        self.feed(Input::PeerClosed { peer });
    }

    fn guest(&self, worker: u64) -> &Guest {
        self.guests.get(&worker).expect("the worker said Hello")
    }

    fn guest_mut(&mut self, worker: u64) -> &mut Guest {
        self.guests.get_mut(&worker).expect("the worker said Hello")
    }

    /// What the worker heard in its current session since the last call, less beats.
    fn heard(&mut self, worker: u64) -> Vec<ToWorker> {
        let guest = self.guests.get_mut(&worker).expect("the worker said Hello");
        let mail = self.mail.remove(&guest.peer).unwrap_or_default();
        let mut bodies = Vec::new();
        for message in mail {
            assert_eq!(
                message.session, guest.session,
                "a message of another session"
            );
            match message.body {
                ToWorker::Beat { last } => assert_eq!(last, guest.heard, "a beat tells of a gap"),
                ToWorker::SayHello => bodies.push(ToWorker::SayHello),
                body => {
                    guest.heard += 1;
                    assert_eq!(message.number, guest.heard, "a gap in the numbers");
                    bodies.push(body);
                }
            }
        }
        bodies
    }

    /// The tasks that the worker was given since the last call; all else it heard is forgotten.
    fn given(&mut self, worker: u64) -> Vec<TaskRef> {
        let runs = |body| match body {
            ToWorker::Run(runs) => runs,
            _ => Vec::new(),
        };
        let heard = self.heard(worker).into_iter();
        heard.flat_map(runs).map(|run| run.task).collect()
    }

    /// A worker whose first message was read and that now has this much credit free.
    fn free(&self) -> u64 {
        self.dispatcher.roster.free_total()
    }

    fn is_live(&self, worker: u64) -> bool {
        let key = WorkerKey::Native(WorkerId(worker));
        self.dispatcher.workers().any(|(live, _)| *live == key)
    }
}

/// What a worker says of itself.
struct Greeting(Hello);

impl Greeting {
    fn push(credit: u32) -> Greeting {
        Greeting(Hello {
            flow: Flow::Push,
            processes: credit,
            credit,
            versions: Versions::default(),
            running: Vec::new(),
            finished: Vec::new(),
            draining: false,
        })
    }

    fn pull(credit: u32) -> Greeting {
        let Greeting(hello) = Greeting::push(credit);
        Greeting(Hello {
            flow: Flow::Pull,
            ..hello
        })
    }

    fn running(mut self, tasks: impl IntoIterator<Item = TaskRef>) -> Greeting {
        self.0.running = tasks.into_iter().collect();
        self
    }

    fn finished(mut self, tasks: impl IntoIterator<Item = TaskRef>) -> Greeting {
        self.0.finished = tasks.into_iter().collect();
        self
    }

    fn processes(mut self, processes: u32) -> Greeting {
        self.0.processes = processes;
        self
    }

    fn draining(mut self) -> Greeting {
        self.0.draining = true;
        self
    }
}

fn peer(worker: u64, session: Session) -> Peer {
    Peer {
        identity: Bytes::from(format!("w{worker}s{session}")),
        delimited: false,
    }
}

fn function() -> Function {
    Function {
        name: "f".to_owned(),
        body: Bytes::from_static(b"body"),
        options: Options::default(),
        pickled_by: Versions::default(),
    }
}

/// An attempt by the numbers of task and attempt.
fn task(task: u128, attempt: u32) -> TaskRef {
    TaskRef {
        task: TaskId(task),
        attempt,
    }
}

/// First attempts of these tasks.
fn tasks(numbers: impl IntoIterator<Item = u128>) -> Vec<TaskRef> {
    numbers.into_iter().map(|number| task(number, 1)).collect()
}

fn outcome_of(task: TaskRef) -> Outcome {
    Outcome::completed(task.task.0.to_string())
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
