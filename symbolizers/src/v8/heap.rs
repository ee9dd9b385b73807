// SPDX-License-Identifier: Apache-2.0
//! The heap of a V8 in another process, through a descriptor of `/proc/PID/mem` that the agent opened. The process runs
//! on while it is read, and may write whatever it likes: every read can fail, and nothing read is trusted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::layout::Layout;

const PAGE: u64 = 4096;
/// Pages that are read between two calls of `forget`: 32 MiB.
const MAX_PAGES: usize = 8192;

type Page = Box<[u8; PAGE as usize]>;

pub struct Heap {
    memory: File,
    /// Read lately, so that each is seen at one moment.
    pages: RefCell<HashMap<u64, Option<Page>>>,
}

/// The address of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        Self { memory, pages: RefCell::default() }
    }

    /// The next reads see the memory as it is then.
    pub fn forget(&self) {
        self.pages.borrow_mut().clear();
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
        let mut from = object.0.checked_add(offset)?;
        let mut rest = into;
        while !rest.is_empty() {
            let inside = (from % PAGE) as usize;
            let (now, later) = rest.split_at_mut(rest.len().min(PAGE as usize - inside));
            let mut pages = self.pages.borrow_mut();
            if pages.len() >= MAX_PAGES {
                return None;
            }
            let page = pages.entry(from / PAGE).or_insert_with(|| self.page(from / PAGE));
            now.copy_from_slice(&page.as_ref()?[inside..inside + now.len()]);
            from = from.checked_add(now.len() as u64)?;
            rest = later;
        }
        Some(())
    }

    fn page(&self, number: u64) -> Option<Page> {
        let mut page = Box::new([0; PAGE as usize]);
        self.memory.read_exact_at(&mut page[..], number * PAGE).ok()?;
        Some(page)
    }
}
