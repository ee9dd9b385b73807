// SPDX-License-Identifier: Apache-2.0
//! Names of stubs: small pieces of generated code that are no methods. HotSpot keeps a list of them (`StubCodeDesc`)
//! with the exact bounds of each, also of many that share one blob, such as the intrinsics of `Math.sin`.

use std::collections::BTreeMap;

use super::layout::CodeCache;
use crate::memory::Memory;

/// Stubs that are read: there are a few hundred.
const MAX_STUBS: usize = 8192;
const MAX_NAME: usize = 100;
/// `_next`, `_group`, `_name`; then `_begin` and `_end`, in JDK 8 after a number.
const GROUP: u64 = 8;
const NAME: u64 = 16;
const BOUNDS: [u64; 2] = [24, 32];

#[derive(Default)]
pub struct Stubs {
    /// The first one of the list when it was read: new ones come in front.
    head: u64,
    /// Start to end and name.
    by_start: BTreeMap<u64, (u64, String)>,
}

impl Stubs {
    /// The stub that `address` is in; `list` is where the JVM has the list's head.
    pub fn find(&mut self, memory: &Memory, code: &CodeCache, list: u64, address: u64) -> Option<&str> {
        let head = memory.u64(list)?;
        if head != self.head {
            self.by_start = read(memory, code, head).unwrap_or_default();
            self.head = head;
        }
        let (_, (end, name)) = self.by_start.range(..=address).next_back()?;
        (address < *end).then_some(name)
    }
}

fn read(memory: &Memory, code: &CodeCache, head: u64) -> Option<BTreeMap<u64, (u64, String)>> {
    let bounds = |stub: u64, at: u64| {
        let (start, end) = (memory.u64(stub.checked_add(at)?)?, memory.u64(stub.checked_add(at + 8)?)?);
        (code.heap(start)?.low <= start && start < end && end <= code.heap(start)?.high)
            .then_some((start, end))
    };
    // The newest may still be generated: its end is not known.
    let first = memory.u64(head)?;
    let at = BOUNDS.into_iter().find(|at| bounds(first, *at).is_some())?;
    let mut stubs = BTreeMap::new();
    let mut stub = head;
    while stub != 0 && stubs.len() < MAX_STUBS {
        let next = memory.u64(stub)?;
        let group = memory.text(memory.u64(stub + GROUP)?, MAX_NAME);
        let name = memory.text(memory.u64(stub + NAME)?, MAX_NAME);
        if let (Some((start, end)), Some(group), Some(name)) = (bounds(stub, at), group, name) {
            stubs.insert(start, (end, format!("{group}::{name}")));
        }
        stub = next;
    }
    Some(stubs)
}
