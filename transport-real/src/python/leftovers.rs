//! Finds and kills what dead children left behind.
//!
//! A task's processes are normally in its child's process group, and the group is killed. A
//! process that has left the group (a daemon, `setsid`) is recognised by the mark which each child
//! has in its environment and which its descendants inherit; this needs `/proc`. Only one that
//! left the group *and* cleared its environment escapes.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// The environment variable that holds a child's mark.
pub(super) const MARK_VARIABLE: &str = "MPCSFAAS_CHILD";

/// How long a killed process may take to disappear. One in uninterruptible sleep takes longer,
/// and nothing can be done about it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills the process groups, and every process whose mark begins with `mark`; returns when none is
/// running any more.
///
/// The groups must be known to exist or their ids to be unused: the caller has not reaped the
/// leader yet, or has only just done so.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] if some are still there after two seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "called from a slot's own thread and from the reaper, which have nothing else to do"
)]
pub(super) fn kill_all(groups: &[Pid], mark: &str) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    let mut pause = Duration::from_millis(1);
    let mut dying = BTreeSet::new();
    loop {
        for group in groups {
            // An error means that nobody is left in the group, or nobody whom we may kill.
            let _ = killpg(*group, Signal::SIGKILL);
        }
        // What may not be killed (a setuid program) is left alone.
        let mut found = platform::find(groups, mark);
        found.retain(|id| kill(*id, Signal::SIGKILL).is_ok());
        // A process loses its environment, and so its mark, a moment before it is dead.
        let none_found = found.is_empty();
        dying.extend(found);
        dying.retain(|id| platform::is_running(*id));
        if none_found && dying.is_empty() {
            return Ok(());
        }
        if waited >= PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(pause);
        waited += pause;
        pause = (2 * pause).min(Duration::from_millis(20));
    }
}

/// Sends a signal to a whole group; a group that is gone already is no error.
pub(super) fn signal_group(group: Pid, signal: Signal) {
    match killpg(group, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(%group, %signal, %error, "cannot signal a child's group"),
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::fs;

    use nix::unistd::Pid;

    use super::MARK_VARIABLE;

    /// The running processes that belong to the groups or carry the mark.
    pub(super) fn find(groups: &[Pid], mark: &str) -> Vec<Pid> {
        let mark = format!("{MARK_VARIABLE}={mark}");
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let ids = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.map(Pid::from_raw)
            .filter(|id| {
                running_in(*id).is_some_and(|group| groups.contains(&group) || has_mark(*id, &mark))
            })
            .collect()
    }

    /// Whether the process exists and is more than a zombie.
    pub(super) fn is_running(id: Pid) -> bool {
        running_in(id).is_some()
    }

    /// The group of a running process.
    fn running_in(id: Pid) -> Option<Pid> {
        let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
        // "pid (name) state parent group ...", where the name may be any bytes but the last ')'.
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let fields = String::from_utf8_lossy(stat.get(end + 1..)?);
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Pid::from_raw(group))
    }

    fn has_mark(id: Pid, mark: &str) -> bool {
        fs::read(format!("/proc/{id}/environ")).is_ok_and(|environment| {
            let mut variables = environment.split(|byte| *byte == 0);
            variables.any(|variable| variable.starts_with(mark.as_bytes()))
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use nix::unistd::Pid;

    /// Without `/proc` nothing is found beyond the groups themselves.
    pub(super) fn find(_groups: &[Pid], _mark: &str) -> Vec<Pid> {
        Vec::new()
    }

    /// Not asked: nothing is found.
    pub(super) fn is_running(_id: Pid) -> bool {
        false
    }
}
