// SPDX-License-Identifier: Apache-2.0
//! The table of functions. All numbers in it are offsets, of code from the start of Go's text.

use super::bytes::{u32_at, u64_at, u8_at};
use super::function::Function;

/// First bytes of the table: the format of Go 1.18 and 1.19, and that of 1.20 and later.
const MAGIC_118: u32 = 0xffff_fff0;
const MAGIC_120: u32 = 0xffff_fff1;

/// Words of the header after the first: functions, files, start of the text (unused since 1.26), and where the parts are.
const FUNCTIONS: usize = 8;
const PARTS: [usize; 5] = [32, 40, 48, 56, 64];
const HEADER: usize = 72;

#[derive(Clone, Copy)]
pub struct Pclntab<'a> {
    /// Without the first line of functions.
    pub old: bool,
    /// Smallest size of an instruction: distances between them are counted in it.
    pub quantum: u32,
    count: usize,
    /// The parts, in the order of the header: function names, file indices by compilation unit, file names, values by
    /// program counter, functions. Each of them here to the end of the table.
    pub parts: [&'a [u8]; 5],
}

impl<'a> Pclntab<'a> {
    pub const NAMES: usize = 0;
    pub const UNITS: usize = 1;
    pub const FILES: usize = 2;
    pub const VALUES: usize = 3;
    pub const RECORDS: usize = 4;

    /// None if `bytes` do not begin with a table that is complete.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let old = match u32_at(bytes, 0)? {
            MAGIC_118 => true,
            MAGIC_120 => false,
            _ => return None,
        };
        let (padding, quantum, pointer) = (bytes.get(4..6)?, u8_at(bytes, 6)?, u8_at(bytes, 7)?);
        if padding != [0, 0] || !matches!(quantum, 1 | 4) || pointer != 8 {
            return None;
        }
        let count = usize::try_from(u64_at(bytes, FUNCTIONS)?).ok()?;
        let mut parts = [bytes; 5];
        let mut before = HEADER;
        for (part, place) in parts.iter_mut().zip(PARTS) {
            let start = usize::try_from(u64_at(bytes, place)?).ok()?;
            if start < before {
                return None;
            }
            *part = bytes.get(start..)?;
            before = start;
        }
        let table = Self { old, quantum: quantum.into(), count, parts };
        // Each function, and the end of the last.
        table.parts[Self::RECORDS].get(..count.checked_mul(8)?.checked_add(4)?)?;
        (count > 0).then_some(table)
    }

    /// True if each function begins where or after the one before it does.
    pub fn ascends(&self) -> bool {
        (0..self.count).all(|index| self.entry(index) <= self.entry(index + 1))
    }

    /// Distance of the parts from the header.
    pub fn places(&self, bytes: &[u8]) -> [u64; 5] {
        self.parts.map(|part| (bytes.len() - part.len()) as u64)
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn start(&self) -> u32 {
        self.entry(0)
    }

    /// Past the last function.
    pub fn end(&self) -> u32 {
        self.entry(self.count)
    }

    /// The function that `pc` is in: functions reach up to the next one.
    pub fn find(&self, pc: u32) -> Option<Function<'a>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle) <= pc {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.function(low.checked_sub(1)?).filter(|function| function.range.contains(&pc))
    }

    pub fn function(&self, index: usize) -> Option<Function<'a>> {
        if index >= self.count {
            return None;
        }
        let records = self.parts[Self::RECORDS];
        let record = records.get(u32_at(records, index * 8 + 4)? as usize..)?;
        Function::read(*self, self.entry(index)..self.entry(index + 1), record)
    }

    fn entry(&self, index: usize) -> u32 {
        // All of them were there when the table was read.
        u32_at(self.parts[Self::RECORDS], index * 8).unwrap_or(u32::MAX)
    }
}
