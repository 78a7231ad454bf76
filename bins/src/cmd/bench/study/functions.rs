//! The workloads as pickles, made and tried by the Python that will run them.

use std::fs::File;
use std::path::Path;

use serde::Deserialize;

use super::StudyError;
use super::plan::Workload;
use crate::platform;
use crate::python_client::{Driver, PythonClient};

/// A workload that can be submitted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Function {
    /// As on the command line.
    pub workload: String,
    /// Its name in Python.
    pub name: String,
    /// The function, pickled, in base64.
    pub payload: String,
    /// Its parameters, none, in the same form.
    pub params: String,
    /// How often it was tried without a platform.
    pub calls: u32,
    /// What a call took then: the median, in milliseconds.
    pub computation_ms: f64,
}

/// A line of the Python client; see its `_study.py`.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Function(Function),
    Unusable { workload: String, message: String },
}

/// Pickles the workloads, in their order. `said` is where Python's standard error goes.
///
/// # Errors
/// [`StudyError::Unusable`] for a function that cannot be loaded, pickled or called, and
/// [`StudyError::Broken`] if Python ends without a word.
pub async fn pickle(
    client: &PythonClient,
    workloads: &[Workload],
    said: &Path,
) -> Result<Vec<Function>, StudyError> {
    let file = File::create(said).map_err(StudyError::write(said))?;
    let mut command = client.offline("mpcsfaas._study");
    command
        .args(workloads.iter().map(Workload::to_string))
        .stderr(file);
    let mut driver = Driver::start(command)?;
    let mut functions = Vec::new();
    while let Some(event) = driver.event().await? {
        match event {
            Event::Function(function) => functions.push(function),
            Event::Unusable { workload, message } => {
                return Err(StudyError::Unusable { workload, message });
            }
        }
    }
    let status = driver.ended().await?;
    if !status.success() || functions.len() != workloads.len() {
        let said = platform::tail(said);
        return Err(StudyError::Broken { status, said });
    }
    Ok(functions)
}
