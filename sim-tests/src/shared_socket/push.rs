//! Push mode of the original: 900 tasks at 60 a second to 2 workers of 2 processes.
//!
//! Only the workers' sockets are modelled as such. The rest is a line of delays (nap, turn,
//! process pool, result sender), most of them the original's own constants, and it makes the
//! latency without any stall: 115 ms at p99, most of it the dispatcher's nap.
//!
//! The dispatcher deals tasks in turn, deaf worker or not. Its rule, fewest assigned first, would
//! spare a deaf worker after about six tasks; the measurement says that it did not, for 23 late
//! tasks with 836 ms at p99 are what one stall of a second makes of 30 tasks a second.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::rng::Stream;

use super::Sockets;
use super::threads::Threads;

const TASKS: usize = 900;
const WORKERS: usize = 2;
const PROCESSES: usize = 2;

/// Between two submissions.
const SUBMIT_EACH: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// The dispatcher sleeps so long when no task waits.
const NAP: Duration = Duration::from_millis(100);

/// It sends one task a turn. A turn reads and writes the store: 298-946 tasks a second.
const TURN: (Duration, Duration) = (Duration::from_micros(1_060), Duration::from_micros(3_360));

/// A no-op through the worker's process pool. Not measured by itself: it is what the other delays
/// leave of the 115/119 ms that were measured with one socket for each thread.
const NO_OP: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(10));

/// The worker's result sender looks so often.
const LOOK_EACH: Duration = Duration::from_millis(10);

/// The worker's beat, and how long the dispatcher takes to answer it (a guess).
const BEAT_EACH: Duration = Duration::from_secs(1);
const ANSWER_AFTER: (Duration, Duration) =
    (Duration::from_micros(500), Duration::from_micros(2_000));

/// A task that took longer is late.
const LATE: Duration = Duration::from_millis(300);

/// What a run came to.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    pub(super) stalls: u64,
    pub(super) late: u64,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

pub(super) fn run(sockets: Sockets, wake_latency: Duration, seed: u64) -> Outcome {
    let mut jitter = Stream::new(seed, "client and dispatcher");
    let submitted = submissions(&mut jitter);
    let hands = deal(&mut jitter, &submitted);
    let mut latencies = Vec::with_capacity(TASKS);
    let mut stalls = 0;
    for (tasks, name) in hands.iter().zip(["worker 0", "worker 1"]) {
        let mut jitter = Stream::new(seed, name);
        let coming = with_beats(&mut jitter, tasks);
        let mut worker = Worker::new(Threads::new(sockets, wake_latency), jitter);
        worker.run(coming, tasks.len(), |task, at| {
            latencies.push(at - submitted[task])
        });
        stalls += worker.threads.lost_wakeups();
    }
    latencies.sort_unstable();
    Outcome {
        stalls,
        late: latencies.iter().filter(|took| **took > LATE).count() as u64,
        p99: latencies[TASKS * 99 / 100],
        max: latencies[TASKS - 1],
    }
}

/// When each task is submitted.
fn submissions(jitter: &mut Stream) -> Vec<Instant> {
    (0..TASKS as u32)
        .map(|task| {
            Instant::ZERO + SUBMIT_EACH * task + jitter.between(Duration::ZERO, SUBMIT_EACH / 4)
        })
        .collect()
}

/// When the dispatcher sends which task to each worker.
fn deal(jitter: &mut Stream, submitted: &[Instant]) -> [Vec<(Instant, usize)>; WORKERS] {
    let mut hands = [const { Vec::new() }; WORKERS];
    let mut now = Instant::ZERO + jitter.between(Duration::ZERO, NAP);
    for (task, at) in submitted.iter().enumerate() {
        while now < *at {
            now = now + NAP;
        }
        now = now + jitter.between(TURN.0, TURN.1);
        hands[task % WORKERS].push((now, task));
    }
    hands
}

/// What happens to a worker without its doing.
enum Event {
    Arrives(Message),
    /// Its heartbeat thread sends.
    Beat,
}

#[derive(Clone, Copy)]
enum Message {
    Task(usize),
    /// The dispatcher's answer to a beat.
    Answer,
}

/// A worker's tasks, its beats, and the answers to them, in order.
fn with_beats(jitter: &mut Stream, tasks: &[(Instant, usize)]) -> Vec<(Instant, Event)> {
    let arrives = |(at, task): &(Instant, usize)| (*at, Event::Arrives(Message::Task(*task)));
    let mut coming: Vec<(Instant, Event)> = tasks.iter().map(arrives).collect();
    let end = coming.last().map_or(Instant::ZERO, |(at, _)| *at);
    let mut beat = Instant::ZERO + jitter.between(Duration::ZERO, BEAT_EACH);
    while beat < end {
        let answered = beat + jitter.between(ANSWER_AFTER.0, ANSWER_AFTER.1);
        coming.push((beat, Event::Beat));
        coming.push((answered, Event::Arrives(Message::Answer)));
        beat = beat + BEAT_EACH;
    }
    coming.sort_by_key(|(at, _)| *at);
    coming
}

struct Worker {
    threads: Threads<Message>,
    jitter: Stream,
    /// When each process is free.
    processes: [Instant; PROCESSES],
    /// The result sender's first look.
    first_look: Instant,
    /// What it finds finished, and when.
    finished: BTreeMap<Instant, Vec<usize>>,
}

impl Worker {
    fn new(threads: Threads<Message>, mut jitter: Stream) -> Worker {
        Worker {
            threads,
            processes: [Instant::ZERO; PROCESSES],
            first_look: Instant::ZERO + jitter.between(Duration::ZERO, LOOK_EACH),
            jitter,
            finished: BTreeMap::new(),
        }
    }

    /// Works until the results of so many tasks are sent, and tells when each was.
    fn run(
        &mut self,
        coming: Vec<(Instant, Event)>,
        mut tasks: usize,
        mut sent: impl FnMut(usize, Instant),
    ) {
        let mut coming = coming.into_iter().peekable();
        while tasks > 0 {
            let outside = coming.peek().map(|(at, _)| *at);
            let look = self.finished.first_key_value().map(|(at, _)| *at);
            let reader = self.threads.deadline();
            let Some(now) = [outside, look, reader].into_iter().flatten().min() else {
                return;
            };
            if outside == Some(now) {
                match coming.next() {
                    Some((_, Event::Arrives(message))) => self.threads.arrive(now, message),
                    Some((_, Event::Beat)) | None => self.threads.send(now),
                }
            } else if look == Some(now) {
                for task in self.finished.remove(&now).unwrap_or_default() {
                    self.threads.send(now);
                    sent(task, now);
                    tasks -= 1;
                }
            } else if let Some(Message::Task(task)) = self.threads.run_reader(now) {
                self.execute(now, task);
            }
        }
    }

    /// The process that is free first takes the task; the result sender finds it at its next look.
    fn execute(&mut self, now: Instant, task: usize) {
        let Some(process) = self.processes.iter_mut().min() else {
            return;
        };
        let end = now.max(*process) + self.jitter.between(NO_OP.0, NO_OP.1);
        *process = end;
        let looks = (end - self.first_look)
            .as_nanos()
            .div_ceil(LOOK_EACH.as_nanos());
        let look = self.first_look + LOOK_EACH * looks as u32;
        self.finished.entry(look).or_default().push(task);
    }
}
