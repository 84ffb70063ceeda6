//! `strateye-bench end-to-end`.

use std::{
    env,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, value_parser};
use operators::document::span::Span;
use strateye_bench::{
    Error,
    harness::{
        Engine, chart::chart, cost_table::cost_table, latency, report::Report, table::Table, throughput,
    },
    workload::Folder,
};
use tempfile::TempDir;

use super::size::Size;

#[derive(Args, Debug)]
pub(crate) struct EndToEnd {
    /// A folder that `strateye-bench workload` or `variant` wrote; without it one is made for this run.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["events", "users", "rules", "seed"])]
    workload: Option<PathBuf>,
    #[command(flatten)]
    size: Size,
    /// Numbers of processes, a row each.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,12", value_parser = value_parser!(u16).range(1..=128))]
    processes: Vec<u16>,
    /// A program and the name of its rows; may be repeated. Without it, the strateye beside this program.
    #[arg(long = "binary", value_name = "NAME=PATH", value_parser = Engine::parse)]
    binaries: Vec<Engine>,
    /// How often every row is measured; what is shown are medians.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Counts the states of conditions before the first round, for the column of bytes per condition: by
    /// matching all events, which takes long with thousands of rules.
    #[arg(long)]
    states: bool,
    /// Writes all rounds and medians to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a bar chart of CPU time per event to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Also measures latency at this many events per second, sent at their own pace.
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// How long each latency run lasts.
    #[arg(long = "for", default_value = "20s", requires = "rate", value_parser = span)]
    length: String,
}

/// Durations are handed on as they are written.
fn span(text: &str) -> Result<String, String> {
    Span::parse(text).map(|_| text.to_owned())
}

impl EndToEnd {
    /// Measures, calls `show` with each table, and writes the files asked for.
    pub(crate) fn run(&self, show: &mut dyn FnMut(&Table)) -> Result<(), Error> {
        let plan = self.plan()?;
        // Created first, so that a name that can't be written is found before the measurement.
        let (json, svg) = (Output::create(self.json.as_deref())?, Output::create(self.svg.as_deref())?);
        let arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
        let report = Report::begin(plan.engines(), arguments)?;
        let progress = &mut |what: &str| eprintln!("{what}");
        let made: TempDir;
        let workload = match &self.workload {
            Some(folder) => Folder::of(folder),
            None => {
                made = TempDir::new().map_err(Error::file("make", "a temporary folder"))?;
                progress("making the workload");
                let workload = Folder::of(made.path());
                workload.write(&self.size.into())?;
                workload
            }
        };
        let measured = throughput::measure(&plan, &workload, progress)?;
        show(&cost_table(&measured));
        json.write(|| report.with(&measured).json())?;
        svg.write(|| chart(&measured))?;
        if let Some(rate) = self.rate {
            show(&latency::measure(&plan, rate, &self.length, progress)?);
        }
        Ok(())
    }

    fn plan(&self) -> Result<throughput::Plan, Error> {
        let engines = if self.binaries.is_empty() { vec![Engine::find()?] } else { self.binaries.clone() };
        let processes = self.processes.iter().map(|n| usize::from(*n)).collect();
        Ok(throughput::Plan::new(engines, processes, self.rounds)?.counting_states(self.states))
    }
}

/// A file that the user asked for, if any.
struct Output<'p>(Option<(&'p Path, File)>);

impl<'p> Output<'p> {
    fn create(path: Option<&'p Path>) -> Result<Output<'p>, Error> {
        let Some(path) = path else { return Ok(Output(None)) };
        let file = File::create(path).map_err(Error::file("write", path))?;
        Ok(Output(Some((path, file))))
    }

    fn write(self, text: impl FnOnce() -> String) -> Result<(), Error> {
        let Some((path, mut file)) = self.0 else { return Ok(()) };
        file.write_all(text().as_bytes()).map_err(Error::file("write", path))
    }
}
