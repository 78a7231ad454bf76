//! What travels, and what happens at one place: from the story.
//!
//! The story tells of something when it arrives, and once more when its node takes it in, if it had
//! to wait. Both are one arrow here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::trace::{Kind, Line};

use super::picture::{Arrow, Index, Is, Point, micros};

/// Arrows and points, in the order of the story.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) arrows: Vec<Arrow>,
    pub(super) points: Vec<Point>,
}

/// What a dispatcher asks the store each so often, and the answer that there is nothing to do.
const POLLS: [(&str, &str); 2] = [("Claim", "Claimed 0"), ("Reap", "Reaped 0")];

/// Arrows that wait at a node, first come first served, by what they are.
type Waiting<'s> = BTreeMap<(Place, Place, &'s str), VecDeque<usize>>;

impl Traffic {
    pub(super) fn of(story: &[Line], index: &mut Index) -> Traffic {
        let mut traffic = Traffic::default();
        let mut waiting = Waiting::new();
        for line in story {
            match line.from {
                Some(from) => traffic.travelled(line, from, index, &mut waiting),
                None if line.waits => {}
                None => traffic.points.push(point(line, index)),
            }
        }
        traffic.quieten_polls(index);
        traffic
    }

    fn travelled<'s>(
        &mut self,
        line: &'s Line,
        from: Place,
        index: &mut Index,
        waiting: &mut Waiting<'s>,
    ) {
        let queue = waiting.entry((line.node, from, &line.what)).or_default();
        let at = micros(line.at);
        let sent = line.sent.map_or(at, micros);
        // Taken in is what was scheduled no earlier than its first arrival.
        let first = queue.front().and_then(|place| self.arrows.get_mut(*place));
        if let Some(first) = first.filter(|first| first.at <= sent) {
            if !line.waits {
                first.taken = Some(at);
                queue.pop_front();
            }
            return;
        }
        if line.waits {
            queue.push_back(self.arrows.len());
        }
        self.arrows.push(Arrow {
            number: line.number,
            sent,
            at,
            taken: None,
            from: index.lane(from),
            to: index.lane(line.node),
            what: index.word(&line.what),
            is: Is {
                lost: line.kind == Kind::Loss,
                routine: line.routine,
                waits: line.waits,
                store: line.node == Place::Store || from == Place::Store,
            },
            tasks: index.refs(&line.tasks),
        });
    }

    /// A question that comes again and again, and this time brings nothing, is routine, and so is its
    /// answer. An answer leaves the store when the question is taken in, so the two meet there.
    fn quieten_polls(&mut self, index: &mut Index) {
        let nothing = POLLS.map(|(question, answer)| (question, index.word(answer)));
        let mut idle = BTreeSet::new();
        for arrow in &mut self.arrows {
            if let Some((question, _)) = nothing.iter().find(|(_, word)| *word == arrow.what) {
                arrow.is.routine = true;
                idle.insert((arrow.sent, arrow.to, *question));
            }
        }
        for arrow in &mut self.arrows {
            let taken = arrow.taken.unwrap_or(arrow.at);
            let asked = (taken, arrow.from, index.begins(arrow.what));
            arrow.is.routine |= idle.contains(&asked);
        }
    }
}

fn point(line: &Line, index: &mut Index) -> Point {
    Point {
        number: line.number,
        at: micros(line.at),
        lane: index.lane(line.node),
        kind: match line.kind {
            Kind::Timer => "timer",
            Kind::Child => "child",
            Kind::Client => "client",
            Kind::Fault => "fault",
            Kind::Message | Kind::Loss | Kind::Store | Kind::Life => "life",
        },
        what: index.word(&line.what),
        routine: line.routine,
        tasks: index.refs(&line.tasks),
    }
}
