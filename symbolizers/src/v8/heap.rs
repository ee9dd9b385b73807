// SPDX-License-Identifier: Apache-2.0
//! The heap of a V8 in another process, through a descriptor of `/proc/PID/mem` that the agent opened. The process runs
//! on while it is read, and may write whatever it likes: every read can fail, and nothing read is trusted.

use std::fs::File;

use super::layout::Layout;
use crate::memory::{Bounds, Memory};

/// 32 MiB, of which each is looked at twice on average: sources are read once.
const BOUNDS: Bounds = Bounds { pages: 8192, work: 64 << 20 };

pub struct Heap {
    memory: Memory,
}

/// The address of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object(u64);

/// A word of the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Small(i32),
    Object(Object),
}

impl Value {
    /// None for what is neither: no word that V8 wrote as a value, or a weak reference.
    pub fn of(word: u64) -> Option<Self> {
        match word & 3 {
            1 => Some(Self::Object(Object(word - 1))),
            0 | 2 if word as u32 == 0 => Some(Self::Small((word >> 32) as i32)),
            _ => None,
        }
    }

    pub fn object(self) -> Option<Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Small(_) => None,
        }
    }

    pub fn small(self) -> Option<i32> {
        match self {
            Self::Small(number) => Some(number),
            Self::Object(_) => None,
        }
    }
}

impl Heap {
    pub fn new(memory: File) -> Self {
        Self { memory: Memory::new(memory, BOUNDS) }
    }

    /// The next reads see the memory as it is then.
    pub fn forget(&self) {
        self.memory.forget();
    }

    /// The type of an object, as its map tells. A moved object's map is another word.
    pub fn kind(&self, layout: &Layout, object: Object) -> Option<u16> {
        let map = self.value(object, layout.map)?.object()?;
        // The map of a map is the map of all maps, which is its own.
        let maps = self.value(map, layout.map)?.object()?;
        if self.value(maps, layout.map)?.object()? != maps {
            return None;
        }
        Some(u16::from_le_bytes(self.bytes(map, layout.instance_type)?))
    }

    pub fn value(&self, object: Object, offset: u64) -> Option<Value> {
        Value::of(self.word(object, offset)?)
    }

    pub fn u32(&self, object: Object, offset: u64) -> Option<u32> {
        self.bytes(object, offset).map(u32::from_le_bytes)
    }

    pub fn word(&self, object: Object, offset: u64) -> Option<u64> {
        self.bytes(object, offset).map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&self, object: Object, offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.read(object, offset, &mut bytes)?;
        Some(bytes)
    }

    /// Fills `into` whole, or gives None.
    pub fn read(&self, object: Object, offset: u64, into: &mut [u8]) -> Option<()> {
        self.memory.read(object.0.checked_add(offset)?, into)
    }
}
