//! Common part of all services: a script, a folder, an address, and a guard that ends them.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A service that was started; the specific services dereference to it.
///
/// All methods that act on the process panic with the script's output if they fail, as when nothing runs to
/// be paused, or a service does not answer within a minute.
#[derive(Debug)]
pub struct Service {
    script: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    address: String,
    guard: Child,
}

impl Service {
    /// Runs the script of that name in a new folder. The arguments are passed at each start.
    pub(super) fn start(name: &str, arguments: &[&str]) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("services");
        let prefix = format!("strateye-{name}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().expect("a folder").keep();
        // Outside this process's group, so that a signal to the group leaves the guard to do its work.
        let guard = Command::new(scripts.join("guard"))
            .arg(name)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("bash runs the guard");
        let mut service = Self {
            script: scripts.join(name),
            folder,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            address: String::new(),
            guard,
        };
        service.address = service.run("start", &service.arguments);
        service
    }

    /// Its address as its script prints it; the same for all its life.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The folder of its data, its settings and its `log`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&self) {
        self.run::<&str>("stop", &[]);
    }

    /// Kills it with SIGKILL, as a crash would.
    pub fn kill(&self) {
        self.run::<&str>("kill", &[]);
    }

    /// Starts it again after a stop or a kill, with its data and on its ports; returns when it answers.
    pub fn restart(&self) {
        let address = self.run("start", &self.arguments);
        assert_eq!(address, self.address, "a service keeps its address");
    }

    /// Stops it from running, connections kept: a peer that hangs.
    pub fn pause(&self) {
        self.run::<&str>("pause", &[]);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.run::<&str>("continue", &[]);
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it was never started.
    #[must_use]
    pub fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.folder.join("pid")).expect("a pid file");
        text.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a pid")
    }

    /// Runs a verb of the script; returns its output.
    pub(super) fn run<Argument: AsRef<OsStr>>(&self, verb: &str, arguments: &[Argument]) -> String {
        let mut command = Command::new(&self.script);
        command.arg(verb).arg(&self.folder).args(arguments).stdin(Stdio::null());
        let output = command.output().expect("bash runs the script");
        assert!(
            output.status.success(),
            "{} {verb}: {}\n{}",
            self.script.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The guard waits for the end of its input.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
