//! What is written in the background: a server that is away, or a row that somebody has locked, must not hold up the engine.
//!
//! Of each key only the latest note waits; a later one takes the place of an earlier one. Those that wait take turns, so that
//! one that can't be written keeps no other one back.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use mysql_async::{Conn, Error, prelude::Queryable};
use tokio::{runtime::Builder, sync::Notify};

use super::connect::{ANSWER, Database, Failure, Fault, within};
use crate::SourceError;

/// Notes that may wait.
const WAITING: usize = 10_000;
/// How long the end waits for what is still to be written.
const LAST: Duration = Duration::from_secs(1);
/// The first pause before another attempt, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Something that is written for people to read.
pub(super) trait Note: Clone + Send + 'static {
    /// Notes of one key take each other's place.
    type Key: Clone + Ord + Send + std::fmt::Debug;
    /// What such notes are, for messages.
    const WHAT: &'static str;
    /// What is said to the server first.
    const SESSION: Option<&'static str>;
    /// Errors after which it is given up: tomorrow the server would say the same.
    const UNFIT: &'static [u16];

    /// Writes it.
    async fn put(&self, key: &Self::Key, conn: &mut Conn) -> Result<(), Error>;
}

/// Writes notes of one kind, over a connection of its own.
#[derive(Debug)]
pub(super) struct Writer<N: Note> {
    label: String,
    shared: Arc<Shared<N>>,
}

#[derive(Debug)]
struct Shared<N: Note> {
    queue: Mutex<Queue<N>>,
    changed: Notify,
    written: Condvar,
}

#[derive(Debug)]
struct Queue<N: Note> {
    waiting: BTreeMap<N::Key, N>,
    /// The key whose turn was last.
    last: Option<N::Key>,
    /// One is being written.
    writing: bool,
    closed: bool,
}

impl<N: Note> Queue<N> {
    fn next(&mut self) -> Option<(N::Key, N)> {
        let behind = self.last.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let turn = self.waiting.range((behind, Bound::Unbounded)).next().or(self.waiting.iter().next());
        let key = turn.map(|(key, _)| key.clone())?;
        let next = self.waiting.remove_entry(&key);
        (self.last, self.writing) = (Some(key), true);
        next
    }
}

impl<N: Note> Shared<N> {
    fn lock(&self) -> MutexGuard<'_, Queue<N>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Note> Writer<N> {
    /// Starts the thread of that name.
    pub(super) fn start(name: &str, database: Database) -> Result<Self, SourceError> {
        let label = database.label.clone();
        let failed = |error: std::io::Error| SourceError::Thread {
            name: label.clone(),
            what: format!("could not be started ({error})"),
        };
        let queue = Queue { waiting: BTreeMap::new(), last: None, writing: false, closed: false };
        let shared =
            Arc::new(Shared { queue: Mutex::new(queue), changed: Notify::new(), written: Condvar::new() });
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let writer = Arc::clone(&shared);
        let run = move || {
            runtime.block_on(write(&*writer, &database));
            runtime.shutdown_background();
        };
        thread::Builder::new().name(name.to_owned()).spawn(run).map_err(failed)?;
        Ok(Writer { label, shared })
    }

    /// Has it written as soon as the server takes it.
    pub(super) fn write(&self, key: N::Key, note: N) -> Result<(), SourceError> {
        let mut queue = self.shared.lock();
        if queue.waiting.len() >= WAITING && !queue.waiting.contains_key(&key) {
            return Err(Fault::new(
                format!("{WAITING} {} wait to be written", N::WHAT),
                "check that the server answers and that its user may write them",
            )
            .at(&self.label));
        }
        queue.waiting.insert(key, note);
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl<N: Note> Drop for Writer<N> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        self.shared.changed.notify_one();
        let busy = |queue: &mut Queue<N>| queue.writing || !queue.waiting.is_empty();
        let waited = self.shared.written.wait_timeout_while(queue, LAST, busy);
        // What could not be written is in the log, too.
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        queue.waiting.clear();
    }
}

/// Writes what waits, until nothing will come any more.
async fn write<N: Note>(shared: &Shared<N>, database: &Database) {
    let mut conn: Option<Conn> = None;
    let mut pause = PAUSE;
    loop {
        let Some((key, note)) = next(shared).await else { return };
        match put(&mut conn, database, &key, &note).await {
            Ok(()) => {
                pause = PAUSE;
                done(shared);
            }
            Err(failure) => {
                conn = None;
                if let Some(reason) = again(shared, key, note, failure)
                    && pause == PAUSE
                {
                    tracing::warn!(store = %database.label, %reason, "{} wait to be written", N::WHAT);
                }
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn next<N: Note>(shared: &Shared<N>) -> Option<(N::Key, N)> {
    loop {
        {
            let mut queue = shared.lock();
            if let Some(next) = queue.next() {
                return Some(next);
            }
            if queue.closed {
                return None;
            }
        }
        shared.changed.notified().await;
    }
}

fn done<N: Note>(shared: &Shared<N>) {
    shared.lock().writing = false;
    shared.written.notify_all();
}

/// Puts a note back, unless there is a later one; why it has to wait.
fn again<N: Note>(shared: &Shared<N>, key: N::Key, note: N, failure: Failure) -> Option<String> {
    let reason = match failure {
        Failure::Away(reason) | Failure::Gap(reason) => reason,
        Failure::Refused(fault) | Failure::Fatal(fault) => format!("{}; {}", fault.reason, fault.remedy),
    };
    let mut queue = shared.lock();
    queue.writing = false;
    if queue.closed {
        queue.waiting.clear();
    } else {
        queue.waiting.entry(key).or_insert(note);
    }
    drop(queue);
    shared.written.notify_all();
    Some(reason)
}

async fn put<N: Note>(
    conn: &mut Option<Conn>,
    database: &Database,
    key: &N::Key,
    note: &N,
) -> Result<(), Failure> {
    if conn.is_none() {
        let mut fresh = database.connect().await?;
        if let Some(session) = N::SESSION {
            within(ANSWER, fresh.query_drop(session)).await?;
        }
        *conn = Some(fresh);
    }
    let Some(conn) = conn else { return Ok(()) };
    match tokio::time::timeout(ANSWER, note.put(key, conn)).await {
        Ok(Err(Error::Server(error))) if N::UNFIT.contains(&error.code) => {
            tracing::warn!(store = %database.label, ?key, %error, "one of the {} can't be written", N::WHAT);
            Ok(())
        }
        Ok(written) => Ok(written?),
        Err(_) => Err(Failure::Away(format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug)]
    struct Nothing;

    impl Note for Nothing {
        type Key = u8;
        const WHAT: &'static str = "notes";
        const SESSION: Option<&'static str> = None;
        const UNFIT: &'static [u16] = &[];

        async fn put(&self, _: &u8, _: &mut Conn) -> Result<(), Error> {
            Ok(())
        }
    }

    #[test]
    fn those_that_wait_take_turns() {
        let mut queue = Queue { waiting: BTreeMap::new(), last: None, writing: false, closed: false };
        let mut served = Vec::new();
        for _ in 0..2 {
            queue.waiting.extend([(1, Nothing), (2, Nothing), (3, Nothing)]);
            for _ in 0..4 {
                let (key, note) = queue.next().unwrap();
                served.push(key);
                if key == 1 {
                    // It could not be written.
                    queue.waiting.insert(key, note);
                }
            }
        }
        assert_eq!(served, [1, 2, 3, 1, 2, 3, 1, 1]);
    }
}
