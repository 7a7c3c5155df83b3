//! Memory that will be needed soon.

/// Asks for the cache line in which a value begins, without waiting for it.
#[allow(unsafe_code)]
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: every x86-64 processor has SSE, and a prefetch of any address reads and writes nothing that can be seen.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    // Others do without.
    #[cfg(not(target_arch = "x86_64"))]
    {
        _ = value;
    }
}
