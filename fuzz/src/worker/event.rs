//! What happens to a worker.

use std::time::Duration;

use crate::draw::Draw;

/// One thing that happens. What it needs besides is drawn when it does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The dispatcher says anything, as the next message.
    Tell,
    /// It answers a Hello as it should.
    Welcome,
    /// It sends tasks.
    Run,
    /// It sends a function.
    Function,
    /// It acknowledges every result that waits.
    AckHeld,
    /// It beats, and names its last message.
    Beat,
    /// It says anything with any number, in this session or an older one.
    Stray,
    /// The connection of a session closes: the current one, or one so many before.
    Closed {
        /// How many before.
        back: u64,
    },
    /// A child does what it may do next.
    Child,
    /// A child, or none that exists, says what makes no sense.
    StrayChild,
    /// Time passes.
    Wait(Duration),
    /// Time passes until something is due.
    UntilDue,
    /// The process is asked to leave.
    Leave,
}

impl Draw<'_> {
    pub(super) fn worker_event(&mut self) -> Event {
        match self.number(0, 63) {
            0..10 => Event::Child,
            10..14 => Event::Tell,
            14..20 => Event::Welcome,
            20..28 => Event::Run,
            28..32 => Event::Function,
            32..36 => Event::AckHeld,
            36..40 => Event::Beat,
            40..43 => Event::Stray,
            43 => Event::Closed { back: 0 },
            44 => Event::Closed { back: 1 },
            45 => Event::StrayChild,
            46..54 => Event::Wait(self.wait()),
            54..63 => Event::UntilDue,
            _ => Event::Leave,
        }
    }
}
