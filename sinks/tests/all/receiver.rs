//! A small HTTP receiver with scripted answers that records its requests.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Headers by name in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    pub(crate) at: Instant,
    /// Address of the client.
    pub(crate) peer: SocketAddr,
}

impl Request {
    pub(crate) fn id(&self) -> &str {
        &self.headers["x-strateye-trigger"]
    }
}

/// Reaction of the receiver to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers with this status, these header lines and this body.
    Answer(u16, Vec<String>, String),
    /// Sends no answer while the receiver lives.
    Hang,
    /// Closes the connection without an answer.
    Close,
    /// Answers 200 after the call of [`Receiver::open`].
    Gated,
    /// Answers 200 with a body that never ends while the receiver lives.
    Endless,
}

/// An empty answer with this status and no further headers.
pub(crate) fn status(status: u16) -> Reply {
    Reply::Answer(status, Vec::new(), String::new())
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    open: bool,
    ended: bool,
}

type Script = Box<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    reply: Script,
}

/// A receiver, which is stopped when it is dropped.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Receiver {
    /// Starts a receiver; `reply` gets each request, and the number of earlier requests with the same trigger
    /// id.
    pub(crate) fn start(reply: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), reply: Box::new(reply) });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.state.lock().unwrap().ended {
                    return;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(stream.unwrap()));
            }
        });
        Receiver { shared, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Releases gated requests, present and future.
    pub(crate) fn open(&self) {
        self.shared.state.lock().unwrap().open = true;
        self.shared.changed.notify_all();
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// Blocks until at least `requests` requests have arrived.
    pub(crate) fn wait(&self, requests: usize) {
        let state = self.shared.state.lock().unwrap();
        let longest = Duration::from_secs(30);
        let waited = self.shared.changed.wait_timeout_while(state, longest, |s| s.requests.len() < requests);
        let (state, _) = waited.unwrap();
        assert!(state.requests.len() >= requests, "{} of {requests} requests came", state.requests.len());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().ended = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = read(&mut reader) {
            let reply = {
                let mut state = self.state.lock().unwrap();
                let before = state.requests.iter().filter(|r| r.id() == request.id()).count();
                state.requests.push(request.clone());
                drop(state);
                self.changed.notify_all();
                (self.reply)(&request, before)
            };
            let answer = match reply {
                Reply::Answer(status, headers, body) => {
                    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
                    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
                }
                Reply::Gated => {
                    self.wait_until(|state| state.open);
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
                }
                Reply::Hang => {
                    self.wait_until(|_| false);
                    return;
                }
                Reply::Close => return,
                Reply::Endless => {
                    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx";
                    let _ = stream.write_all(head.as_bytes());
                    self.wait_until(|_| false);
                    return;
                }
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn wait_until(&self, condition: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| !state.ended && !condition(state)).unwrap());
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
        at: Instant::now(),
        peer: reader.get_ref().peer_addr().ok()?,
    })
}
