#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use super::super::address::socket_path;
use super::super::arrival::HANDSHAKE_WITHIN;
use super::super::generation::ClusterGeneration;
use super::super::handshake::{ANSWER_BYTES, Dialing, GREETING_BYTES};
use super::super::membership::Transport;
use super::super::seal::SealKeys;
use super::super::secret::Secret;
use super::super::socket::Socket;
use super::testing::{tcp_memberships, unix_memberships};
use super::*;

type Formed = Result<Vec<Option<Link>>, BootstrapError>;

/// Forms over TCP in a thread; process n-1 has no listener, as in [`connect`].
fn form_tcp(membership: Membership, listener: TcpListener) -> thread::JoinHandle<Formed> {
    thread::spawn(move || {
        let end = Instant::now() + membership.form_within;
        let listens = membership.process + 1 < membership.processes;
        let listener = listens.then(|| Listener::from_tcp(listener).unwrap());
        form(&membership, listener, end)
    })
}

/// Lets every pair of processes exchange a byte, so each socket is verified to lead to its peer.
fn check_mesh(formed: Vec<Formed>) {
    let mut mesh: Vec<_> = formed.into_iter().map(Result::unwrap).collect();
    for (me, sockets) in mesh.iter_mut().enumerate() {
        assert!(sockets[me].is_none());
        for socket in sockets.iter_mut().flatten() {
            socket.write_all(&[u8::try_from(me).unwrap()]).unwrap();
        }
    }
    for sockets in &mut mesh {
        for (peer, socket) in sockets.iter_mut().enumerate() {
            let Some(socket) = socket else { continue };
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            assert_eq!(usize::from(byte[0]), peer);
        }
    }
}

fn join(threads: Vec<thread::JoinHandle<Formed>>) -> Vec<Formed> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn connect_all(members: Vec<Membership>) -> Vec<Formed> {
    join(members.into_iter().map(|member| thread::spawn(move || connect(&member))).collect())
}

#[test]
fn processes_form_over_unix_sockets_and_leave_no_file() {
    for processes in [1, 2, 3, 12] {
        let directory = tempfile::tempdir().unwrap();
        check_mesh(connect_all(unix_memberships(directory.path(), processes)));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn processes_form_over_tcp_with_the_options_timely_needs() {
    for processes in [2, 3] {
        let threads = tcp_memberships(processes).into_iter().map(|(m, l)| form_tcp(m, l)).collect();
        let formed = join(threads);
        let Some(Socket::Tcp(stream)) = formed[0].as_ref().unwrap()[1].as_ref().map(Link::socket) else {
            panic!("not TCP")
        };
        assert!(stream.nodelay().unwrap());
        assert_eq!(stream.read_timeout().unwrap(), None);
        assert_eq!(stream.write_timeout().unwrap(), None);
        check_mesh(formed);
    }
}

/// Connections of strangers to the listener of process 0. Each stays open until the end.
fn strangers(address: std::net::SocketAddr, member: &Membership) -> Vec<TcpStream> {
    let dial = || TcpStream::connect(address).unwrap();
    let mut held: Vec<_> = (0..200).map(|_| dial()).collect();
    let mut say = |bytes: &[u8]| {
        let mut stream = dial();
        let _ = stream.write_all(bytes);
        held.push(stream);
    };
    say(b"GET / HTTP/1.1\r\nHost: strateye\r\n\r\n");
    say(&[0, 0, 0, 0, 0, 0, 0, 1]);
    say(b"strateye");
    let hello = *Dialing::new(member, 0, 1, &[9; 32]).greeting();
    say(&hello[..GREETING_BYTES - 1]);
    say(&[hello.as_slice(), &[0; 32]].concat());
    for length in [1, 84, 115, 116, 117, 148, 5000] {
        say(&(0..length).map(|_| rand::random()).collect::<Vec<u8>>());
    }
    let mut reflecting = dial();
    let mut answer = [0; ANSWER_BYTES];
    reflecting.write_all(&hello).unwrap();
    reflecting.read_exact(&mut answer).unwrap();
    let _ = reflecting.write_all(&answer[84..]);
    held.push(reflecting);
    drop(dial());
    held
}

#[test]
fn strangers_neither_stop_nor_slow_nor_join_a_cluster() {
    let mut members = tcp_memberships(2);
    let (second, unused) = members.pop().unwrap();
    let (first, listener) = members.pop().unwrap();
    let address = listener.local_addr().unwrap();
    let forming = form_tcp(first, listener);
    let held = strangers(address, &second);
    let started = Instant::now();
    let second = form_tcp(second, unused);
    check_mesh(join(vec![forming, second]));
    assert!(started.elapsed() < HANDSHAKE_WITHIN, "strangers slowed the cluster: {:?}", started.elapsed());
    drop(held);
}

#[test]
fn strangers_at_a_unix_socket_do_no_harm_either() {
    let directory = tempfile::tempdir().unwrap();
    let mut members = unix_memberships(directory.path(), 2);
    let path = socket_path(directory.path(), 0, ClusterGeneration(7)).unwrap();
    let second = members.pop().unwrap();
    let first = members.pop().unwrap();
    let listener = Listener::bind(&first).unwrap();
    let end = Instant::now() + first.form_within;
    let forming = thread::spawn(move || form(&first, Some(listener), end));
    let silent = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let mut loud = std::os::unix::net::UnixStream::connect(&path).unwrap();
    loud.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(loud.read(&mut [0; 16]).unwrap_or(0), 0, "a stranger receives nothing");
    let second = connect(&second);
    check_mesh(vec![forming.join().unwrap(), second]);
    drop(silent);
}

/// An impostor holds the address at first: whatever it sends, the dialer tries again until the peer is there.
#[test]
fn an_impostor_that_listens_is_only_a_reason_to_try_again() {
    let mut members = tcp_memberships(2);
    let (second, unused) = members.pop().unwrap();
    let (first, listener) = members.pop().unwrap();
    let dialer = form_tcp(second, unused);
    for round in 0..4u8 {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; GREETING_BYTES];
        stream.read_exact(&mut hello).unwrap();
        match round {
            0 => drop(stream),
            1 => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap(),
            2 => stream.write_all(&[hello.as_slice(), &[7; 32]].concat()).unwrap(),
            _ => stream.write_all(&[1; 200]).unwrap(),
        }
    }
    let listening = form_tcp(first, listener);
    check_mesh(join(vec![listening, dialer]));
}

#[test]
fn a_replayed_transcript_does_not_join() {
    let mut members = tcp_memberships(2);
    let (mut second, unused) = members.pop().unwrap();
    let (first, listener) = members.pop().unwrap();
    let recorder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let honest = second.transport.clone();
    second.transport = Transport::Tcp(
        super::super::Hosts::parse(&format!("{}\nx:1", recorder.local_addr().unwrap())).unwrap(),
    );
    // A wire-tap relays one honest handshake up to the dialer's proof and then cuts it.
    let tapped = {
        let second = second.clone();
        thread::spawn(move || {
            super::super::dial::dial_peer(
                &Arc::new(second),
                0,
                Instant::now() + Duration::from_secs(1),
                &Stop::default(),
                &mpsc::channel().0,
            )
        })
    };
    let forming = form_tcp(first, listener);
    let (mut from_dialer, _) = recorder.accept().unwrap();
    drop(recorder);
    let mut to_listener = TcpStream::connect(address).unwrap();
    let (mut hello, mut answer, mut proof) = ([0; GREETING_BYTES], [0; ANSWER_BYTES], [0; 32]);
    from_dialer.read_exact(&mut hello).unwrap();
    to_listener.write_all(&hello).unwrap();
    to_listener.read_exact(&mut answer).unwrap();
    from_dialer.write_all(&answer).unwrap();
    from_dialer.read_exact(&mut proof).unwrap();
    drop((from_dialer, to_listener));
    tapped.join().unwrap();
    let mut replay = TcpStream::connect(address).unwrap();
    replay.write_all(&hello).unwrap();
    replay.read_exact(&mut answer).unwrap();
    replay.write_all(&proof).unwrap();
    assert_eq!(replay.read(&mut [0; 32]).unwrap_or(0), 0, "the replay was accepted");
    second.transport = honest;
    check_mesh(join(vec![forming, form_tcp(second, unused)]));
}

#[test]
fn a_wrong_secret_is_reported_by_the_dialer_and_does_not_join() {
    let mut members = tcp_memberships(3);
    let (mut third, unused) = members.pop().unwrap();
    third.secret = Secret::random().unwrap();
    third.form_within = Duration::from_millis(1000);
    members.iter_mut().for_each(|(member, _)| member.form_within = Duration::from_millis(2000));
    let mut threads: Vec<_> = members.into_iter().map(|(m, l)| form_tcp(m, l)).collect();
    threads.push(form_tcp(third, unused));
    let formed = join(threads);
    let missing = |index: usize| match &formed[index] {
        Err(BootstrapError::Incomplete { missing, .. }) => missing.clone(),
        other => panic!("{index}: {other:?}"),
    };
    assert_eq!(missing(0).iter().map(|missing| missing.process).collect::<Vec<_>>(), [2]);
    assert_eq!(missing(2).iter().map(|missing| missing.process).collect::<Vec<_>>(), [0, 1]);
    assert!(missing(2)[0].reason.contains("same secret"), "{}", missing(2)[0]);
}

#[test]
fn nobody_waits_for_a_process_that_can_never_fit() {
    for alter in [
        (|member: &mut Membership| member.build = 1) as fn(&mut Membership),
        |member| member.threads = 4,
        |member| member.generation = ClusterGeneration(6),
    ] {
        let mut members = tcp_memberships(2);
        alter(&mut members[1].0);
        // A leftover of an older generation gives up at once; the newer process waits for the right one.
        members[0].0.form_within = Duration::from_secs(2);
        let old_generation = members[1].0.generation == ClusterGeneration(6);
        let formed = join(members.into_iter().map(|(m, l)| form_tcp(m, l)).collect());
        assert!(matches!(formed[1], Err(BootstrapError::Mismatch { process: 0, .. })), "{:?}", formed[1]);
        match &formed[0] {
            Err(BootstrapError::Incomplete { missing, .. }) if old_generation => {
                assert!(missing[0].reason.contains("generation 6"), "{}", missing[0]);
            }
            Err(BootstrapError::Mismatch { process: 1, .. }) if !old_generation => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_leftover_of_an_older_generation_does_not_hinder_the_new_one() {
    let mut members = tcp_memberships(2);
    let (second, unused) = members.pop().unwrap();
    let (first, listener) = members.pop().unwrap();
    let mut leftover = second.clone();
    leftover.generation = ClusterGeneration(6);
    let forming = form_tcp(first, listener);
    let leftover = form_tcp(leftover, TcpListener::bind("127.0.0.1:0").unwrap()).join().unwrap();
    assert!(leftover.unwrap_err().to_string().contains("generation 7"));
    check_mesh(join(vec![forming, form_tcp(second, unused)]));
}

#[test]
fn the_missing_are_named_at_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let mut members = unix_memberships(directory.path(), 3);
    members.iter_mut().for_each(|member| member.form_within = Duration::from_millis(200));
    let error = connect(&members[1]).unwrap_err();
    let BootstrapError::Incomplete { missing, .. } = &error else { panic!("{error}") };
    assert_eq!(missing.iter().map(|missing| missing.process).collect::<Vec<_>>(), [0, 2]);
    assert!(error.to_string().contains("process 2 at"), "{error}");
}

#[test]
fn the_last_attempt_of_a_process_counts() {
    let directory = tempfile::tempdir().unwrap();
    let members = unix_memberships(directory.path(), 2);
    let (sender, arrivals) = mpsc::channel();
    let mut ends = Vec::new();
    let mut forming = Forming::new(&members[0]);
    for attempt in [5, 9, 7] {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let keys = SealKeys { sending: [0; 32], receiving: [0; 32] };
        let link = Link::new(Socket::Unix(ours), &keys).unwrap();
        forming.arrive(Arrival::Connected { process: 1, attempt, link }).unwrap();
        ends.push(theirs);
    }
    drop(sender);
    let mut sockets = forming.collect(&arrivals, Instant::now()).unwrap();
    sockets[1].as_mut().unwrap().write_all(b"!").unwrap();
    sockets[1].as_ref().unwrap().socket().shutdown(std::net::Shutdown::Both).unwrap();
    let read: Vec<_> = ends.iter_mut().map(|end| end.read(&mut [0; 1]).unwrap()).collect();
    assert_eq!(read, [0, 1, 0]);
}
