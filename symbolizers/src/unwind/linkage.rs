// SPDX-License-Identifier: Apache-2.0
//! Procedure linkage: stubs through which calls go to other files. Made by the linker; lld and mold give it no frame
//! information.

use std::io;

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};

use super::code::{invalid, Code, Segment};
use super::machine::Machine;
use super::rows::Rows;
use super::rule::{Cfa, Rule, Saved};

/// The byte of each 16 from which on 8 bytes more are on the stack, as `SW_RULE_PLT` has it: jmp (6 bytes), push (5).
pub const USUAL: u64 = 11;
/// endbr64 (4 bytes), push (5).
const BRANCH_TRACKING: u64 = 9;

/// A longer range (a million functions) is not believed: it is unrolled.
const MAX_BYTES: u64 = 16 << 20;

const ENTRY: usize = 16;

/// Rows of the sections that hold nothing else.
pub fn rows(data: &[u8], code: &Code) -> io::Result<Rows> {
    let mut rows = Rows::default();
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(invalid)?;
    for section in file.sections() {
        let lazy = match section.name_bytes() {
            Ok(b".plt") => true,
            Ok(b".plt.sec" | b".plt.got" | b".iplt") => false,
            _ => continue,
        };
        let Some(segment) = code.segment(section.address()) else { continue };
        let Some(end) = section.address().checked_add(section.size()) else { continue };
        rows.begin(segment.offset_of(section.address()), segment.offset_of(end));
        rows.push(segment.offset_of(section.address()), at_entry(code.machine));
        if lazy {
            stubs(&mut rows, code.machine, segment, section.address(), end);
        }
    }
    Ok(rows)
}

/// The first stub of a lazy section calls the loader, the others lead to it.
fn stubs(rows: &mut Rows, machine: Machine, segment: &Segment, start: u64, end: u64) {
    let stacked = |bytes, return_address| machine.rule(Cfa::Sp(bytes), Saved::Same, return_address);
    match machine {
        Machine::X86_64 => {
            let second = segment.bytes_at(start + ENTRY as u64, ENTRY);
            let from = match second {
                [_, _, _, _, _, _, 0x68, ..] => USUAL,
                [0xf3, 0x0f, 0x1e, 0xfa, 0x68, ..] => BRANCH_TRACKING,
                // Nothing is pushed: all is bound at the start.
                _ => return,
            };
            rows.push(segment.offset_of(start), stacked(16, Saved::Below(8)));
            // push of 6 bytes
            rows.push(segment.offset_of(start + 6), stacked(24, Saved::Below(8)));
            unroll(rows, segment, start + ENTRY as u64, end, from);
        }
        Machine::Arm64 => {
            // stp x16,x30,[sp,#-16]!, then up to the end of 32 bytes.
            rows.push(segment.offset_of(start + 4), stacked(16, Saved::Below(8)));
            rows.push(segment.offset_of(start + 32), at_entry(machine));
        }
    }
}

/// Stubs of 16 bytes from `start`, with something pushed from this byte of each on.
pub fn unroll(rows: &mut Rows, segment: &Segment, start: u64, end: u64, from: u64) {
    if from == USUAL {
        let plt = Machine::X86_64.rule(Cfa::Plt, Saved::Same, Saved::Below(8));
        rows.push(segment.offset_of(start), plt);
        return;
    }
    let end = end.min(start.saturating_add(segment.bytes.len() as u64));
    if end - start > MAX_BYTES || from >= ENTRY as u64 {
        rows.push(segment.offset_of(start), Rule::UNSAID);
        return;
    }
    let stacked = |bytes| Machine::X86_64.rule(Cfa::Sp(bytes), Saved::Same, Saved::Below(8));
    for entry in (start & !15..end).step_by(ENTRY) {
        for (at, bytes) in [(entry, 8), (entry + from, 16)] {
            // A stub that is cut begins with the rule of its part.
            let at = at.max(start);
            if at < end {
                rows.push(segment.offset_of(at), stacked(bytes));
            }
        }
    }
}

/// The rule of a function's first instruction: nothing was pushed yet.
fn at_entry(machine: Machine) -> Rule {
    match machine {
        Machine::X86_64 => machine.rule(Cfa::Sp(8), Saved::Same, Saved::Below(8)),
        Machine::Arm64 => machine.rule(Cfa::Sp(0), Saved::Same, Saved::Same),
    }
}
