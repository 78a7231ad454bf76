//! What a person sees while the demo runs, on standard error: a line for each workload, and on a
//! terminal a bar that moves until it is done.

use indicatif::{ProgressBar, ProgressStyle};
use mpcsfaas_core::store::op::Mode;

use super::report::Row;

/// One workload after the other.
pub(super) struct Bar {
    mode: Mode,
    /// Of the workload that runs now.
    bar: Option<ProgressBar>,
}

impl Bar {
    /// For one mode; it shows itself with its first step.
    pub(super) const fn new(mode: Mode) -> Bar {
        Bar { mode, bar: None }
    }

    /// So many are done.
    pub(super) fn show(&mut self, workload: &str, done: u64, total: u64) {
        let mode = self.mode;
        let bar = self.bar.get_or_insert_with(|| start(mode, workload, total));
        bar.set_position(done);
    }

    /// The workload is done: the bar makes room for a line.
    pub(super) fn finish(&mut self, row: &Row) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        eprintln!("{}", row.line());
    }
}

/// Draws nothing where standard error is no terminal.
fn start(mode: Mode, workload: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{prefix} [{bar:40}] {pos}/{len}");
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar.set_prefix(format!("{:<5}  {workload:<6}", mode.as_str()));
    bar
}
