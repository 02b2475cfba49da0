//! What each object has: this file is part of all.

/// Never called: no program can panic, or the verifier would not have it.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Kernel helpers used here are not restricted to GPL programs, but some kernels insist.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
