//! A connection of a formed cluster as timely uses it: one thread reads it, another one writes to it.
//!
//! A thread that waits in a read of a Unix socket is woken each time the peer has consumed what this end
//! wrote, only to wait again: readers and writers of a socket wait in one queue of the kernel, and only a
//! poll names the condition it waits for (`unix_write_space` and `sock_poll_wait` in Linux). So a reader
//! polls before it reads. Between many processes on one machine, this halves how often readers are woken.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use timely::communication::allocator::zero_copy::stream::Stream;

use super::socket::Socket;

/// An authenticated, blocking connection to another process.
#[derive(Debug)]
pub(super) struct Link(pub(super) Socket);

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.0, Socket::Unix(_)) {
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.0.read(buffer)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Link)
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.0.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, os::unix::net::UnixStream, sync::mpsc::channel, thread};

    use super::*;

    /// A field of `/proc/PID/task/TID/status`; `thread` is PID/task/TID.
    fn status(thread: &str, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap().trim().to_owned()
    }

    fn times_woken(thread: &str) -> u64 {
        status(thread, "voluntary_ctxt_switches").parse().unwrap()
    }

    #[test]
    fn a_reader_is_not_woken_by_its_own_ends_writes() {
        const WRITTEN: u64 = 100;
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut writer = Link(Socket::Unix(ours));
        let mut reader = writer.try_clone().unwrap();
        let (sender, receiver) = channel();
        let reading = thread::spawn(move || {
            let me = fs::read_link("/proc/thread-self").unwrap();
            sender.send(me.to_str().unwrap().to_owned()).unwrap();
            reader.read_exact(&mut [0]).unwrap();
        });
        let thread = receiver.recv().unwrap();
        let asleep = || {
            while !status(&thread, "State").starts_with('S') {
                thread::yield_now();
            }
        };
        asleep();
        let before = times_woken(&thread);
        for _ in 0..WRITTEN {
            writer.write_all(&[1]).unwrap();
            theirs.read_exact(&mut [0]).unwrap();
            asleep();
        }
        let woken = times_woken(&thread) - before;
        assert!(woken < WRITTEN / 2, "the reader was woken {woken} times");
        theirs.write_all(&[1]).unwrap();
        reading.join().unwrap();
    }
}
