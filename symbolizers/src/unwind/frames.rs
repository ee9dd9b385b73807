// SPDX-License-Identifier: Apache-2.0
//! Rows from DWARF's call frame information, `.eh_frame` and `.debug_frame`.

use std::collections::HashMap;

use gimli::{
    BaseAddresses, CfaRule, CommonInformationEntry, DebugFrame, EhFrame, Encoding, LittleEndian, Register,
    RegisterRule, UnwindContext, UnwindContextStorage, UnwindExpression, UnwindOffset, UnwindSection,
    UnwindTableRow,
};

use super::code::Code;
use super::entries::{Entries, Kind};
use super::expression::{shape, Shape};
use super::linkage;
use super::machine::Machine;
use super::rows::Rows;
use super::rule::{Cfa, Rule, Saved};
use super::sections::Section;
use super::Slice;

/// A common entry's instructions are executed for each function that names it. It has 20 bytes; a longer one costs
/// only time.
const MAX_COMMON_BYTES: usize = 1024;

/// State is remembered at most this often at a time (compilers: once), and that of at most so many registers.
struct Storage;

impl UnwindContextStorage<usize> for Storage {
    type Rules = [(Register, RegisterRule<usize>); 64];
    type Stack = Box<[UnwindTableRow<usize, Self>; 8]>;
}

#[derive(Default)]
pub struct Frames {
    pub rows: Rows,
    /// Entries that cannot be read: damaged, or of a form that is not known.
    pub unreadable: u32,
}

impl Frames {
    pub fn of_eh_frame(section: &Section, code: &Code) -> Self {
        let mut frames = EhFrame::new(&section.bytes, LittleEndian);
        frames.set_vendor(code.machine.vendor());
        let entries = Entries::new(&section.bytes, Kind::EhFrame, section.terminated);
        Reader::new(frames, &section.bases, code).read(entries)
    }

    pub fn of_debug_frame(section: &Section, code: &Code) -> Self {
        let mut frames = DebugFrame::new(&section.bytes, LittleEndian);
        frames.set_vendor(code.machine.vendor());
        let entries = Entries::new(&section.bytes, Kind::DebugFrame, section.terminated);
        Reader::new(frames, &section.bases, code).read(entries)
    }
}

struct Reader<'a, S: UnwindSection<Slice<'a>>> {
    section: S,
    bases: &'a BaseAddresses,
    code: &'a Code<'a>,
    /// By their place in the section. Thousands of functions share one.
    commons: HashMap<S::Offset, CommonInformationEntry<Slice<'a>>>,
    context: UnwindContext<usize, Storage>,
    frames: Frames,
}

impl<'a, S> Reader<'a, S>
where
    S: UnwindSection<Slice<'a>>,
    S::Offset: UnwindOffset + std::hash::Hash,
{
    fn new(section: S, bases: &'a BaseAddresses, code: &'a Code<'a>) -> Self {
        let (commons, context) = (HashMap::new(), UnwindContext::new_in());
        Self { section, bases, code, commons, context, frames: Frames::default() }
    }

    /// One entry after the other. One that cannot be read costs its own function.
    fn read(mut self, entries: Entries) -> Frames {
        for offset in entries {
            if self.function(offset.into()).is_err() {
                self.frames.unreadable += 1;
            }
        }
        self.frames
    }

    fn function(&mut self, offset: S::Offset) -> gimli::Result<()> {
        let commons = &mut self.commons;
        let entry = self.section.fde_from_offset(self.bases, offset, |section, bases, offset| {
            if let Some(common) = commons.get(&offset) {
                return Ok(common.clone());
            }
            let common = section.cie_from_offset(bases, offset)?;
            if common.entry_len() > MAX_COMMON_BYTES {
                return Err(gimli::Error::TooManyRegisterRules);
            }
            commons.insert(offset, common.clone());
            Ok(common)
        })?;
        // Linkers set the address of functions that they dropped to 0, where no code is. Others are in no segment.
        let start = entry.initial_address();
        let Some(segment) = self.code.segment(start).filter(|_| start != 0) else { return Ok(()) };
        let end = start.checked_add(entry.len()).ok_or(gimli::Error::AddressOverflow)?;
        let (first, last) = (segment.offset_of(start), segment.offset_of(end));
        self.frames.rows.begin(first, last);
        if entry.is_signal_trampoline() {
            // Its rules say where the kernel put the registers, which is known.
            self.frames.rows.push(first, Rule::SIGNAL);
            return Ok(());
        }

        let encoding = entry.cie().encoding();
        let mut table = entry.rows(&self.section, self.bases, &mut self.context)?;
        let mut reached = start;
        loop {
            let row = match table.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(()),
                Err(error) => {
                    // The rows before are right.
                    self.frames.rows.cut(segment.offset_of(reached));
                    return Err(error);
                }
            };
            reached = row.end_address();
            if row.start_address() >= reached {
                continue;
            }
            match rule(&self.section, self.code.machine, encoding, row) {
                Found::Rule(rule) => self.frames.rows.push(segment.offset_of(row.start_address()), rule),
                Found::Linkage { from } => {
                    let end = reached.min(end);
                    linkage::unroll(&mut self.frames.rows, segment, row.start_address(), end, from);
                }
            }
        }
    }
}

enum Found {
    Rule(Rule),
    /// Procedure linkage, with something more on the stack from this byte of each stub on.
    Linkage {
        from: u64,
    },
}

fn rule<'a, S: UnwindSection<Slice<'a>>>(
    section: &S,
    machine: Machine,
    encoding: Encoding,
    row: &UnwindTableRow<usize, Storage>,
) -> Found {
    let shape_of = |expression: &UnwindExpression<usize>| shape(expression.get(section).ok()?, encoding);

    let return_address = match row.register(machine.return_address()) {
        // Nobody called it: `_start`, the first function of a thread.
        Some(RegisterRule::Undefined) => return Found::Rule(Rule::END),
        rule => Machine::saved(rule.as_ref()),
    };
    let frame_pointer = match row.register(machine.frame_pointer()) {
        Some(RegisterRule::Expression(expression)) => match shape_of(&expression) {
            Some(Shape::Sum { register, offset: 0 }) if register == machine.frame_pointer() => {
                Some(Saved::AtFramePointer)
            }
            _ => None,
        },
        rule => Machine::saved(rule.as_ref()),
    };
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => sum(machine, *register, *offset),
        CfaRule::Expression(expression) => match shape_of(expression) {
            Some(Shape::Sum { register, offset }) => sum(machine, register, offset),
            Some(Shape::Read { register, at, add }) => read(machine, register, at, add),
            Some(Shape::Linkage { from }) => return Found::Linkage { from },
            None => None,
        },
    };
    Found::Rule(match (cfa, frame_pointer, return_address) {
        (Some(cfa), Some(frame_pointer), Some(return_address)) => {
            machine.rule(cfa, frame_pointer, return_address)
        }
        // Another register is the base, or something is computed.
        _ => Rule::UNSAID,
    })
}

fn sum(machine: Machine, register: Register, offset: i64) -> Option<Cfa> {
    match register {
        _ if register == machine.stack_pointer() => Some(Cfa::Sp(offset)),
        _ if register == machine.frame_pointer() => Some(Cfa::Fp(offset)),
        _ => None,
    }
}

fn read(machine: Machine, register: Register, at: i64, add: i64) -> Option<Cfa> {
    match register {
        _ if register == machine.stack_pointer() => Some(Cfa::SpRead { at, add }),
        _ if register == machine.frame_pointer() => Some(Cfa::FpRead { at, add }),
        _ => None,
    }
}
