// SPDX-License-Identifier: Apache-2.0
//! V8's builtins: machine code that V8 compiles while it is built and puts into the program (`v8_Default_embedded_blob`).
//! It has no frame information, but every one of its frames keeps the frame pointer, as V8's own stack walk depends on it.

use std::io;

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol};

use super::code::{invalid, Code};
use super::rows::Rows;
use super::rule::{Cfa, Saved};

/// Where they begin, and what the name of each begins with.
const START: &[u8] = b"v8_Default_embedded_blob_code_";
const PREFIX: &[u8] = b"Builtins_";

/// From the first to the last that the symbol table of `data` names: what is between two is padding.
pub fn rows(data: &[u8], code: &Code) -> io::Result<Rows> {
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(invalid)?;
    let (mut start, mut end) = (None, 0);
    for symbol in file.symbols() {
        match symbol.name_bytes() {
            Ok(START) => start = Some(symbol.address()),
            Ok(name) if name.starts_with(PREFIX) => {
                end = end.max(symbol.address().saturating_add(symbol.size()))
            }
            _ => {}
        }
    }
    let mut rows = Rows::default();
    let Some((start, segment)) = start.and_then(|start| Some((start, code.segment(start)?))) else {
        return Ok(rows);
    };
    // Of a frame that is not built yet, or not needed (a leaf), the frame pointer is the caller's, so that the caller is
    // left out; what is above it is right.
    let rule = code.machine.rule(Cfa::Fp(16), Saved::Below(16), Saved::Below(8));
    rows.begin(segment.offset_of(start), segment.offset_of(end.max(start)));
    rows.push(segment.offset_of(start), rule);
    Ok(rows)
}
