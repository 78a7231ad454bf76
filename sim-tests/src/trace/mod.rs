//! A run's story in forms for people: lines of text, a sequence diagram, and a page to look at.
//!
//! [`Names`] says which task is called what, [`View`] what of the story is shown. Whatever is shown,
//! a task keeps its name.

pub mod html;
pub mod mermaid;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::plan::Plan;
use mpcsfaas_transport_sim::trace::{Kind, Line};

/// What of a story is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// Only what is about this task, and what befell nodes.
    pub task: Option<TaskId>,
    /// The most events. The last ones are shown, for a run ends with what it is about.
    pub most: usize,
}

impl View {
    /// All of it.
    pub const ALL: View = View {
        task: None,
        most: usize::MAX,
    };

    fn shows(self, line: &Line) -> bool {
        match (self.task, line.tasks.is_empty()) {
            (None, _) => true,
            (Some(only), false) => line.tasks.iter().any(|task| task.task == only),
            (Some(_), true) => matches!(line.kind, Kind::Fault | Kind::Life),
        }
    }

    /// The task that a line is told of: the one that is followed, or the first of several.
    fn task(self, line: &Line) -> Option<TaskRef> {
        let mut tasks = line.tasks.iter();
        let shown = tasks.find(|task| self.task.is_none_or(|only| task.task == only));
        shown.copied()
    }
}

/// Short names of the tasks of a run: `t7`, and `t7.2` for its second attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    /// The number of each task.
    numbers: BTreeMap<TaskId, u128>,
    /// Whether the numbers are the tasks' own, as a scenario file gives them.
    own: bool,
}

impl Names {
    /// Names the tasks of a plan, as its violations do.
    pub fn of(plan: &Plan) -> Names {
        Names::numbered(plan.task_numbers())
    }

    fn numbered(numbers: BTreeMap<TaskId, u128>) -> Names {
        let own = numbers.iter().all(|(task, number)| task.0 == *number);
        Names { numbers, own }
    }

    /// The task that is called so: `t7`, or its UUID.
    pub fn find(&self, name: &str) -> Option<TaskId> {
        let number = name.strip_prefix('t').and_then(|n| n.parse::<u128>().ok());
        let uuid = name.parse::<TaskId>().ok();
        let is_it = |(task, its): &(&TaskId, &u128)| number == Some(**its) || uuid == Some(**task);
        self.numbers.iter().find(is_it).map(|(task, _)| *task)
    }

    /// A task's short name, with the attempt if there is one.
    fn short(&self, task: TaskRef) -> String {
        let number = self.numbers.get(&task.task).copied().unwrap_or_default();
        match task.attempt {
            0 => format!("t{number}"),
            attempt => format!("t{number}.{attempt}"),
        }
    }
}

/// The part of a story that a view shows.
struct Shown<'l> {
    names: &'l Names,
    view: View,
    lines: Vec<&'l Line>,
    /// How many earlier ones there are, beyond the most that are shown.
    left_out: usize,
}

impl<'l> Shown<'l> {
    fn of(story: &'l [Line], names: &'l Names, view: View) -> Shown<'l> {
        let mut lines: Vec<&Line> = story.iter().filter(|line| view.shows(line)).collect();
        let left_out = lines.len().saturating_sub(view.most);
        Shown {
            names,
            view,
            lines: lines.split_off(left_out),
            left_out,
        }
    }

    /// What a line is told of, by its short name.
    fn task(&self, line: &Line) -> Option<String> {
        self.view.task(line).map(|task| self.names.short(task))
    }

    /// `t1 = 0123...` for each task that is shown, by number. Nothing, if the numbers are the tasks'
    /// own.
    fn legend(&self) -> Vec<String> {
        if self.names.own {
            return Vec::new();
        }
        let tasks = self.lines.iter().filter_map(|line| self.view.task(line));
        let numbered = tasks.filter_map(|TaskRef { task, .. }| {
            let number = self.names.numbers.get(&task)?;
            Some((*number, task))
        });
        let legend: BTreeSet<(u128, TaskId)> = numbered.collect();
        let entries = legend.into_iter();
        entries.map(|(n, task)| format!("t{n} = {task}")).collect()
    }

    /// That there is more, if there is.
    fn gap(&self) -> Option<String> {
        let left_out = self.left_out;
        (left_out > 0).then(|| format!("{left_out} earlier events are left out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_found_by_its_name_and_by_its_uuid() {
        let names = story::names(story::LONG, TaskId(2));
        assert_eq!(names.find("t1"), Some(story::LONG));
        assert_eq!(names.find("t2"), Some(TaskId(2)));
        assert_eq!(names.find(&story::LONG.to_string()), Some(story::LONG));
        for unknown in ["t3", "t", "1", "", &TaskId(1).to_string()] {
            assert_eq!(names.find(unknown), None, "{unknown}");
        }
        let own = story::names(TaskId(70), TaskId(2));
        assert_eq!((own.find("t70"), own.find("t1")), (Some(TaskId(70)), None));
    }

    #[test]
    fn who_follows_a_task_sees_it_in_a_batch_of_others() {
        let (first, second) = (TaskId(1), TaskId(2));
        let mut batch = story::lines(first, second).remove(5);
        batch.tasks.push(TaskRef {
            task: second,
            attempt: 3,
        });
        let view = View {
            task: Some(second),
            ..View::ALL
        };
        assert!(view.shows(&batch));
        assert_eq!(view.task(&batch), Some(batch.tasks[1]));
        assert_eq!(View::ALL.task(&batch), Some(batch.tasks[0]));
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

    use mpcsfaas_transport_sim::plan;

    use super::Names;

    pub(super) const LONG: TaskId = TaskId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);

    fn line(micros: u64, node: Place, from: Option<Place>, kind: Kind, what: &str) -> Line {
        Line {
            number: 0,
            at: Instant::ZERO + Duration::from_micros(micros),
            sent: None,
            node,
            from,
            kind,
            what: what.to_owned(),
            tasks: Vec::new(),
            routine: false,
            waits: false,
            hash: 0,
        }
    }

    pub(super) fn names(first: TaskId, second: TaskId) -> Names {
        Names::numbered(plan::number([first, second].into_iter()))
    }

    fn about(task: TaskId, attempt: u32, line: Line) -> Line {
        let tasks = vec![TaskRef { task, attempt }];
        Line { tasks, ..line }
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
