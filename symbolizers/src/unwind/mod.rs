// SPDX-License-Identifier: Apache-2.0
//! Unwind tables: how to get from a frame to its caller's, for each place in a file's code. See docs/unwinding.md.

mod builtins;
mod code;
mod deduced;
mod entries;
mod expression;
mod frame;
mod frames;
mod known;
mod linkage;
mod machine;
mod outermost;
mod rows;
mod rule;
mod sections;
mod tree;

use std::io;

use gimli::{EndianSlice, LittleEndian};

use crate::answer::put;
use crate::go::Go;
use code::Code;
use frames::Frames;
use rows::Flat;
pub use rows::Rows;
pub use rule::{Cfa, Rule, Saved};
use tree::Tree;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The table of one file.
#[derive(Default)]
pub struct Table {
    tree: Tree,
    rows: u32,
    /// Rows of code whose rule is known and does not fit.
    unsaid: u32,
    /// Entries of frame information, or sections of it, that could not be read.
    unreadable: u32,
    /// There were too many rows: there is no table then.
    too_large: bool,
}

impl Table {
    /// Of the file image `data`, the Go code in it, and its debug file. `debug` false leaves `.debug_frame` alone, there
    /// and here. What cannot be read of it is counted and costs nothing else.
    pub fn new(data: &[u8], go: Option<&Go>, attached: Option<&[u8]>, debug: bool) -> Self {
        let mut table = Self::default();
        let Some(code) = table.read(Code::read(data)) else { return table };
        match table.sources(&code, data, go, attached.filter(|_| debug), debug) {
            Some(flat) => table.close(flat),
            None => Self { too_large: true, ..table },
        }
    }

    /// All that is known, in order of trust: each source fills the gaps of those before it. None if it is too much.
    ///
    /// Go code is described by its runtime's tables and by nothing else that is loaded; its `.debug_frame` says the same,
    /// but for the functions that go on on another stack, where it is wrong, and needs to be decompressed.
    /// `.eh_frame` comes next, because exceptions depend on it: it is loaded with the program and always of its own
    /// build. Then code that is recognized, as what other sources say of it is wrong (they take the return from a
    /// signal for a function that was called). Then `.debug_frame`, the file's own before the debug file's, then what V8,
    /// linkers and C libraries leave without any, and last what the instructions themselves tell.
    fn sources(
        &mut self,
        code: &Code,
        data: &[u8],
        go: Option<&Go>,
        attached: Option<&[u8]>,
        debug: bool,
    ) -> Option<Flat> {
        let mut known = match go {
            Some(go) => go.rows(data).flatten()?,
            None => Flat::default(),
        };
        if let Some(section) = self.read(sections::eh_frame(data)) {
            known = known.filled(self.flatten(Frames::of_eh_frame(&section, code))?);
        }
        let recognized = known::recognized(code, &known);
        known = known.filled(recognized.flatten()?);
        let own = Some(data).filter(|_| debug && go.is_none());
        for data in [own, attached].into_iter().flatten() {
            if let Some(section) = self.read(sections::debug_frame(data)) {
                known = known.filled(self.flatten(Frames::of_debug_frame(&section, code))?);
            }
        }
        for symbols in [Some(data), attached].into_iter().flatten() {
            if let Some(rows) = self.read(builtins::rows(data, symbols, code).map(Some)) {
                known = known.filled(rows.flatten()?);
            }
        }
        let outermost = outermost::rows(data, code, &known).map(Some);
        if let Some(rows) = self.read(outermost) {
            known = known.filled(rows.flatten()?);
        }
        for rows in [self.read(linkage::rows(data, code).map(Some)), Some(known::entry(code))] {
            known = known.filled(rows.unwrap_or_default().flatten()?);
        }
        let images: Vec<&[u8]> = [Some(data), attached].into_iter().flatten().collect();
        let deduced = deduced::rows(code, &known, &images);
        Some(known.filled(deduced.flatten()?))
    }

    fn read<T>(&mut self, result: io::Result<Option<T>>) -> Option<T> {
        result.unwrap_or_else(|_| {
            self.unreadable += 1;
            None
        })
    }

    fn flatten(&mut self, frames: Frames) -> Option<Flat> {
        self.unreadable += frames.unreadable;
        frames.rows.flatten()
    }

    fn close(self, flat: Flat) -> Self {
        let rows = flat.close();
        let unsaid = rows.iter().filter(|row| row.rule == Rule::UNSAID).count() as u32;
        match Tree::new(&rows) {
            Some(tree) => Self { tree, rows: rows.len() as u32, unsaid, ..self },
            None => Self { too_large: true, ..self },
        }
    }

    /// Blocks, root, levels, rows; the blocks; rows that cannot be said, entries that cannot be read, 1 if it is too
    /// large.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve_exact(self.tree.blocks.len() + 28);
        put(out, [self.tree.count(), self.tree.root, self.tree.levels, self.rows].into_iter());
        out.extend_from_slice(&self.tree.blocks);
        put(out, [self.unsaid, self.unreadable, self.too_large.into()].into_iter());
    }
}
