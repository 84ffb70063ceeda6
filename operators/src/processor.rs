//! What processor and system can do beyond what every one of their kind can, chosen at run time.
//!
//! Nothing here changes a result. On other processors than x86-64 and other systems than Linux it does nothing.

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

/// Asks the system for huge pages for memory. A worker looks all over its state, so with small pages up to a tenth
/// of its time goes into the tables of pages.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[allow(unsafe_code)]
pub(crate) fn huge_pages<T>(memory: &mut [T]) {
    use rustix::mm::{Advice, madvise};
    /// At least the size of a small page.
    const PAGE: usize = 64 << 10;
    let memory = memory.as_mut_ptr_range();
    let (start, end) = (memory.start.addr().next_multiple_of(PAGE), memory.end.addr() / PAGE * PAGE);
    if start < end {
        let start = memory.start.with_addr(start).cast();
        // SAFETY: these are whole pages of memory that is lent exclusively; neither their content nor who may use
        // them changes. A system that has no huge pages refuses, which is as good.
        let _ = unsafe { madvise(start, end - start.addr(), Advice::LinuxHugepage) };
    }
}

/// Asks for huge pages: not on this system.
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) fn huge_pages<T>(_memory: &mut [T]) {}

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
