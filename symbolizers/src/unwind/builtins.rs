// SPDX-License-Identifier: Apache-2.0
//! V8's builtins: machine code that V8 compiles while it is built and puts into the program (`v8_Default_embedded_blob`).
//! It has no frame information, but every one of its frames keeps the frame pointer, as V8's own stack walk depends on it.

use std::io;

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol};

use super::code::{invalid, Code};
use super::rows::Rows;
use super::rule::{Cfa, Rule, Saved};
use crate::v8::Layout;

/// What tells that there are any (in V8 10 it is a pointer to where they begin), and what the name of each begins with.
const BLOB: &[u8] = b"v8_Default_embedded_blob_code_";
const PREFIX: &[u8] = b"Builtins_";
/// The interpreter: what enters it, and at the end of all builtins what it does for each bytecode.
const ENTRY: &[u8] = b"Builtins_InterpreterEntryTrampoline";
const FIRST_BYTECODE: &[u8] = b"Builtins_WideHandler";

/// From the first to the last that the symbol table of `symbols` names, the program or its debug file: what is between
/// two is padding.
pub fn rows(program: &[u8], symbols: &[u8], code: &Code) -> io::Result<Rows> {
    let file = ElfFile64::<LittleEndian>::parse(symbols).map_err(invalid)?;
    let (mut start, mut end, mut bytecodes, mut blob) = (None, 0, None, false);
    let mut entries = Vec::new();
    for symbol in file.symbols() {
        let Ok(name) = symbol.name_bytes() else { continue };
        blob |= name == BLOB;
        if !name.starts_with(PREFIX) {
            continue;
        }
        start = Some(start.unwrap_or(symbol.address()).min(symbol.address()));
        end = end.max(symbol.address().saturating_add(symbol.size()));
        if name == FIRST_BYTECODE {
            bytecodes = Some(symbol.address());
        } else if name.starts_with(ENTRY) {
            entries.push((symbol.address(), symbol.address().saturating_add(symbol.size())));
        }
    }
    let mut rows = Rows::default();
    let Some((start, segment)) = start.filter(|_| blob).and_then(|start| Some((start, code.segment(start)?)))
    else {
        return Ok(rows);
    };
    // Of a frame that is not built yet, or not needed (a leaf), the frame pointer is the caller's, so that the caller is
    // left out, or shown by its function alone; what is above it is right.
    let plain = code.machine.rule(Cfa::Fp(16), Saved::Below(16), Saved::Below(8));
    let layout = Layout::read(program)?;
    let rule =
        |interpreter| layout.as_ref().and_then(|layout| Rule::v8(interpreter, layout)).unwrap_or(plain);
    let mut range = |start, end, rule| {
        rows.begin(segment.offset_of(start), segment.offset_of(end));
        rows.push(segment.offset_of(start), rule);
    };
    entries.sort_unstable();
    let mut at = start;
    for (from, to) in entries.into_iter().chain([(bytecodes.unwrap_or(end), end)]) {
        if from < at || to > end {
            continue;
        }
        range(at, from, rule(false));
        range(from, to, rule(true));
        at = to;
    }
    range(at, end.max(at), rule(false));
    Ok(rows)
}
