//! The log: lines for people, or one JSON object a line for machines, on standard error.
//!
//! A process of a cluster logs in the format of whoever started it, and in JSON says which process it is.

use std::{
    fmt,
    io::{self, IsTerminal},
    sync::OnceLock,
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, Writer},
    },
    registry::LookupSpan,
};

/// Environment variable that says what is logged, as `tracing` filters are written.
pub(super) const LOG: &str = "STRATEYE_LOG";
/// Environment variable that tells the processes of a cluster the format.
pub(super) const FORMAT: &str = "STRATEYE_LOG_FORMAT";

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(super) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

impl LogFormat {
    /// As it is written in an option.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }

    /// What the environment says.
    fn from_env() -> Option<Self> {
        LogFormat::from_str(&std::env::var(FORMAT).ok()?, true).ok()
    }
}

static CHOSEN: OnceLock<LogFormat> = OnceLock::new();

/// The format that was chosen.
pub(super) fn format() -> LogFormat {
    CHOSEN.get().copied().unwrap_or_default()
}

/// Begins to log: in this format or, if none is given, in that of the environment; `level` is the filter unless the environment has one;
/// `process` is this process's number in its cluster, if it has one.
pub(super) fn begin(given: Option<LogFormat>, level: &str, process: Option<usize>) {
    let format = *CHOSEN.get_or_init(|| given.or_else(LogFormat::from_env).unwrap_or_default());
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            log.with_ansi(colours).init();
        }
        LogFormat::Json => {
            let inner = Format::default().json().flatten_event(true).with_target(false);
            log.json().event_format(Numbered { inner, process }).init();
        }
    }
}

/// JSON that says first which process it is from.
struct Numbered {
    inner: Format<Json>,
    process: Option<usize>,
}

impl<S, N> FormatEvent<S, N> for Numbered
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(process) = self.process else { return self.inner.format_event(context, writer, event) };
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(writer, "{{\"process\":{process},{rest}"),
            None => writer.write_str(&line),
        }
    }
}
