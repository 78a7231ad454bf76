//! Which of the possible moves need to be tried in a state: a stubborn set (Valmari, 1990).
//!
//! A move changes the state of one node, and puts things behind what is in the lines of others. So
//! moves of different nodes commute, but where a line is empty, or has no order: there, what one
//! node sends may come before or after what the other does next. A set of nodes is *closed* if
//! nobody outside, who may do something before one of them does, can send to such a line of a node
//! inside. If a closed set has a move that is due, only moves of its nodes need to be tried:
//! whatever others do meanwhile can as well be done after. Time does not pass meanwhile, for
//! something is due.
//!
//! | node | lines | closed for others |
//! |---|---|---|
//! | worker | its connection | while something is under way on it, or it has none |
//! | dispatcher | connections, the store's answers, the doorbell | never: each may begin to send |
//! | store | requests, in any order | never |
//!
//! What is left out is which of two nodes did something first at the same instant. A fault counts as
//! a move of the node that it befalls. How many faults are left is shared, but a fault that others
//! have used up could only come first, and that order is tried.

use mpcsfaas_transport_sim::place::Place;

use super::moves::{Choice, Kind};
use super::state::State;

/// A set of nodes, as bits.
type Nodes = u32;

/// The moves to try, of all that are possible, but for time.
pub(super) fn reduce(state: &State, choices: Vec<Choice>) -> Vec<Choice> {
    let graph = Graph::of(state, &choices);
    let due = choices.iter().filter(|choice| choice.kind == Kind::Due);
    let starts = due.fold(0, |nodes, choice| nodes | graph.bit(choice.node));
    let sets = (0..graph.count()).map(|index| 1 << index);
    let closed = sets
        .filter(|bit| starts & bit != 0)
        .map(|bit| graph.close(bit));
    let moves_of = |nodes: &Nodes| {
        let inside = |choice: &&Choice| nodes & graph.bit(choice.node) != 0;
        choices.iter().filter(inside).count()
    };
    match closed.min_by_key(moves_of) {
        Some(nodes) => {
            let inside = |choice: &Choice| nodes & graph.bit(choice.node) != 0;
            choices.into_iter().filter(inside).collect()
        }
        None => choices,
    }
}

/// Who may do something, and who may send to whom in a way that does not commute.
struct Graph {
    workers: usize,
    dispatchers: usize,
    /// Nodes that have a move.
    able: Nodes,
    /// For each worker, its dispatcher, if its line is empty.
    feeders: Vec<Nodes>,
}

impl Graph {
    fn of(state: &State, choices: &[Choice]) -> Graph {
        let mut graph = Graph {
            workers: state.workers.len(),
            dispatchers: state.dispatchers.len(),
            able: 0,
            feeders: vec![0; state.workers.len()],
        };
        for choice in choices {
            graph.able |= graph.bit(choice.node);
        }
        for pipe in state.pipes.iter().filter(|pipe| pipe.worker_open) {
            if pipe.down.is_empty() {
                graph.feeders[pipe.worker] = graph.bit(Place::Dispatcher(pipe.dispatcher));
            }
        }
        graph
    }

    /// Workers, then dispatchers, then the store.
    fn bit(&self, place: Place) -> Nodes {
        match place {
            Place::Worker(index) => 1 << index,
            Place::Dispatcher(index) => 1 << (self.workers + index),
            Place::Store | Place::Client => 1 << (self.workers + self.dispatchers),
        }
    }

    fn count(&self) -> usize {
        self.workers + self.dispatchers + 1
    }

    /// Who may send to a node so that the order matters.
    fn feeders(&self, node: usize) -> Nodes {
        let workers = (1 << self.workers) - 1;
        let dispatchers = ((1 << self.dispatchers) - 1) << self.workers;
        let store = self.bit(Place::Store);
        match node {
            worker if worker < self.workers => self.feeders[worker],
            dispatcher if dispatcher < self.workers + self.dispatchers => workers | store,
            _ => dispatchers,
        }
    }

    /// The smallest closed set that has these.
    fn close(&self, mut inside: Nodes) -> Nodes {
        loop {
            let active = self.active_outside(inside);
            let more = self.each(inside, |node| self.feeders(node) & active);
            if more & !inside == 0 {
                return inside;
            }
            inside |= more;
        }
    }

    /// Who may do something while nobody inside does: who has a move, and whoever they may send to.
    fn active_outside(&self, inside: Nodes) -> Nodes {
        let mut active = self.able & !inside;
        loop {
            let fed = (0..self.count()).filter(|node| self.senders(*node) & active != 0);
            let more = fed.fold(0, |nodes, node| nodes | 1 << node) & !inside;
            if more & !active == 0 {
                return active;
            }
            active |= more;
        }
    }

    /// Who may send to a node at all.
    fn senders(&self, node: usize) -> Nodes {
        let dispatchers = ((1 << self.dispatchers) - 1) << self.workers;
        match node {
            worker if worker < self.workers => dispatchers,
            other => self.feeders(other),
        }
    }

    fn each(&self, nodes: Nodes, of: impl Fn(usize) -> Nodes) -> Nodes {
        let members = (0..self.count()).filter(|node| nodes & (1 << node) != 0);
        members.fold(0, |all, node| all | of(node))
    }
}
