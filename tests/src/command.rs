//! Programs under test: started, driven through their pipes, and awaited.
//!
//! Waiting is reading: threads block on the pipes and forward lines, so a test continues the moment a line
//! arrives. Whatever does not arrive within [`WITHIN`], a generous deadline, fails the test, with all output
//! of the program so far.
//!
//! **Invariants**: a program never outlives its [`Running`]. Only processes that were started here are ever
//! signalled.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Timeout of every wait of a test.
pub const WITHIN: Duration = Duration::from_secs(60);

/// Command of a program, to be run in `folder`; its log has the default filter and no colours.
pub fn command(program: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_remove("STRATEYE_LOG").env("NO_COLOR", "1");
    command
}

/// A running program. Dropping it kills the program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines,
    log: Lines,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Lines of its standard output.
    pub output: Vec<String>,
    /// Lines of its standard error.
    pub log: Vec<String>,
}

/// Lines of one pipe: those read, and those to come.
#[derive(Debug)]
struct Lines {
    seen: Vec<String>,
    coming: Receiver<String>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (say, coming) = channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if say.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { seen: Vec::new(), coming }
    }

    fn next(&mut self, end: Instant) -> Result<String, RecvTimeoutError> {
        let line = self.coming.recv_timeout(end.saturating_duration_since(Instant::now()))?;
        self.seen.push(line.clone());
        Ok(line)
    }
}

impl Running {
    /// Starts a program with pipes for its input, output and log.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let output = Lines::of(child.stdout.take().expect("a pipe"));
        let log = Lines::of(child.stderr.take().expect("a pipe"));
        Self { input: child.stdin.take(), child, output, log }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to its input.
    ///
    /// # Panics
    /// If the program does not read it.
    pub fn write(&mut self, line: &str) {
        let input = self.input.as_mut().expect("an open input");
        let written = input.write_all(format!("{line}\n").as_bytes()).and_then(|()| input.flush());
        if let Err(error) = written {
            self.fail(&format!("its input takes nothing more: {error}"));
        }
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Reads the next line of its output.
    ///
    /// # Panics
    /// If none arrives in time.
    pub fn output_line(&mut self) -> String {
        match self.output.next(Instant::now() + WITHIN) {
            Ok(line) => line,
            Err(error) => self.fail(&format!("no more output: {error}")),
        }
    }

    /// Reads its log up to a line for which `find` returns something.
    ///
    /// # Panics
    /// If no such line arrives in time; `what` describes it in the message.
    pub fn log_until<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + WITHIN;
        loop {
            match self.log.next(end) {
                Ok(line) => {
                    if let Some(found) = find(&line) {
                        return found;
                    }
                }
                Err(error) => self.fail(&format!("{what} does not stand in the log: {error}")),
            }
        }
    }

    /// Closes its input and waits until it, and every process that writes to its pipes, has ended.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn wait(mut self) -> Finished {
        self.close_input();
        let end = Instant::now() + WITHIN;
        for pipe in [0, 1] {
            let lines = if pipe == 0 { &mut self.output } else { &mut self.log };
            while match lines.next(end) {
                Ok(_) => true,
                Err(RecvTimeoutError::Disconnected) => false,
                Err(RecvTimeoutError::Timeout) => self.fail("it does not end"),
            } {}
        }
        let code = self.child.wait().expect("a child").code();
        let (output, log) = (std::mem::take(&mut self.output.seen), std::mem::take(&mut self.log.seen));
        Finished { code, output, log }
    }

    /// Fails the test with the program's output; the log follows when the program is dropped.
    fn fail(&mut self, what: &str) -> ! {
        while self.output.next(Instant::now()).is_ok() {}
        panic!("{what}\noutput:\n{}", self.output.seen.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            while self.log.next(Instant::now()).is_ok() {}
            eprintln!("log of the program:\n{}", self.log.seen.join("\n"));
        }
    }
}

/// Runs a program to its end.
///
/// # Panics
/// If it does not end in time.
#[must_use]
pub fn finish(command: &mut Command) -> Finished {
    Running::start(command).wait()
}

impl Finished {
    /// All its output, for messages of failing tests.
    #[must_use]
    pub fn all(&self) -> String {
        format!("exit code {:?}\n{}\n{}", self.code, self.output.join("\n"), self.log.join("\n"))
    }
}

/// Process ids of the living children of a process.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<u32> = numbers.filter(|child| parent(*child) == Some(pid)).collect();
    found.sort_unstable();
    found
}

/// Whether there is a process of that id that has not ended.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    parent(pid).is_some()
}

/// Whether a process is stopped, as SIGSTOP does.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    state(pid).is_some_and(|(state, _)| state == "T")
}

/// Process id of the parent of a process that has not ended.
fn parent(pid: u32) -> Option<u32> {
    state(pid).filter(|(state, _)| state != "Z").map(|(_, parent)| parent)
}

/// State of a process, as one letter, and its parent.
fn state(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // These fields follow the name, which is in brackets.
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
