//! Logs: lines for people or JSON for machines, on standard error.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// What was asked for, for processes that this one starts.
static ASKED: OnceLock<(LogFormat, String)> = OnceLock::new();

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. A filter that makes no sense is replaced by `info`, and said so.
pub fn start(format: LogFormat, filter: &str) {
    let _ = ASKED.set((format, filter.to_owned()));
    let parsed = EnvFilter::try_new(filter);
    let bad = parsed.as_ref().err().map(ToString::to_string);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed.unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    if let Some(error) = bad {
        tracing::warn!(%filter, %error, "the log filter makes no sense; using info");
    }
}

/// Arguments with which another process of this program logs as this one does.
pub fn arguments() -> Vec<String> {
    let Some((format, filter)) = ASKED.get() else {
        return Vec::new();
    };
    let format = match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    ["--log-format", format, "--log", filter]
        .map(str::to_owned)
        .to_vec()
}
