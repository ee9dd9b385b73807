// SPDX-License-Identifier: Apache-2.0
//! One function: its name, its lines, and what was inlined into it.

use std::borrow::Cow;
use std::ops::Range;

use super::bytes::{string_at, u32_at, u8_at};
use super::pclntab::Pclntab;
use super::values::Values;

/// One frame of the source. An address has several when calls were inlined.
pub struct Level<'a> {
    pub name: Cow<'a, str>,
    /// Empty when unknown.
    pub file: Cow<'a, str>,
    /// 0 when unknown.
    pub line: u32,
    /// First line of the function; 0 when the format does not have it.
    pub start_line: u32,
}

#[derive(Clone)]
pub struct Function<'a> {
    table: Pclntab<'a>,
    pub range: Range<u32>,
    record: &'a [u8],
    /// Where in the record the fields are that moved: flags (`flag`, then padding, then the number of funcdata), and the
    /// end of its fixed part.
    flags: usize,
    end: usize,
}

/// Fields of the record (`_func`).
const NAME: usize = 4;
const DEPTH: usize = 16;
const FILE: usize = 20;
const LINE: usize = 24;
const VALUES: usize = 28;
const UNIT: usize = 32;
const START_LINE: usize = 36;

/// Which of a function's further tables say which inlined call an instruction is of, and what those calls are.
const INLINED_INDEX: usize = 2;
const INLINED_TREE: usize = 3;
const NO_DATA: u32 = u32::MAX;

/// More than any compiler inlines into one another.
const MAX_LEVELS: usize = 512;

impl<'a> Function<'a> {
    pub fn read(table: Pclntab<'a>, range: Range<u32>, record: &'a [u8]) -> Option<Self> {
        let (flags, end) = if table.old { (37, 40) } else { (41, 44) };
        record.get(..end)?;
        Some(Self { table, range, record, flags, end })
    }

    pub fn name(&self) -> Option<&'a [u8]> {
        self.name_at(u32_at(self.record, NAME)?)
    }

    pub fn flags(&self) -> u8 {
        u8_at(self.record, self.flags).unwrap_or(0)
    }

    /// Depth of the stack: bytes between the stack pointer and the return address, by distance from the function's start.
    /// None for code that Go's own tools did not compile: C that was linked in.
    pub fn depths(&self) -> Option<Values<'a>> {
        self.values(u32_at(self.record, DEPTH)?)
    }

    /// Innermost inlined call first, the function itself last. `inlined` is what inline trees are counted from.
    pub fn levels(&self, inlined: Option<&'a [u8]>, pc: u32) -> Vec<Level<'a>> {
        let mut levels = Vec::new();
        let mut pc = pc;
        while levels.len() < MAX_LEVELS {
            let Some(call) = inlined.and_then(|inlined| self.inlined_call(inlined, pc)) else { break };
            let Some(name) = self.name_at(call.name) else { break };
            levels.push(self.level(name, call.start_line, pc));
            pc = call.parent;
        }
        if let Some(name) = self.name() {
            let start_line = if self.table.old { None } else { u32_at(self.record, START_LINE) };
            levels.push(self.level(name, start_line.unwrap_or(0), pc));
        }
        levels
    }

    /// Entry 0 of the function's inline tree, if it has one: where it would be, counted from their start.
    pub fn first_inlined(&self) -> Option<usize> {
        let count = u32_at(self.record, VALUES)? as usize;
        let trees = usize::from(u8_at(self.record, self.end - 1)?);
        let at = self.end.checked_add(count.checked_add(INLINED_TREE)?.checked_mul(4)?)?;
        let tree = (trees > INLINED_TREE).then(|| u32_at(self.record, at))??;
        (tree != NO_DATA && count > INLINED_INDEX).then_some(tree as usize)
    }

    /// The inlined call at `at`, if that is what it looks like: it has a name, and was called within the function.
    pub fn call_at(&self, inlined: &[u8], at: usize) -> Option<Call> {
        let call = Call::read(inlined, at, self.table.old)?;
        let parent = self.range.start.checked_add(call.parent)?;
        let names = self.table.parts[Pclntab::NAMES];
        let begins = call.name == 0 || names.get(call.name as usize - 1) == Some(&0);
        (begins && self.range.contains(&parent)).then_some(Call { parent, ..call })
    }

    fn inlined_call(&self, inlined: &[u8], pc: u32) -> Option<Call> {
        let tree = self.first_inlined()?;
        let values = self.values(u32_at(self.record, self.end + INLINED_INDEX * 4)?)?;
        let index = usize::try_from(values.at(pc - self.range.start)?).ok()?;
        let at = index.checked_mul(Call::size(self.table.old))?.checked_add(tree)?;
        self.call_at(inlined, at)
    }

    fn level(&self, name: &'a [u8], start_line: u32, pc: u32) -> Level<'a> {
        let line = || self.values(u32_at(self.record, LINE)?)?.at(pc - self.range.start)?.try_into().ok();
        let file = self.file(pc);
        Level {
            name: String::from_utf8_lossy(name),
            // A line of no file says nothing.
            line: file.and_then(|_| line()).unwrap_or(0),
            file: String::from_utf8_lossy(file.unwrap_or_default()),
            start_line,
        }
    }

    fn file(&self, pc: u32) -> Option<&'a [u8]> {
        let index =
            u32::try_from(self.values(u32_at(self.record, FILE)?)?.at(pc - self.range.start)?).ok()?;
        let entry = u32_at(self.record, UNIT)?.checked_add(index)? as usize;
        let place = u32_at(self.table.parts[Pclntab::UNITS], entry.checked_mul(4)?)?;
        string_at(self.table.parts[Pclntab::FILES], place as usize)
    }

    fn name_at(&self, place: u32) -> Option<&'a [u8]> {
        string_at(self.table.parts[Pclntab::NAMES], place as usize).filter(|name| !name.is_empty())
    }

    fn values(&self, place: u32) -> Option<Values<'a>> {
        let bytes = self.table.parts[Pclntab::VALUES].get(place as usize..)?;
        (place != 0).then(|| Values::new(bytes, self.table.quantum))
    }
}

/// An entry of an inline tree.
pub struct Call {
    pub name: u32,
    /// An instruction that has the place of the call as its line.
    parent: u32,
    start_line: u32,
}

impl Call {
    fn size(old: bool) -> usize {
        if old {
            20
        } else {
            16
        }
    }

    fn read(bytes: &[u8], at: usize, old: bool) -> Option<Self> {
        let entry = bytes.get(at..at.checked_add(Self::size(old))?)?;
        let (name, parent, start_line) = if old { (12, 16, None) } else { (4, 8, Some(12)) };
        let start_line = start_line.map_or(Some(0), |place| u32_at(entry, place))?;
        Some(Self { name: u32_at(entry, name)?, parent: u32_at(entry, parent)?, start_line })
    }
}
