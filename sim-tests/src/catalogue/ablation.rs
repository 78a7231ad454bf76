//! Which class of trouble is needed for what: each is taken out of every world, and some bugs are
//! not found any more.

use std::num::NonZeroUsize;

use super::{Class, Find, first_seed, jobs, search};
use crate::bugs::Bug;

/// What is to be looked for, and how long.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bugs.
    pub bugs: Vec<Bug>,
    /// The classes, each to be taken out alone.
    pub classes: Vec<Class>,
    /// How many seeds are run at most.
    pub limit: u64,
    /// How many searches there are at once.
    pub threads: NonZeroUsize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Ablation {
    /// With all trouble: how each bug was found, in their order.
    pub whole: Vec<(Bug, Option<Find>)>,
    /// Without each class in turn.
    pub rows: Vec<Row>,
}

/// A class of trouble that was taken out.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub class: Class,
    /// Bugs that are found with it and not without it.
    pub escaped: Vec<Bug>,
}

/// Looks for each bug without each class. `done` is told of each search that is over; there are as
/// many as [`searches`] says at most.
pub fn ablation(settings: &Settings, mut done: impl FnMut()) -> Ablation {
    let Settings {
        ref bugs,
        ref classes,
        limit,
        threads,
    } = *settings;
    let base = first_seed(0);
    let whole = |bug: &Bug| search::first_find(Some(*bug), &[], base, limit);
    let finds = jobs::each(bugs, threads, whole, &mut done);
    let whole: Vec<(Bug, Option<Find>)> = bugs.iter().copied().zip(finds).collect();
    let found = whole.iter().filter(|(_, find)| find.is_some());
    let found: Vec<Bug> = found.map(|(bug, _)| *bug).collect();
    let jobs: Vec<(&Class, Bug)> = classes
        .iter()
        .flat_map(|class| found.iter().map(move |bug| (class, *bug)))
        .collect();
    let escapes = |(class, bug): &(&Class, Bug)| {
        let without = std::slice::from_ref(*class);
        search::first_find(Some(*bug), without, base, limit).is_none()
    };
    let mut escapes = jobs::each(&jobs, threads, escapes, done).into_iter();
    let rows = classes.iter().map(|class| {
        let each = found.iter().zip(escapes.by_ref());
        let escaped = each.filter(|(_, escapes)| *escapes);
        Row {
            class: class.clone(),
            escaped: escaped.map(|(bug, _)| *bug).collect(),
        }
    });
    Ablation {
        rows: rows.collect(),
        whole,
    }
}

/// How many searches an ablation is at most.
pub fn searches(settings: &Settings) -> u64 {
    (settings.classes.len() as u64 + 1) * settings.bugs.len() as u64
}
