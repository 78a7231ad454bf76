//! What is printed of a study.

use std::fmt::Write as _;
use std::time::Duration;

use mpcsfaas_core::wire::message::Flow;

use super::stage::NOOP;
use super::{Point, Row};
use crate::scenario_file::write_time;

/// The share of the completion with the fewest workers that should be left with the most.
pub const GOAL: f64 = 0.95;

/// The rows in aligned columns, at most 120 wide, and what they come to.
pub fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<5} {:<4} {:>7} {:>7} {:>8} {:>10} {:>9} {:>9} {:>9} {:>9} {:>6} {:>6} {:>5} {:>6} {:>6}\n",
        "",
        "",
        "link",
        "workers",
        "tasks",
        "done ms",
        "tasks/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "eff %",
        "claims",
        "steps",
        "orders",
        "cpu us",
    );
    let mut last: Option<&Row> = None;
    for row in rows {
        if last.is_some_and(|last| !last.point.is_like(&row.point)) {
            text.push('\n');
        }
        last = Some(row);
        row.write(&mut text);
    }
    text.push('\n');
    text + &verdicts(rows)
}

/// What the columns are, and what the world does and does not make anybody pay for.
pub fn legend(points: &[Point]) -> String {
    let step = match points.first().map(|point| point.step_cost) {
        Some(cost) if !cost.is_zero() => format!(
            "The dispatcher takes {} for each step (--step-cost), one after the other, whatever is in it.",
            write_time(cost)
        ),
        _ => "The dispatcher's steps take no world time; --step-cost gives each of them the same."
            .to_owned(),
    };
    format!(
        "\
All times but the last column are world time, and with all counts are determined by the seeds.
What takes world time: each message, and each store request and each answer, one link latency; a task in its process
(noop: {}, a guess; sleep: always the same; cpu: from half of the usual to half more).
{step}
What takes none: the store, workers, the gateway, the bytes of a message (no bandwidth, no codec), and Redis or a disk.
Each worker has had one task before. Then all tasks of a row are submitted at one moment, in requests of up to 512, by a
client one link from the store.
link: latency, one way. done: from the submit to the last result in the store, median of the seeds.
p50, p95, p99: from the submit of a task to its result in the store. eff: done with the fewest workers / done.
claims: in a run. steps, orders: what the dispatcher's machine took in and gave out, for each task, beats included.
cpu: processor time of the dispatcher's machine for each task, played again alone, without sockets and codec.
",
        write_time(NOOP)
    )
}

impl Row {
    fn write(&self, text: &mut String) {
        let Point {
            workload,
            flow,
            latency,
            workers,
            ..
        } = self.point;
        let processor = match self.processor_per_task() {
            Some(micros) => format!("{micros:.2}"),
            None => "-".to_owned(),
        };
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{:<5} {:<4} {:>7} {:>7} {:>8} {:>10.2} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>6.1} {:>6} {:>5.2} {:>6.2} {:>6}",
            workload.name(),
            flow_name(flow),
            write_time(latency),
            workers,
            self.point.tasks(),
            millis(self.completion),
            self.throughput(),
            millis(self.p50),
            millis(self.p95),
            millis(self.p99),
            100.0 * self.efficiency,
            self.cost.claims / self.seeds.max(1),
            self.per_task(self.cost.steps()),
            self.per_task(self.cost.orders()),
            processor,
        );
    }

    /// Microseconds of processor time of the dispatcher's machine for each task.
    pub fn processor_per_task(&self) -> Option<f64> {
        let nanos = self.cost.processor?.as_nanos();
        Some(self.per_task(u64::try_from(nanos).unwrap_or(u64::MAX)) / 1e3)
    }
}

/// What to call a flow.
pub(super) const fn flow_name(flow: Flow) -> &'static str {
    match flow {
        Flow::Push => "push",
        Flow::Pull => "pull",
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A line for each condition that has several numbers of workers: how far it scales, and what the
/// dispatcher's cost does.
fn verdicts(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let like = rest
            .iter()
            .take_while(|row| row.point.is_like(&first.point));
        let (group, others) = rest.split_at(like.count());
        rest = others;
        if let [fewest, .., most] = group {
            text += &verdict(group, fewest, most);
        }
    }
    for row in rows.iter().filter(|row| !row.is_well()) {
        let Row {
            unfinished,
            disturbed,
            ..
        } = row;
        let _ = writeln!(
            text,
            "NOT WELL: {} with {} workers: {unfinished} tasks never ended, {disturbed} failed or ran again",
            condition(&row.point),
            row.point.workers,
        );
    }
    text
}

fn verdict(group: &[Row], fewest: &Row, most: &Row) -> String {
    let enough = group.iter().take_while(|row| row.efficiency >= GOAL);
    let reach = enough.last().map_or(0, |row| row.point.workers);
    let both =
        |figure: &dyn Fn(&Row) -> f64| format!("{:.2} to {:.2}", figure(fewest), figure(most));
    let processor = |row: &Row| row.processor_per_task().unwrap_or_default();
    let mut text = format!(
        "{}: {:.0} % or more up to {} of {} workers\n  for each task: steps {}, orders {}",
        condition(&fewest.point),
        100.0 * GOAL,
        reach,
        most.point.workers,
        both(&|row| row.per_task(row.cost.steps())),
        both(&|row| row.per_task(row.cost.orders())),
    );
    if fewest.cost.processor.and(most.cost.processor).is_some() {
        text += &format!(", cpu us {}", both(&processor));
    }
    text + "\n"
}

fn condition(point: &Point) -> String {
    format!(
        "{} {} {}, {} a worker",
        point.workload.name(),
        flow_name(point.flow),
        write_time(point.latency),
        point.tasks_per_worker
    )
}
