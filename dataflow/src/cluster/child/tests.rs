#![allow(clippy::unwrap_used)]

use std::io::BufRead;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;

use serde_json::json;

use super::*;

/// Longest wait for a line.
const WITHIN: Duration = Duration::from_secs(60);

struct Fixture {
    _directory: tempfile::TempDir,
    link: Option<ChildLink>,
    ticks: Arc<AtomicU64>,
    lost: Receiver<()>,
    supervisor: BufReader<UnixStream>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|| Duration::ZERO)
    }

    fn with(run_delay: fn() -> Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(control_path(directory.path()).unwrap()).unwrap();
        let assignment = Assignment {
            process: 2,
            processes: 3,
            generation: ClusterGeneration(9),
            directory: directory.path().to_owned(),
        };
        let ticks = Arc::new(AtomicU64::new(0));
        let (on_lost, lost) = channel();
        let link = ChildLink::connect_with(&assignment, Arc::clone(&ticks), run_delay, move || {
            on_lost.send(()).unwrap()
        });
        let supervisor = BufReader::new(listener.accept().unwrap().0);
        supervisor.get_ref().set_read_timeout(Some(WITHIN)).unwrap();
        Self { _directory: directory, link: Some(link.unwrap()), ticks, lost, supervisor }
    }

    fn line(&mut self) -> io::Result<serde_json::Value> {
        let mut line = String::new();
        self.supervisor.read_line(&mut line)?;
        Ok(serde_json::from_str(&line).unwrap_or_default())
    }
}

#[test]
fn heartbeats_come_only_while_the_worker_loop_turns() {
    let mut fixture = Fixture::new();
    let hello = fixture.line().unwrap();
    assert_eq!(hello, json!({"process": 2, "generation": 9, "body": {"hello": {"pid": std::process::id()}}}));
    let patience = fixture.supervisor.get_ref().try_clone().unwrap();
    patience.set_read_timeout(Some(BEAT * 2)).unwrap();
    assert!(fixture.line().is_err(), "a heartbeat although the loop never turned");
    patience.set_read_timeout(Some(WITHIN)).unwrap();
    fixture.ticks.store(41, Ordering::Relaxed);
    assert_eq!(fixture.line().unwrap()["body"], json!({"heartbeat": {"ticks": 41}}));
    patience.set_read_timeout(Some(BEAT * 2)).unwrap();
    assert!(fixture.line().is_err(), "a heartbeat although the loop stands still");
}

#[test]
fn a_worker_loop_that_waits_for_a_processor_is_not_silent() {
    static WAITED: AtomicU64 = AtomicU64::new(0);
    let run_delay = || Duration::from_millis(WAITED.fetch_add(300, Ordering::Relaxed));
    let mut fixture = Fixture::with(run_delay);
    fixture.ticks.store(41, Ordering::Relaxed);
    let bodies: Vec<_> = (0..4).map(|_| fixture.line().unwrap()["body"].clone()).collect();
    assert!(bodies[1..].iter().all(|body| *body == json!({"heartbeat": {"ticks": 41}})), "{bodies:?}");
}

#[test]
fn the_order_to_stop_arrives_and_the_loss_of_the_supervisor_is_noticed() {
    let fixture = Fixture::new();
    let stopping = fixture.link.as_ref().unwrap().stopping();
    let mut supervisor = fixture.supervisor.get_ref();
    assert!(!stopping.load(Ordering::SeqCst));
    supervisor.write_all(b"\"stop\"\n").unwrap();
    supervisor.shutdown(Shutdown::Write).unwrap();
    fixture.lost.recv().unwrap();
    assert!(stopping.load(Ordering::SeqCst));
}

#[test]
fn garbage_from_the_supervisor_counts_as_its_loss() {
    let fixture = Fixture::new();
    fixture.supervisor.get_ref().write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
    fixture.lost.recv().unwrap();
}

#[test]
fn a_closed_link_sends_its_queue_first() {
    let mut fixture = Fixture::new();
    let link = fixture.link.take().unwrap();
    let sender = link.sender();
    (0..100).for_each(|number| sender.send(json!(number)).unwrap());
    drop(link);
    fixture.line().unwrap();
    for number in 0..100 {
        assert_eq!(fixture.line().unwrap()["body"], json!({"message": number}));
    }
    assert_eq!(fixture.line().unwrap(), serde_json::Value::Null);
    assert!(fixture.lost.recv().is_err(), "closing is not losing");
    assert!(matches!(sender.send(json!(0)), Err(ChildError::Lost)));
}

#[test]
fn a_supervisor_that_does_not_read_never_blocks_the_sender() {
    let mut fixture = Fixture::new();
    let link = fixture.link.take().unwrap();
    let big = json!("x".repeat(10_000));
    let results: Vec<_> = (0..QUEUE * 2).map(|_| link.send(big.clone())).collect();
    assert!(results.iter().any(|result| matches!(result, Err(ChildError::QueueFull))));
    drop(link);
}

#[test]
fn a_message_that_is_too_long_is_dropped_and_the_link_continues() {
    let mut fixture = Fixture::new();
    fixture.line().unwrap();
    let link = fixture.link.take().unwrap();
    link.send(json!("x".repeat(control::MAX_LINE))).unwrap();
    link.send(json!("short")).unwrap();
    assert_eq!(fixture.line().unwrap()["body"], json!({"message": "short"}));
    drop(link);
}
