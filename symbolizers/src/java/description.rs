// SPDX-License-Identifier: Apache-2.0
//! What the BPF unwinder must know of a JVM: `struct sw_jvm` of bpf/profile/jvm.h, where the same layout is stated.

use super::layout::{Layout, Place};

/// Code heaps in the struct.
const HEAPS: usize = 4;
/// Bytes of a blob's header that the unwinder reads.
const MAX_HEADER: u64 = 384;
pub const BYTES: usize = 168;

const FLAG_OFFSETS: u8 = 1; // code and code_end are 32-bit offsets from the blob
const FLAG_SHORT_COMPLETE: u8 = 2; // frame_complete has 16 bits
const FLAG_DEOPT_OFFSETS: u8 = 4; // so are the deoptimization handlers

/// None when something does not fit: then the JVM is not unwound.
pub fn describe(layout: &Layout) -> Option<[u8; BYTES]> {
    let (code, blob, nmethod, method) = (&layout.code, &layout.blob, &layout.nmethod, &layout.method);
    let pool = &layout.pool;
    let mut out = Vec::with_capacity(BYTES);
    let mut words = |words: &[u64]| words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    // The start of the process: native/bpf fills it in.
    words(&[0, code.interpreter.0, code.interpreter.1, code.low]);
    for i in 0..HEAPS {
        let heap = code.heaps.get(i);
        words(&heap.map_or([0; 3], |heap| [heap.low, heap.high, heap.segments]));
    }

    let mut flags = 0;
    if matches!(blob.code, Place::Offset(_)) {
        flags |= FLAG_OFFSETS;
    }
    if blob.frame_complete.bytes == 2 {
        flags |= FLAG_SHORT_COMPLETE;
    }
    if matches!(nmethod.deopt, Place::Offset(_)) {
        flags |= FLAG_DEOPT_OFFSETS;
    }
    let deopt = nmethod.deopt.slot();
    for at in [
        blob.name.at,
        blob.code.slot().at,
        blob.code_end.slot().at,
        blob.frame_size.at,
        blob.frame_complete.at,
        nmethod.compile_id.at,
        deopt.at,
        nmethod.deopt_mh.map_or(deopt, |place| place.slot()).at,
        nmethod.original_pc.at,
        method.const_method.at,
        method.bytecode,
        method.code_size.at,
        method.constants.at,
        pool.holder.at,
        pool.entries,
        pool.class_name.at,
    ] {
        if at + 8 > MAX_HEADER {
            return None;
        }
        out.extend_from_slice(&(at as u16).to_le_bytes());
    }
    let header = u8::try_from(code.header).ok()?;
    let refcount = u8::try_from(pool.symbol_refcount).ok().filter(|at| at + 2 <= 8)?;
    let heaps = code.heaps.len() as u8;
    out.extend_from_slice(&[heaps, code.segment_shift, header, flags, layout.bytecode_slot, refcount]);
    out.resize(BYTES, 0);
    out.try_into().ok()
}
