//! Tables by task, for looking up only: their order means nothing, so nobody may go through them.
//!
//! The hash is the world's own and the same in every process, so that not even a mistake here
//! could make two runs differ.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::TaskRef;

use crate::chain::Chain;

type Build = BuildHasherDefault<Chain>;

/// Something for each task.
pub type ByTask<V> = HashMap<TaskId, V, Build>;

/// Some tasks.
pub type Tasks = HashSet<TaskId, Build>;

/// Something for each attempt.
pub type ByAttempt<V> = HashMap<TaskRef, V, Build>;

/// Some attempts.
pub type Attempts = HashSet<TaskRef, Build>;
