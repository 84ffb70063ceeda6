//! Which fields a failing call must restore.

use super::{
    code::{MAX_RESTORED, Op},
    place::{Place, Refusal},
    tree::Slot,
};

/// What may have been written on the way to an operation.
#[derive(Clone, Copy, Default)]
struct Written {
    reached: bool,
    /// One bit per field.
    words: u64,
    aggregate: bool,
}

impl Written {
    fn join(&mut self, other: Written) {
        self.reached |= other.reached;
        self.words |= other.words;
        self.aggregate |= other.aggregate;
    }
}

/// Fields that may have been written when an operation fails. Jumps lead forward, so one pass is enough.
///
/// # Errors
/// If an operation could fail after an aggregate was changed, or there are too many fields.
pub(super) fn restored(ops: &mut [Op]) -> Result<Box<[Slot]>, Refusal> {
    let mut before = vec![Written::default(); ops.len() + 1];
    before[0].reached = true;
    let mut words = 0u64;
    for (i, op) in ops.iter_mut().enumerate() {
        let mut written = before[i];
        if !written.reached {
            continue;
        }
        if op.can_fail() {
            words |= written.words;
            if written.aggregate {
                return Err(refused(
                    "it can fail after it has changed an aggregate; compute first, add last",
                ));
            }
        }
        match op.writes() {
            Some((_, true)) => written.aggregate = true,
            Some((slot, false)) => written.words |= 1 << (slot % 64),
            None => {}
        }
        if let Some(label) = op.label() {
            before[usize::from(*label)].join(written);
        }
        if op.falls_through() {
            before[i + 1].join(written);
        }
    }
    let slots: Box<[Slot]> = (0..64).filter(|slot| words >> slot & 1 == 1).collect();
    match slots.len() {
        ..=MAX_RESTORED => Ok(slots),
        _ => Err(refused("it can fail after it has changed more than 8 fields")),
    }
}

fn refused(reason: &str) -> Refusal {
    Refusal::new(Place::default(), reason)
}
