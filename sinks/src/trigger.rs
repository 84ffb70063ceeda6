//! A finished trigger, as sinks take it.

/// A finished trigger: text only, as a sink knows nothing of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Identifies the trigger. It is the same when the trigger is sent again, so that receivers can drop
    /// repetitions.
    pub id: String,
    /// Triggers with the same key arrive in the order in which they were sent.
    pub key: String,
    /// The trigger as one line of JSON, without a line break.
    pub line: String,
}

impl Trigger {
    /// Bytes that the trigger occupies in a queue.
    pub(crate) fn bytes(&self) -> usize {
        self.id.len() + self.key.len() + self.line.len()
    }
}
