//! What processes take: processor time and memory, as Linux tells it. Elsewhere nothing is told.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

/// What one process has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Taken {
    /// Processor time of all its threads since its start.
    #[serde(skip)]
    pub(super) cpu: Duration,
    /// Memory that is in use now, in KiB.
    pub(super) memory_kib: u64,
    /// The most that ever was.
    pub(super) peak_kib: u64,
}

/// What a process has taken until now; `None` if it has ended.
pub(super) fn taken(pid: u32) -> Option<Taken> {
    let home = Path::new("/proc").join(pid.to_string());
    let status = std::fs::read_to_string(home.join("status")).ok()?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    // In nanoseconds, where `stat` has hundredths of a second.
    let threads = std::fs::read_dir(home.join("task")).ok()?;
    let nanos = threads.flatten().filter_map(|thread| {
        let spent = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        spent.split_whitespace().next()?.parse::<u64>().ok()
    });
    Some(Taken {
        cpu: Duration::from_nanos(nanos.sum()),
        memory_kib: kib("VmRSS:"),
        peak_kib: kib("VmHWM:"),
    })
}

/// All that a process has started, and what that has started, each with what it is.
pub(super) fn descendants(root: u32) -> Vec<(String, u32)> {
    let mut parents = Vec::new();
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in all {
        let pid = process.file_name().to_string_lossy().parse::<u32>();
        let stat = std::fs::read_to_string(process.path().join("stat"));
        if let (Ok(pid), Ok(stat)) = (pid, stat)
            && let Some(parent) = parent_in(&stat)
        {
            parents.push((parent, pid));
        }
    }
    parents.sort_unstable();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = parents.iter().filter(|(of, _)| *of == parent);
        found.extend(children.map(|(_, pid)| *pid));
        next += 1;
    }
    found.drain(1..).map(|pid| (name(pid), pid)).collect()
}

/// `pid (name) state parent ...`, where the name may hold spaces and brackets.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Which of the platform's processes it is.
fn name(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    let words: Vec<&str> = line.split('\0').collect();
    let named = ["worker", "internal-reaper"];
    let named = named.into_iter().find(|name| words.contains(name));
    match named {
        Some("internal-reaper") => "reaper".to_owned(),
        Some(name) => name.to_owned(),
        None => "Python".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_whatever_the_name_is() {
        assert_eq!(parent_in("7 (a) S 5 7 7"), Some(5));
        assert_eq!(parent_in("7 (a) b) c) R 12 7 7"), Some(12));
        assert_eq!(parent_in("7"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_taken_something() {
        let taken = taken(std::process::id()).unwrap();
        assert!(taken.memory_kib > 0 && taken.peak_kib >= taken.memory_kib);
        assert_eq!(super::taken(u32::MAX), None);
    }
}
