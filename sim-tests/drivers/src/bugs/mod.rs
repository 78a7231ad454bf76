//! Planted mistakes of drivers, to see that they are found. Each is a driver or a connection that
//! somebody could have written, in place of the right one; no line of the right ones is changed.

pub(crate) mod cancelled_write;
pub(crate) mod deaf_after_blip;
pub(crate) mod lost_wakeup;
pub(crate) mod reconnect_storm;

use std::str::FromStr;

use thiserror::Error;

/// A planted mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// After its store was away once, a driver hears of it no more.
    DeafAfterBlip,
    /// Two things that arrive together wake the driver once, for the first.
    LostWakeup,
    /// A write that was given up is carried out all the same, and its answer is taken for the next
    /// one's.
    CancelledWrite,
    /// A worker that cannot connect tries again at once.
    ReconnectStorm,
}

/// A name that no planted mistake has.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no planted mistake `{0}`: {all}", all = Bug::ALL.map(Bug::name).join(", "))]
pub struct UnknownBug(pub String);

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 4] = [
        Bug::DeafAfterBlip,
        Bug::LostWakeup,
        Bug::CancelledWrite,
        Bug::ReconnectStorm,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Bug::DeafAfterBlip => "deaf-after-blip",
            Bug::LostWakeup => "lost-wakeup",
            Bug::CancelledWrite => "cancelled-write",
            Bug::ReconnectStorm => "reconnect-storm",
        }
    }
}

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Bug, UnknownBug> {
        Bug::ALL
            .into_iter()
            .find(|bug| bug.name() == name)
            .ok_or_else(|| UnknownBug(name.to_owned()))
    }
}
