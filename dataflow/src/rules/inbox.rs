//! The channel into the feed: effects of change sets, from the workers' threads, and prepared documents.
//!
//! **Invariant**: once the last [`EffectSender`] is gone, the feed receives all that was sent before, and
//! then [`Input::Closed`]. The sender of the preparation thread keeps nothing alive.

use std::{
    sync::{Arc, mpsc},
    time::Instant,
};

use super::preparation::Outcome;
use crate::protocol::rules::Effect;

/// A message to the feed.
pub(super) enum Input {
    /// A change set is in force, or something happened to rules while they ran.
    Effect(Effect),
    /// Documents of one batch are prepared or refused.
    Prepared(Vec<Outcome>),
    /// No effects will follow: control is gone.
    Closed,
}

/// The feed's end.
pub struct Inbox {
    sender: mpsc::Sender<Input>,
    receiver: mpsc::Receiver<Input>,
}

/// Sends effects to the feed; never blocks.
#[derive(Clone)]
pub struct EffectSender(Arc<Sender>);

struct Sender(mpsc::Sender<Input>);

impl Drop for Sender {
    fn drop(&mut self) {
        // Without a feed nobody waits for the end.
        let _ = self.0.send(Input::Closed);
    }
}

/// A new channel.
pub fn inbox() -> (EffectSender, Inbox) {
    let (sender, receiver) = mpsc::channel();
    (EffectSender(Arc::new(Sender(sender.clone()))), Inbox { sender, receiver })
}

impl EffectSender {
    /// Sends an effect. It is dropped if the feed is gone, which lives as long as its process.
    pub fn send(&self, effect: Effect) {
        let _ = self.0.0.send(Input::Effect(effect));
    }
}

impl Inbox {
    /// The next message; `None` if there is none by `deadline`. Blocks until then.
    pub(super) fn receive(&self, deadline: Instant) -> Option<Input> {
        let left = deadline.checked_duration_since(Instant::now())?;
        self.receiver.recv_timeout(left).ok()
    }

    /// The next message; blocks until there is one.
    #[cfg(test)]
    pub(super) fn wait(&self) -> Input {
        self.receiver.recv().unwrap_or(Input::Closed)
    }

    /// Sender of the outcomes of a batch, for the preparation thread; never blocks. Without a feed they are
    /// dropped.
    pub(super) fn outcome_sender(&self) -> impl Fn(Vec<Outcome>) + Send + use<> {
        let sender = self.sender.clone();
        move |outcomes| {
            let _ = sender.send(Input::Prepared(outcomes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_end_comes_after_all_effects_though_documents_are_still_prepared() {
        let (effects, inbox) = inbox();
        let send = inbox.outcome_sender();
        let other = effects.clone();
        drop(effects);
        other.send(Effect::Fired(Vec::new()));
        drop(other);
        assert!(matches!(inbox.wait(), Input::Effect(_)));
        assert!(matches!(inbox.wait(), Input::Closed));
        assert!(inbox.receive(Instant::now()).is_none());
        send(Vec::new());
        assert!(inbox.receive(Instant::now() + Duration::from_secs(60)).is_some());
    }
}
