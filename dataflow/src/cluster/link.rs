//! A connection of a formed cluster as timely uses it: one thread reads it, another one writes to it.
//!
//! A thread that waits in a read of a Unix socket is woken each time the peer has consumed what this end
//! wrote, only to wait again: readers and writers of a socket wait in one queue of the kernel, and only a
//! poll names the condition it waits for (`unix_write_space` and `sock_poll_wait` in Linux). So a reader
//! polls before it reads. Between many processes on one machine, this halves how often readers are woken.
//!
//! Between hosts everything is [sealed](super::seal). The sockets of one machine lie in a directory that only its
//! user can enter, and are not.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use timely::communication::allocator::zero_copy::stream::Stream;

use super::seal::{Opener, SealKeys, Sealer};
use super::socket::Socket;

/// An authenticated, blocking connection to another process.
pub struct Link {
    socket: Socket,
    /// Seals of both directions, between hosts.
    seals: Option<Arc<Seals>>,
}

/// Each of the two is used by one thread.
struct Seals {
    sealer: Mutex<Sealer>,
    opener: Mutex<Opener>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the keys.
        f.debug_struct("Link").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Link {
    /// The socket, for tests.
    #[cfg(test)]
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// A connection whose handshake gave these keys.
    pub(super) fn new(socket: Socket, keys: &SealKeys) -> io::Result<Self> {
        let seals = match socket {
            Socket::Unix(_) => None,
            Socket::Tcp(_) => Some(Arc::new(Seals {
                sealer: Mutex::new(Sealer::new(&keys.sending)?),
                opener: Mutex::new(Opener::new(&keys.receiving)?),
            })),
        };
        Ok(Link { socket, seals })
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(seals) = &self.seals {
            let mut opener = seals.opener.lock().unwrap_or_else(PoisonError::into_inner);
            return opener.read(&mut self.socket, buffer);
        }
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.socket.read(buffer)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(seals) = &self.seals else { return self.socket.write(bytes) };
        let mut sealer = seals.sealer.lock().unwrap_or_else(PoisonError::into_inner);
        let (frame, taken) = sealer.seal(bytes)?;
        self.socket.write_all(frame)?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Link { socket: self.socket.try_clone()?, seals: self.seals.clone() })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
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
        let mut writer = Link { socket: Socket::Unix(ours), seals: None };
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

    #[test]
    fn what_passes_between_hosts_comes_out_at_the_other_end_and_is_not_seen_on_the_way() {
        const SAID: &[u8] = b"guid 1001 searches";
        let keys = SealKeys { sending: [1; 32], receiving: [2; 32] };
        let theirs = SealKeys { sending: [2; 32], receiving: [1; 32] };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (Link::new(Socket::Tcp(ours), &keys).unwrap(), listener.accept().unwrap().0)
        };
        let (mut ours, mut on_the_way) = connect();
        ours.write_all(SAID).unwrap();
        drop(ours);
        let mut seen = Vec::new();
        on_the_way.read_to_end(&mut seen).unwrap();
        assert!(!seen.windows(4).any(|bytes| SAID.windows(4).any(|said| said == bytes)), "{seen:?}");
        let (mut ours, other) = connect();
        let mut other = Link::new(Socket::Tcp(other), &theirs).unwrap();
        ours.write_all(SAID).unwrap();
        let mut came = [0; SAID.len()];
        other.try_clone().unwrap().read_exact(&mut came).unwrap();
        other.write_all(b"!").unwrap();
        ours.read_exact(&mut came[..1]).unwrap();
        assert_eq!((came[0], &came[1..]), (b'!', &SAID[1..]));
        // A byte that nobody sealed ends the connection.
        let Socket::Tcp(mut stream) = other.socket().try_clone().unwrap() else { panic!("not TCP") };
        stream.write_all(&[0; 64]).unwrap();
        assert_eq!(ours.read(&mut came).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
