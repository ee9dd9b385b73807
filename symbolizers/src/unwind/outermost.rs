// SPDX-License-Identifier: Apache-2.0
//! Where a C library without frame information calls a program or a thread: what that returns goes straight to `exit` or
//! `pthread_exit`, so nobody waits further out.

use std::io;

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol};

use super::code::{invalid, Code, Segment};
use super::machine::Machine;
use super::rows::{Flat, Rows};
use super::rule::Rule;

/// They do not return.
const ENDS: [&[u8]; 3] = [b"exit", b"pthread_exit", b"__pthread_exit"];

/// Ranges in the gaps of `known`.
pub fn rows(data: &[u8], code: &Code, known: &Flat) -> io::Result<Rows> {
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(invalid)?;
    let ends: Vec<u64> = file
        .symbols()
        .chain(file.dynamic_symbols())
        .filter(|symbol| symbol.is_definition() && symbol.name_bytes().is_ok_and(|name| ENDS.contains(&name)))
        .map(|symbol| symbol.address())
        .collect();
    let mut rows = Rows::default();
    if ends.is_empty() {
        return Ok(rows);
    }
    for segment in code.segments() {
        for (start, end) in known.gaps(segment.offset, segment.end()) {
            let bytes = &segment.bytes[(start - segment.offset) as usize..(end - segment.offset) as usize];
            let found = match code.machine {
                Machine::X86_64 => x86_64(segment, start, bytes, &ends),
                Machine::Arm64 => arm64(segment, start, bytes, &ends),
            };
            for (from, to) in found {
                rows.begin(from, to);
                rows.push(from, Rule::END);
            }
        }
    }
    Ok(rows)
}

/// call *…; the result becomes the argument; call. From the last byte of the first call on, as return addresses are
/// looked up one byte in front of them.
fn x86_64(segment: &Segment, start: u32, bytes: &[u8], ends: &[u64]) -> Vec<(u32, u32)> {
    // mov %eax,%edi; mov %rax,%rdi; movslq %eax,%rdi
    const MOVES: [&[u8]; 3] = [&[0x48, 0x89, 0xc7], &[0x48, 0x63, 0xf8], &[0x89, 0xc7]];
    const CALL: usize = 5;
    memchr::memchr_iter(0xe8, bytes)
        .filter_map(|at| {
            let distance = i32::from_le_bytes(bytes.get(at + 1..at + CALL)?.try_into().ok()?);
            let after = start + (at + CALL) as u32;
            let target = segment.address_of(after).wrapping_add_signed(distance.into());
            let before = MOVES.iter().find_map(|bytes_of| bytes[..at].strip_suffix(*bytes_of))?;
            // Opcode 0xff with 2 in the middle of the byte after it; two to four bytes in all.
            let calls = (2..=4).any(|back| {
                let of = before.len().checked_sub(back).and_then(|from| before.get(from..from + 2));
                of.is_some_and(|of| of[0] == 0xff && of[1] & 0x38 == 0x10)
            });
            (calls && ends.contains(&target)).then_some((start + before.len() as u32 - 1, after))
        })
        .collect()
}

/// blr; bl: result and argument are in the same register.
fn arm64(segment: &Segment, start: u32, bytes: &[u8], ends: &[u64]) -> Vec<(u32, u32)> {
    let misaligned = (segment.address_of(start).wrapping_neg() & 3) as usize;
    let words: Vec<u32> = bytes
        .get(misaligned..)
        .unwrap_or_default()
        .chunks_exact(4)
        .map(|four| u32::from_le_bytes(four.try_into().unwrap_or_default()))
        .collect();
    let places = words.windows(2).enumerate().filter_map(|(index, two)| {
        let from = start + (misaligned + index * 4) as u32;
        // 26 bits, signed, in words.
        let distance = i64::from((two[1] << 6) as i32 >> 6) * 4;
        let target = segment.address_of(from + 4).wrapping_add_signed(distance);
        let calls = two[0] & 0xffff_fc1f == 0xd63f_0000 && two[1] >> 26 == 0b10_0101;
        (calls && ends.contains(&target)).then_some((from, from + 8))
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::{arm64, x86_64, Segment};

    fn segment(bytes: &[u8]) -> Segment<'_> {
        Segment { address: 0x40_1000, offset: 0x1000, bytes }
    }

    #[test]
    fn calls_of_x86_64() {
        // nop; call *%rbx; mov %eax,%edi; call +0x100
        let program = [0x90, 0xff, 0xd3, 0x89, 0xc7, 0xe8, 0, 1, 0, 0];
        let found = |bytes: &[u8], ends: &[u64]| x86_64(&segment(bytes), 0x1000, bytes, ends);
        assert_eq!(found(&program, &[0x40_110a]), [(0x1002, 0x100a)]);
        assert_eq!(found(&program, &[0x40_110b]), [], "another function");
        assert_eq!(found(&program[3..], &[0x40_1107]), [], "nothing in front of it");
        // call *0x10(%rax); mov %rax,%rdi; call -0x10
        let thread = [0xff, 0x50, 0x10, 0x48, 0x89, 0xc7, 0xe8, 0xf0, 0xff, 0xff, 0xff];
        assert_eq!(found(&thread, &[0x40_0ffb]), [(0x1002, 0x100b)]);
        // A direct call: its caller may be anybody.
        let direct = [0xe8, 1, 1, 1, 1, 0x89, 0xc7, 0xe8, 0, 1, 0, 0];
        assert_eq!(found(&direct, &[0x40_110c]), []);
    }

    #[test]
    fn calls_of_arm64() {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        // blr x19; bl -8
        let bytes = words(&[0xd503_201f, 0xd63f_0260, 0x97ff_fffe]);
        assert_eq!(arm64(&segment(&bytes), 0x1000, &bytes, &[0x40_1000]), [(0x1004, 0x100c)]);
        assert_eq!(arm64(&segment(&bytes), 0x1000, &bytes, &[0x40_1004]), []);
    }
}
