//! The machine that a study ran on, as far as the system tells.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What figures depend on besides the platform.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    pub system: String,
    pub kernel: Option<String>,
    pub processor: Option<String>,
    /// Processors that this process may use.
    pub processors: Option<usize>,
    pub memory_mib: Option<u64>,
    /// The load average of the last minute before the study began: what else was running.
    pub load_before: Option<f64>,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Machine {
        let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
        let meminfo = read("/proc/meminfo").unwrap_or_default();
        Machine {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            processor: processor(&cpuinfo),
            processors: std::thread::available_parallelism().ok().map(usize::from),
            memory_mib: memory_mib(&meminfo),
            load_before: read("/proc/loadavg").and_then(|text| load(&text)),
        }
    }

    /// Whether as much as a quarter of the processors had something else to do before.
    pub fn was_busy(&self) -> bool {
        let free = self.load_before.zip(self.processors);
        free.is_some_and(|(load, processors)| load > processors as f64 / 4.0)
    }
}

/// In one line.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.system)?;
        if let Some(kernel) = &self.kernel {
            write!(f, ", kernel {kernel}")?;
        }
        if let Some(processor) = &self.processor {
            write!(f, ", {processor}")?;
        }
        if let Some(processors) = self.processors {
            let noun = if processors == 1 {
                "processor"
            } else {
                "processors"
            };
            write!(f, ", {processors} {noun}")?;
        }
        if let Some(memory) = self.memory_mib {
            write!(f, ", {memory} MiB of memory")?;
        }
        Ok(())
    }
}

/// Where there is no such file there is nothing to tell.
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn processor(cpuinfo: &str) -> Option<String> {
    let mut lines = cpuinfo.lines();
    let name = lines.find_map(|line| line.strip_prefix("model name"))?;
    Some(name.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

fn load(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(processor(cpuinfo).unwrap(), "Some CPU @ 2 GHz");
        assert_eq!(
            memory_mib("MemTotal:  2097152 kB\nMemFree: 1 kB\n"),
            Some(2048)
        );
        assert_eq!(load("1.79 1.94 1.85 2/300 7\n"), Some(1.79));
        assert_eq!(
            (processor(""), memory_mib(""), load("")),
            (None, None, None)
        );
    }

    #[test]
    fn a_machine_with_other_work_is_busy() {
        let machine = |load_before| Machine {
            processors: Some(4),
            load_before,
            ..Machine::default()
        };
        assert!(machine(Some(1.1)).was_busy());
        assert!(!machine(Some(0.9)).was_busy() && !machine(None).was_busy());
    }
}
