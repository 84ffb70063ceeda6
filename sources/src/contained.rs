//! Catching panics of a library, in a process whose panic hook otherwise ends it.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

thread_local!(static CONTAINED: Cell<bool> = const { Cell::new(false) });

/// Runs `run` and returns its result; `None` if it panicked. State that `run` modified must then be rebuilt.
pub fn contain<T>(run: impl FnOnce() -> T) -> Option<T> {
    let outer = CONTAINED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    CONTAINED.set(outer);
    outcome.ok()
}

/// Whether a panic in this thread is going to be caught; for use in a panic hook.
#[must_use]
pub fn is_contained() -> bool {
    CONTAINED.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_known_as_such_while_it_happens() {
        assert!(!is_contained());
        assert_eq!(contain(is_contained), Some(true));
        assert_eq!(
            contain(|| contain(|| panic!("an event is cut off")).is_none() && is_contained()),
            Some(true)
        );
        assert!(!is_contained());
    }
}
