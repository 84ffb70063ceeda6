//! Which fields a failing call must restore.

use super::{
    code::{MAX_RESTORED, Op},
    place::{Place, Refusal},
    tree::Slot,
};

/// Refusal of code that could run forever.
pub(super) const BACKWARD: &str = "a jump leads backward";

/// Writes that may lie on the way to an operation.
#[derive(Clone, Copy, Default)]
struct Written {
    reached: bool,
    /// One bit per field that is a word.
    words: u64,
    /// One bit per aggregate.
    aggregates: u64,
}

/// Fields that a failing call must restore.
pub(super) struct Restored {
    pub(super) words: Box<[Slot]>,
    pub(super) aggregates: Box<[Slot]>,
}

impl Written {
    fn join(&mut self, other: Written) {
        self.reached |= other.reached;
        self.words |= other.words;
        self.aggregates |= other.aggregates;
    }
}

/// Fields that may have been written when an operation fails, or the end of a call if that `can_fail`. Jumps
/// lead forward, so one pass is enough.
///
/// # Errors
/// If there are too many fields, or a jump leads backward.
pub(super) fn restored(ops: &mut [Op], can_fail: bool) -> Result<Restored, Refusal> {
    let mut before = vec![Written::default(); ops.len() + 1];
    before[0].reached = true;
    let (mut words, mut aggregates) = (0u64, 0u64);
    for (i, op) in ops.iter_mut().enumerate() {
        let mut written = before[i];
        if !written.reached {
            continue;
        }
        if op.can_fail() {
            words |= written.words;
            aggregates |= written.aggregates;
        }
        match op.writes() {
            Some((slot, _)) if slot >= 64 => return Err(refused("there are more than 64 fields")),
            Some((slot, true)) => written.aggregates |= 1 << slot,
            Some((slot, false)) => written.words |= 1 << slot,
            None => {}
        }
        if can_fail && op.returns() {
            words |= written.words;
            aggregates |= written.aggregates;
        }
        if let Some(label) = op.label() {
            if usize::from(*label) <= i {
                return Err(refused(BACKWARD));
            }
            before[usize::from(*label)].join(written);
        }
        if op.falls_through() {
            before[i + 1].join(written);
        }
    }
    let slots = |bits: u64| (0..64).filter(|slot| bits >> slot & 1 == 1).collect::<Box<[Slot]>>();
    if words.count_ones() as usize > MAX_RESTORED {
        return Err(refused("it can fail after it has changed more than 8 fields"));
    }
    Ok(Restored { words: slots(words), aggregates: slots(aggregates) })
}

fn refused(reason: &str) -> Refusal {
    Refusal::new(Place::default(), reason)
}

#[cfg(test)]
mod tests {
    use super::{BACKWARD, Op, restored};

    #[test]
    fn a_jump_that_does_not_lead_forward_is_refused() {
        for to in [0, 1] {
            let refusal = restored(&mut [Op::Const(3, 1), Op::Jump(to), Op::Return(true)], false).err();
            assert_eq!(refusal.map(|refusal| refusal.reason).as_deref(), Some(BACKWARD));
        }
        assert!(restored(&mut [Op::Const(3, 1), Op::Jump(2), Op::Return(true)], false).is_ok());
    }
}
