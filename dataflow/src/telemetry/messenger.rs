//! Messenger: sends a process's messages.

use super::Board;
use crate::{cluster::MessageSender, protocol::message::Message};

/// Sends the messages of a process to its supervisor, if it has one, and to the board of its own metrics.
#[derive(Clone, Default)]
pub struct Messenger {
    /// To the supervisor.
    pub supervisor: Option<MessageSender>,
    /// To the board of this process's own metrics.
    pub board: Option<Board>,
}

impl Messenger {
    /// Sends a message. Never blocks: one that finds the queue full is dropped, as the next numbers repeat
    /// its content.
    pub fn send(&self, message: Message) {
        if let Some(sender) = &self.supervisor {
            let _ = sender.send(message.to_json());
        }
        if let Some(board) = &self.board {
            board.receive(message);
        }
    }
}
