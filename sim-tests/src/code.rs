//! Which code this is. A seed is a run of one version of the core, the world and the judges; in
//! another version it is another run.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use thiserror::Error;

/// A number that changes with every change of the code.
static CODE: LazyLock<u64> =
    LazyLock::new(|| env!("MPCSFAAS_SIM_CODE").parse().unwrap_or_default());

/// A first seed for trying a change: nobody has seen the runs from here on, and a second try of the
/// same code is the same.
pub fn fresh_seed() -> u64 {
    *CODE % 1_000_000_000_000
}

/// The short name of this code.
fn name() -> u16 {
    (*CODE >> 48) as u16
}

/// A seed, and the code that it is a seed of: `94@3f2a`. A bare number is a seed of any code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seed(pub u64);

/// Why a text is no seed of this code.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SeedError {
    /// It is no number, or what stands behind the `@` is no name.
    #[error("a seed is a number, such as 94 or 94@{:04x}", name())]
    Shape,
    /// It is of another version.
    #[error(
        "seed {seed}@{theirs:04x} is of another version of the code than this ({:04x}), in which it \
         is another run; take the version that printed it, or a scenario file",
        name()
    )]
    Version {
        /// The number.
        seed: u64,
        /// The version.
        theirs: u16,
    },
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:04x}", self.0, name())
    }
}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Seed, SeedError> {
        let (number, theirs) = match text.split_once('@') {
            Some((number, theirs)) => {
                let theirs = u16::from_str_radix(theirs, 16).map_err(|_| SeedError::Shape)?;
                (number, theirs)
            }
            None => (text, name()),
        };
        let seed = number.parse().map_err(|_| SeedError::Shape)?;
        match theirs == name() {
            true => Ok(Seed(seed)),
            false => Err(SeedError::Version { seed, theirs }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_its_code_and_another_code_refuses_it() {
        let seed = Seed(94);
        assert_eq!(seed.to_string().parse(), Ok(seed));
        assert_eq!("94".parse(), Ok(seed));
        let theirs = name().wrapping_add(1);
        let error = SeedError::Version { seed: 94, theirs };
        assert_eq!(format!("94@{theirs:04x}").parse::<Seed>(), Err(error));
        for text in ["", "x", "94@", "94@xyz", "-1", "@0000"] {
            assert_eq!(text.parse::<Seed>(), Err(SeedError::Shape), "{text}");
        }
    }
}
