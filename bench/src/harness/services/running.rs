//! The running engine: its log, its metrics, its CPU time.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{WITHIN, wrong};
use crate::Error;

/// A running engine.
pub(super) struct Running {
    pub(super) child: Child,
    log: mpsc::Receiver<String>,
    seen: VecDeque<String>,
    metrics: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(super) fn start(binary: &Path, folder: &Path, processes: u16) -> Result<Self, Error> {
        let mut command = Command::new(binary);
        command.args(["run", "--config", "strateye.toml", "--metrics", "127.0.0.1:0", "--processes"]);
        command.arg(processes.to_string()).current_dir(folder);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(wrong)?;
        let (to, log) = mpsc::channel();
        let pipe = child.stderr.take().ok_or_else(|| wrong("has no log"))?;
        thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| drop(to.send(line)));
        });
        let mut running = Running { child, log, seen: VecDeque::new(), metrics: String::new() };
        let line = running.log_until("metrics")?;
        let address = line
            .split(|c: char| c.is_whitespace() || "=/\"".contains(c))
            .find(|w| w.starts_with("127.0.0.1:"));
        running.metrics = address.ok_or_else(|| wrong(format!("no address in {line}")))?.to_owned();
        Ok(running)
    }

    /// Waits until rules are in force and checkpoints are made.
    pub(super) fn ready(self) -> Result<Self, Error> {
        self.until("it is ready", |running| Ok(running.get("/readyz")?.starts_with("HTTP/1.1 200")))?;
        Ok(self)
    }

    /// The next line of the log that contains a text.
    pub(super) fn log_until(&mut self, what: &str) -> Result<String, Error> {
        let until = Instant::now() + WITHIN;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            let line = self
                .log
                .recv_timeout(rest)
                .map_err(|_| wrong(format!("never said {what:?}; its last words: {:#?}", self.seen)))?;
            if self.seen.len() == 20 {
                self.seen.pop_front();
            }
            self.seen.push_back(line.clone());
            if line.contains(what) {
                return Ok(line);
            }
        }
    }

    pub(super) fn get(&self, path: &str) -> Result<String, Error> {
        let mut stream = TcpStream::connect(&self.metrics).map_err(wrong)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").map_err(wrong)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(wrong)?;
        Ok(answer)
    }

    /// Sum of a metric over all its labels; an error if there is none of that name.
    pub(super) fn metric(&self, name: &str) -> Result<f64, Error> {
        let page = self.get("/metrics")?;
        // A metric without samples yet is listed, too; a counter without its ending.
        let family = name.strip_suffix("_total").unwrap_or(name);
        if !page.contains(&format!("# TYPE {family} ")) {
            return Err(wrong(format!("has no metric {name}")));
        }
        let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
        Ok(page.lines().filter(of).filter_map(value).sum())
    }

    /// Waits until a condition holds.
    pub(super) fn until(
        &self,
        what: &str,
        mut holds: impl FnMut(&Self) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let until = Instant::now() + WITHIN;
        while !holds(self)? {
            if Instant::now() > until {
                return Err(wrong(format!("gave up waiting until {what}; its last words: {:#?}", self.seen)));
            }
            // Pause between two polls: the engine reports nothing unasked, and its figures are renewed twice
            // a second.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(super) fn stop(mut self) -> Result<(), Error> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| wrong("has no pid"))?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(wrong)?;
        self.child.wait().map_err(wrong).map(drop)
    }

    /// CPU time, user and system, of the supervisor and its processes, seconds.
    pub(super) fn cpu(&self) -> f64 {
        cpu_of(self.child.id()) + self.cpu_of_each().iter().sum::<f64>()
    }

    /// CPU time of each process but the supervisor, seconds.
    pub(super) fn cpu_of_each(&self) -> Vec<f64> {
        strateye_tests::command::children(self.child.id()).into_iter().map(cpu_of).collect()
    }
}

/// CPU time of a process, user and system, seconds. Zero if /proc has no figures.
pub(super) fn cpu_of(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) as f64 / 100.0
}
