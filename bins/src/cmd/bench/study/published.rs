//! What the original's own report says of it, measured on its authors' machine.

use mpcsfaas_core::store::op::Mode;

/// The figures of one mode, of no-op tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    pub throughput: f64,
    pub mean_latency_ms: f64,
    pub weak_efficiency_percent: f64,
}

/// By how much the throughput of push fell when workers were added: from, to.
pub const PUSH_COLLAPSE: (u32, u32) = (59, 70);

/// The most that latency was above that of local mode, in seconds.
pub const MOST_OVER_LOCAL_S: f64 = 1.2;

/// The completion of push in seconds, by the number of workers.
pub const PUSH_COMPLETION_S: [(u32, f64); 3] = [(2, 7.67), (4, 9.13), (8, 8.25)];

/// What was published of a mode.
pub const fn of(mode: Mode) -> Published {
    match mode {
        Mode::Local => Published {
            throughput: 58.8,
            mean_latency_ms: 6.5,
            weak_efficiency_percent: 30.6,
        },
        Mode::Pull => Published {
            throughput: 20.4,
            mean_latency_ms: 146.0,
            weak_efficiency_percent: 42.3,
        },
        Mode::Push => Published {
            throughput: 11.5,
            mean_latency_ms: 1190.0,
            weak_efficiency_percent: 26.2,
        },
    }
}
