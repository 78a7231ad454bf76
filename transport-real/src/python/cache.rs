//! Which functions a child has, and which it is told to forget.

use mpcsfaas_core::id::FunctionId;

/// How much a child may keep of the functions it has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimit {
    /// At most so many functions.
    pub functions: usize,
    /// At most so many bytes of their pickles. A function that is larger than that is kept while
    /// it runs, alone.
    pub bytes: usize,
}

impl Default for CacheLimit {
    /// 128 functions, 64 MiB.
    fn default() -> CacheLimit {
        CacheLimit {
            functions: 128,
            bytes: 64 << 20,
        }
    }
}

/// The functions that one child has, the least recently used first.
#[derive(Debug)]
pub(super) struct Sent {
    limit: CacheLimit,
    functions: Vec<(FunctionId, usize)>,
    bytes: usize,
}

/// What must be sent before a function can run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing: the child has it.
    Nothing,
    /// Its body, after the child was told to forget these.
    Body(Vec<FunctionId>),
}

impl Sent {
    /// A child that has no function yet.
    pub(super) fn new(limit: CacheLimit) -> Sent {
        Sent {
            limit,
            functions: Vec::new(),
            bytes: 0,
        }
    }

    /// Notes that `function`, whose pickle has `size` bytes, runs next.
    pub(super) fn touch(&mut self, function: FunctionId, size: usize) -> Missing {
        if let Some(place) = self.functions.iter().rposition(|(id, _)| *id == function) {
            self.functions[place..].rotate_left(1);
            return Missing::Nothing;
        }
        self.functions.push((function, size));
        self.bytes += size;
        let mut forgotten = 0;
        while self.functions.len() - forgotten > 1
            && (self.functions.len() - forgotten > self.limit.functions
                || self.bytes > self.limit.bytes)
        {
            self.bytes -= self.functions[forgotten].1;
            forgotten += 1;
        }
        Missing::Body(
            self.functions
                .drain(..forgotten)
                .map(|(id, _)| id)
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs functions of the given (id, size) in turn; returns what was sent, such as `+1 -1+2`.
    fn check(limit: CacheLimit, runs: &[(u128, usize)]) -> String {
        let mut sent = Sent::new(limit);
        let frames = runs
            .iter()
            .map(|&(id, size)| match sent.touch(FunctionId(id), size) {
                Missing::Nothing => "=".to_owned(),
                Missing::Body(forget) => {
                    let forget: String = forget.iter().map(|id| format!("-{}", id.0)).collect();
                    format!("{forget}+{id}")
                }
            });
        frames.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_body_travels_once_until_the_least_recently_used_is_forgotten() {
        let limit = CacheLimit {
            functions: 2,
            bytes: 100,
        };
        let runs = [(1, 1), (1, 1), (2, 1), (1, 1), (3, 1), (1, 1), (2, 1)];
        assert_eq!(check(limit, &runs), "+1 = +2 = -2+3 = -3+2");
    }

    #[test]
    fn large_bodies_push_out_as_many_as_it_takes() {
        let limit = CacheLimit {
            functions: 9,
            bytes: 100,
        };
        let runs = [
            (1, 40),
            (2, 40),
            (3, 20),
            (4, 70),
            (5, 1000),
            (4, 70),
            (6, 30),
        ];
        assert_eq!(check(limit, &runs), "+1 +2 +3 -1-2+4 -3-4+5 -5+4 +6");
    }
}
