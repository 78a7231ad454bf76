//! The names of things: tasks, functions, workers, dispatchers, attempts, sessions.
//!
//! All are plain values made by somebody else (the gateway, a driver's seed): `core` never draws
//! an identifier by itself, so a replay meets the same ones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// A text that is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a UUID")]
pub struct ParseIdError;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_u128(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Uuid::try_parse(text).map(|uuid| $name(uuid.as_u128())).map_err(|_| ParseIdError)
            }
        }
    };
}

uuid_id! {
    /// A task, named by the gateway that accepted it (R12).
    TaskId
}

uuid_id! {
    /// A registered function. Its body never changes under this name.
    FunctionId
}

/// The number of a try to run a task: 1 for the first claim. It is the fencing token of a commit (R2).
pub type Attempt = u32;

/// The number of a conversation between one worker incarnation and whichever dispatcher it talks
/// to. It grows with every Hello, across all dispatchers (R5). 0 means "no session yet".
pub type Session = u64;

/// One life of a worker process, drawn at its boot (R5). A restarted worker is another worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u64);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w-{:016x}", self.0)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One life of a dispatcher: a number drawn at boot and a count of the leases it lost since (R4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// Drawn once when the process starts.
    pub boot: u64,
    /// Grows each time this process finds its lease gone.
    pub epoch: u32,
}

impl Incarnation {
    /// The incarnation after this one's lease was lost.
    pub const fn next(self) -> Incarnation {
        Incarnation {
            boot: self.boot,
            epoch: self.epoch + 1,
        }
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d-{:016x}.{}", self.boot, self.epoch)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Incarnation {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (boot, epoch) = text
            .strip_prefix("d-")
            .and_then(|rest| rest.split_once('.'))
            .ok_or(ParseIdError)?;
        Ok(Incarnation {
            boot: u64::from_str_radix(boot, 16).map_err(|_| ParseIdError)?,
            epoch: epoch.parse().map_err(|_| ParseIdError)?,
        })
    }
}

/// A worker as dispatchers and people know it.
///
/// The original's workers name themselves with any text; ours by their incarnation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkerKey {
    /// A worker that speaks the native protocol.
    Native(WorkerId),
    /// A worker that speaks the original's JSON, by the `worker_id` it gave.
    Legacy(String),
}

impl fmt::Display for WorkerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerKey::Native(id) => id.fmt(f),
            WorkerKey::Legacy(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for WorkerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<WorkerId> for WorkerKey {
    fn from(id: WorkerId) -> WorkerKey {
        WorkerKey::Native(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_form() {
        let task = TaskId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(task.to_string(), "01234567-89ab-cdef-0011-223344556677");
        assert_eq!(task.to_string().parse(), Ok(task));
        let incarnation = Incarnation { boot: 7, epoch: 2 };
        assert_eq!(incarnation.to_string().parse(), Ok(incarnation));
    }

    #[test]
    fn a_text_that_is_no_uuid_is_refused() {
        assert_eq!("nonsense".parse::<TaskId>(), Err(ParseIdError));
        assert_eq!("d-zz.1".parse::<Incarnation>(), Err(ParseIdError));
    }
}
