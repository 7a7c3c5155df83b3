//! Memory that will be needed soon.

/// Asks for the cache line in which a value begins, without waiting for it.
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    prefetch_at(std::ptr::from_ref(value).cast());
}

/// Asks for the cache line of an address, which may be any.
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) fn prefetch_at(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: every x86-64 processor has SSE, and a prefetch of any address reads and writes nothing that can be seen.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    // Others do without.
    #[cfg(not(target_arch = "x86_64"))]
    {
        _ = address;
    }
}
