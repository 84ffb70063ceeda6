//! Writes in the background: a server that is away, or a locked row, must not block the engine.
//!
//! Of each key only the latest note waits; a later note replaces an earlier one. Keys take turns, so a note
//! that can't be written does not block the others.

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

/// Upper bound of waiting notes.
const WAITING: usize = 10_000;
/// Longest time that dropping the writer waits for notes that are still to be written.
const LAST: Duration = Duration::from_secs(1);
/// First and longest pause before another attempt.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A note that is written to the database for display.
pub(super) trait Note: Clone + Send + 'static {
    /// Key of a note; a later note of the same key replaces an earlier one.
    type Key: Clone + Ord + Send + std::fmt::Debug;
    /// Name of these notes in messages.
    const WHAT: &'static str;
    /// Statement executed first on every new connection.
    const SESSION: Option<&'static str>;
    /// Server errors after which a note is discarded, as a retry would fail in the same way.
    const UNFIT: &'static [u16];

    /// Writes the note.
    async fn put(&self, key: &Self::Key, conn: &mut Conn) -> Result<(), Error>;
}

/// Writes notes of one kind, over its own connection.
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
    /// The key written last.
    last: Option<N::Key>,
    /// Whether a note is being written.
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
    /// Starts the thread, named `name`.
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

    /// Queues a note; it is written as soon as the server accepts it. Does not block.
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
        // Notes that could not be written are logged as well.
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        queue.waiting.clear();
    }
}

/// Writes waiting notes until the writer is closed and none is left.
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

/// Puts a note back, unless a later one waits or the writer is closed; returns the reason why it failed.
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
