#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::cluster::bootstrap::testing::tcp_memberships;
use crate::cluster::handshake::{ANSWER_BYTES, Dialing};

/// Connections that the system keeps until they are accepted.
const BACKLOG: usize = 64;

/// The acceptor of process 0, driven step by step.
struct Scene {
    acceptor: Acceptor,
    listener: Listener,
    address: SocketAddr,
    arrivals: Receiver<Arrival>,
    second: Membership,
}

impl Scene {
    fn new() -> Self {
        let mut members = tcp_memberships(2);
        let (second, _) = members.pop().unwrap();
        let (first, listener) = members.pop().unwrap();
        let (sender, arrivals) = channel();
        let address = listener.local_addr().unwrap();
        let listener = Listener::from_tcp(listener).unwrap();
        Scene { acceptor: Acceptor::new(&Arc::new(first), &sender), listener, address, arrivals, second }
    }

    fn serve_until(&mut self, mut done: impl FnMut(&Acceptor) -> bool) {
        while !done(&self.acceptor) {
            self.acceptor.wait_and_serve(&self.listener);
        }
    }

    /// Connects, says this, and waits until it is kept or refused.
    fn connect(&mut self, said: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(said).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// Many strangers, who say nothing.
    fn strangers(&mut self) -> Vec<TcpStream> {
        let mut held = Vec::new();
        for _ in 0..2 * MAX_STRANGERS / BACKLOG {
            held.extend((0..BACKLOG).map(|_| self.connect(b"")));
            self.acceptor.wait_and_serve(&self.listener);
            self.acceptor.wait_and_serve(&self.listener);
        }
        let kept = |acceptor: &Acceptor| acceptor.pending.iter().filter(|p| p.member().is_none()).count();
        self.serve_until(|acceptor| kept(acceptor) == MAX_STRANGERS);
        held
    }

    fn members(&self) -> Vec<(u32, u64)> {
        self.acceptor.pending.iter().filter_map(Pending::member).collect()
    }

    /// Reads the answer to a member's hello.
    fn answer(&mut self, stream: &mut TcpStream) -> [u8; ANSWER_BYTES] {
        let (mut answer, mut filled) = ([0; ANSWER_BYTES], 0);
        while filled < ANSWER_BYTES {
            self.acceptor.wait_and_serve(&self.listener);
            match stream.read(&mut answer[filled..]) {
                Ok(0) => panic!("it was displaced"),
                Ok(read) => filled += read,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        answer
    }
}

#[test]
fn a_member_whose_handshake_goes_on_is_not_displaced_by_strangers() {
    let mut scene = Scene::new();
    let second = scene.second.clone();
    let dialing = Dialing::new(&second, 0, 5, &fresh_nonce());
    let mut stream = scene.connect(dialing.greeting());
    let answer = scene.answer(&mut stream);
    let _held = scene.strangers();
    assert_eq!(scene.members(), [(1, 5)]);
    let proving = dialing.prove(&second.secret, &answer).unwrap();
    stream.write_all(&proving.proof).unwrap();
    while scene.acceptor.seen == [false] {
        scene.acceptor.wait_and_serve(&scene.listener);
    }
    assert!(matches!(scene.arrivals.recv().unwrap(), Arrival::Connected { process: 1, attempt: 5, .. }));
}

#[test]
fn a_hello_that_is_repeated_takes_no_place_and_the_next_attempt_does() {
    let mut scene = Scene::new();
    let second = scene.second.clone();
    let greeting = |attempt| *Dialing::new(&second, 0, attempt, &[9; 32]).greeting();
    let mut streams = vec![scene.connect(&greeting(5))];
    let mut first = streams.remove(0);
    scene.answer(&mut first);
    for attempt in [5, 4] {
        let refused = scene.acceptor.strangers;
        streams.push(scene.connect(&greeting(attempt)));
        scene.serve_until(|acceptor| acceptor.strangers > refused);
        assert_eq!(scene.members(), [(1, 5)], "{attempt}");
    }
    let mut next = scene.connect(&greeting(6));
    scene.answer(&mut next);
    assert_eq!(scene.members(), [(1, 6)]);
    // Whoever does not know the secret can't make up a hello of a member.
    let mut made_up = greeting(7);
    made_up[115] ^= 1;
    let mut stranger = scene.connect(&made_up);
    scene.answer(&mut stranger);
    assert_eq!(scene.members(), [(1, 6)]);
}
