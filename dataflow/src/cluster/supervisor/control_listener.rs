//! Listens at the control socket and converts children's reports to inputs of the [event
//! loop](super::event_loop).
//!
//! The socket lies in a directory that only this user can enter. Still, a connection must send hello in time,
//! may report only for the process and generation of its hello, and the number of connections is bounded.

use std::io::{self, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use super::input::Input;
use crate::cluster::control::{self, Body, Report};
use crate::cluster::generation::ClusterGeneration;

const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Accepts connections until dropped.
pub(super) struct ControlListener {
    path: PathBuf,
    closing: Arc<AtomicBool>,
}

impl ControlListener {
    pub(super) fn start(path: PathBuf, most: usize, inputs: SyncSender<Input>) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        let closing = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&closing);
        let work = move || accept(&listener, most, &flag, &inputs);
        thread::Builder::new().name("supervisor:accept".into()).spawn(work)?;
        Ok(Self { path, closing })
    }
}

impl Drop for ControlListener {
    /// Wakes the blocking accept by a connection.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
    }
}

fn accept(listener: &UnixListener, most: usize, closing: &AtomicBool, inputs: &SyncSender<Input>) {
    let open = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        if closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = connection else {
            // Most likely out of file descriptors: accepting at once would fail as often as it is called, and
            // the system sends no notification when one is free. The children connect again only after a
            // restart.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let slot = Slot::take(&open);
        if open.load(Ordering::SeqCst) > most {
            tracing::warn!("too many connections at the control socket; one was refused");
            continue;
        }
        let inputs = inputs.clone();
        let work = move || {
            let _slot = slot;
            if let Err(error) = serve(stream, &inputs) {
                tracing::debug!(%error, "a control connection ended");
            }
        };
        if let Err(error) = thread::Builder::new().name("supervisor:control".into()).spawn(work) {
            tracing::warn!(%error, "can't start a thread for a control connection");
        }
    }
}

/// Counts a connection while it exists.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve(stream: UnixStream, inputs: &SyncSender<Input>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    stream.set_read_timeout(Some(HELLO_WITHIN))?;
    let writer = stream.try_clone()?;
    let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
    let Some(Report { process, generation, body: Body::Hello { .. } }) =
        control::read(&mut reader, &mut line)?
    else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it did not say hello"));
    };
    reader.get_ref().set_read_timeout(None)?;
    inputs.send(Input::Connected { process, generation, writer }).map_err(gone)?;
    let served = listen(&mut reader, &mut line, (process, generation), inputs);
    inputs.send(Input::Closed { process, generation }).map_err(gone)?;
    served
}

/// Forwards the reports of one child until its connection ends.
fn listen(
    reader: &mut BufReader<UnixStream>,
    line: &mut Vec<u8>,
    (process, generation): (usize, ClusterGeneration),
    inputs: &SyncSender<Input>,
) -> io::Result<()> {
    while let Some(report) = control::read::<Report>(reader, line)? {
        if (report.process, report.generation) != (process, generation) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks for another process"));
        }
        let input = match report.body {
            Body::Hello { .. } => continue,
            Body::Heartbeat { .. } => Input::Heartbeat { process, generation },
            Body::Message(message) => Input::Message { process, generation, message },
        };
        inputs.send(input).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    }
    Ok(())
}
