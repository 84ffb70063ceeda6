//! A place for the mark of the state beside the rules, where rules are rows: a row of `rule_status`.
//!
//! Its `rule_id` begins with `@state:`, which no rule's does, and names the checkpoint store; `detail` has the
//! mark, which only its writer reads.

use crate::SourceError;

/// A place for a text outside the checkpoint store.
pub trait MarkPlace: Send {
    /// The place, for people; without passwords.
    fn name(&self) -> String;

    /// Reads the text written last; `None` if there is none. Blocks.
    ///
    /// # Errors
    /// If it can't be read; see [`SourceError::is_away`].
    fn read(&mut self) -> Result<Option<String>, SourceError>;

    /// Replaces the text. It may be written later, in the background, or replaced by a later one before.
    ///
    /// # Errors
    /// If it can't be written.
    fn write(&mut self, text: &str) -> Result<(), SourceError>;
}

/// `rule_id` of the row for a checkpoint store.
pub(super) fn row_of(store: &str) -> String {
    format!("@state:{store}")
}

/// `state` of such a row.
pub(super) const STATE: &str = "mark";
