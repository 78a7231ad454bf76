//! Planted mistakes of drivers, to see that they are found.

/// A planted mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {}
