//! A run's story in forms for people: lines of text, and a sequence diagram.

pub mod mermaid;
pub mod text;

use std::collections::BTreeMap;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::trace::Line;

/// The largest number that is a task's short name as it stands.
const SMALL: u128 = 99_999;

/// Short names of tasks: `t7`, and `t7.2` for its second attempt.
struct Names {
    /// The number of each task.
    numbers: BTreeMap<TaskId, u128>,
    /// Whether the numbers are the tasks' own, as a scenario file gives them.
    own: bool,
}

impl Names {
    /// Names the tasks of these lines: by their own numbers if all are small, otherwise counted in
    /// the order in which they appear.
    fn of(lines: &[Line]) -> Names {
        let mut order = Vec::new();
        let mut numbers = BTreeMap::new();
        for task in lines.iter().filter_map(|line| line.task) {
            numbers.entry(task.task).or_insert_with(|| {
                order.push(task.task);
                order.len() as u128
            });
        }
        let own = order.iter().all(|task| task.0 <= SMALL);
        if own {
            numbers = order.iter().map(|&task| (task, task.0)).collect();
        }
        Names { numbers, own }
    }

    /// A task's short name, with the attempt if there is one.
    fn short(&self, task: TaskRef) -> String {
        let number = self.numbers.get(&task.task).copied().unwrap_or_default();
        match task.attempt {
            0 => format!("t{number}"),
            attempt => format!("t{number}.{attempt}"),
        }
    }

    /// The names that are not the tasks' own, in order.
    fn legend(&self) -> Vec<(String, TaskId)> {
        if self.own {
            return Vec::new();
        }
        let mut legend: Vec<_> = self.numbers.iter().map(|(task, n)| (*n, *task)).collect();
        legend.sort_unstable();
        (legend.into_iter())
            .map(|(number, task)| (format!("t{number}"), task))
            .collect()
    }
}

#[cfg(test)]
mod story {
    //! A short run that both forms tell.

    use std::time::Duration;

    use mpcsfaas_core::id::TaskId;
    use mpcsfaas_core::time::Instant;
    use mpcsfaas_core::wire::message::TaskRef;
    use mpcsfaas_transport_sim::place::Place::{self, Client, Dispatcher, Store, Worker};
    use mpcsfaas_transport_sim::trace::{Kind, Line};

    pub(super) const LONG: TaskId = TaskId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);

    fn line(micros: u64, node: Place, from: Option<Place>, kind: Kind, what: &str) -> Line {
        Line {
            number: 0,
            at: Instant::ZERO + Duration::from_micros(micros),
            node,
            from,
            kind,
            what: what.to_owned(),
            task: None,
            hash: 0,
        }
    }

    fn about(task: TaskId, attempt: u32, line: Line) -> Line {
        let task = Some(TaskRef { task, attempt });
        Line { task, ..line }
    }

    /// Two tasks; one of them is lost on its way.
    pub(super) fn lines(first: TaskId, second: TaskId) -> Vec<Line> {
        let (d0, w0, w11) = (Dispatcher(0), Worker(0), Worker(11));
        let mut lines = vec![
            line(0, w11, None, Kind::Life, "starts"),
            line(1_000, d0, Some(w11), Kind::Message, "Hello session 1"),
            about(
                first,
                0,
                line(100_000, Store, Some(Client), Kind::Store, "Submit"),
            ),
            about(
                second,
                0,
                line(100_500, Store, Some(Client), Kind::Store, "Submit"),
            ),
            about(
                second,
                1,
                line(103_000, w11, Some(d0), Kind::Loss, "Run 1 task"),
            ),
            about(
                first,
                1,
                line(103_000, w0, Some(d0), Kind::Message, "Run 1 task; <first>"),
            ),
            about(first, 1, line(104_000, w0, None, Kind::Child, "starts")),
            line(1_000_000, w0, None, Kind::Fault, "pause for 10s"),
            line(4_000_000, d0, None, Kind::Timer, "deadline"),
        ];
        for (line, number) in lines.iter_mut().zip(1..) {
            line.number = number;
        }
        lines
    }
}
