//! A trigger on its way out, and what a sink says when it is handed one.

/// A trigger on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The trigger's id: the same when the same trigger is sent again, so that receivers can drop repeats.
    pub id: String,
    /// Triggers with the same key arrive in the order in which they were sent.
    pub key: String,
    /// The trigger as one line of JSON.
    pub line: String,
}

impl Outgoing {
    /// Bytes that this trigger occupies in a queue.
    pub(crate) fn bytes(&self) -> usize {
        self.id.len() + self.key.len() + self.line.len()
    }
}

/// What a sink did with a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a full sink hands the trigger back"]
pub enum Sent {
    /// Queued under this sequence number; numbers of a sink begin at 1 and have no gaps.
    Accepted(u64),
    /// The queue is full; here is the trigger again, to be sent once there is room.
    Full(Outgoing),
}
