//! What a program may point to: every piece of memory is a region of its own, and no pointer leads from one to another.

/// Bits of an address that tell where in its region it points; the others tell the region.
const BITS: u32 = 32;
/// The region of stack frames, the first of many.
const STACK: usize = 2;
/// Bytes of the stack that a function has here, more than the kernel gives it.
const FRAME: usize = 512;
/// Functions in a chain of calls, callbacks of loops included.
const DEPTH: usize = 16;

/// Bytes of the kernel's `struct __sk_buff`, and where `data` and `data_end` lie in it (linux/bpf.h).
const CONTEXT: usize = 192;
const DATA: u64 = 76;
const DATA_END: u64 = 80;

/// All memory.
pub(super) struct Memory {
    regions: Vec<Vec<u8>>,
}

impl Memory {
    /// A context without anything in it, the frame, and an empty stack.
    pub(super) fn new(frame: &[u8]) -> Self {
        let mut context = vec![0; CONTEXT];
        context[..4].copy_from_slice(&(frame.len() as u32).to_ne_bytes());
        let stack = (0..DEPTH).map(|_| vec![0; FRAME]);
        Self { regions: [context, frame.to_vec()].into_iter().chain(stack).collect() }
    }

    pub(super) const fn context() -> u64 {
        address(0)
    }

    /// The frame pointer of the function that is called so deep; none if that is too deep.
    pub(super) fn stack(depth: usize) -> Option<u64> {
        (depth < DEPTH).then(|| address(STACK + depth) + FRAME as u64)
    }

    pub(super) fn packet(&self) -> &[u8] {
        &self.regions[1]
    }

    /// Makes the packet end after so many bytes; new ones are zero.
    pub(super) fn resize_packet(&mut self, len: usize) {
        self.regions[1].resize(len, 0);
        self.regions[0][..4].copy_from_slice(&(len as u32).to_ne_bytes());
    }

    pub(super) fn packet_mut(&mut self) -> &mut [u8] {
        &mut self.regions[1]
    }

    /// A new region.
    pub(super) fn add(&mut self, bytes: Vec<u8>) -> u64 {
        self.regions.push(bytes);
        address(self.regions.len() - 1)
    }

    /// So many bytes at an address.
    pub(super) fn bytes(&self, at: u64, len: usize) -> Option<&[u8]> {
        let (region, offset) = split(at)?;
        self.regions.get(region)?.get(offset..offset + len)
    }

    pub(super) fn bytes_mut(&mut self, at: u64, len: usize) -> Option<&mut [u8]> {
        let (region, offset) = split(at)?;
        self.regions.get_mut(region)?.get_mut(offset..offset + len)
    }

    /// A number of `size` bytes. The context's pointers are wider than they look (`convert_ctx_access`).
    pub(super) fn load(&self, at: u64, size: usize) -> Option<u64> {
        if at == Self::context() + DATA {
            return Some(address(1));
        }
        if at == Self::context() + DATA_END {
            return Some(address(1) + self.packet().len() as u64);
        }
        let mut word = [0; 8];
        word[..size].copy_from_slice(self.bytes(at, size)?);
        Some(u64::from_le_bytes(word))
    }

    pub(super) fn store(&mut self, at: u64, size: usize, value: u64) -> Option<()> {
        self.bytes_mut(at, size)?.copy_from_slice(&value.to_le_bytes()[..size]);
        Some(())
    }
}

/// Nothing is at zero.
const fn address(region: usize) -> u64 {
    (region as u64 + 1) << BITS
}

fn split(at: u64) -> Option<(usize, usize)> {
    let region = (at >> BITS).checked_sub(1)?;
    Some((region as usize, (at & ((1 << BITS) - 1)) as usize))
}
