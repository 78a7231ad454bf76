//! Small scope, exhaustively: every order of what may happen in a small world, up to a depth.

mod act;
mod fair;
mod judges;
mod lives;
mod moves;
mod part;
mod reduce;
mod scope;
mod search;
mod state;
mod step;
mod wires;

pub use self::scope::{Faults, Scope};
pub use self::search::{Found, Level, Limits};
use self::state::State;

/// Searches a small world.
pub fn exhaust(scope: &Scope, limits: Limits) -> Found {
    search::search(scope, beginning(scope), limits)
}

/// Where every path begins: everybody is up and welcome, and the first task has just been submitted.
fn beginning(scope: &Scope) -> State {
    fair::begin(scope, State::new(scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn try_it() {
        let limits = Limits {
            depth: std::env::var("DEPTH").map_or(12, |d| d.parse().unwrap()),
            time: Some(std::time::Duration::from_secs(std::env::var("SECS").map_or(30, |d| d.parse().unwrap()))),
            states: 20_000_000,
            ends: std::env::var("ENDS").map_or(100, |d| d.parse().unwrap()),
            threads: std::env::var("THREADS").map_or(1, |d| d.parse().unwrap()).try_into().unwrap(),
        };
        let began = std::time::Instant::now();
        let mut scope = Scope::default();
        if let Ok(bug) = std::env::var("BUG") {
            scope.tampers = crate::bugs::named(&bug).unwrap().tampers;
        }
        if let Ok(f) = std::env::var("FAULTS") {
            let f: Vec<u8> = f.split(',').map(|n| n.parse().unwrap()).collect();
            scope.faults = Faults {
                cuts: f[0],
                crashes: f[1],
                pauses: f[2],
                losses: f[3],
                leaves: f[4],
            };
        }
        let found = exhaust(&scope, limits);
        let mut states = 0;
        let mut moves = 0;
        for level in &found.levels {
            println!("{level:?}");
            states += level.states;
            moves += level.moves;
        }
        println!(
            "{states} states {moves} moves {:?} beyond {} {}",
            began.elapsed(),
            found.beyond,
            found.exhausted
        );
        if let Some(b) = found.broken {
            println!("{}", b.violation);
            println!("{:#?}", b.path);
        }
    }
}
