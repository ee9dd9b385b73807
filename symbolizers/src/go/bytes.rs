// SPDX-License-Identifier: Apache-2.0
//! Little-endian numbers at places that a file names: outside of the bytes, there is nothing.

/// Longer than any name that a compiler makes; a string without an end is not searched for it any further.
const MAX_STRING: usize = 64 << 10;

pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

/// A string that ends with a zero.
pub fn string_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().take(MAX_STRING).position(|byte| *byte == 0)?;
    Some(&rest[..length])
}
