//! The socket alone: messages in at a steady rate, a second thread that sends, no work.

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::rng::Stream;

use super::Sockets;
use super::threads::Threads;

const LENGTH: Duration = Duration::from_secs(10);

/// Between two messages: a sleep of 20 ms and what Python adds to it, by the 466 messages that
/// were counted in 10 s.
const BETWEEN_ARRIVALS: (Duration, Duration) =
    (Duration::from_micros(20_900), Duration::from_micros(22_000));

/// Between two sends: a sleep of 1-10 ms and what the timer and the send add to it.
const BETWEEN_SENDS: (Duration, Duration) =
    (Duration::from_micros(1_100), Duration::from_micros(10_100));

/// A message that took longer is late.
const LATE: Duration = Duration::from_millis(100);

/// What a run came to.
pub(super) struct Outcome {
    pub(super) messages: u64,
    pub(super) late: u64,
}

pub(super) fn run(sockets: Sockets, wake_latency: Duration, seed: u64) -> Outcome {
    let mut jitter = Stream::new(seed, "alone");
    let end = Instant::ZERO + LENGTH;
    let mut threads = Threads::new(sockets, wake_latency);
    let mut arrival = Instant::ZERO + jitter.between(Duration::ZERO, BETWEEN_ARRIVALS.1);
    let mut send = Instant::ZERO + jitter.between(Duration::ZERO, BETWEEN_SENDS.1);
    let mut outcome = Outcome {
        messages: 0,
        late: 0,
    };
    let mut unread = 0;
    // After the end nothing comes and nobody sends; what was sent is still read.
    while arrival < end || unread > 0 {
        let reader = threads.deadline().unwrap_or(end);
        if arrival < end && arrival <= send.min(reader) {
            threads.arrive(arrival, arrival);
            unread += 1;
            arrival = arrival + jitter.between(BETWEEN_ARRIVALS.0, BETWEEN_ARRIVALS.1);
        } else if send < end && send <= reader {
            threads.send(send);
            send = send + jitter.between(BETWEEN_SENDS.0, BETWEEN_SENDS.1);
        } else if let Some(sent_at) = threads.run_reader(reader) {
            unread -= 1;
            outcome.messages += 1;
            outcome.late += u64::from(reader.since(sent_at) > LATE);
        }
    }
    outcome
}
