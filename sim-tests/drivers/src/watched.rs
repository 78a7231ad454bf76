//! Machines that are watched: they are the machines of production, and each step is seen.

use std::hash::{Hash, Hasher};

use mpcsfaas_core::Machine;
use mpcsfaas_core::dispatcher::{self, Dispatcher};
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::{ToDispatcher, ToWorker};
use mpcsfaas_core::worker::{self, Worker};
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::history::{Ask, What, WorkerState};

use crate::watch::Watch;

/// A machine and who watches it.
#[derive(Clone, Debug)]
pub(crate) struct Watched<M> {
    machine: M,
    place: Place,
    /// Its Python processes, if it is a worker.
    processes: u32,
    watch: Watch,
}

impl Watched<Dispatcher> {
    pub(crate) fn dispatcher(machine: Dispatcher, place: Place, watch: Watch) -> Self {
        Watched {
            machine,
            place,
            processes: 0,
            watch,
        }
    }

    fn seen(&self, deaths: u64) {
        let roster = self.machine.workers();
        let roster = roster
            .map(|(key, session)| (key.clone(), session))
            .collect();
        let died = self.machine.counters().deaths > deaths;
        self.watch.dispatcher_moved(self.place, roster, died);
        self.watch.checked(self.place, self.machine.check());
    }
}

impl Watched<Worker> {
    pub(crate) fn worker(machine: Worker, place: Place, processes: u32, watch: Watch) -> Self {
        Watched {
            machine,
            place,
            processes,
            watch,
        }
    }

    fn seen(&self) {
        let state = WorkerState {
            node: self.place,
            id: self.machine.id(),
            session: self.machine.session(),
            welcome: self.machine.is_welcome(),
            dispatcher: None,
            held: self.machine.held(),
            running: self.machine.running().count(),
            credit: self.machine.credit(),
            ready: 0,
            over_credit: self.machine.counters().over_credit > 0,
            leaving: self.machine.is_leaving_work(),
        };
        let key = self.machine.id().into();
        self.watch.worker_moved(key, state, self.processes);
        self.watch.checked(self.place, self.machine.check());
    }
}

impl Machine for Watched<Dispatcher> {
    type Input = dispatcher::Input;
    type Output = dispatcher::Output;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.watch.takes_in(self.place, now, &input);
        if input == dispatcher::Input::DrainRequested {
            let (node, unstarted) = (self.place, Vec::new());
            self.watch.see(What::Leaving { node, unstarted });
        }
        if input == dispatcher::Input::StoreConnected {
            // Whatever had hindered its link is over now.
            self.watch.see(What::Over { node: self.place });
        }
        if let dispatcher::Input::StoreReplied { request, .. } = input {
            let by = self.place;
            self.watch.see(What::Told { by, request });
        }
        let deaths = self.machine.counters().deaths;
        self.machine.handle_input(now, input);
        self.seen(deaths);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.watch.takes_in(self.place, now, &"time");
        let deaths = self.machine.counters().deaths;
        self.machine.handle_timeout(now);
        self.seen(deaths);
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        let output = self.machine.poll_output();
        let by = self.place;
        match &output {
            Some(dispatcher::Output::Send { message, .. }) => {
                if let ToWorker::Ack(results) = &message.body {
                    let results = results.clone();
                    self.watch.see(What::Acknowledged { by, results });
                }
            }
            Some(dispatcher::Output::Store { request, op }) => {
                let (request, ask) = (*request, Ask::of(op));
                self.watch.see(What::Asked { by, request, ask });
            }
            Some(dispatcher::Output::SendLegacy { .. } | dispatcher::Output::Exit) | None => {}
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    fn check(&self) -> Result<(), String> {
        self.machine.check()
    }
}

impl Machine for Watched<Worker> {
    type Input = worker::Input;
    type Output = worker::Output;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.watch.takes_in(self.place, now, &input);
        if input == worker::Input::DrainRequested {
            let unstarted = self.machine.waiting().collect();
            let node = self.place;
            self.watch.see(What::Leaving { node, unstarted });
        }
        self.machine.handle_input(now, input);
        self.seen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.watch.takes_in(self.place, now, &"time");
        self.machine.handle_timeout(now);
        self.seen();
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        let output = self.machine.poll_output();
        if let Some(worker::Output::Send(message)) = &output
            && let ToDispatcher::Returned { tasks, .. } = &message.body
        {
            let (by, tasks) = (self.place, tasks.clone());
            self.watch.see(What::HandedBack { by, tasks });
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    fn check(&self) -> Result<(), String> {
        self.machine.check()
    }
}

impl<M: PartialEq> PartialEq for Watched<M> {
    fn eq(&self, other: &Self) -> bool {
        self.machine == other.machine && self.place == other.place
    }
}

impl<M: Eq> Eq for Watched<M> {}

impl<M: Hash> Hash for Watched<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.machine.hash(state);
        self.place.hash(state);
    }
}
