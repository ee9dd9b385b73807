// SPDX-License-Identifier: Apache-2.0
//! Blobs: what HotSpot calls a piece of generated code with its header. Found by an address in them.

use super::layout::{CodeCache, Layout};
use crate::memory::Memory;

/// Steps back in the segment map: each covers up to 254 segments of 128 bytes or so.
const MAX_STEPS: usize = 256;
const FREE: u8 = 0xff;
const MAX_NAME: usize = 100;

/// Compiled methods, as their blobs are called; those of native methods wrap a call.
const COMPILED: [&str; 2] = ["nmethod", "native nmethod"];

/// What a blob's header says.
#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    pub address: u64,
    pub name: String,
    pub size: u64,
    pub code: u64,
    pub code_end: u64,
    /// Of an nmethod: tells it from another one that is at the same address later.
    pub compile_id: Option<u32>,
}

impl Blob {
    /// Reads the header at `address`, which must be in a heap's block that is in use.
    pub fn read(memory: &Memory, layout: &Layout, address: u64) -> Option<Self> {
        let code = &layout.code;
        let heap = code.heap(address)?;
        if code.used.read(memory, address.checked_sub(code.header)?)? & 0xff == 0 {
            return None;
        }
        let at = &layout.blob;
        let name = memory.text(at.name.read(memory, address)?, MAX_NAME)?;
        let compile_id = if COMPILED.contains(&name.as_str()) {
            Some(layout.nmethod.compile_id.read(memory, address)? as u32)
        } else {
            None
        };
        let blob = Self {
            address,
            size: at.size.read(memory, address)?,
            code: at.code.read(memory, address)?,
            code_end: at.code_end.read(memory, address)?,
            name,
            compile_id,
        };
        let end = address.checked_add(blob.size)?;
        let sound = address < blob.code && blob.code <= blob.code_end && blob.code_end <= end;
        (sound && end <= heap.high).then_some(blob)
    }

    /// The blob that `address` is in.
    pub fn at(memory: &Memory, layout: &Layout, address: u64) -> Option<Self> {
        let blob = Self::read(memory, layout, start(memory, &layout.code, address)?)?;
        (blob.address..blob.address + blob.size).contains(&address).then_some(blob)
    }
}

fn start(memory: &Memory, code: &CodeCache, address: u64) -> Option<u64> {
    let heap = code.heap(address)?;
    let mut segment = (address - heap.low) >> code.segment_shift;
    for _ in 0..MAX_STEPS {
        match memory.u8(heap.segments.checked_add(segment)?)? {
            FREE => return None,
            0 => return heap.low.checked_add(segment << code.segment_shift)?.checked_add(code.header),
            back => segment = segment.checked_sub(back.into())?,
        }
    }
    None
}
