//! The log on standard error: lines for people, or one JSON object per line for machines.
//!
//! A process of a cluster logs in the format of the process that started it; its JSON contains its process
//! number.

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

use crate::panics;

/// Environment variable with the log filter, in the syntax of `tracing`.
pub(super) const LOG: &str = "STRATEYE_LOG";
/// Environment variable with the format, set for the processes of a cluster.
pub(super) const FORMAT: &str = "STRATEYE_LOG_FORMAT";

/// Format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(super) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

impl LogFormat {
    /// Name of the format in an option.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }

    /// Format given by the environment.
    fn from_env() -> Option<Self> {
        LogFormat::from_str(&std::env::var(FORMAT).ok()?, true).ok()
    }
}

static CHOSEN: OnceLock<LogFormat> = OnceLock::new();

/// Format in use.
pub(super) fn format() -> LogFormat {
    CHOSEN.get().copied().unwrap_or_default()
}

/// Starts logging, panics included: in the `given` format or, without one, in that of the environment;
/// `level` is the filter unless the environment has one; `process` is this process's number in its cluster,
/// if it has one.
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
    panics::log_all();
}

/// JSON format that begins with the process number.
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

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, Stdio},
        thread,
    };

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::cluster::{PANICKED, install_panic_exit};

    const ROLE: &str = "STRATEYE_TEST_ROLE";

    /// Main function of a process that [`panicked`] started; not a test of its own.
    #[test]
    fn entry() {
        let (format, ends) = match std::env::var(ROLE).as_deref() {
            Ok("json") => (LogFormat::Json, true),
            Ok("text") => (LogFormat::Text, false),
            _ => return,
        };
        begin(Some(format), "info", Some(3));
        if ends {
            install_panic_exit(PANICKED);
        }
        let panics = thread::Builder::new().name("busy".to_owned()).spawn(|| panic!("a\n\"reason\""));
        assert!(panics.unwrap().join().is_err());
        std::process::exit(0);
    }

    /// Starts this program again to panic; returns its exit code and lines.
    fn panicked(role: &str) -> (Option<i32>, Vec<String>) {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("{module}::entry"), "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env_remove(LOG).env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        let output = command.stdout(Stdio::null()).output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), log.lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_panic_is_one_object_in_json_and_still_ends_a_process_of_a_cluster() {
        let (code, lines) = panicked("json");
        assert_eq!((code, lines.len()), (Some(PANICKED), 1), "{lines:?}");
        let panic: Json = serde_json::from_str(&lines[0]).unwrap();
        assert!(panic["place"].as_str().unwrap().contains("log.rs:"), "{panic}");
        for (field, value) in [
            ("level", json!("ERROR")),
            ("message", json!("panicked: a \"reason\"")),
            ("thread", json!("busy")),
            ("exit", json!(PANICKED)),
            ("process", json!(3)),
            ("backtrace", json!(null)),
        ] {
            assert_eq!(panic[field], value, "{field} of {panic}");
        }
    }

    #[test]
    fn a_panic_is_one_line_in_text_and_its_thread_alone_ends_elsewhere() {
        let (code, lines) = panicked("text");
        assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
        for part in ["ERROR", "panicked: a \"reason\"", "thread=\"busy\"", "place=\"", "log.rs:"] {
            assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
        }
    }
}
