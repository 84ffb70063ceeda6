//! Corrections of state by people: read from the store's stream of edits.
//!
//! They are removed once a checkpoint includes them.

use std::sync::mpsc;

use operators::ops::Correction;
use sinks::checkpoint::{CheckpointError, CheckpointStore, Edit};

use super::fail_point::reach;

/// Upper bound of corrections read at once.
const AT_ONCE: usize = 1_000;

/// Corrections read at once.
pub(super) struct ReadCorrections {
    /// Position of the last one in the stream of edits.
    pub(super) position: String,
    pub(super) corrections: Vec<Correction>,
}

/// Progress of reading and trimming the stream of edits.
pub(super) struct Corrections {
    /// Position of the last edit handed on.
    read: Option<String>,
    /// Position of the last edit removed.
    trimmed: Option<String>,
}

impl Corrections {
    /// Continues after the last edit that the last commit includes.
    pub(super) fn new(committed: Option<String>) -> Self {
        Corrections { read: committed.clone(), trimmed: committed }
    }

    /// Reads new edits and hands them on. If the store is away or the channel full, the next call does so.
    ///
    /// # Errors
    /// If the store can't be used.
    pub(super) fn read(
        &mut self,
        store: &mut dyn CheckpointStore,
        to: &mpsc::SyncSender<ReadCorrections>,
    ) -> Result<(), CheckpointError> {
        let edits = match store.edits(self.read.as_deref(), AT_ONCE) {
            Ok(edits) => edits,
            Err(error) if error.is_transient() => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(position) = edits.last().map(|edit| edit.position.clone()) else { return Ok(()) };
        let corrections = edits.iter().filter_map(correction).collect();
        if to.try_send(ReadCorrections { position: position.clone(), corrections }).is_ok() {
            self.read = Some(position);
        }
        Ok(())
    }

    /// Removes the edits up to `committed`, which a checkpoint includes. Edits that stay because the store is
    /// away are removed with the next call.
    pub(super) fn trim(&mut self, store: &mut dyn CheckpointStore, committed: Option<String>) {
        if let Some(position) = committed.filter(|c| Some(c) != self.trimmed.as_ref()) {
            reach("trim:before");
            if store.trim_edits(&position).is_ok() {
                self.trimmed = Some(position);
            }
            reach("trim:after");
        }
    }
}

/// Reads an edit; one that lacks a field is logged and skipped.
fn correction(edit: &Edit) -> Option<Correction> {
    let field = |name: &str| edit.pairs.iter().find(|(n, _)| n == name).map(|(_, text)| text.clone());
    let (Some(rule_id), Some(condition), Some(key)) = (field("rule"), field("condition"), field("key"))
    else {
        let position = &edit.position;
        tracing::warn!(
            position,
            "a correction is ignored; write `rule`, `condition`, `key`, `value` and `by`"
        );
        return None;
    };
    let by = field("by").unwrap_or_else(|| "unknown".to_owned());
    let text = field("value");
    // Without the key and the value, which are of a person.
    tracing::info!(rule_id, condition, by, "state is corrected");
    Some(Correction { rule_id, condition, key, text, by })
}
