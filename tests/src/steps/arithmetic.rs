//! Arithmetic and comparisons (RFC 9669 sections 4.1 and 4.3).

/// The same operations in either width.
macro_rules! operation {
    ($op:expr, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        Some(match $op >> 4 {
            0x0 => a.wrapping_add(b),
            0x1 => a.wrapping_sub(b),
            0x2 => a.wrapping_mul(b),
            0x3 => a.checked_div(b).unwrap_or(0),
            0x4 => a | b,
            0x5 => a & b,
            // Of a shift the lowest bits count that are enough for the width.
            0x6 => a.wrapping_shl(b as u32),
            0x7 => a.wrapping_shr(b as u32),
            0x8 => a.wrapping_neg(),
            0x9 => a.checked_rem(b).unwrap_or(a),
            0xa => a ^ b,
            0xb => b,
            0xc => a.cast_signed().wrapping_shr(b as u32).cast_unsigned(),
            _ => return None,
        })
    }};
}

/// What an arithmetic instruction makes of two operands, in 64 bits or 32; none of an operation that there is none of.
pub(super) fn result(op: u8, wide: bool, a: u64, b: u64) -> Option<u64> {
    if wide { operation!(op, a, b) } else { operation!(op, a as u32, b as u32).map(u64::from) }
}

/// A number in another byte order, or cut, as `width` bits: on a machine whose own order is the little one.
pub(super) fn reordered(to_big: bool, width: i32, value: u64) -> Option<u64> {
    Some(match (width, to_big) {
        (16, true) => (value as u16).swap_bytes().into(),
        (32, true) => (value as u32).swap_bytes().into(),
        (64, true) => value.swap_bytes(),
        (16, false) => (value as u16).into(),
        (32, false) => (value as u32).into(),
        (64, false) => value,
        _ => return None,
    })
}

/// Whether a conditional jump is taken; none of a condition that there is none of.
pub(super) fn jumps(op: u8, wide: bool, a: u64, b: u64) -> Option<bool> {
    let (a, b) = if wide { (a, b) } else { ((a as u32).into(), (b as u32).into()) };
    let signed = |value: u64| {
        if wide { value.cast_signed() } else { (value as u32).cast_signed().into() }
    };
    let (c, d) = (signed(a), signed(b));
    Some(match op >> 4 {
        0x1 => a == b,
        0x2 => a > b,
        0x3 => a >= b,
        0x4 => a & b != 0,
        0x5 => a != b,
        0x6 => c > d,
        0x7 => c >= d,
        0xa => a < b,
        0xb => a <= b,
        0xc => c < d,
        0xd => c <= d,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_results_have_no_upper_half() {
        assert_eq!(result(0x00, false, u64::MAX, 2), Some(1));
        assert_eq!(result(0x00, true, u64::MAX, 2), Some(1));
        assert_eq!(result(0xc0, false, 0x8000_0000, 4), Some(0xf800_0000));
        assert_eq!(result(0xc0, true, 0x8000_0000, 4), Some(0x0800_0000));
        assert_eq!((result(0x30, true, 7, 0), result(0x90, true, 7, 0)), (Some(0), Some(7)));
    }

    #[test]
    fn comparisons_are_of_the_width_that_is_said() {
        assert_eq!(jumps(0x10, false, 1 << 32, 0), Some(true));
        assert_eq!(jumps(0x10, true, 1 << 32, 0), Some(false));
        assert_eq!(jumps(0xc0, false, 0xffff_ffff, 0), Some(true));
        assert_eq!(jumps(0xa0, false, 0xffff_ffff, 0), Some(false));
        assert_eq!(reordered(true, 16, 0x0001_0203), Some(0x0302));
    }
}
