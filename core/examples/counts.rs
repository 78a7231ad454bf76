//! The core's hot paths, to be counted instruction by instruction: `cargo xtask counts` runs this
//! under `valgrind --tool=callgrind`.
//!
//! 1,000 tasks go through a store, a dispatcher and its workers, and every fact is written down.
//! Then the same facts are told again, and what is to be counted happens inside [`counted`], which
//! is all that the tool looks at. No clock, no chance and no hash map: it is the same instructions
//! each time.
//!
//! ```text
//!   counts            the names of all paths, one a line
//!   counts NAME       walks that path
//! ```

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::{self, Dispatcher, Peer};
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId, WorkerId};
use mpcsfaas_core::machine::{Machine, step};
use mpcsfaas_core::store::op::{Mode, Notice, Reply, Submission};
use mpcsfaas_core::store::{self, Op, RequestId, Store};
use mpcsfaas_core::task::{Function, Options, Outcome, Versions};
use mpcsfaas_core::time::{Instant, WallTime};
use mpcsfaas_core::wire::message::{Flow, FromDispatcher, FromWorker, ToDispatcher, ToWorker};
use mpcsfaas_core::wire::native;
use mpcsfaas_core::worker::child::{ChildFact, ChildOrder};
use mpcsfaas_core::worker::{self, Worker};

/// Tasks of a run. The figures are divided by it.
const TASKS: u64 = 1_000;

/// Bytes of parameters, and of a result.
const PAYLOAD: usize = 200;

const FUNCTION: FunctionId = FunctionId(0xf);

/// Time that passes from fact to fact: so little that nobody's beat is due.
const TICK: Duration = Duration::from_nanos(10);

/// Something that a machine learns.
#[derive(Clone)]
enum Fact {
    /// The store is asked; without a request it is the gateway that asks.
    Store(Option<RequestId>, Op),
    Dispatcher(dispatcher::Input),
    Worker(usize, worker::Input),
}

/// All that is counted under one name.
struct Path {
    name: &'static str,
    /// How many workers share the tasks.
    workers: usize,
    what: What,
}

enum What {
    /// These facts, at whichever machine learns them.
    Facts(fn(&Fact) -> bool),
    /// These messages of the run are written, or read.
    Encode(fn(&Fact) -> Option<Message>),
    Decode(fn(&Fact) -> Option<Message>),
}

/// A message that travelled.
enum Message {
    Up(FromWorker),
    Down(FromDispatcher),
}

/// A few workers that get a lot each, and many that get one task each: the price must be the same.
const FEW: usize = 8;
const MANY: usize = 1_000;

const fn path(name: &'static str, workers: usize, what: What) -> Path {
    Path {
        name,
        workers,
        what,
    }
}

const PATHS: [Path; 15] = [
    path("store.submit", FEW, What::Facts(is_submit)),
    path("store.claim", FEW, What::Facts(is_claim)),
    path("store.commit", FEW, What::Facts(is_commit)),
    path("dispatcher.assign", FEW, What::Facts(is_claimed)),
    path("dispatcher.finish", FEW, What::Facts(is_finished)),
    path("dispatcher.committed", FEW, What::Facts(is_committed)),
    path("dispatcher.assign-many", MANY, What::Facts(is_claimed)),
    path("dispatcher.finish-many", MANY, What::Facts(is_finished)),
    path("dispatcher.committed-many", MANY, What::Facts(is_committed)),
    path("worker.run", FEW, What::Facts(is_run)),
    path("worker.finish", FEW, What::Facts(is_replied)),
    path("codec.encode-run", FEW, What::Encode(run_message)),
    path("codec.decode-run", FEW, What::Decode(run_message)),
    path("codec.encode-finished", FEW, What::Encode(finished_message)),
    path("codec.decode-finished", FEW, What::Decode(finished_message)),
];

fn is_submit(fact: &Fact) -> bool {
    matches!(fact, Fact::Store(_, Op::Submit(_)))
}

fn is_claim(fact: &Fact) -> bool {
    matches!(fact, Fact::Store(_, Op::Claim(_)))
}

fn is_commit(fact: &Fact) -> bool {
    matches!(fact, Fact::Store(_, Op::Commit(_)))
}

fn reply_of(fact: &Fact) -> Option<&Reply> {
    match fact {
        Fact::Dispatcher(dispatcher::Input::StoreReplied { reply, .. }) => Some(reply),
        Fact::Dispatcher(_) | Fact::Store(..) | Fact::Worker(..) => None,
    }
}

fn is_claimed(fact: &Fact) -> bool {
    matches!(reply_of(fact), Some(Reply::Claimed(_) | Reply::Function(_)))
}

fn is_committed(fact: &Fact) -> bool {
    matches!(reply_of(fact), Some(Reply::Committed(_)))
}

fn is_finished(fact: &Fact) -> bool {
    finished_message(fact).is_some()
}

fn is_run(fact: &Fact) -> bool {
    run_message(fact).is_some()
}

/// A child is done with a task, or the result is in the store.
fn is_replied(fact: &Fact) -> bool {
    match fact {
        Fact::Worker(_, worker::Input::Child(ChildFact::Replied { .. })) => true,
        Fact::Worker(_, worker::Input::MessageReceived(message)) => {
            matches!(message.body, ToWorker::Ack(_))
        }
        Fact::Worker(..) | Fact::Store(..) | Fact::Dispatcher(_) => false,
    }
}

fn run_message(fact: &Fact) -> Option<Message> {
    match fact {
        Fact::Worker(_, worker::Input::MessageReceived(message)) => {
            matches!(message.body, ToWorker::Run(_)).then(|| Message::Down(message.clone()))
        }
        Fact::Worker(..) | Fact::Store(..) | Fact::Dispatcher(_) => None,
    }
}

fn finished_message(fact: &Fact) -> Option<Message> {
    match fact {
        Fact::Dispatcher(dispatcher::Input::MessageReceived { message, .. }) => {
            matches!(message.body, ToDispatcher::Finished(_)).then(|| Message::Up(message.clone()))
        }
        Fact::Dispatcher(_) | Fact::Store(..) | Fact::Worker(..) => None,
    }
}

/// All that the tool looks at. Its name is in the tool's command line.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// The machines, and what is on its way between them.
struct World {
    now: Instant,
    store: Store,
    dispatcher: Dispatcher,
    workers: Vec<Worker>,
    queue: VecDeque<Fact>,
}

impl World {
    fn new(workers: usize) -> World {
        let incarnation = Incarnation { boot: 1, epoch: 0 };
        let config = dispatcher::Config::new(incarnation, Mode::Push);
        let now = Instant::from_nanos(1);
        let worker = |index: usize| {
            let config = worker::Config::new(WorkerId(index as u64 + 1), 5, Flow::Push, 7);
            Worker::new(config, now)
        };
        World {
            now,
            store: Store::new(store::Config::default()),
            dispatcher: Dispatcher::new(config, now),
            workers: (0..workers).map(worker).collect(),
            queue: VecDeque::new(),
        }
    }

    fn peer(index: usize) -> Peer {
        Peer {
            identity: Bytes::copy_from_slice(&index.to_be_bytes()),
            delimited: false,
        }
    }

    fn of_peer(peer: &Peer) -> Option<usize> {
        let bytes = peer.identity.as_ref().try_into().ok()?;
        Some(usize::from_be_bytes(bytes))
    }

    /// Tells a machine, and puts what follows from it on its way. `counts`: the tool looks at it.
    fn tell(&mut self, fact: Fact, counts: bool) {
        self.now = self.now + TICK;
        match fact {
            Fact::Store(request, op) => self.tell_store(request, op, counts),
            Fact::Dispatcher(input) => self.tell_dispatcher(input, counts),
            Fact::Worker(index, input) => self.tell_worker(index, Some(input), counts),
        }
    }

    fn tell_store(&mut self, request: Option<RequestId>, op: Op, counts: bool) {
        let (store, wall) = (&mut self.store, WallTime(1_700_000_000_000));
        let reply = when(counts, || store.apply(wall, op));
        drop(self.store.take_changes());
        while let Some(notice) = self.store.poll_notice() {
            if notice == Notice::Queued {
                let rang = Fact::Dispatcher(dispatcher::Input::DoorbellRang);
                self.queue.push_back(rang);
            }
        }
        if let Some(request) = request {
            let replied = dispatcher::Input::StoreReplied { request, reply };
            self.queue.push_back(Fact::Dispatcher(replied));
        }
    }

    fn tell_dispatcher(&mut self, input: dispatcher::Input, counts: bool) {
        let orders = drive(&mut self.dispatcher, self.now, Some(input), counts);
        for order in orders {
            match order {
                dispatcher::Output::Store { request, op } => {
                    self.queue.push_back(Fact::Store(Some(request), op));
                }
                dispatcher::Output::Send { peer, message } => {
                    let input = worker::Input::MessageReceived(message);
                    let fact = World::of_peer(&peer).map(|index| Fact::Worker(index, input));
                    self.queue.extend(fact);
                }
                dispatcher::Output::SendLegacy { .. } | dispatcher::Output::Exit => {}
            }
        }
    }

    fn tell_worker(&mut self, index: usize, input: Option<worker::Input>, counts: bool) {
        let orders = drive(&mut self.workers[index], self.now, input, counts);
        for order in orders {
            match order {
                worker::Output::Send(message) => {
                    let peer = World::peer(index);
                    let input = dispatcher::Input::MessageReceived { peer, message };
                    self.queue.push_back(Fact::Dispatcher(input));
                }
                worker::Output::Child(order) => {
                    let fact = obey_child(order).map(worker::Input::Child);
                    self.queue
                        .extend(fact.map(|fact| Fact::Worker(index, fact)));
                }
                worker::Output::Connect { .. } | worker::Output::Exit => {}
            }
        }
    }

    /// All that happens until nobody has anything to say.
    fn settle(&mut self, tape: &mut Vec<Fact>) {
        while let Some(fact) = self.queue.pop_front() {
            tape.push(fact.clone());
            self.tell(fact, false);
        }
    }

    fn start(&mut self) {
        for index in 0..self.workers.len() {
            self.tell_worker(index, None, false);
        }
    }
}

/// A child does at once what it is told.
fn obey_child(order: ChildOrder) -> Option<ChildFact> {
    match order {
        ChildOrder::Spawn { slot } => Some(ChildFact::Ready {
            slot,
            versions: Versions::default(),
            reads_ahead: true,
        }),
        ChildOrder::Recall { slot } => Some(ChildFact::Recalled {
            slot,
            tasks: Vec::new(),
        }),
        ChildOrder::Execute {
            slot,
            task,
            attempt,
            ..
        } => Some(ChildFact::Replied {
            slot,
            task,
            attempt,
            outcome: Outcome::completed(vec![7; PAYLOAD]),
            took: Duration::from_micros(20),
        }),
        ChildOrder::Terminate { .. } | ChildOrder::Kill { .. } => None,
    }
}

/// One step of a machine. Its orders are dropped where nobody counts.
fn drive<M: Machine>(
    machine: &mut M,
    now: Instant,
    input: Option<M::Input>,
    counts: bool,
) -> Vec<M::Output> {
    let mut orders = Vec::with_capacity(4_096);
    when(counts, || {
        step(machine, now, input, |order| orders.push(order))
    });
    orders
}

fn when<T>(counts: bool, work: impl FnOnce() -> T) -> T {
    match counts {
        true => counted(work),
        false => work(),
    }
}

/// Every fact of 1,000 tasks' way, in the order in which they were learnt.
fn tape(workers: usize) -> Vec<Fact> {
    let mut tape = Vec::new();
    let mut world = World::new(workers);
    world.start();
    let function = Function {
        name: "f".to_owned(),
        body: Bytes::from(vec![1; PAYLOAD]),
        options: Options::default(),
        pickled_by: Versions::default(),
    };
    let put = Op::PutFunction {
        id: FUNCTION,
        function,
    };
    world.queue.push_back(Fact::Store(None, put));
    let connected = Fact::Dispatcher(dispatcher::Input::StoreConnected);
    world.queue.push_back(connected);
    world.settle(&mut tape);
    for task in 1..=TASKS {
        let submission = Submission {
            // Spread over the whole range, as drawn ones are.
            task: TaskId(u128::from(task.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64),
            function: FUNCTION,
            params: Bytes::from(vec![3; PAYLOAD]),
            options: Options::default(),
        };
        let submit = Op::Submit(vec![submission]);
        world.queue.push_back(Fact::Store(None, submit));
    }
    world.settle(&mut tape);
    tape
}

/// Walks a path. Says how often the tool looked.
fn walk(path: &Path) -> usize {
    let tape = tape(path.workers);
    match path.what {
        What::Facts(counts) => {
            let mut world = World::new(path.workers);
            world.start();
            world.queue.clear();
            let looks = tape.iter().filter(|fact| counts(fact)).count();
            for fact in tape {
                let counts = counts(&fact);
                world.tell(fact, counts);
                // What follows is on the tape.
                world.queue.clear();
            }
            looks
        }
        What::Encode(pick) => {
            let messages: Vec<Message> = tape.iter().filter_map(pick).collect();
            for message in &messages {
                drop(counted(|| encode(message)));
            }
            messages.len()
        }
        What::Decode(pick) => {
            let messages: Vec<Message> = tape.iter().filter_map(pick).collect();
            for message in &messages {
                let bytes = encode(message);
                drop(counted(|| decode(message, &bytes)));
            }
            messages.len()
        }
    }
}

fn encode(message: &Message) -> Vec<u8> {
    match message {
        Message::Up(message) => native::encode(message),
        Message::Down(message) => native::encode(message),
    }
}

/// Reads what was written of such a message.
fn decode(like: &Message, bytes: &[u8]) -> Result<Message, native::DecodeError> {
    match like {
        Message::Up(_) => native::decode(bytes).map(Message::Up),
        Message::Down(_) => native::decode(bytes).map(Message::Down),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own, which is told what to walk"
)]
fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    let out = match wanted.as_deref() {
        None => PATHS
            .iter()
            .map(|path| format!("{}\n", path.name))
            .collect(),
        Some(name) => match PATHS.iter().find(|path| path.name == name).map(walk) {
            // A path that nothing walks would be counted as free.
            None | Some(0) => return ExitCode::FAILURE,
            Some(looks) => format!("{looks}\n"),
        },
    };
    match io::stdout().write_all(out.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
