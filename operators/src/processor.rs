//! What the processor can do beyond what every one of its kind can, chosen at run time.
//!
//! Nothing here changes a result. On other processors than x86-64 it does nothing.

/// Asks for the cache line of a value, to overlap the waits for several.
#[inline(always)]
#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(value: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction belongs to SSE, which every x86-64 processor has; it reads nothing that a program
    // can observe, and the address is that of a live value besides.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
}

/// Asks for the cache line of a value: not on this processor.
#[inline(always)]
#[cfg(not(all(target_arch = "x86_64", not(feature = "portable"))))]
pub(crate) fn prefetch<T>(_value: &T) {}

/// Work that counts and scans bits. Functions that are to use the processor's instructions for that have to
/// be inlined into [`Work::run`].
pub(crate) trait Work {
    /// Its result.
    type Output;
    /// Does the work; to be marked as `inline(always)`.
    fn run(self) -> Self::Output;
}

/// Does the work, by instructions that count and scan bits if the processor has them.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn run<W: Work>(work: W) -> W::Output {
    #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
    {
        #[target_feature(enable = "popcnt,lzcnt,bmi1,bmi2")]
        fn modern<W: Work>(work: W) -> W::Output {
            work.run()
        }
        let has_all = is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        if has_all {
            // SAFETY: the processor has all of the instructions.
            return unsafe { modern(work) };
        }
    }
    work.run()
}
