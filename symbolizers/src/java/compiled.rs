// SPDX-License-Identifier: Apache-2.0
//! Compiled methods: which calls were inlined where. An nmethod has a list of places in its code (PcDesc: offset,
//! scope), sorted, and scopes as compressed numbers: caller's scope, method, bytecode index.

use super::classes::Classes;
use super::code_cache::Blob;
use super::layout::{DebugInfo, Layout, Metadata};
use super::method::{self, Named};
use super::numbers::Numbers;
use crate::memory::Memory;

/// C2 inlines up to 9 levels deep (15 through method handles), Graal deeper.
const MAX_DEPTH: usize = 64;
const MAX_BYTES: u64 = 16 << 20;
/// pc_offset, scope_decode_offset, obj_decode_offset, flags.
const PC_DESC: usize = 16;
/// What a bytecode index is stored less: -1 stands for the method's entry.
const BEFORE_FIRST: i64 = -1;
/// Bytes of one scope: three numbers.
const MAX_SCOPE: usize = 15;

/// Where an nmethod keeps its tables.
struct Tables {
    pcs: (u64, u64),
    scopes: (u64, u64),
    metadata: (u64, u64),
}

/// The methods at `pc`, innermost inlined one first, the compiled one last. `exact`: pc is the very instruction and
/// not the return address of a call.
pub fn frames(
    memory: &Memory,
    layout: &Layout,
    classes: &Classes,
    blob: &Blob,
    pc: u64,
) -> Option<Vec<Named>> {
    let compiled = layout.nmethod.method.read(memory, blob.address)?;
    let whole = || Some(vec![method::name(memory, layout, classes, compiled, None)?]);
    // Native wrappers have no scopes.
    if blob.name != "nmethod" {
        return whole();
    }
    let tables = tables(memory, layout, blob)?;
    let Some(mut scope) = scope_at(memory, tables.pcs, pc.checked_sub(blob.code)?)? else {
        return whole();
    };
    let mut frames = Vec::new();
    while scope != 0 {
        if frames.len() == MAX_DEPTH {
            return None;
        }
        let (caller, method, index) = read_scope(memory, layout, &tables, scope)?;
        // Index -1: the method is being entered.
        frames.push(method::name(memory, layout, classes, method, Some(index.max(0) as u32))?);
        // Callers were written earlier: no loop.
        if caller >= scope {
            return None;
        }
        scope = caller;
        if scope == 0 && method != compiled {
            return None;
        }
    }
    if frames.is_empty() {
        return whole();
    }
    Some(frames)
}

/// The scope of the first place that is not before `offset`: of a call that is the place itself; for an instruction
/// between two places, the JVM's own tools go by the next one as well. None if there is none, or it has no scope.
fn scope_at(memory: &Memory, (start, end): (u64, u64), offset: u64) -> Option<Option<u32>> {
    let table = memory.bytes(start, (end - start) as usize)?;
    let word = |at: usize| i32::from_le_bytes([table[at], table[at + 1], table[at + 2], table[at + 3]]);
    let count = table.len() / PC_DESC;
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = (low + high) / 2;
        if i64::from(word(middle * PC_DESC)) < offset as i64 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // The last one is a guard at the largest offset.
    if low + 1 >= count {
        return Some(None);
    }
    Some(u32::try_from(word(low * PC_DESC + 4)).ok().filter(|scope| *scope != 0))
}

/// Caller's scope, method, bytecode index.
fn read_scope(memory: &Memory, layout: &Layout, tables: &Tables, scope: u32) -> Option<(u32, u64, i64)> {
    let (start, end) = tables.scopes;
    let at = start.checked_add(scope.into())?;
    let length = (end.checked_sub(at)? as usize).min(MAX_SCOPE);
    let bytes = memory.bytes(at, length)?;
    let mut numbers = Numbers::new(&bytes, layout.encoding);
    let caller = numbers.unsigned()?;
    let method = numbers.unsigned()?;
    let index = i64::from(numbers.unsigned()?) + BEFORE_FIRST;

    // The list of metadata counts from 1.
    let (start, end) = tables.metadata;
    let at = start.checked_add(8 * u64::from(method.checked_sub(1)?))?;
    if at >= end {
        return None;
    }
    Some((caller, memory.u64(at)?, index))
}

fn tables(memory: &Memory, layout: &Layout, blob: &Blob) -> Option<Tables> {
    let base = blob.address;
    let (tables, limit) = match &layout.nmethod.debug_info {
        DebugInfo::Inside { pcs, pcs_end, data, metadata } => {
            let pcs = base.checked_add(pcs.read(memory, base)?)?;
            let pcs_end = base.checked_add(pcs_end.read(memory, base)?)?;
            let data = data.read(memory, base)?;
            let metadata = base.checked_add(metadata.read(memory, base)?)?;
            let tables = Tables { pcs: (pcs, pcs_end), scopes: (data, pcs), metadata: (metadata, data) };
            (tables, (base, base.checked_add(blob.size)?))
        }
        DebugInfo::Outside { memory: immutable, bytes, pcs, data, metadata } => {
            let start = immutable.read(memory, base)?;
            let end = start.checked_add(bytes.read(memory, base)?)?;
            let pcs = start.checked_add(pcs.read(memory, base)?)?;
            let data = start.checked_add(data.read(memory, base)?)?;
            let tables = Tables {
                pcs: (pcs, data),
                scopes: (data, end),
                metadata: list_of_metadata(memory, metadata, base)?,
            };
            (tables, (start, end))
        }
    };
    let within = |(start, end): (u64, u64)| limit.0 <= start && start <= end && end <= limit.1;
    let sound = |(start, end): (u64, u64)| start <= end && end - start <= MAX_BYTES;
    (within(tables.pcs) && within(tables.scopes) && sound(tables.pcs) && sound(tables.metadata))
        .then_some(tables)
}

fn list_of_metadata(memory: &Memory, metadata: &Metadata, base: u64) -> Option<(u64, u64)> {
    match metadata {
        Metadata::Mutable { memory: mutable, bytes, relocations } => {
            let start = mutable.read(memory, base)?;
            let end = start.checked_add(bytes.read(memory, base)?)?;
            Some((start.checked_add(relocations.read(memory, base)?)?, end))
        }
        Metadata::InData { data, metadata, size } => {
            let start = base.checked_add(data.read(memory, base)?)?;
            let end = base.checked_add(size.read(memory, base)?)?;
            Some((start.checked_add(metadata.read(memory, base)?)?, end))
        }
    }
}
