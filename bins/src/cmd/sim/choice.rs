//! An argument that is one of several things with names.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// A name, what it stands for in a few words, and what it stands for.
pub(super) type Choice<T> = (&'static str, &'static str, T);

pub(super) fn one_of<T>(
    choices: impl IntoIterator<Item = Choice<T>>,
) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let choices: Vec<Choice<T>> = choices.into_iter().collect();
    let value = |(name, what, _): &Choice<T>| PossibleValue::new(*name).help(*what);
    let values: Vec<PossibleValue> = choices.iter().map(value).collect();
    PossibleValuesParser::new(values).try_map(move |name| {
        let chosen = choices.iter().find(|(known, ..)| *known == name);
        chosen.map(|(.., thing)| thing.clone()).ok_or(Unknown)
    })
}

/// `clap` has found the name among those that it was given.
#[derive(Debug, thiserror::Error)]
#[error("unknown")]
struct Unknown;
