//! One type for both kinds of socket, with the deadlines that a handshake needs.
//!
//! Invariant: no call here blocks longer than the time it is given. (Connecting to a Unix socket can block
//! only while the listener's backlog is full, which takes another process of the same user inside the private
//! directory.)

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::address::socket_path;
use super::membership::{Membership, Transport};

/// Idle time after which a TCP peer is probed, and the interval of further probes.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Number of unanswered probes that ends the connection.
const KEEPALIVE_PROBES: u32 = 3;
/// Time after which unacknowledged data ends the connection, ms.
const UNACKNOWLEDGED_MILLIS: u32 = 20_000;

/// A connection to another process.
#[derive(Debug)]
pub(super) enum Socket {
    /// Between machines.
    Tcp(TcpStream),
    /// On one machine.
    Unix(UnixStream),
}

macro_rules! either {
    ($socket:expr, $inner:ident => $body:expr) => {
        match $socket {
            Socket::Tcp($inner) => $body,
            Socket::Unix($inner) => $body,
        }
    };
}

impl Socket {
    /// Connects once to the address of `process`.
    pub(super) fn dial(membership: &Membership, process: usize, timeout: Duration) -> io::Result<Self> {
        match &membership.transport {
            Transport::Unix(directory) => {
                let path =
                    socket_path(directory, process, membership.generation).map_err(io::Error::other)?;
                UnixStream::connect(path).map(Socket::Unix)
            }
            Transport::Tcp(hosts) => {
                let host = hosts.get(process).ok_or_else(|| io::Error::other("no address"))?;
                dial_tcp(host, timeout).map(Socket::Tcp)
            }
        }
    }

    /// Fills `buffer`, or fails at `end`, however slowly bytes arrive.
    pub(super) fn read_exact_until(&mut self, mut buffer: &mut [u8], end: Instant) -> io::Result<()> {
        while !buffer.is_empty() {
            self.set_timeouts(Some(time_left(end)?))?;
            match self.read(buffer) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the peer closed the connection",
                    ));
                }
                Ok(read) => buffer = buffer.get_mut(read..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(timed_out()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes a few bytes, or fails at `end`.
    pub(super) fn write_all_until(&mut self, bytes: &[u8], end: Instant) -> io::Result<()> {
        self.set_timeouts(Some(time_left(end)?))?;
        self.write_all(bytes)
    }

    /// Another handle to the same connection.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Socket::Tcp(stream) => stream.try_clone().map(Socket::Tcp),
            Socket::Unix(stream) => stream.try_clone().map(Socket::Unix),
        }
    }

    /// Makes calls return at once, or block.
    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        either!(self, stream => stream.set_nonblocking(nonblocking))
    }

    /// Shuts down one direction, or both.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        either!(self, stream => stream.shutdown(how))
    }

    /// Turns off Nagle's algorithm: small messages are sent at once.
    pub(super) fn set_no_delay(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_nodelay(true),
            Socket::Unix(_) => Ok(()),
        }
    }

    /// Prepares an authenticated socket for timely: blocking, without timeouts; and lets the kernel detect a
    /// partition.
    pub(super) fn hand_over(self) -> io::Result<Self> {
        self.set_nonblocking(false)?;
        self.set_timeouts(None)?;
        if let Socket::Tcp(stream) = &self {
            stream.set_nodelay(true)?;
            watch_for_partition(stream);
        }
        Ok(self)
    }

    fn set_timeouts(&self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => {
            stream.set_read_timeout(timeout)?;
            stream.set_write_timeout(timeout)
        })
    }
}

fn dial_tcp(host: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            // A dial to a local port at which nothing listens can, by simultaneous open, connect to itself.
            Ok(stream) if stream.local_addr().ok() == stream.peer_addr().ok() => {
                last = io::ErrorKind::ConnectionRefused.into();
            }
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sets the liveness options. Best effort: not every system has every option, and none is required.
fn watch_for_partition(stream: &TcpStream) {
    use rustix::net::sockopt;
    let mut results = vec![sockopt::set_socket_keepalive(stream, true)];
    results.push(sockopt::set_tcp_keepidle(stream, KEEPALIVE));
    results.push(sockopt::set_tcp_keepintvl(stream, KEEPALIVE));
    results.push(sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES));
    #[cfg(target_os = "linux")]
    results.push(sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MILLIS));
    for error in results.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "a TCP liveness option could not be set");
    }
}

fn time_left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timed_out()) } else { Ok(left) }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer did not answer in time")
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, stream => stream.flush())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}

/// Listener for processes of higher number. Non-blocking; dropping it removes the file of a Unix socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds the membership's own address, once.
    pub(super) fn bind(membership: &Membership) -> io::Result<Self> {
        match &membership.transport {
            Transport::Unix(directory) => {
                let path = socket_path(directory, membership.process, membership.generation)
                    .map_err(io::Error::other)?;
                let _ = std::fs::remove_file(&path);
                let listener = UnixListener::bind(&path)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener, path))
            }
            Transport::Tcp(hosts) => {
                let host = hosts.get(membership.process).ok_or_else(|| io::Error::other("no address"))?;
                Self::from_tcp(TcpListener::bind(host)?)
            }
        }
    }

    /// Wraps a listener that is already bound.
    pub(super) fn from_tcp(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    /// Accepts a connection, non-blocking too; `WouldBlock` if there is none.
    pub(super) fn accept(&self) -> io::Result<Socket> {
        let socket = match self {
            Self::Tcp(listener) => Socket::Tcp(listener.accept()?.0),
            Self::Unix(listener, _) => Socket::Unix(listener.accept()?.0),
        };
        socket.set_nonblocking(true)?;
        socket.set_no_delay()?;
        Ok(socket)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}
