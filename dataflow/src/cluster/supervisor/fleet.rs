//! The child processes of one generation.
//!
//! Invariants:
//! - A child is reaped only here, by [`Fleet`]'s owner; the watching threads wait without reaping. So a
//!   process id that is signalled is always that of the child, never of another process that got the number
//!   later.
//! - Every child leads its own process group, which is killed with it: neither a terminal's Ctrl-C nor a
//!   grandchild outlives the supervisor's decisions.
//! - Writing to a child never waits longer than a fraction of a second: a child that does not read loses its
//!   connection.
//! - Dropping the fleet kills and reaps what is left.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::input::Input;
use crate::cluster::control::{self, GENERATION, Order, PROCESS, PROCESSES, RUN_DIRECTORY};
use crate::cluster::generation::ClusterGeneration;
use crate::cluster::liveness::{Limits, Liveness, Overdue};

/// Time that a child has to take an order before it loses its connection.
const PATIENCE: Duration = Duration::from_millis(10);

struct Member {
    child: Child,
    pid: Option<Pid>,
    link: Option<UnixStream>,
    liveness: Liveness,
    /// Whether its control connection is open and may still deliver messages.
    connected: bool,
    gone: bool,
}

/// How a child ended.
pub(super) struct ChildExit {
    pub(super) process: usize,
    pub(super) status: Option<ExitStatus>,
    /// Whether it had ended before it was killed.
    pub(super) by_itself: bool,
}

/// All processes of a generation.
#[derive(Default)]
pub(super) struct Fleet {
    members: Vec<Member>,
}

impl Fleet {
    /// Starts process number `self.members.len()`, with its assignment in its environment, and a thread that
    /// watches it.
    pub(super) fn add(
        &mut self,
        mut command: Command,
        generation: ClusterGeneration,
        processes: usize,
        directory: &Path,
        inputs: &SyncSender<Input>,
    ) -> io::Result<()> {
        let process = self.members.len();
        command.env(RUN_DIRECTORY, directory).env(GENERATION, generation.to_string());
        command.env(PROCESS, process.to_string()).env(PROCESSES, processes.to_string());
        let child = command.process_group(0).spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let liveness = Liveness::new(Instant::now());
        self.members.push(Member { child, pid, link: None, liveness, connected: false, gone: false });
        let inputs = inputs.clone();
        let work = move || {
            wait_without_reaping(pid);
            let _ = inputs.send(Input::Exited { process, generation });
        };
        thread::Builder::new().name(format!("supervisor:watch-{process}")).spawn(work)?;
        Ok(())
    }

    /// Stores a child's control connection.
    pub(super) fn connected(&mut self, process: usize, writer: UnixStream) {
        if let Some(member) = self.members.get_mut(process) {
            member.unlink();
            member.link = Some(writer);
            member.connected = true;
        }
    }

    /// Records that a child's control connection has ended.
    pub(super) fn closed(&mut self, process: usize) {
        if let Some(member) = self.members.get_mut(process) {
            member.connected = false;
        }
    }

    /// Whether messages of some child may still arrive.
    pub(super) fn is_connected(&self) -> bool {
        self.members.iter().any(|member| member.connected)
    }

    /// Records a child's heartbeat; true when it completes the first heartbeats of all children.
    pub(super) fn beat(&mut self, process: usize, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(process) else { return false };
        let first = !member.liveness.has_beaten();
        member.liveness.beat(now);
        first && self.members.iter().all(|member| member.liveness.has_beaten())
    }

    /// See [`Liveness::forgive`].
    pub(super) fn forgive(&mut self, now: Instant) {
        self.members.iter_mut().for_each(|member| member.liveness.forgive(now));
    }

    /// The instant at which the first child's silence becomes too long.
    pub(super) fn deadline(&self, limits: Limits) -> Option<Instant> {
        self.running().map(|(_, member)| member.liveness.deadline(limits)).min()
    }

    /// A child whose silence is too long.
    pub(super) fn overdue(&self, limits: Limits, now: Instant) -> Option<(usize, Overdue)> {
        self.running().find_map(|(process, member)| Some((process, member.liveness.overdue(limits, now)?)))
    }

    /// Numbers of the children that have not been reaped.
    pub(super) fn running_processes(&self) -> Vec<usize> {
        self.running().map(|(process, _)| process).collect()
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.members.iter().enumerate().filter(|(_, member)| !member.gone)
    }

    /// Orders all children to stop.
    pub(super) fn order_all_to_stop(&mut self) {
        (0..self.members.len()).for_each(|process| self.order_stop(process));
    }

    /// Orders a child to stop; one without a connection gets SIGTERM.
    pub(super) fn order_stop(&mut self, process: usize) {
        let Some(member) = self.members.get_mut(process).filter(|member| !member.gone) else { return };
        let Some(link) = &member.link else { return member.signal(Signal::TERM) };
        let written = control::encode(&Order::Stop).and_then(|line| write_within(link, &line, PATIENCE));
        if let Err(error) = written {
            tracing::warn!(process, %error, "a process does not read its orders and loses its connection");
            member.unlink();
        }
    }

    /// Reaps a child that has exited.
    pub(super) fn reap(&mut self, process: usize) -> Option<ChildExit> {
        let member = self.members.get_mut(process).filter(|member| !member.gone)?;
        Some(ChildExit { process, status: member.reap(), by_itself: true })
    }

    /// Kills and reaps all remaining children; they are dead when this returns.
    pub(super) fn kill_all(&mut self) -> Vec<ChildExit> {
        let left: Vec<_> = self.members.iter_mut().enumerate().filter(|(_, member)| !member.gone).collect();
        let by_itself: Vec<_> = left.iter().map(|(_, member)| has_exited(member.pid)).collect();
        left.iter().for_each(|(_, member)| member.signal(Signal::KILL));
        let left = left.into_iter().zip(by_itself);
        left.map(|((process, member), by_itself)| ChildExit { process, status: member.reap(), by_itself })
            .collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl Member {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// The rest of its process group is killed while the group's id is still certain to be its own.
    fn reap(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::KILL);
        self.gone = true;
        self.unlink();
        self.child.wait().ok()
    }

    fn unlink(&mut self) {
        if let Some(link) = self.link.take() {
            let _ = link.shutdown(Shutdown::Both);
        }
    }
}

/// Writes within `patience`. The stream stays blocking for its reader; only these sends are not.
fn write_within(link: &UnixStream, mut line: &[u8], patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    while !line.is_empty() {
        match send(link, line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => line = line.get(sent..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let left = end.saturating_duration_since(Instant::now());
                let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
                let ready = poll(&mut [PollFd::new(link, PollFlags::OUT)], Some(&timeout));
                if left.is_zero() || matches!(ready, Ok(0)) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn wait_without_reaping(pid: Option<Pid>) {
    let Some(pid) = pid else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
}

fn has_exited(pid: Option<Pid>) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    pid.is_some_and(|pid| matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))))
}
