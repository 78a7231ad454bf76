//! Where things live and happen: the names of the world's nodes.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Names a place where a process lives. A crash empties it, a restart fills it again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The client, and the gateway that it talks to.
    Client,
    /// The store.
    Store,
    /// A dispatcher's.
    Dispatcher(usize),
    /// A worker's.
    Worker(usize),
}

/// A text that names no place.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "`{0}` is no place: C is the client, S the store, D0, D1 ... dispatchers, W0, W1 ... workers"
)]
pub struct PlaceError(pub String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Client => f.write_str("C"),
            Place::Store => f.write_str("S"),
            Place::Dispatcher(index) => write!(f, "D{index}"),
            Place::Worker(index) => write!(f, "W{index}"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Place, PlaceError> {
        let unknown = || PlaceError(text.to_owned());
        let index = |digits: &str| digits.parse().map_err(|_| unknown());
        match (text, text.split_at_checked(1)) {
            ("C", _) => Ok(Place::Client),
            ("S", _) => Ok(Place::Store),
            (_, Some(("D", digits))) => index(digits).map(Place::Dispatcher),
            (_, Some(("W", digits))) => index(digits).map(Place::Worker),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_text_form() {
        for place in [
            Place::Client,
            Place::Store,
            Place::Dispatcher(0),
            Place::Worker(12),
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "X", "W", "Wx", "D-1", "ä"] {
            assert_eq!(text.parse::<Place>(), Err(PlaceError(text.to_owned())));
        }
    }
}
