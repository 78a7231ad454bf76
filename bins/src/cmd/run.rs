//! `mpcsfaas run`: one function of a file, as one task.
//!
//! The Python client loads the file, pickles the function and unpickles the result; this side
//! starts it, says why the task waits, and gives it up when the time is over.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hyper::Method;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;

use super::task;
use crate::api::{ApiError, Refusal, Target};
use crate::config::PythonArgs;
use crate::failure::Failure;
use crate::python_client::{ClientError, Driver, PythonClient};
use crate::shutdown::{self, Shutdown};

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long a task may wait before its user is told why. Told again after twice that, and so on.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// Arguments of `mpcsfaas run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The function, such as jobs.py:area.
    #[arg(value_name = "FILE.py:FUNCTION", value_parser = function_path)]
    function: FunctionPath,
    /// Its arguments, each a JSON value: 3, '"text"', '[1, 2]', true, null.
    #[arg(value_name = "ARGS", value_parser = json_value, allow_negative_numbers = true)]
    args: Vec<String>,
    /// Its keyword arguments, as a JSON object such as '{"height": 2}'.
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    kwargs: Option<String>,
    /// The platform to run it on.
    #[arg(long, env = "MPCSFAAS_URL", default_value = "http://127.0.0.1:8000",
          value_parser = Target::from_url)]
    url: Target,
    /// Cancel the task if it has not ended after so many seconds, its time in the queue included.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Print what came of it as one line of JSON: task_id, status, result (null if JSON has no
    /// form for it), repr, output, error.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    python: PythonArgs,
}

/// A function in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionPath {
    /// The file.
    pub file: PathBuf,
    /// The function's name, which may have dots in it.
    pub function: String,
}

impl FunctionPath {
    /// Whether the file can be read: what Python would say later, and less plainly.
    ///
    /// # Errors
    /// It cannot.
    pub fn readable(&self) -> io::Result<()> {
        match std::fs::File::open(&self.file)?.metadata()?.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(()),
        }
    }
}

/// Why an argument of the command line is none.
#[derive(Debug, Error)]
pub enum ArgumentError {
    /// No function is named.
    #[error("expected FILE.py:FUNCTION, such as jobs.py:area")]
    FunctionPath,
    /// Not JSON.
    #[error("each argument is a JSON value, and this is none ({0}); a text is written '\"text\"'")]
    NotJson(#[source] serde_json::Error),
    /// Not a JSON object.
    #[error("expected a JSON object such as '{{\"height\": 2}}'")]
    NotAnObject,
    /// Not a time.
    #[error("expected a number of seconds, more than 0")]
    NotSeconds,
}

/// Reads `FILE.py:FUNCTION`.
///
/// # Errors
/// [`ArgumentError::FunctionPath`].
pub fn function_path(text: &str) -> Result<FunctionPath, ArgumentError> {
    let (file, function) = text.rsplit_once(':').ok_or(ArgumentError::FunctionPath)?;
    let word = |part: &str| {
        part.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
    };
    if file.is_empty() || !function.split('.').all(word) {
        return Err(ArgumentError::FunctionPath);
    }
    Ok(FunctionPath {
        file: PathBuf::from(file),
        function: function.to_owned(),
    })
}

/// Checks only: Python reads numbers of any length, so it is given the text.
fn json_value(text: &str) -> Result<String, ArgumentError> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(ArgumentError::NotJson(error)),
    }
}

fn json_object(text: &str) -> Result<String, ArgumentError> {
    match json_value(text) {
        Ok(object) if text.trim_start().starts_with('{') => Ok(object),
        _ => Err(ArgumentError::NotAnObject),
    }
}

/// A number of seconds, more than 0.
pub fn seconds(text: &str) -> Result<Duration, ArgumentError> {
    let seconds: f64 = text.parse().map_err(|_| ArgumentError::NotSeconds)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(ArgumentError::NotSeconds),
    }
}

/// Why there is no result and no failure to show.
#[derive(Debug, Error)]
pub enum RunError {
    /// No such file, or it cannot be read.
    #[error("cannot read {}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file cannot be loaded, or the function cannot be sent.
    #[error("{0}")]
    Unusable(String),
    /// Nobody answers.
    #[error("no platform answers; start one with `mpcsfaas up`, or name it with --url: {0}")]
    Unreachable(#[source] ApiError),
    /// The platform was there, and is away.
    #[error("the platform is away: {0}")]
    Unavailable(String),
    /// The platform does not take the function or the task, or has lost sight of it.
    #[error("the platform refused it: {0}")]
    Refused(String),
    /// Only Python knows what the result is, and it does not.
    #[error("task {task} ended well, but its result cannot be read here: {message}")]
    Unreadable {
        /// The task.
        task: Uuid,
        /// What unpickling said.
        message: String,
    },
    /// The time is over.
    #[error("it took longer than {} s{}", .limit.as_secs_f64(), what_of_it(*.task))]
    TimedOut {
        /// The bound.
        limit: Duration,
        /// The task.
        task: GivenUp,
    },
    /// Nothing was submitted before the time was over.
    #[error("nothing was submitted within {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted{}", .0.map_or(String::new(), what_of_it))]
    Interrupted(Option<GivenUp>),
    /// The Python client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The Python client ended without a word.
    #[error("the Python client ended without saying what came of it ({0})")]
    Silent(std::process::ExitStatus),
    /// Standard output.
    #[error("cannot print the result: {0}")]
    Print(#[source] io::Error),
    /// Signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

/// A task that nobody waits for any longer.
#[derive(Clone, Copy, Debug)]
pub struct GivenUp {
    task: Uuid,
    /// Whether it could be cancelled.
    cancelled: bool,
}

fn what_of_it(given_up: GivenUp) -> String {
    let task = given_up.task;
    match given_up.cancelled {
        true => format!("; task {task} is cancelled"),
        false => format!("; task {task} could not be cancelled"),
    }
}

impl RunError {
    /// What the process ends with: 2 for what the caller has to put right, 3 if the platform
    /// cannot be reached, 130 after Ctrl-C, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            RunError::File { .. } | RunError::Unusable(_) => super::USAGE,
            RunError::Unreachable(_) | RunError::Unavailable(_) => super::UNREACHABLE,
            RunError::Interrupted(_) => super::INTERRUPTED,
            _ => super::FAILED,
        }
    }
}

/// What the Python client reports; see its `_run.py`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Submitted {
        task_id: Uuid,
    },
    Completed {
        repr: String,
        json: Option<String>,
        output: String,
    },
    Failed {
        #[serde(flatten)]
        failure: Failure,
        output: String,
    },
    Unusable {
        message: String,
    },
    Refused {
        message: String,
    },
    Unavailable {
        message: String,
    },
    Unreadable {
        message: String,
        output: String,
    },
}

/// Runs the function and prints what came of it: 0 if it has a result, 1 if it failed.
///
/// # Errors
/// See [`RunError`].
pub async fn run(args: RunArgs) -> Result<ExitCode, RunError> {
    let shutdown = shutdown::listen().map_err(RunError::Signals)?;
    args.function.readable().map_err(|source| RunError::File {
        file: args.function.file.clone(),
        source,
    })?;
    let reached: Result<Result<IgnoredAny, Refusal>, _> =
        args.url.ask(Method::GET, "/healthz", ANSWER_LIMIT).await;
    reached.map_err(RunError::Unreachable)?.ok();

    let client = tokio::select! {
        client = PythonClient::prepare(&args.python, |line| eprintln!("{line}")) => client?,
        () = shutdown.clone().asked() => return Err(RunError::Interrupted(None)),
    };
    let mut attempt = Attempt {
        target: &args.url,
        driver: Driver::start(command(&client, &args))?,
        task: None,
    };
    let ended = attempt.end(args.timeout, shutdown).await?;
    let code = match ended.error {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(super::FAILED),
    };
    ended.show(args.json).map_err(RunError::Print)?;
    Ok(code)
}

fn command(client: &PythonClient, args: &RunArgs) -> tokio::process::Command {
    let mut command = client.command("mpcsfaas._run", &args.url);
    if let Some(kwargs) = &args.kwargs {
        command.args(["--kwargs", kwargs]);
    }
    command
        .arg("--")
        .arg(&args.function.file)
        .arg(&args.function.function)
        .args(&args.args);
    command
}

/// The Python client on its way.
struct Attempt<'a> {
    target: &'a Target,
    driver: Driver,
    /// Known once it is submitted.
    task: Option<Uuid>,
}

impl Attempt<'_> {
    /// The last event, unless the time is over first or somebody interrupts: then the task is
    /// cancelled.
    async fn end(
        &mut self,
        limit: Option<Duration>,
        shutdown: Shutdown,
    ) -> Result<Ended, RunError> {
        let over = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            end = self.events() => end,
            () = over => {
                let limit = limit.unwrap_or_default();
                Err(match self.give_up().await {
                    Some(task) => RunError::TimedOut { limit, task },
                    None => RunError::TooSlow(limit),
                })
            }
            () = shutdown.asked() => {
                Err(RunError::Interrupted(self.give_up().await))
            }
        }
    }

    async fn give_up(&self) -> Option<GivenUp> {
        let task = self.task?;
        let cancelled = task::cancel(self.target, task).await;
        Some(GivenUp { task, cancelled })
    }

    /// Reads events to the last one, and says meanwhile why the task waits.
    async fn events(&mut self) -> Result<Ended, RunError> {
        let mut pause = TELL_AFTER;
        let mut tell = Box::pin(tokio::time::sleep(pause));
        loop {
            tokio::select! {
                event = self.driver.event() => match event? {
                    Some(Event::Submitted { task_id }) => self.task = Some(task_id),
                    Some(end) => return end.ended(self.task.unwrap_or_default()),
                    None => return Err(RunError::Silent(self.driver.ended().await?)),
                },
                () = &mut tell => {
                    if let Some(task) = self.task {
                        say_why_it_waits(self.target, task).await;
                    }
                    pause *= 2;
                    tell = Box::pin(tokio::time::sleep(pause));
                }
            }
        }
    }
}

async fn say_why_it_waits(target: &Target, task: Uuid) {
    #[derive(Deserialize)]
    struct Details {
        status: String,
        reason: String,
    }
    let path = format!("/v1/tasks/{task}");
    let asked = target.ask::<Details>(Method::GET, &path, ANSWER_LIMIT);
    if let Ok(Ok(Details { status, reason })) = asked.await
        && status == "QUEUED"
    {
        eprintln!("task {task} is {reason}");
    }
}

/// A task that has ended.
#[derive(Debug, Serialize)]
struct Ended {
    task_id: Uuid,
    status: &'static str,
    /// The result's own JSON: it may hold numbers that no type here does.
    result: Option<Box<RawValue>>,
    repr: Option<String>,
    output: String,
    error: Option<Failure>,
}

impl Ended {
    /// Prints the result on standard output, and what was printed and went wrong on standard
    /// error; as JSON, all in one line on standard output.
    fn show(&self, as_json: bool) -> io::Result<()> {
        let mut stdout = io::stdout();
        if as_json {
            return writeln!(stdout, "{}", serde_json::to_string(self)?);
        }
        eprint!("{}", self.output);
        if let Some(failure) = &self.error {
            eprintln!("mpcsfaas: task {} failed: {failure}", self.task_id);
        }
        match &self.repr {
            Some(repr) => writeln!(stdout, "{repr}"),
            None => Ok(()),
        }
    }
}

impl Event {
    /// What the last event says of the task.
    fn ended(self, task: Uuid) -> Result<Ended, RunError> {
        match self {
            Event::Completed { repr, json, output } => Ok(Ended {
                task_id: task,
                status: "COMPLETED",
                result: json.and_then(|text| RawValue::from_string(text).ok()),
                repr: Some(repr),
                output,
                error: None,
            }),
            Event::Failed { failure, output } => Ok(Ended {
                task_id: task,
                status: "FAILED",
                result: None,
                repr: None,
                output,
                error: Some(failure),
            }),
            Event::Submitted { .. } => Err(RunError::Refused("it was submitted twice".to_owned())),
            Event::Unusable { message } => Err(RunError::Unusable(message)),
            Event::Refused { message } => Err(RunError::Refused(message)),
            Event::Unavailable { message } => Err(RunError::Unavailable(message)),
            Event::Unreadable { message, output } => {
                eprint!("{output}");
                Err(RunError::Unreadable { task, message })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_with_its_file() {
        let path = |text| function_path(text).map(|path| (path.file, path.function));
        let (file, function) = path("a:b/jobs.py:Shape.area_2").unwrap();
        assert_eq!(
            (file.to_str(), function.as_str()),
            (Some("a:b/jobs.py"), "Shape.area_2")
        );
        for wrong in [
            "jobs.py",
            ":area",
            "jobs.py:",
            "jobs.py:a b",
            "jobs.py:a.",
            "jobs.py:2a",
        ] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arguments_are_json_and_pass_unchanged() {
        let long = "123456789012345678901234567890";
        for value in ["3", "-0.5", "\"a\"", "[1, null]", "{\"a\": true}", long] {
            assert_eq!(json_value(value).unwrap(), value);
        }
        let error = json_value("hello").unwrap_err().to_string();
        assert!(error.contains("a text is written '\"text\"'"), "{error}");
        for wrong in ["", "NaN", "[1,]", "'a'", "1 2"] {
            assert!(json_value(wrong).is_err(), "{wrong}");
        }
        assert!(json_object(" {\"height\": 2}").is_ok());
        for wrong in ["[]", "{", "height=2"] {
            assert!(json_object(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("1.5").unwrap(), Duration::from_millis(1_500));
        for wrong in ["0", "-1", "1s", "inf", "NaN", "1e30", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    const TASK: Uuid = Uuid::from_u128(7);

    fn event(line: &str) -> Event {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn the_clients_lines_are_understood() {
        let submitted = format!(r#"{{"event": "submitted", "task_id": "{TASK}"}}"#);
        assert_eq!(event(&submitted), Event::Submitted { task_id: TASK });
        let failed = event(
            r#"{"event": "failed", "kind": "killed", "type": "", "message": "by 9",
                "traceback": "", "exit_code": null, "signal": 9, "output": "hi\n"}"#,
        );
        let ended = failed.ended(TASK).unwrap();
        assert_eq!((ended.status, ended.output.as_str()), ("FAILED", "hi\n"));
        assert_eq!(ended.error.unwrap().to_string(), "by 9 (killed)");
    }

    #[test]
    fn each_end_has_its_exit_code() {
        let code = |name: &str| {
            let line = format!(r#"{{"event": "{name}", "message": "why", "output": ""}}"#);
            event(&line).ended(TASK).unwrap_err().exit_code()
        };
        assert_eq!(code("unusable"), 2);
        assert_eq!(code("unavailable"), 3);
        assert_eq!((code("refused"), code("unreadable")), (1, 1));
    }

    #[test]
    fn json_carries_numbers_of_any_length() {
        let line = r#"{"event": "completed", "repr": "10", "json": "[1e400, 123456789012345678901]",
                       "output": ""}"#;
        let ended = event(line).ended(TASK).unwrap();
        let expected = format!(
            r#"{{"task_id":"{TASK}","status":"COMPLETED","result":[1e400, 123456789012345678901],"repr":"10","output":"","error":null}}"#
        );
        assert_eq!(serde_json::to_string(&ended).unwrap(), expected);
    }
}
