//! Finds and kills what dead children left behind.
//!
//! A task's processes are normally in its child's process group, and the group is killed. A
//! process that has left the group (a daemon, `setsid`) is recognised by the mark which each child
//! has in its environment and which its descendants inherit; this needs `/proc`. Only one that
//! left the group *and* cleared its environment escapes.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
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
pub(super) fn kill_all(groups: &[Pid], mark: &str) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    let mut pause = Duration::from_millis(1);
    loop {
        for group in groups {
            // An error means that nobody is left in the group, or nobody whom we may kill.
            let _ = killpg(*group, Signal::SIGKILL);
        }
        if !platform::kill_found(groups, mark) {
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
    use super::MARK_VARIABLE;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::fs;

    /// Kills what belongs to the groups or carries the mark; whether anything was there to kill.
    pub(super) fn kill_found(groups: &[Pid], mark: &str) -> bool {
        let mark = format!("{MARK_VARIABLE}={mark}");
        let Ok(entries) = fs::read_dir("/proc") else {
            return false;
        };
        let ids = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|&id| is_running(id, |group| groups.contains(&group)) || has_mark(id, &mark))
            // What may not be killed (a setuid program) is left alone.
            .filter(|&id| kill(Pid::from_raw(id), Signal::SIGKILL).is_ok())
            .count()
            > 0
    }

    /// Whether the process is more than a zombie and its group is one of those wanted.
    fn is_running(id: i32, wanted: impl Fn(Pid) -> bool) -> bool {
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            return false;
        };
        // "pid (name) state parent group ...", where the name may hold spaces and brackets.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let state = fields.next().unwrap_or_default();
        let group = fields.nth(1).and_then(|group| group.parse().ok());
        !matches!(state, "Z" | "X") && group.is_some_and(|group| wanted(Pid::from_raw(group)))
    }

    /// Whether the process inherited the mark. A zombie has no environment any more.
    fn has_mark(id: i32, mark: &str) -> bool {
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
    pub(super) fn kill_found(_groups: &[Pid], _mark: &str) -> bool {
        false
    }
}
