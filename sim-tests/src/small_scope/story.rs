//! The story of a path, for people.

use std::hash::{Hash, Hasher};

use mpcsfaas_core::store::op::{Claimed, Reply};
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_core::worker::child::ChildFact;
use mpcsfaas_core::{dispatcher, time::Instant};
use mpcsfaas_transport_sim::chain::Chain;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::trace::{Kind, Line, from_dispatcher, from_worker, op, reply};

use super::moves::Move;
use super::scope::{PAUSES, RETURNS, Scope};
use super::state::{Down, Standing, State, Up};
use super::step::Step;

/// Kind, where, from whom, what, about which tasks.
type Words = (Kind, Place, Option<Place>, String, Vec<TaskRef>);

/// Tells a path, a line a step. That time passes has no line of its own.
pub(super) fn tell(scope: &Scope, start: &State, path: &[Move]) -> Vec<Line> {
    let mut state = start.clone();
    let mut chain = Chain::new();
    let mut lines = Vec::new();
    for (step, number) in path.iter().zip(1..) {
        step.hash(&mut chain);
        if let Some((kind, node, from, what, tasks)) = words(&state, *step) {
            lines.push(Line {
                number,
                at: state.now,
                sent: None,
                node,
                from,
                kind,
                what,
                tasks,
                routine: false,
                waits: false,
                hash: chain.finish(),
            });
        }
        match Step::new(scope, &state, *step).judge() {
            Ok(next) => state = next,
            // It is the last step.
            Err(_) => break,
        }
    }
    lines
}

fn words(state: &State, step: Move) -> Option<Words> {
    let life = |node, what: String| (Kind::Life, node, None, what, Vec::new());
    let fault = |node, what: String| (Kind::Fault, node, None, what, Vec::new());
    Some(match step {
        Move::Time(_) => return None,
        Move::Up(pipe) => read_up(state, pipe),
        Move::UpLost(pipe) => {
            let pipe = &state.pipes[pipe];
            let messages = pipe.up.len() - 1;
            let what = format!(
                "hears the end of the connection of {}; {messages} message(s) are lost",
                Place::Worker(pipe.worker)
            );
            life(Place::Dispatcher(pipe.dispatcher), what)
        }
        Move::Down(pipe) => read_down(state, pipe),
        Move::Refuse(pipe) => {
            let pipe = &state.pipes[pipe];
            let from = Place::Worker(pipe.worker);
            let node = Place::Dispatcher(pipe.dispatcher);
            let what = "nobody is there who knows this connection".to_owned();
            (Kind::Loss, node, Some(from), what, Vec::new())
        }
        Move::Fact(place) => fact(state, place),
        Move::Doorbell(index) => {
            let node = Place::Dispatcher(index);
            let heard = state.dispatchers[index].doorbell.front();
            let (what, tasks) = match heard {
                Some(dispatcher::Input::ClaimedAhead(ahead)) => {
                    let what = format!("ClaimedAhead #{}", ahead.number);
                    (what, ahead.tasks.iter().map(claimed).collect())
                }
                _ => ("DoorbellRang".to_owned(), Vec::new()),
            };
            (Kind::Store, node, Some(Place::Store), what, tasks)
        }
        Move::Fail(index) => {
            let what = "waits no longer for an answer of the store".to_owned();
            life(Place::Dispatcher(index), what)
        }
        Move::Timer(node) => (Kind::Timer, node, None, "a deadline".to_owned(), Vec::new()),
        Move::Resume(node) => life(node, "goes on".to_owned()),
        Move::StayStill(node) => fault(node, format!("pause, in all {:?}", pause(state, node))),
        Move::Boot(node) => life(node, "starts".to_owned()),
        Move::StayDown(node) => life(
            node,
            format!("stays down, in all {:?}", RETURNS[RETURNS.len() - 1]),
        ),
        Move::Serve(index, request) => serve(state, index, request, ""),
        Move::ServeUnheard(index, request) => {
            serve(state, index, request, " (FAULT: the answer is lost)")
        }
        Move::LoseRequest(index, request) => {
            let (what, tasks) = op(&state.requests[index][request].op);
            let from = Some(Place::Dispatcher(index));
            (Kind::Loss, Place::Store, from, what, tasks)
        }
        Move::Submit => {
            let task = Scope::task(state.submitted);
            let task = TaskRef { task, attempt: 0 };
            (
                Kind::Client,
                Place::Client,
                None,
                "submits".to_owned(),
                vec![task],
            )
        }
        Move::ChildEnds(worker, slot) => {
            let task = state.workers[worker].children[slot].map(|(task, _): (_, Instant)| task);
            let what = format!("child {slot} replies");
            let tasks = task.into_iter().collect();
            (Kind::Child, Place::Worker(worker), None, what, tasks)
        }
        Move::Cut(pipe) => fault(Place::Worker(state.pipes[pipe].worker), "cut".to_owned()),
        Move::Crash(node) => fault(node, "crash".to_owned()),
        Move::Pause(node) => fault(node, format!("pause for {:?}", PAUSES[0])),
        Move::Leave(worker) => fault(Place::Worker(worker), "leave, for good".to_owned()),
    })
}

fn pause(state: &State, node: Place) -> std::time::Duration {
    let standing = match node {
        Place::Dispatcher(index) => state.dispatchers[index].standing,
        Place::Worker(index) => state.workers[index].standing,
        Place::Client | Place::Store => Standing::Up,
    };
    match standing {
        Standing::Still(_, pause) => PAUSES[pause + 1],
        Standing::Up | Standing::Down(..) | Standing::Gone => PAUSES[0],
    }
}

fn read_up(state: &State, pipe: usize) -> Words {
    let pipe = &state.pipes[pipe];
    let (node, from) = (
        Place::Dispatcher(pipe.dispatcher),
        Place::Worker(pipe.worker),
    );
    match pipe.up.front() {
        Some(Up::Message(message)) => {
            let (what, tasks) = from_worker(message);
            (Kind::Message, node, Some(from), what, tasks)
        }
        Some(Up::End { .. }) | None => {
            let what = format!("hears the end of the connection of {from}");
            (Kind::Life, node, None, what, Vec::new())
        }
    }
}

fn read_down(state: &State, pipe: usize) -> Words {
    let pipe = &state.pipes[pipe];
    let (node, from) = (
        Place::Worker(pipe.worker),
        Place::Dispatcher(pipe.dispatcher),
    );
    match pipe.down.front() {
        Some(Down::Message(message)) => {
            let (what, tasks) = from_dispatcher(message);
            (Kind::Message, node, Some(from), what, tasks)
        }
        Some(Down::End { .. }) | None => {
            let what = "hears the end of its connection".to_owned();
            (Kind::Life, node, None, what, Vec::new())
        }
    }
}

fn serve(state: &State, index: usize, request: usize, unheard: &str) -> Words {
    let (what, tasks) = op(&state.requests[index][request].op);
    let from = Some(Place::Dispatcher(index));
    (Kind::Store, Place::Store, from, what + unheard, tasks)
}

fn fact(state: &State, node: Place) -> Words {
    match node {
        Place::Dispatcher(index) => match state.dispatchers[index].facts.front() {
            Some(dispatcher::Input::StoreReplied { reply: said, .. }) => {
                let tasks = match said {
                    Reply::Claimed(tasks) => tasks.iter().map(claimed).collect(),
                    _ => Vec::new(),
                };
                (Kind::Store, node, Some(Place::Store), reply(said), tasks)
            }
            Some(dispatcher::Input::StoreConnected) => {
                let what = "reaches the store".to_owned();
                (Kind::Life, node, None, what, Vec::new())
            }
            _ => {
                let what = "hears that nobody has that name".to_owned();
                (Kind::Life, node, None, what, Vec::new())
            }
        },
        Place::Worker(index) => {
            let (what, tasks) = match state.workers[index].facts.front() {
                Some(ChildFact::Replied {
                    slot,
                    task,
                    attempt,
                    ..
                }) => {
                    let (task, attempt) = (*task, *attempt);
                    (
                        format!("reads the reply of child {slot}"),
                        vec![TaskRef { task, attempt }],
                    )
                }
                Some(ChildFact::Recalled { slot, .. }) => {
                    (format!("child {slot} gives back nothing"), Vec::new())
                }
                Some(ChildFact::Exited { slot, .. }) => {
                    (format!("child {slot} has ended"), Vec::new())
                }
                Some(ChildFact::Ready { slot, .. }) => {
                    (format!("child {slot} is ready"), Vec::new())
                }
                None => (String::new(), Vec::new()),
            };
            (Kind::Child, node, None, what, tasks)
        }
        Place::Client | Place::Store => (Kind::Life, node, None, String::new(), Vec::new()),
    }
}

fn claimed(claimed: &Claimed) -> TaskRef {
    TaskRef {
        task: claimed.task,
        attempt: claimed.attempt,
    }
}
