//! From a scenario to a text.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{
    Bend, Ending, FOR_GOOD, Fault, Occasion, Plan, Shape, Submit, Trouble, Twist,
};

use super::{Expect, PROMISES, Scenario, VERSION, time, words};

/// As many like submits in a row become one `[[submit]]` with a `count`.
const ROW: usize = 3;

/// Writes a scenario so that [`super::read()`] gives it back.
pub fn write(scenario: &Scenario) -> String {
    let Scenario { name, plan, expect } = scenario;
    let mut page = Page(String::new());
    let (key, value) = match expect {
        Expect::Keeps => {
            page.line("# Keeps every promise.");
            ("keeps", "all")
        }
        Expect::Breaks(promise) => {
            let meaning = PROMISES.iter().find(|(name, _)| name == promise);
            let meaning = meaning.map_or("", |(_, meaning)| meaning);
            page.line(format_args!("# Breaks {promise}: {meaning}"));
            ("breaks", *promise)
        }
    };
    page.key("version", VERSION);
    page.text("name", name);
    world(&mut page, plan);
    let mut submits = plan.submits.as_slice();
    while let Some(row) = row(submits) {
        submit(&mut page, row);
        submits = &submits[row.len()..];
    }
    for fault in &plan.faults {
        self::fault(&mut page, fault, &plan.submits);
    }
    for twist in &plan.twists {
        self::twist(&mut page, twist);
    }
    page.table("[expect]");
    page.text(key, value);
    page.0
}

/// Lines of keys and values.
struct Page(String);

impl Page {
    fn line(&mut self, line: impl Display) {
        self.0.push_str(&format!("{line}\n"));
    }

    fn table(&mut self, header: &str) {
        self.line(format_args!("\n{header}"));
    }

    fn key(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key, Quoted(text));
    }

    fn time(&mut self, key: &str, time: Duration) {
        self.text(key, &time::write(time));
    }

    fn at(&mut self, at: Instant) {
        self.time("at", at - Instant::ZERO);
    }
}

/// A text as TOML's basic string.
struct Quoted<'t>(&'t str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for sign in self.0.chars() {
            match sign {
                '"' | '\\' => write!(f, "\\{sign}")?,
                sign if sign.is_ascii_control() => write!(f, "\\u{:04x}", u32::from(sign))?,
                sign => f.write_char(sign)?,
            }
        }
        f.write_char('"')
    }
}

fn world(page: &mut Page, plan: &Plan) {
    let Shape {
        salt,
        dispatchers,
        workers,
        flow,
        latency,
        queue_limit,
        claim_limit,
        timeout,
    } = &plan.shape;
    page.table("[world]");
    if dispatchers.iter().all(|&starts| starts == Instant::ZERO) {
        page.key("dispatchers", dispatchers.len());
    } else {
        let starts = dispatchers.iter();
        let starts = starts.map(|&at| Quoted(&time::write(at - Instant::ZERO)).to_string());
        let starts: Vec<_> = starts.collect();
        page.key("dispatchers", format_args!("[{}]", starts.join(", ")));
    }
    let alike = (workers.iter())
        .all(|worker| worker.starts == Instant::ZERO && worker.processes == workers[0].processes);
    if alike {
        page.key("workers", workers.len());
        page.key(
            "processes",
            workers.first().map_or(1, |worker| worker.processes),
        );
    }
    page.text("flow", words::word(&words::FLOWS, flow));
    page.time("latency", *latency);
    page.time("timeout", *timeout);
    page.key("queue_limit", queue_limit);
    page.key("claim_limit", claim_limit);
    page.key("salt", salt);
    page.time("heal_at", plan.heal_at - Instant::ZERO);
    for worker in workers.iter().filter(|_| !alike) {
        page.table("[[world.worker]]");
        page.time("starts", worker.starts - Instant::ZERO);
        page.key("processes", worker.processes);
    }
}

/// The longest row of like submits at the beginning, with numbers that follow each other and the
/// same time between them; one submit if that is no row worth a `count`.
fn row(submits: &[Submit]) -> Option<&[Submit]> {
    let first = submits.first()?;
    let every = step(submits);
    let length = (submits.iter().zip(0_u32..))
        .take_while(|&(submit, number)| {
            let follows = Submit {
                at: first.at + every.saturating_mul(number.min(3)),
                task: TaskId(first.task.0.wrapping_add(number.into())),
                ..first.clone()
            };
            *submit == follows
        })
        .count();
    Some(&submits[..if length < ROW { 1 } else { length }])
}

/// The time between the first two.
fn step(submits: &[Submit]) -> Duration {
    match submits {
        [first, second, ..] => second.at - first.at,
        _ => Duration::ZERO,
    }
}

fn submit(page: &mut Page, row: &[Submit]) {
    let Submit {
        at,
        task,
        runs,
        ends,
        timeout,
        at_most_once,
    } = &row[0];
    page.table("[[submit]]");
    page.at(*at);
    page.text("task", &words::write_task(*task));
    page.time("runs", *runs);
    if *ends != Ending::Returns {
        page.text("ends", words::word(&words::ENDINGS, ends));
    }
    if let Some(timeout) = timeout {
        page.time("timeout", *timeout);
    }
    if *at_most_once {
        page.key("at_most_once", true);
    }
    if row.len() > 1 {
        page.key("count", row.len());
        page.time("every", step(row));
    }
}

fn fault(page: &mut Page, fault: &Fault, submits: &[Submit]) {
    page.table("[[fault]]");
    page.at(fault.at);
    if !matches!(
        (fault.what, fault.node),
        (Trouble::Cancel(_), Place::Client)
    ) {
        page.text("node", &fault.node.to_string());
    }
    let mut what = |what| page.text("what", what);
    match fault.what {
        Trouble::Cut => what("cut"),
        Trouble::Junk => what("junk"),
        Trouble::Impostor => what("impostor"),
        Trouble::Clog(time) => lasting(page, "clog", time),
        Trouble::Pause(time) => lasting(page, "pause", time),
        Trouble::Crash(time) => lasting(page, "crash", time),
        Trouble::Leave(time) => lasting(page, "leave", time),
        Trouble::StoreCut(time) => lasting(page, "store-cut", time),
        Trouble::Partition { from, way, time } => {
            lasting(page, "partition", time);
            page.text("from", &Place::Dispatcher(from).to_string());
            page.text("way", words::word(&words::WAYS, &way));
        }
        Trouble::Slow { by, time } => {
            lasting(page, "slow", time);
            page.time("by", by);
        }
        Trouble::ClockDrift(ppm) => {
            what("clock-drift");
            page.key("ppm", ppm);
        }
        Trouble::ClockJump { millis } => {
            what("clock-jump");
            page.text("by", &time::write_signed(millis));
        }
        // A plan that cancels a task it does not have is written so that reading it says so.
        Trouble::Cancel(place) => {
            what("cancel");
            let task = submits.get(place);
            let task = task.map(|submit| words::write_task(submit.task));
            page.text("task", &task.unwrap_or_default());
        }
    }
}

fn lasting(page: &mut Page, what: &str, time: Duration) {
    page.text("what", what);
    match time {
        FOR_GOOD => page.text("for", words::GOOD),
        time => page.time("for", time),
    }
}

fn twist(page: &mut Page, twist: &Twist) {
    page.table("[[twist]]");
    page.at(twist.at);
    page.text("on", &occasion(twist.on));
    if twist.nth != 0 {
        page.key("nth", twist.nth);
    }
    match twist.bend {
        Bend::Late(by) => {
            page.text("bend", "late");
            page.time("by", by);
        }
        Bend::Lost => page.text("bend", "lost"),
        Bend::Twice(after) => {
            page.text("bend", "twice");
            page.time("after", after);
        }
        Bend::To(dispatcher) => {
            page.text("bend", "to");
            page.text("dispatcher", &Place::Dispatcher(dispatcher).to_string());
        }
        Bend::Swallowed => page.text("bend", "swallowed"),
        Bend::TimerFirst => page.text("bend", "timer-first"),
        Bend::Fails => page.text("bend", "fails"),
    }
}

fn occasion(on: Occasion) -> String {
    match on {
        Occasion::Up(worker) => format!("up W{worker}"),
        Occasion::Down(worker) => format!("down W{worker}"),
        Occasion::Dial(worker) => format!("dial W{worker}"),
        Occasion::EndUp(worker) => format!("end-up W{worker}"),
        Occasion::EndDown(worker) => format!("end-down W{worker}"),
        Occasion::Spawn(worker) => format!("spawn W{worker}"),
        Occasion::Request(dispatcher) => format!("request D{dispatcher}"),
        Occasion::Reply(dispatcher) => format!("reply D{dispatcher}"),
        Occasion::Doorbell(dispatcher) => format!("doorbell D{dispatcher}"),
        Occasion::Answer => "answer".to_owned(),
        Occasion::Waking(node) => format!("waking {node}"),
    }
}
