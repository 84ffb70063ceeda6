//! Strangers at every socket on which a cluster listens: scans, other protocols, garbage, silent connections.
//!
//! The cluster forms, works, and admits none of them.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value as Json, json};
use strateye_tests::command::{Running, children};
use tempfile::TempDir;

use crate::{engine::signal, load::now, waiting::until};

/// Bytes that strangers send: none and close, HTTP, the beginning of TLS, line ends, garbage short and long,
/// and almost a hello.
const SENT: [&[u8]; 7] = [
    b"",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
    b"\r\n\r\n",
    &[0xff; 64],
    &[0; 100_000],
    b"strateye\0\0\0\x01\0\0\0\x01\0\0\0\0",
];
/// Connections of a stranger that stay open and send nothing, or not everything.
const SILENT: usize = 8;
/// Events of the load.
const EVENTS: u64 = 3_000;

/// An address at which a process listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ListenAddress {
    Tcp(u16),
    Unix(PathBuf),
}

trait Pipe: Read + Write + Send {}
impl<T: Read + Write + Send> Pipe for T {}

impl ListenAddress {
    fn connect(&self) -> std::io::Result<Box<dyn Pipe>> {
        let short = Some(Duration::from_millis(20));
        Ok(match self {
            ListenAddress::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_read_timeout(short)?;
                stream.set_write_timeout(short)?;
                Box::new(stream)
            }
            ListenAddress::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(short)?;
                stream.set_write_timeout(short)?;
                Box::new(stream)
            }
        })
    }
}

/// Addresses at which processes listen, according to the system.
fn listen_addresses(processes: &[u32]) -> BTreeSet<ListenAddress> {
    let mut sockets = BTreeSet::new();
    for process in processes {
        for file in fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten() {
            // It may be closed by now.
            let target = fs::read_link(file.path()).unwrap_or_default().display().to_string();
            sockets.extend(target.strip_prefix("socket:[").map(|it| it.trim_end_matches(']').to_owned()));
        }
    }
    let table = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let mut listen_addresses = BTreeSet::new();
    for line in [table("tcp"), table("tcp6")].concat().lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Local address, state (0A: listening), inode.
        if fields.len() > 9 && fields[3] == "0A" && sockets.contains(fields[9]) {
            let port = fields[1].rsplit(':').next().unwrap();
            listen_addresses.insert(ListenAddress::Tcp(u16::from_str_radix(port, 16).unwrap()));
        }
    }
    for line in table("unix").lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Flags (00010000: listening), inode, path.
        if fields.len() > 7 && fields[3] == "00010000" && sockets.contains(fields[6]) {
            listen_addresses.insert(ListenAddress::Unix(fields[7].into()));
        }
    }
    listen_addresses
}

/// Strangers that connect again and again to every address at which these processes, or their children,
/// listen.
struct Strangers {
    over: Arc<AtomicBool>,
    visits: Arc<AtomicU64>,
    thread: JoinHandle<BTreeSet<ListenAddress>>,
}

impl Strangers {
    fn come(processes: Vec<u32>) -> Self {
        let (over, visits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (end, count) = (Arc::clone(&over), Arc::clone(&visits));
        let thread = thread::spawn(move || {
            let (mut seen, mut silent) = (BTreeSet::new(), Vec::new());
            for said in SENT.iter().cycle() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let all = processes.iter().flat_map(|pid| [vec![*pid], children(*pid)].concat());
                for ear in listen_addresses(&all.collect::<Vec<_>>()) {
                    let Ok(mut stream) = ear.connect() else { continue };
                    // The connection may be closed at any time, and anything may be answered.
                    let _ = stream.write_all(said);
                    let _ = stream.read(&mut [0; 1024]);
                    count.fetch_add(1, Ordering::SeqCst);
                    if silent.len() < SILENT {
                        silent.push(stream);
                    } else {
                        let at = seen.len() % SILENT;
                        silent[at] = stream;
                    }
                    seen.insert(ear);
                }
            }
            seen
        });
        Strangers { over, visits, thread }
    }

    /// Waits for `more` further connections.
    fn await_visits(&self, more: u64) {
        let before = self.visits.load(Ordering::SeqCst);
        until("strangers come", || self.visits.load(Ordering::SeqCst) >= before + more);
    }

    /// Stops the strangers; returns the addresses they connected to.
    fn go(self) -> BTreeSet<ListenAddress> {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// A folder with a rule that fires for every event.
fn scene() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    let rule = json!({"rule_id": "r", "trigger": {"event": {"id": "A"}}});
    fs::write(folder.path().join("rules/r.json"), rule.to_string()).unwrap();
    folder
}

fn start(folder: &TempDir, arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strateye"));
    Running::start(command.args(arguments).current_dir(folder.path()).env("TMPDIR", folder.path()))
}

/// Sends the load; every event fires, whichever process its user belongs to.
fn work(running: &mut Running) {
    for guid in 1..=EVENTS {
        running.write(&json!({"guid": guid, "event_id": "A", "event_time": now()}).to_string());
    }
    let key = |line: String| serde_json::from_str::<Json>(&line).unwrap()["key"].as_u64().unwrap();
    let mut keys: Vec<u64> = (0..EVENTS).map(|_| key(running.output_line())).collect();
    keys.sort_unstable();
    assert!(keys.into_iter().eq(1..=EVENTS));
}

fn in_force(running: &mut Running) {
    running.log_until("the rule", |line| line.contains("rule in force").then_some(()));
}

#[test]
fn a_supervised_cluster_forms_and_works_among_strangers() {
    let folder = scene();
    let mut running = start(
        &folder,
        &["run", "--rules", "rules", "--events", "-", "--processes", "3", "--metrics", "127.0.0.1:0"],
    );
    let strangers = Strangers::come(vec![running.pid()]);
    in_force(&mut running);
    strangers.await_visits(50);
    work(&mut running);
    // It forms once more, with strangers from the beginning.
    signal(children(running.pid())[1], Signal::KILL);
    running.log_until("the restart", |line| line.contains("cluster running generation=2").then_some(()));
    strangers.await_visits(50);
    work(&mut running);
    let seen = strangers.go();
    let at =
        |what: &str| seen.iter().any(|ear| matches!(ear, ListenAddress::Unix(path) if path.ends_with(what)));
    assert!(at("control.sock") && seen.iter().any(|ear| matches!(ear, ListenAddress::Tcp(_))), "{seen:?}");
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let restarts = finished.log.iter().filter(|line| line.contains("restarting as generation")).count();
    assert_eq!(restarts, 1, "{}", finished.all());
}

#[test]
fn a_cluster_over_machines_forms_and_works_among_strangers() {
    let folder = scene();
    // Both are held until both are known, so that they differ.
    let ports = [0, 1].map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = ports.map(|port| port.local_addr().unwrap());
    fs::write(folder.path().join("hosts"), format!("{}\n{}\n", addresses[0], addresses[1])).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "a secret of many letters").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let worker = |process: &'static str| {
        ["worker", "--rules", "rules", "--hosts", "hosts", "--process", process, "--secret", "secret"]
    };
    let mut first = start(&folder, &[&worker("0")[..], &["--events", "-"]].concat());
    let strangers = Strangers::come(vec![first.pid()]);
    // The first one waits for the second, with strangers only.
    strangers.await_visits(50);
    let second = start(&folder, &worker("1"));
    in_force(&mut first);
    assert_eq!(strangers.go(), [ListenAddress::Tcp(addresses[0].port())].into());
    // No process can join a cluster that has formed: it does not listen.
    assert_eq!(listen_addresses(&[first.pid(), second.pid()]), BTreeSet::new());
    work(&mut first);
    for process in [first, second] {
        let finished = process.wait();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }
}
