//! Causes and consequences among the exits of one generation: a pure decision.
//!
//! A process that lost a peer ends, too. Its exit may be noticed before that of the peer, so it is held for a
//! moment, until the cause shows.

use std::time::{Duration, Instant};

use super::report::{Exit, ExitKind};
use crate::cluster::exit::PEER_LOST;

/// Longest time until the cause of a lost peer shows.
const CAUSE_WITHIN: Duration = Duration::from_millis(200);

/// The first exit that is only a consequence, while its cause may still show.
#[derive(Debug, Default)]
pub(super) struct Suspect(Option<(Exit, Instant)>);

impl Suspect {
    /// Holds a consequence; returns it if one is already held.
    pub(super) fn hold(&mut self, exit: Exit, now: Instant) -> Option<Exit> {
        if self.0.is_some() {
            return Some(exit);
        }
        self.0 = Some((exit, now + CAUSE_WITHIN));
        None
    }

    /// The instant from which the exit counts as the cause itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|(_, until)| *until)
    }

    /// Takes the exit if its deadline has passed.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Exit> {
        self.0.take_if(|(_, until)| *until <= now).map(|(exit, _)| exit)
    }

    /// Takes the exit.
    pub(super) fn take(&mut self) -> Option<Exit> {
        self.0.take().map(|(exit, _)| exit)
    }
}

/// Whether a process ended because it lost another.
pub(super) fn is_consequence(exit: &Exit) -> bool {
    exit.code == Some(PEER_LOST)
}

/// The exit that caused the others: the first that was noticed, unless that is a consequence of another.
pub(super) fn cause_of<'e>(first: &'e Exit, others: &'e [Exit]) -> &'e Exit {
    if !is_consequence(first) {
        return first;
    }
    others.iter().find(|exit| exit.kind == ExitKind::Failed && !is_consequence(exit)).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::generation::ClusterGeneration;

    fn exit(process: usize, code: i32, kind: ExitKind) -> Exit {
        Exit { code: Some(code), ..Exit::new(process, ClusterGeneration(1), None, kind) }
    }

    #[test]
    fn the_first_consequence_is_held_until_its_cause_shows_or_is_late() {
        let (now, mut suspect) = (Instant::now(), Suspect::default());
        let [first, second] = [0, 1].map(|process| exit(process, PEER_LOST, ExitKind::Failed));
        assert_eq!(suspect.hold(first.clone(), now), None);
        assert_eq!(suspect.hold(second.clone(), now), Some(second));
        assert_eq!(suspect.deadline(), Some(now + CAUSE_WITHIN));
        assert_eq!(suspect.take_due(now), None);
        assert_eq!(suspect.take_due(now + CAUSE_WITHIN), Some(first));
        assert_eq!((suspect.deadline(), suspect.take()), (None, None));
    }

    #[test]
    fn a_lost_peer_or_a_killed_process_is_not_the_cause_if_another_process_failed() {
        let lost = |process| exit(process, PEER_LOST, ExitKind::Failed);
        let (killed, failed) = (exit(1, 3, ExitKind::KilledWithOthers), exit(2, 3, ExitKind::Failed));
        assert_eq!(cause_of(&lost(0), &[killed.clone(), lost(3), failed.clone()]), &failed);
        assert_eq!(cause_of(&lost(0), &[killed, lost(3)]), &lost(0));
        assert_eq!(cause_of(&exit(0, 7, ExitKind::Hung), &[failed]), &exit(0, 7, ExitKind::Hung));
    }
}
