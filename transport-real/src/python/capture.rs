//! What a task printed, cut to a limit: the beginning and the end are kept, the middle is not.

use bytes::Bytes;

/// Room for the note that says how much was cut.
const NOTE_ROOM: usize = 64;

/// Collects output up to a limit, whatever amount arrives.
#[derive(Debug)]
pub(super) struct Capture {
    half: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
    cut: u64,
}

impl Capture {
    /// A capture that yields at most `limit` bytes, its note included. A limit below the note's
    /// own size keeps the note alone.
    pub(super) fn new(limit: usize) -> Capture {
        Capture {
            half: limit.saturating_sub(NOTE_ROOM) / 2,
            head: Vec::new(),
            tail: Vec::new(),
            cut: 0,
        }
    }

    /// Takes in what was printed next.
    pub(super) fn push(&mut self, printed: &[u8]) {
        let room = self.half - self.head.len();
        let (first, rest) = printed.split_at(room.min(printed.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        // Twice the size before cutting, so that each byte is moved once on average.
        if self.tail.len() > 2 * self.half {
            self.trim();
        }
    }

    /// Yields what was collected and starts anew.
    pub(super) fn take(&mut self) -> Bytes {
        self.trim();
        let mut all = std::mem::take(&mut self.head);
        if self.cut > 0 {
            all.extend_from_slice(format!("\n... {} bytes cut ...\n", self.cut).as_bytes());
        }
        all.append(&mut self.tail);
        self.cut = 0;
        all.into()
    }

    fn trim(&mut self) {
        let over = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..over);
        self.cut += over as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_output_is_kept_whole_and_only_once() {
        let mut capture = Capture::new(264);
        capture.push(&[b'a'; 150]);
        capture.push(&[b'b'; 50]);
        assert_eq!(capture.take(), [vec![b'a'; 150], vec![b'b'; 50]].concat());
        assert_eq!(capture.take(), "");
    }

    #[test]
    fn of_a_long_output_the_middle_is_cut_and_the_note_says_how_much() {
        let mut capture = Capture::new(72);
        for part in ["beg", "inning", &"x".repeat(9_999), "the", " end"] {
            capture.push(part.as_bytes());
        }
        assert_eq!(capture.take(), "begi\n... 10007 bytes cut ...\n end");
        let mut capture = Capture::new(10);
        capture.push(b"12345678901");
        assert_eq!(capture.take(), "\n... 11 bytes cut ...\n");
    }
}
