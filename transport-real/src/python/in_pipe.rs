//! What a child has been given and has not answered.

use std::collections::VecDeque;

use mpcsfaas_core::id::{Attempt, TaskId};
use mpcsfaas_core::wire::message::TaskRef;

use super::child::Ledger;

/// The runs that a child was sent, in order. They are answered in this order.
#[derive(Debug, Default)]
pub(super) struct InPipe {
    given: VecDeque<Given>,
    /// The number of the last run that was sent, and of the last whose answer was read.
    sent: u8,
    heard: u8,
}

/// A run that is not answered.
#[derive(Debug)]
pub(super) struct Given {
    task: TaskId,
    attempt: Attempt,
    number: u8,
    /// Whether the child was told not to begin it.
    taken_back: bool,
    /// Whether it is known that it will not, and the worker machine knows.
    pub(super) is_told: bool,
}

impl InPipe {
    pub(super) fn len(&self) -> usize {
        self.given.len()
    }

    /// Numbers a run that is to be sent; also returns the number heard last.
    pub(super) fn push(&mut self, task: TaskId, attempt: Attempt) -> (u8, u8) {
        self.sent = self.sent.wrapping_add(1);
        self.given.push_back(Given {
            task,
            attempt,
            number: self.sent,
            taken_back: false,
            is_told: false,
        });
        (self.sent, self.heard)
    }

    /// Whether this is what has to be answered next.
    pub(super) fn is_next(&self, attempt: Option<(TaskId, Attempt)>) -> bool {
        let next = self.given.front().map(|given| (given.task, given.attempt));
        attempt.is_some() && attempt == next
    }

    /// Notes that the first is answered.
    pub(super) fn answered(&mut self, ledger: Option<&dyn Ledger>) -> Option<Given> {
        let given = self.given.pop_front()?;
        self.heard = given.number;
        if let Some(ledger) = ledger.filter(|_| given.taken_back) {
            ledger.take_back(given.number, false);
        }
        Some(given)
    }

    /// Tells the child not to begin any that it has not begun.
    pub(super) fn take_back(&mut self, ledger: &dyn Ledger) {
        let first = self.first_unbegun(ledger);
        for given in self.given.iter_mut().skip(first) {
            given.taken_back = true;
            ledger.take_back(given.number, true);
        }
    }

    /// A moment after [`InPipe::take_back`]: the tasks that will not begin.
    ///
    /// A child writes what it begins before it looks whether it may, so it either sees that it may
    /// not, or is seen to have begun. (The moment is for writes that a processor still holds back.)
    /// Of one that is seen to have begun the child's answer tells which.
    pub(super) fn taken_back(&mut self, ledger: &dyn Ledger) -> Vec<TaskRef> {
        let first = self.first_unbegun(ledger);
        let rest = self.given.iter_mut().skip(first);
        let back = rest.filter(|given| given.taken_back && !given.is_told);
        let tell = |given: &mut Given| {
            given.is_told = true;
            given.attempt()
        };
        back.map(tell).collect()
    }

    /// The child is dead: what it may have begun.
    pub(super) fn begun(&self, ledger: Option<&dyn Ledger>) -> Vec<TaskRef> {
        let count = ledger.map_or(self.len(), |ledger| self.first_unbegun(ledger));
        let begun = self.given.iter().take(count);
        let begun = begun.filter(|given| !given.is_told);
        begun.map(Given::attempt).collect()
    }

    /// How many have begun. All of them, if what the child wrote makes no sense: a task might have.
    fn first_unbegun(&self, ledger: &dyn Ledger) -> usize {
        let Ok(last) = ledger.begun() else {
            return self.len();
        };
        if last == self.heard {
            return 0;
        }
        let at = self.given.iter().position(|given| given.number == last);
        at.map_or(self.len(), |at| at + 1)
    }
}

impl Given {
    pub(super) fn attempt(&self) -> TaskRef {
        TaskRef {
            task: self.task,
            attempt: self.attempt,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    /// A ledger that the test writes, and what was taken back in it.
    #[derive(Debug, Default)]
    struct Scripted {
        begun: Mutex<u8>,
        taken_back: Mutex<Vec<u8>>,
    }

    impl Ledger for Scripted {
        fn begun(&self) -> io::Result<u8> {
            Ok(*self.begun.lock().expect("no panic"))
        }

        fn count_read(&self) {}

        fn take_back(&self, number: u8, is_taken_back: bool) {
            let mut numbers = self.taken_back.lock().expect("no panic");
            numbers.retain(|known| *known != number);
            if is_taken_back {
                numbers.push(number);
            }
        }

        fn read_quiet(&self, _into: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }

    impl Scripted {
        fn begins(&self, number: u8) {
            *self.begun.lock().expect("no panic") = number;
        }

        fn all_taken_back(&self) -> Vec<u8> {
            self.taken_back.lock().expect("no panic").clone()
        }
    }

    fn given(count: u128) -> (InPipe, Scripted) {
        let mut pipe = InPipe::default();
        for task in 1..=count {
            pipe.push(TaskId(task), 1);
        }
        (pipe, Scripted::default())
    }

    fn ids(tasks: &[TaskRef]) -> Vec<u128> {
        tasks.iter().map(|task| task.task.0).collect()
    }

    #[test]
    fn of_a_dead_child_what_it_began_is_known() {
        let (mut pipe, ledger) = given(3);
        assert_eq!(ids(&pipe.begun(Some(&ledger))), [0; 0]);
        ledger.begins(1);
        assert_eq!(ids(&pipe.begun(Some(&ledger))), [1]);
        pipe.answered(Some(&ledger));
        assert_eq!(ids(&pipe.begun(Some(&ledger))), [0; 0]);
        ledger.begins(3);
        assert_eq!(ids(&pipe.begun(Some(&ledger))), [2, 3]);
        ledger.begins(77);
        assert_eq!(
            ids(&pipe.begun(Some(&ledger))),
            [2, 3],
            "nonsense proves nothing"
        );
        assert_eq!(ids(&pipe.begun(None)), [2, 3]);
    }

    #[test]
    fn what_has_not_begun_is_taken_back_and_numbers_are_free_again() {
        let (mut pipe, ledger) = given(3);
        ledger.begins(1);
        pipe.take_back(&ledger);
        assert_eq!(ledger.all_taken_back(), [2, 3]);
        // It was about to begin the second.
        ledger.begins(2);
        assert_eq!(ids(&pipe.taken_back(&ledger)), [3]);
        assert_eq!(ids(&pipe.taken_back(&ledger)), [0; 0], "told once");
        for _ in 0..3 {
            pipe.answered(Some(&ledger));
        }
        assert_eq!(ledger.all_taken_back(), [0; 0]);
    }

    #[test]
    fn numbers_begin_anew_after_255() {
        let (mut pipe, ledger) = given(1);
        for task in 2..=600 {
            let (number, heard) = pipe.push(TaskId(task), 1);
            assert_eq!(number, heard.wrapping_add(2));
            ledger.begins(heard.wrapping_add(1));
            assert_eq!(ids(&pipe.begun(Some(&ledger))), [task - 1]);
            pipe.answered(Some(&ledger));
        }
    }
}
