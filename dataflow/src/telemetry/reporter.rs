//! Where a process's numbers and news go.

use serde_json::Value as Json;

use super::Board;
use crate::cluster::MessageSender;

/// Who is told what a process shows: the supervisor, if there is one, and whoever reads this process's own metrics.
#[derive(Clone, Default)]
pub struct Reporter {
    /// To the supervisor.
    pub supervisor: Option<MessageSender>,
    /// Of this process's own metrics.
    pub board: Option<Board>,
}

impl Reporter {
    /// Sends a message; one that finds the queue full is dropped, as the next numbers say the same anew.
    pub fn send(&self, body: Json) {
        if let Some(board) = &self.board {
            board.take(&body);
        }
        if let Some(sender) = &self.supervisor {
            let _ = sender.send(body);
        }
    }
}
