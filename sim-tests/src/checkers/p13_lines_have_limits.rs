//! P13: every queue, buffer, payload and wait has a limit and a clear error.

use std::collections::BTreeSet;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_transport_sim::history::{Seen, What};
use mpcsfaas_transport_sim::plan::Ending;

use super::{Checker, Setting};

/// Compares lines with their limits, and knows whose results are too large.
#[derive(Clone, Debug)]
pub(super) struct LinesHaveLimits {
    /// Tasks that return more than a result may have.
    oversized: BTreeSet<TaskId>,
    lines: u64,
}

impl LinesHaveLimits {
    pub(super) fn new(setting: &Setting) -> LinesHaveLimits {
        let oversized = setting
            .submits
            .values()
            .filter(|submit| submit.ends == Ending::ReturnsTooMuch)
            .map(|submit| submit.task);
        LinesHaveLimits {
            oversized: oversized.collect(),
            lines: 0,
        }
    }
}

impl Checker for LinesHaveLimits {
    fn promise(&self) -> &'static str {
        "P13"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Line {
                kind,
                node,
                length,
                limit,
            } => {
                self.lines += 1;
                if length > limit {
                    return Err(format!(
                        "{kind:?} at {node}: {length}, the limit is {limit}"
                    ));
                }
            }
            What::Row(row)
                if row.outcome.is_some_and(|ended| ended.result_of.is_some())
                    && self.oversized.contains(&row.task) =>
            {
                return Err(format!("{} has a result over the limit", row.task));
            }
            _ => {}
        }
        Ok(())
    }

    fn premises(&self) -> u64 {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mpcsfaas_core::task::FailureKind;
    use mpcsfaas_transport_sim::history::LineKind;
    use mpcsfaas_transport_sim::plan::Submit;

    use super::*;
    use crate::checkers::testing::*;

    fn line(length: usize) -> What {
        What::Line {
            kind: LineKind::Held,
            node: W0,
            length,
            limit: 5,
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_its_limit() {
        let history = History::new().see(line(4)).see(line(5));
        assert_eq!(history.judge(&mut LinesHaveLimits::new(&setting())), Ok(2));
    }

    #[test]
    fn a_longer_one_is_named() {
        let mut checker = LinesHaveLimits::new(&setting());
        assert_broken(
            History::new().see(line(6)).judge(&mut checker),
            &["Held", "W0", "6"],
        );
    }

    #[test]
    fn a_result_that_is_too_large_is_a_failure() {
        let submit = Submit {
            at: at(0),
            task: task(7),
            runs: Duration::ZERO,
            ends: Ending::ReturnsTooMuch,
            timeout: None,
            at_most_once: false,
        };
        let mut setting = setting();
        std::sync::Arc::make_mut(&mut setting.submits).insert(task(7), submit);
        let too_large = failed(attempt(7, 1), FailureKind::ResultTooLarge);
        let history = History::new().row(too_large);
        assert_eq!(history.judge(&mut LinesHaveLimits::new(&setting)), Ok(0));
        let verdict = History::new()
            .row(completed(attempt(7, 1)))
            .judge(&mut LinesHaveLimits::new(&setting));
        assert_broken(verdict, &[&task(7).to_string()]);
    }
}
