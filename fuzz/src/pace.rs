//! How time passes for a machine, and what that must not do.

use mpcsfaas_core::time::Instant;

/// More orders than any single fact may lead to among so few tasks and peers.
pub(crate) const MOST_OUTPUTS: usize = 200;

/// At most so many deadlines are met one by one; then the clock jumps to the end, as that of a
/// process does that stood still.
const DEADLINES: usize = 64;

/// Meets every deadline of `world` from `now` up to `until`, each when it is due.
///
/// # Panics
/// If a deadline that was met is still there: time would stand still.
pub(crate) fn pass<W>(
    world: &mut W,
    mut now: Instant,
    until: Instant,
    deadline: impl Fn(&W) -> Option<Instant>,
    mut meet: impl FnMut(&mut W, Instant),
) {
    for met in 0..=DEADLINES {
        let Some(due) = deadline(world).filter(|due| *due <= until) else {
            return;
        };
        now = if met == DEADLINES {
            until
        } else {
            due.max(now)
        };
        meet(world, now);
        let next = deadline(world);
        assert!(
            next.is_none_or(|next| next > now),
            "{next:?} was due at {now:?} and was not done"
        );
    }
}
