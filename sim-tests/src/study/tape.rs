//! The dispatcher's part of a run: written down, and played again alone.
//!
//! A machine is its facts and nothing else, so the same facts make it do the same again, without
//! the world around it. That is how its processor time is taken: of one machine, in one go, with
//! two looks at the clock.

use std::cell::RefCell;
use std::time::Duration;

use mpcsfaas_core::dispatcher::{Dispatcher, Input, Output};
use mpcsfaas_core::machine::step;
use mpcsfaas_core::store::Op;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::tamper::Tamper;

/// Processor time of this thread, since whenever.
pub type Clock = fn() -> Option<Duration>;

/// It is played so often, and the least time counts: whatever else the machine does only adds.
const TIMES: usize = 3;

/// What a dispatcher did while it had work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Messages of workers that it took in.
    pub messages: u64,
    /// Answers of the store.
    pub replies: u64,
    /// Doorbells.
    pub doorbells: u64,
    /// Deadlines of its own.
    pub wakes: u64,
    /// Anything else.
    pub others: u64,
    /// Messages that it sent.
    pub sent: u64,
    /// Requests to the store.
    pub requests: u64,
    /// Of these, claims.
    pub claims: u64,
    /// Processor time of its machine, without sockets and codec. The only figure that a seed does
    /// not determine.
    pub processor: Option<Duration>,
}

impl Cost {
    /// Steps of the machine.
    pub fn steps(&self) -> u64 {
        self.messages + self.replies + self.doorbells + self.wakes + self.others
    }

    /// Orders that it gave.
    pub fn orders(&self) -> u64 {
        self.sent + self.requests
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Cost) -> Cost {
        Cost {
            messages: self.messages + other.messages,
            replies: self.replies + other.replies,
            doorbells: self.doorbells + other.doorbells,
            wakes: self.wakes + other.wakes,
            others: self.others + other.others,
            sent: self.sent + other.sent,
            requests: self.requests + other.requests,
            claims: self.claims + other.claims,
            processor: self.processor.zip(other.processor).map(|(a, b)| a + b),
        }
    }

    fn count_step(&mut self, input: Option<&Input>) {
        *match input {
            Some(Input::MessageReceived { .. } | Input::LegacyReceived { .. }) => {
                &mut self.messages
            }
            Some(Input::StoreReplied { .. } | Input::StoreFailed { .. }) => &mut self.replies,
            Some(Input::DoorbellRang | Input::ClaimedAhead(_)) => &mut self.doorbells,
            Some(
                Input::StoreConnected
                | Input::StoreDisconnected
                | Input::JunkReceived { .. }
                | Input::PeerClosed { .. }
                | Input::DrainRequested,
            ) => &mut self.others,
            None => &mut self.wakes,
        } += 1;
    }

    fn count_order(&mut self, output: &Output) {
        match output {
            Output::Send { .. } | Output::SendLegacy { .. } => self.sent += 1,
            Output::Store { op, .. } => {
                self.requests += 1;
                self.claims += u64::from(matches!(op, Op::Claim(_)));
            }
            Output::Exit => {}
        }
    }
}

/// All that a dispatcher learnt, and when by its own clock.
#[derive(Debug)]
pub struct Tape {
    start: Dispatcher,
    /// A step without a fact is a deadline that has come.
    steps: Vec<(Instant, Option<Input>)>,
    /// Where the work begins.
    mark: usize,
}

thread_local! {
    // What stands around a machine is made by a plain function, which can carry nothing along.
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

/// Around a dispatcher: writes down what it learns. One dispatcher a thread at a time.
pub fn recorder() -> Box<dyn Tamper<Dispatcher>> {
    TAPE.set(None);
    Box::new(Recorder)
}

/// The work begins here.
pub fn mark() {
    TAPE.with_borrow_mut(|tape| {
        if let Some(tape) = tape {
            tape.mark = tape.steps.len();
        }
    });
}

/// What this thread has written down, if there was a dispatcher.
pub fn take() -> Option<Tape> {
    TAPE.take()
}

#[derive(Clone, Debug)]
struct Recorder;

impl Recorder {
    fn write(machine: &Dispatcher, now: Instant, input: Option<Input>) {
        TAPE.with_borrow_mut(|tape| {
            let tape = tape.get_or_insert_with(|| Tape {
                start: machine.clone(),
                steps: Vec::new(),
                mark: 0,
            });
            tape.steps.push((now, input));
        });
    }
}

impl Tamper<Dispatcher> for Recorder {
    fn input(&mut self, now: Instant, machine: &Dispatcher, input: Input) -> Vec<Input> {
        Recorder::write(machine, now, Some(input.clone()));
        vec![input]
    }

    fn timeout(&mut self, now: Instant, machine: &mut Dispatcher) -> bool {
        Recorder::write(machine, now, None);
        true
    }
}

impl Tape {
    /// What the dispatcher did from the mark on.
    pub fn cost(&self, clock: Option<Clock>) -> Cost {
        let mut cost = Cost::default();
        for (_, input) in &self.steps[self.mark..] {
            cost.count_step(input.as_ref());
        }
        self.play(|| (), |output| cost.count_order(&output));
        let times = clock.map(|clock| (0..TIMES).map(move |_| self.time(clock)));
        cost.processor = times.and_then(|times| times.flatten().min());
        cost
    }

    fn time(&self, clock: Clock) -> Option<Duration> {
        let mut began = None;
        let _ended = self.play(|| began = clock(), drop);
        Some(clock()?.saturating_sub(began?))
    }

    /// Plays everything, and calls `begin` before the work. The dispatcher is then as it was.
    pub(super) fn play(&self, begin: impl FnOnce(), mut obey: impl FnMut(Output)) -> Dispatcher {
        let mut machine = self.start.clone();
        let mut steps = self.steps.clone();
        let work = steps.split_off(self.mark);
        for (now, input) in steps {
            step(&mut machine, now, input, drop);
        }
        begin();
        for (now, input) in work {
            step(&mut machine, now, input, &mut obey);
        }
        machine
    }
}
