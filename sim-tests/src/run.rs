//! What a run that broke a promise has to show.

use std::fmt;

use mpcsfaas_core::time::Instant;

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which, such as `P2`.
    pub promise: &'static str,
    /// How, in words.
    pub what: String,
    /// When.
    pub at: Instant,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {:?}: {}", self.promise, self.at, self.what)
    }
}
