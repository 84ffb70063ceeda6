//! States of rules, written in the background: a server that is away must not hold up the engine.
//!
//! Of each version of each rule only the latest state waits; a later one takes the place of an earlier one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mysql_async::{Conn, prelude::Queryable};
use tokio::{runtime::Builder, sync::Notify};

use super::connect::{ANSWER, Database, Failure, Fault};
use crate::{SourceError, rules::RunState};

/// States that may wait.
const WAITING: usize = 10_000;
/// The longest detail that is kept, bytes; `TEXT` holds four times that.
const DETAIL: usize = 16_000;
/// How long the end waits for what is still to be written.
const LAST: Duration = Duration::from_secs(1);
/// The first pause before another attempt, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Writes states to `rule_status`.
#[derive(Debug)]
pub(super) struct StatusWriter {
    label: String,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<(String, u64), Entry>,
    /// One is being written.
    writing: bool,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    state: RunState,
    detail: String,
    /// When it was, seconds since 1970.
    at: f64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusWriter {
    pub(super) fn start(database: Database) -> Result<Self, SourceError> {
        let label = database.label.clone();
        let failed = |error: std::io::Error| SourceError::Thread {
            name: label.clone(),
            what: format!("could not be started ({error})"),
        };
        let shared = Arc::new(Shared::default());
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let writer = Arc::clone(&shared);
        let run = move || {
            runtime.block_on(write(&writer, &database));
            runtime.shutdown_background();
        };
        thread::Builder::new().name("rules.mysql.status".to_owned()).spawn(run).map_err(failed)?;
        Ok(StatusWriter { label, shared })
    }

    /// Has it written as soon as the server takes it.
    pub(super) fn write(
        &self,
        rule_id: &str,
        version: u64,
        state: RunState,
        detail: &str,
    ) -> Result<(), SourceError> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |at| at.as_secs_f64());
        let end = (0..=DETAIL.min(detail.len())).rev().find(|end| detail.is_char_boundary(*end));
        let detail = detail[..end.unwrap_or(0)].to_owned();
        let key = (rule_id.to_owned(), version);
        let mut queue = self.shared.lock();
        if queue.waiting.len() >= WAITING && !queue.waiting.contains_key(&key) {
            return Err(Fault::new(
                format!("{WAITING} states of rules wait to be written"),
                "check that the server answers and that its user may write rule_status",
            )
            .at(&self.label));
        }
        queue.waiting.insert(key, Entry { state, detail, at });
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for StatusWriter {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        self.shared.changed.notify_one();
        let busy = |queue: &mut Queue| queue.writing || !queue.waiting.is_empty();
        let waited = self.shared.written.wait_timeout_while(queue, LAST, busy);
        // What could not be written is in the log, too.
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        queue.waiting.clear();
    }
}

/// Writes what waits, until nothing will come any more.
async fn write(shared: &Shared, database: &Database) {
    let mut conn: Option<Conn> = None;
    let mut pause = PAUSE;
    loop {
        let Some((key, entry)) = next(shared).await else { return };
        match put(&mut conn, database, &key, &entry).await {
            Ok(()) => {
                pause = PAUSE;
                done(shared);
            }
            Err(failure) => {
                conn = None;
                if let Some(reason) = again(shared, key, entry, failure)
                    && pause == PAUSE
                {
                    tracing::warn!(store = %database.label, %reason, "states of rules wait to be written");
                }
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn next(shared: &Shared) -> Option<((String, u64), Entry)> {
    loop {
        {
            let mut queue = shared.lock();
            if let Some(first) = queue.waiting.pop_first() {
                queue.writing = true;
                return Some(first);
            }
            if queue.closed {
                return None;
            }
        }
        shared.changed.notified().await;
    }
}

fn done(shared: &Shared) {
    shared.lock().writing = false;
    shared.written.notify_all();
}

/// Puts a state back, unless there is a later one; why it has to wait.
fn again(shared: &Shared, key: (String, u64), entry: Entry, failure: Failure) -> Option<String> {
    let reason = match failure {
        Failure::Away(reason) | Failure::Gap(reason) => reason,
        Failure::Refused(fault) | Failure::Fatal(fault) => fault.reason,
    };
    let mut queue = shared.lock();
    queue.writing = false;
    if queue.closed {
        queue.waiting.clear();
    } else {
        queue.waiting.entry(key).or_insert(entry);
    }
    drop(queue);
    shared.written.notify_all();
    Some(reason)
}

async fn put(
    conn: &mut Option<Conn>,
    database: &Database,
    (rule_id, version): &(String, u64),
    Entry { state, detail, at }: &Entry,
) -> Result<(), Failure> {
    if conn.is_none() {
        *conn = Some(database.connect().await?);
    }
    let Some(conn) = conn else { return Ok(()) };
    let state = state.as_str();
    let statement = "INSERT INTO rule_status (rule_id, version, state, detail, at)
        VALUES (?, ?, ?, ?, FROM_UNIXTIME(?))
        ON DUPLICATE KEY UPDATE state = ?, detail = ?, at = FROM_UNIXTIME(?)";
    let values = (rule_id, version, state, detail, at, state, detail, at);
    match tokio::time::timeout(ANSWER, conn.exec_drop(statement, values)).await {
        // A value the table does not take today it does not take tomorrow.
        Ok(Err(mysql_async::Error::Server(error))) if UNFIT.contains(&error.code) => {
            tracing::warn!(store = %database.label, rule_id, version, %error, "a rule's state can't be written");
            Ok(())
        }
        Ok(written) => Ok(written?),
        Err(_) => Err(Failure::Away(format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

/// Errors about a value: too long, out of range, null, not text.
const UNFIT: [u16; 5] = [1406, 1264, 1048, 1366, 1292];
