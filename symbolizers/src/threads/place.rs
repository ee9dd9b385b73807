// SPDX-License-Identifier: Apache-2.0
//! `struct sw_publisher` of bpf/profile/publisher.h, where the same layout is stated.

pub const BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Machine {
    X86,
    Arm,
}

/// Where each thread has the variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// At this distance from the thread pointer.
    Static(i64),
    /// At this offset in its block of a module, which the thread's vector (DTV) leads to.
    Dynamic { module: u32, offset: i64 },
}

impl Place {
    pub fn encode(self, machine: Machine, musl: bool) -> [u8; BYTES] {
        let (module, offset) = match self {
            Self::Static(offset) => (0, offset),
            Self::Dynamic { module, offset } => (module, offset),
        };
        // The vector is named by the second word at the thread pointer, or the first; in musl on arm64 by the last
        // one below it. glibc: entries of two words, their number one entry in front. musl: words, the first of which
        // is their number.
        let vector: i16 = match (machine, musl) {
            (Machine::X86, _) => 8,
            (Machine::Arm, false) => 0,
            (Machine::Arm, true) => -8,
        };
        let (count, entry): (i8, u8) = if musl { (0, 8) } else { (-16, 16) };
        let mut out = [0; BYTES];
        // The process's start and program are filled in by others.
        out[8..16].copy_from_slice(&offset.to_le_bytes());
        out[24..28].copy_from_slice(&module.to_le_bytes());
        out[28..30].copy_from_slice(&vector.to_le_bytes());
        out[30] = count as u8;
        out[31] = entry;
        out
    }
}
