// SPDX-License-Identifier: Apache-2.0
//! Which classes are loaded. What an unloaded one leaves behind in memory looks like a class for a while, though parts
//! of it are something else already: the name of its source file, its lines.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::layout::{Layout, Loaders};
use crate::memory::Memory;

/// Loaders that are looked at. Lambdas and scripts may have one each.
const MAX_LOADERS: usize = 100_000;
/// Classes of one loader that are looked at, newest first: one with more is the application's own, and stays.
const MAX_CLASSES: usize = 10_000;

/// What was found since the memory was forgotten last.
#[derive(Default)]
pub struct Classes {
    loaders: RefCell<Option<Known>>,
    chains: RefCell<HashMap<u64, Chain>>,
}

struct Known {
    loaders: HashSet<u64>,
    /// The first one that was made, which loads the JVM's own classes and is never unloaded.
    oldest: u64,
    /// None are missing.
    whole: bool,
}

/// The classes of a loader, as far as they were looked at.
struct Chain {
    seen: HashSet<u64>,
    next: u64,
}

impl Classes {
    /// Whether `class` is among those of a loader that is there. None when that cannot be read.
    pub fn is_loaded(&self, memory: &Memory, layout: &Layout, class: u64) -> Option<bool> {
        let Some(at) = &layout.loaders else {
            return Some(true);
        };
        let loader = at.of_class.read(memory, class)?;
        let mut known = self.loaders.borrow_mut();
        if known.is_none() {
            *known = Some(Known::read(memory, at)?);
        }
        let known = known.as_ref()?;
        if !known.loaders.contains(&loader) {
            return Some(!known.whole);
        }
        if loader == known.oldest {
            return Some(true);
        }
        let mut chains = self.chains.borrow_mut();
        let chain = match chains.entry(loader) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let next = at.classes.read(memory, loader)?;
                entry.insert(Chain { seen: HashSet::new(), next })
            }
        };
        while !chain.seen.contains(&class) {
            if chain.seen.len() >= MAX_CLASSES {
                return Some(true);
            }
            // The end, or a circle.
            if chain.next == 0 || !chain.seen.insert(chain.next) {
                return Some(false);
            }
            chain.next = at.next_class.read(memory, chain.next)?;
        }
        Some(true)
    }
}

impl Known {
    fn read(memory: &Memory, at: &Loaders) -> Option<Self> {
        let mut known = Self { loaders: HashSet::new(), oldest: 0, whole: true };
        let mut loader = at.first.read(memory, 0)?;
        while loader != 0 && known.loaders.insert(loader) {
            if known.loaders.len() > MAX_LOADERS {
                known.whole = false;
                known.oldest = 0;
                return Some(known);
            }
            known.oldest = loader;
            loader = at.next.read(memory, loader)?;
        }
        Some(known)
    }
}
