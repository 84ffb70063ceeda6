//! Syncs a file on a thread of its own, when somebody asks how far it is synced: a sync may take long, and the
//! one who writes must not wait for it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use super::LineError;
use crate::private::{folder_of, sync_folder};

/// Syncs one file. The thread ends with this value, after the sync under way.
pub(super) struct Syncer {
    /// To the thread: numbers of triggers that were written before.
    asked: mpsc::SyncSender<u64>,
    state: Arc<Mutex<SyncState>>,
}

#[derive(Default)]
struct SyncState {
    synced: u64,
    failure: Option<io::Error>,
}

fn lock(state: &Mutex<SyncState>) -> MutexGuard<'_, SyncState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Syncer {
    /// Starts the thread for the file at `path`.
    ///
    /// # Errors
    /// If it can't be started.
    pub(super) fn start(file: File, path: &Path) -> Result<Self, LineError> {
        // One place: while a sync is under way, the next one is asked for again by whoever still waits.
        let (asked, numbers) = mpsc::sync_channel(1);
        let state = Arc::<Mutex<SyncState>>::default();
        let (syncing, path) = (Arc::clone(&state), path.to_owned());
        let run = move || {
            let mut folder = Some(path);
            for number in numbers {
                let synced = sync(&file, &mut folder);
                let mut state = lock(&syncing);
                match synced {
                    Ok(()) => state.synced = number,
                    Err(error) => {
                        state.failure = Some(error);
                        return;
                    }
                }
            }
        };
        thread::Builder::new().name("lines-sync".to_owned()).spawn(run).map_err(LineError::Write)?;
        Ok(Syncer { asked, state })
    }

    /// Number of triggers that are synced; asks for a sync if that is less than `written`, all of which were
    /// handed to the system.
    pub(super) fn synced(&self, written: u64) -> u64 {
        let synced = lock(&self.state).synced;
        if synced < written {
            // Full while a sync is under way; gone after a failure, which `check` reports.
            let _ = self.asked.try_send(written);
        }
        synced
    }

    /// # Errors
    /// If a sync has failed: what was written since the one before may be lost.
    pub(super) fn check(&self) -> Result<(), LineError> {
        match &lock(&self.state).failure {
            Some(error) => Err(LineError::Write(io::Error::new(error.kind(), error.to_string()))),
            None => Ok(()),
        }
    }
}

/// Syncs a file, and the first time its name too.
fn sync(file: &File, path: &mut Option<PathBuf>) -> io::Result<()> {
    file.sync_data()?;
    if let Some(path) = path.take() {
        sync_folder(folder_of(&path))?;
    }
    Ok(())
}
