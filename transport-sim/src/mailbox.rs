//! libzmq's socket when one thread polls it and others send on it: how it goes deaf.
//!
//! libzmq forbids it, and this is what it does. Its I/O thread and its callers talk through two
//! lock-free queues: a pipe of messages, and a *mailbox* of commands whose file descriptor is
//! what a poller sleeps on. Both signal only a reader that has gone to sleep. The steps, with
//! the functions of libzmq 4.3 that take them:
//!
//! 1. A message comes. If the pipe's reader sleeps, the I/O thread posts `activate_read`; if not,
//!    it posts nothing (`pipe_t::flush`, `ypipe_t::flush`).
//! 2. A command comes. If the mailbox's reader sleeps, the descriptor becomes readable; if not,
//!    nothing happens (`mailbox_t::send`).
//! 3. Any call of any thread takes all commands out, and the descriptor is not readable any more
//!    (`socket_base_t::process_commands`, `mailbox_t::recv`). A send is such a call, unless another
//!    send took them out within [`MAX_COMMAND_DELAY`] (`socket_base_t::send`).
//! 4. Taking `activate_read` out makes the pipe active. Only who then looks for a message and
//!    finds none puts it to sleep again (`pipe_t::check_read`), and a sender does not look.
//! 5. `zmq_poll` looks for a message (`ZMQ_EVENTS`), sleeps on the descriptor if there is none,
//!    and looks again when it wakes up or its time is over.
//! 6. A thread that sleeps in `poll(2)` is woken when the descriptor becomes readable, and runs a
//!    little later. It then asks the descriptor *again*, and sleeps on if it is not readable
//!    (`do_poll` in Linux' `fs/select.c`).
//!
//! ```text
//!   I/O thread   message ─▶ activate_read ─▶ readable
//!   poller       asleep ........................│..........│ runs: not readable, sleeps on
//!   sender                                      │  send:   │
//!                                               │  takes it│
//!                                               ◀──────────▶
//!                                               wake latency
//! ```
//!
//! So a send within the wake latency eats the signal. The pipe is now active, hence no later
//! message posts a command (1), hence nothing wakes the poller until its time is over or another
//! command comes, such as `activate_write` after each [`LOW_WATER_MARK`] messages sent. No message
//! is lost and all are late.
//!
//! The wake latency is the only number that is not libzmq's. A second window lies between a
//! poller's look and its sleep; it is the length of a system call and taken as zero here. Each
//! step is atomic, so the descriptor is readable exactly while commands wait.

use std::collections::VecDeque;
use std::time::Duration;

use mpcsfaas_core::time::Instant;

/// A send takes no commands out so soon after a send that did (`max_command_delay`: 3,000,000
/// ticks, which libzmq's own comment translates for a CPU of 3 GHz).
pub const MAX_COMMAND_DELAY: Duration = Duration::from_millis(1);

/// After so many messages sent the I/O thread posts `activate_write`: half of the default high
/// water mark of 1000 (`pipe_t::compute_lwm`).
pub const LOW_WATER_MARK: u64 = 500;

/// A socket with one connection, one thread that polls and reads, and any number that send.
#[derive(Clone, Debug)]
pub struct Socket<M> {
    wake_latency: Duration,
    mailbox: VecDeque<Command>,
    pipe: Pipe,
    unread: VecDeque<M>,
    poller: Poller,
    /// When a send last took commands out.
    last_taken: Option<Instant>,
    sent: u64,
    lost_wakeups: u64,
}

/// What the I/O thread tells a socket.
#[derive(Clone, Copy, Debug)]
enum Command {
    ActivateRead,
    ActivateWrite,
}

/// The reader's end of the pipe of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pipe {
    /// The reader found nothing: the next message posts `activate_read`.
    Asleep,
    /// `activate_read` waits in the mailbox.
    Waking,
    /// The reader looks by itself: a message posts nothing.
    Active,
}

/// The thread that polls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Poller {
    /// It is not in `poll(2)`.
    Running,
    /// It sleeps there.
    Asleep {
        until: Instant,
        /// When it runs, once it was woken.
        runs_at: Option<Instant>,
    },
}

impl<M> Socket<M> {
    /// A connected socket. `wake_latency` is the time from the signal to a sleeping thread until
    /// that thread runs.
    pub fn new(wake_latency: Duration) -> Socket<M> {
        Socket {
            wake_latency,
            mailbox: VecDeque::new(),
            pipe: Pipe::Asleep,
            unread: VecDeque::new(),
            poller: Poller::Running,
            last_taken: None,
            sent: 0,
            lost_wakeups: 0,
        }
    }

    /// The I/O thread puts a message into the pipe.
    pub fn arrive(&mut self, now: Instant, message: M) {
        self.unread.push_back(message);
        if self.pipe == Pipe::Asleep {
            self.pipe = Pipe::Waking;
            self.post(now, Command::ActivateRead);
        }
    }

    /// Any thread sends a message.
    pub fn send(&mut self, now: Instant) {
        let throttled = |last| now.since(last) <= MAX_COMMAND_DELAY;
        if !self.last_taken.is_some_and(throttled) {
            self.last_taken = Some(now);
            self.process_commands();
        }
        self.sent += 1;
        if self.sent.is_multiple_of(LOW_WATER_MARK) {
            self.post(now, Command::ActivateWrite);
        }
    }

    /// The reading thread polls: true if there is a message. If there is none, it sleeps, and
    /// [`Socket::resume`] must be called at [`Socket::deadline`].
    pub fn poll(&mut self, now: Instant, timeout: Duration) -> bool {
        let readable = self.is_readable();
        if !readable {
            self.poller = Poller::Asleep {
                until: now + timeout,
                runs_at: None,
            };
        }
        readable
    }

    /// When the sleeping thread runs next; `None` if it does not sleep.
    pub fn deadline(&self) -> Option<Instant> {
        match self.poller {
            Poller::Running => None,
            Poller::Asleep { until, runs_at } => Some(runs_at.map_or(until, |at| at.min(until))),
        }
    }

    /// The sleeping thread runs: true if its poll returns, with or without a message.
    pub fn resume(&mut self, now: Instant) -> bool {
        let Poller::Asleep { until, .. } = self.poller else {
            return false;
        };
        let signalled = !self.mailbox.is_empty();
        if now < until && !(signalled && self.is_readable()) {
            // Either somebody took the signal, or it was not about a message: `zmq_poll` sleeps
            // for the rest of its time.
            if !self.unread.is_empty() {
                self.lost_wakeups += 1;
            }
            self.poller = Poller::Asleep {
                until,
                runs_at: None,
            };
            return false;
        }
        self.poller = Poller::Running;
        true
    }

    /// The sleeping thread is called away by something other than this socket, as one that
    /// selects over several sources is. True if it slept.
    pub fn leave_poll(&mut self) -> bool {
        std::mem::replace(&mut self.poller, Poller::Running) != Poller::Running
    }

    /// The reading thread takes a message, if it can see one.
    pub fn recv(&mut self) -> Option<M> {
        if self.is_readable() {
            self.unread.pop_front()
        } else {
            None
        }
    }

    /// How often the poller was woken by a message, found the signal gone and slept on.
    pub fn lost_wakeups(&self) -> u64 {
        self.lost_wakeups
    }

    fn post(&mut self, now: Instant, command: Command) {
        let reader_sleeps = self.mailbox.is_empty();
        self.mailbox.push_back(command);
        if reader_sleeps && let Poller::Asleep { runs_at, .. } = &mut self.poller {
            runs_at.get_or_insert(now + self.wake_latency);
        }
    }

    fn process_commands(&mut self) {
        for command in self.mailbox.drain(..) {
            match command {
                Command::ActivateRead => self.pipe = Pipe::Active,
                // Nobody waits for room to write.
                Command::ActivateWrite => {}
            }
        }
    }

    /// `ZMQ_EVENTS`.
    fn is_readable(&mut self) -> bool {
        self.process_commands();
        if self.pipe == Pipe::Active && self.unread.is_empty() {
            self.pipe = Pipe::Asleep;
        }
        self.pipe == Pipe::Active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_micros(50);
    const SECOND: Duration = Duration::from_secs(1);

    fn micros(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1_000)
    }

    /// A socket whose poller fell asleep at the origin, for a second.
    fn asleep() -> Socket<u32> {
        let mut socket = Socket::new(LATENCY);
        assert!(!socket.poll(Instant::ZERO, SECOND));
        socket
    }

    #[test]
    fn a_message_wakes_the_sleeping_poller_after_the_wake_latency() {
        let mut socket = asleep();
        socket.arrive(micros(1_000), 7);
        assert_eq!(socket.deadline(), Some(micros(1_050)));
        assert!(socket.resume(micros(1_050)));
        assert_eq!(socket.recv(), Some(7));
    }

    #[test]
    fn a_send_within_the_wake_latency_makes_the_socket_deaf_until_the_poll_ends() {
        let mut socket = asleep();
        socket.arrive(micros(1_000), 1);
        socket.send(micros(1_020));
        assert!(!socket.resume(micros(1_050)));
        for (number, at) in [(2, 20_000), (3, 40_000)] {
            socket.arrive(micros(at), number);
            assert_eq!(socket.deadline(), Some(micros(1_000_000)));
        }
        assert!(socket.resume(micros(1_000_000)));
        assert_eq!(socket.lost_wakeups(), 1);
        assert_eq!(
            [socket.recv(), socket.recv(), socket.recv(), socket.recv()],
            [Some(1), Some(2), Some(3), None]
        );
    }

    #[test]
    fn a_send_before_the_message_or_after_the_poller_ran_does_no_harm() {
        let mut socket = asleep();
        socket.send(micros(999));
        socket.arrive(micros(1_000), 1);
        assert!(socket.resume(micros(1_050)));
        socket.send(micros(2_100));
        assert_eq!(socket.recv(), Some(1));
        assert!(!socket.poll(micros(2_200), SECOND));
        socket.arrive(micros(3_000), 2);
        assert!(socket.resume(micros(3_050)));
        assert_eq!(socket.lost_wakeups(), 0);
    }

    #[test]
    fn a_send_right_after_another_takes_no_command_out() {
        let mut socket = asleep();
        socket.send(micros(500));
        socket.arrive(micros(1_000), 1);
        socket.send(micros(1_020));
        assert!(socket.resume(micros(1_050)));
        assert_eq!(socket.recv(), Some(1));
    }

    #[test]
    fn without_sends_no_wakeup_is_lost_whenever_messages_come() {
        for gap in 1..200 {
            let mut socket = asleep();
            let mut read = Vec::new();
            for number in 0..50 {
                let at = micros(1_000 + u64::from(number) * gap);
                while let Some(runs_at) = socket.deadline().filter(|runs_at| *runs_at <= at) {
                    assert!(socket.resume(runs_at));
                    read.extend(socket.recv());
                    while socket.poll(runs_at, SECOND) {
                        read.extend(socket.recv());
                    }
                }
                socket.arrive(at, number);
                assert!(socket.deadline() <= Some(at + LATENCY));
            }
            assert_eq!(socket.lost_wakeups(), 0);
            assert!(read.is_sorted());
        }
    }

    #[test]
    fn another_command_ends_the_deafness() {
        let mut socket = asleep();
        for _ in 2..LOW_WATER_MARK {
            socket.send(Instant::ZERO);
        }
        socket.arrive(micros(2_000), 1);
        socket.send(micros(2_020));
        assert!(!socket.resume(micros(2_050)));
        socket.send(micros(9_000));
        assert_eq!(socket.deadline(), Some(micros(9_050)));
        assert!(socket.resume(micros(9_050)));
        assert_eq!(socket.recv(), Some(1));
    }

    #[test]
    fn a_command_without_a_message_leaves_the_poller_asleep_for_the_rest_of_its_time() {
        let mut socket = asleep();
        for _ in 0..LOW_WATER_MARK {
            socket.send(micros(10));
        }
        assert_eq!(socket.deadline(), Some(micros(60)));
        assert!(!socket.resume(micros(60)));
        assert_eq!(socket.lost_wakeups(), 0);
        assert_eq!(socket.deadline(), Some(micros(1_000_000)));
    }

    #[test]
    fn a_thread_that_leaves_the_poll_to_send_looks_before_it_sleeps_again() {
        let mut socket = asleep();
        socket.arrive(micros(1_000), 1);
        assert!(socket.leave_poll());
        socket.send(micros(1_020));
        assert!(socket.poll(micros(1_030), SECOND));
        assert_eq!(socket.recv(), Some(1));
    }
}
