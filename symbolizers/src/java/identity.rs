// SPDX-License-Identifier: Apache-2.0
//! What tells an interpreted method from another one that has its place by now: the unwinder computed the same when it
//! saw the method (bpf/profile/method.h, where it is explained).

use super::layout::Layout;
use super::method::aligned;
use crate::memory::Memory;

const NATIVE: u64 = 0xffff;
const CLASS: u64 = 1 << 16;
const NAME: u64 = 1 << 17;
const HASH_SHIFT: u32 = 18;

/// The index of the bytecode in `identity`; None within for a native method. Fails when `method` is not the one that was
/// seen.
pub fn index_of(memory: &Memory, layout: &Layout, method: u64, identity: u64) -> Option<Option<u32>> {
    if of(memory, layout, method, identity & (CLASS | NAME))? != identity & !NATIVE {
        return None;
    }
    let index = identity & NATIVE;
    Some((index != NATIVE).then_some(index as u32))
}

/// `seen`: what the unwinder could read of it.
fn of(memory: &Memory, layout: &Layout, method: u64, seen: u64) -> Option<u64> {
    let (at, pool_at) = (&layout.method, &layout.pool);
    let constant = aligned(at.const_method.read(memory, aligned(method)?)?)?;
    let parts = [&at.code_size, &at.name, &at.signature, &at.number];
    let mut shape = 0;
    for (i, part) in parts.into_iter().enumerate() {
        shape |= part.read(memory, constant)? << (16 * i);
    }
    let mut hash = mix(mix(0, constant), shape);
    let pool = aligned(at.constants.read(memory, constant)?)?;
    if seen & CLASS != 0 {
        let class = aligned(pool_at.holder.read(memory, pool)?)?;
        let name = pool_at.class_name.read(memory, class)?;
        hash = mix(mix(hash, class), symbol(memory, layout, name)?);
    }
    if seen & NAME != 0 {
        let entry = pool.checked_add(pool_at.entries)?.checked_add(8 * (shape >> 16 & 0xffff))?;
        hash = mix(mix(hash, pool), symbol(memory, layout, memory.u64(entry)?)?);
    }
    Some(hash << HASH_SHIFT | seen)
}

fn symbol(memory: &Memory, layout: &Layout, symbol: u64) -> Option<u64> {
    let head = memory.u64(aligned(symbol)?)? & !(0xffff << (8 * layout.pool.symbol_refcount));
    Some(mix(mix(0, symbol), head))
}

fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 32
}
