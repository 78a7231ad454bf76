//! Where the model is known not to be what it models, and why it stays so.

use super::Pairing;

/// A difference.
pub(super) struct Known {
    pub(super) script: &'static str,
    pub(super) pairings: &'static [Pairing],
    /// The reason, and what the model does instead.
    pub(super) why: &'static str,
}

/// All of them. A difference that is not here fails, and so does one that is here and is none.
pub(super) const KNOWN: &[Known] = &[
    Known {
        script: "a-peer-that-does-not-read",
        pairings: &[Pairing::Ours, Pairing::Mixed],
        why: NO_BYTES,
    },
    Known {
        script: "a-router-that-does-not-read",
        pairings: &Pairing::ALL,
        why: NO_BYTES,
    },
];

const NO_BYTES: &str = "a message of the model has no size, so what the buffers of the kernel and \
    the queue of the receiving side hold as well is not there. The model's queue is full at the \
    high-water mark, which is the earliest that a real one may be.";

/// Whether a difference is known.
pub(super) fn is_known(script: &str, pairing: Pairing) -> bool {
    let this = |known: &Known| known.script == script && known.pairings.contains(&pairing);
    KNOWN.iter().any(this)
}
