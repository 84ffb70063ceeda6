//! Fetching of memory ahead of its use, to overlap the waits for several keys.
//!
//! A hint to the processor without any effect on results; on other processors than x86-64 it does nothing.

/// Asks for the cache line of a value.
#[inline(always)]
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(value: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction belongs to SSE, which every x86-64 processor has; it reads nothing that a program
    // can observe, and the address is that of a live value besides.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
}

/// Asks for the cache line of a value: not on this processor.
#[inline(always)]
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn prefetch<T>(_value: &T) {}
