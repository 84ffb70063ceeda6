//! A finished trigger, as sinks take it.

/// A finished trigger: text only, as a sink knows nothing of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Identifies the trigger. It is the same when the trigger is sent again, so that receivers can drop
    /// repetitions.
    pub id: String,
    /// Triggers with the same key arrive in the order in which they were sent.
    pub key: String,
    /// The trigger as one line of JSON, without a line break.
    pub line: String,
    /// Instant from which on it is no longer to be delivered, unix ms; `None` if it never gets too old.
    pub expires: Option<u64>,
}

impl Trigger {
    /// Bytes that the trigger occupies in a queue.
    pub(crate) fn bytes(&self) -> usize {
        self.id.len() + self.key.len() + self.line.len()
    }

    /// Whether it is too old to be delivered at `now`, unix ms.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}
