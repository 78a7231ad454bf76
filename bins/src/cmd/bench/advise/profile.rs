//! What a function costs by itself: measured in a Python of its own, before any platform is started.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AdviseError;
use crate::cmd::bench::scratch::ScratchError;
use crate::cmd::run::FunctionPath;
use crate::platform;
use crate::python_client::{Driver, PythonClient};
use crate::shutdown::Shutdown;

/// For how long the function is called again and again, if its time does not settle before.
const MEASURING: Duration = Duration::from_secs(2);

/// How long Python may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A function's costs; see the driver `_profile.py`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    /// Its name.
    pub(super) function: String,
    /// The pickled function, in base64.
    #[serde(skip_serializing)]
    pub(super) payload: String,
    /// The pickled arguments, in base64.
    #[serde(skip_serializing)]
    pub(super) params: String,
    /// How often it was called, without the first time.
    pub(super) runs: u64,
    /// What the first call took.
    pub(super) first_us: f64,
    /// What half of the other calls stayed below.
    pub(super) p50_us: f64,
    /// What nine of ten stayed below.
    pub(super) p90_us: f64,
    /// How uncertain the median is, as a part of it.
    pub(super) error: f64,
    /// The part of a call in which it did not wait for something.
    pub(super) busy_share: f64,
    /// What it takes to unpickle the arguments and to pickle the result.
    pub(super) pickling_us: f64,
    /// The pickled function.
    pub(super) function_bytes: u64,
    /// The pickled arguments, which travel with each task.
    pub(super) params_bytes: u64,
    /// The pickled result.
    pub(super) result_bytes: u64,
}

impl Profile {
    /// What half of the calls stayed below, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.p50_us / 1e6
    }
}

/// A line of the driver.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Loading,
    Calling,
    Measuring,
    Unusable { message: String },
    Raised { message: String, traceback: String },
    Profile(Profile),
}

/// Measures the function. No call of it may take longer than `limit`, nor the loading of its file.
///
/// # Errors
/// The file, the function or an argument is of no use, it raised, it took too long, or somebody
/// interrupted. Nothing of it runs any more then.
pub(super) async fn measure(
    client: &PythonClient,
    function: &FunctionPath,
    arguments: &[String],
    limit: Duration,
    directory: &Path,
    shutdown: &Shutdown,
) -> Result<Profile, AdviseError> {
    let said = directory.join("profile.log");
    // What it prints, it prints thousands of times.
    let log = File::create(&said).map_err(ScratchError::of(&said))?;
    let mut command = client.offline("mpcsfaas._profile");
    command
        .args(["--seconds", &MEASURING.as_secs_f64().to_string()])
        .arg("--")
        .arg(&function.file)
        .arg(&function.function)
        .args(arguments)
        .stderr(log);
    let mut driver = Driver::start(command)?;
    let measured = tokio::select! {
        measured = last_event(&mut driver, limit) => measured,
        () = shutdown.clone().asked() => Err(AdviseError::Interrupted),
    };
    // It may have started processes that are still there.
    let status = driver.kill().await?;
    match measured? {
        Some(profile) => Ok(profile),
        None => Err(AdviseError::Silent {
            status,
            said: platform::tail(&said),
        }),
    }
}

/// The profile, or `None` if the driver ended without one.
async fn last_event(driver: &mut Driver, limit: Duration) -> Result<Option<Profile>, AdviseError> {
    let (mut what, mut within) = (None, START_LIMIT);
    loop {
        let event = tokio::time::timeout(within, driver.event()).await;
        let event = event.map_err(|_| match what {
            Some(what) => AdviseError::Slow { what, limit },
            None => AdviseError::NotStarted(within),
        })?;
        (what, within) = match event? {
            Some(Event::Loading) => (Some("the file was not loaded"), limit),
            Some(Event::Calling) => (Some("a call of the function did not end"), limit),
            Some(Event::Measuring) => (
                Some("another call of the function did not end"),
                MEASURING + limit,
            ),
            Some(Event::Unusable { message }) => return Err(AdviseError::Unusable(message)),
            Some(Event::Raised { message, traceback }) => {
                return Err(AdviseError::Raised { message, traceback });
            }
            Some(Event::Profile(profile)) => return Ok(Some(profile)),
            None => return Ok(None),
        };
    }
}
