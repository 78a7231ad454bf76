//! Times and limits that both ends of the protocol know.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The largest pickled payload or result, in bytes.
pub const PAYLOAD_LIMIT: usize = 8 << 20;

/// The most that is kept of what a task prints, in bytes.
pub const OUTPUT_LIMIT: usize = 64 << 10;

/// The most that is kept of each text of a failure, in bytes.
pub const TEXT_LIMIT: usize = 64 << 10;

/// The largest message between dispatcher and worker, in bytes.
pub const FRAME_LIMIT: usize = PAYLOAD_LIMIT + (64 << 10);

/// The largest message of the original's dialect, in bytes. Base64 and its line ends make a payload
/// a third longer; what is beyond a payload is read all the same, so that a result over the limit
/// fails its task instead of being no message.
pub const JSON_FRAME_LIMIT: usize = 4 * PAYLOAD_LIMIT;

/// What a frame keeps free of payload and output for the rest of a message, in bytes.
pub const ENVELOPE: usize = 1 << 10;

/// A batch of tasks or results is cut when its payloads reach this many bytes.
pub const BATCH_BYTES: usize = 1 << 20;

/// A batch holds at most so many tasks or results.
pub const BATCH_ITEMS: usize = 256;

/// The beats and patience of dispatcher and worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// How often either side proves that it lives.
    pub beat: Duration,
    /// After which silence the other side counts as dead.
    pub timeout: Duration,
    /// How long a worker whose connection closed has to say Hello on a new one.
    pub closed_grace: Duration,
    /// How long a leaving process waits for what still runs.
    pub drain: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            beat: Duration::from_secs(1),
            timeout: Duration::from_secs(3),
            closed_grace: Duration::from_millis(500),
            drain: Duration::from_secs(30),
        }
    }
}
