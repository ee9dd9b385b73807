// SPDX-License-Identifier: Apache-2.0
//! The memory of another process, through a descriptor of `/proc/PID/mem` that the agent opened. The process runs on
//! while it is read, and may write whatever it likes: every read can fail, and nothing read is trusted.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

const PAGE: u64 = 4096;

/// What a read costs by itself, in as many bytes.
const EACH_READ: u64 = 32;

/// Between two calls of `forget`.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Pages that are read.
    pub pages: usize,
    /// Bytes that are looked at, the same ones again and again too: structures that lead in circles, or are all in one
    /// page, take no longer than others.
    pub work: u64,
}

/// Reads go through pages that are kept until `forget`, so one question sees each page at one moment.
pub struct Memory {
    file: File,
    bounds: Bounds,
    pages: RefCell<HashMap<u64, Option<Box<[u8; PAGE as usize]>>>>,
    work: Cell<u64>,
}

impl Memory {
    pub fn new(file: File, bounds: Bounds) -> Self {
        Self { file, bounds, pages: RefCell::default(), work: Cell::new(0) }
    }

    /// The next reads see the memory as it is then.
    pub fn forget(&self) {
        self.pages.borrow_mut().clear();
        self.work.set(0);
    }

    /// Fills `into` whole, or gives None.
    pub fn read(&self, address: u64, into: &mut [u8]) -> Option<()> {
        self.work.set(self.work.get() + into.len() as u64 + EACH_READ);
        if self.work.get() > self.bounds.work {
            return None;
        }
        let mut at = 0;
        while at < into.len() {
            let from = address.checked_add(at as u64)?;
            let inside = (from % PAGE) as usize;
            let length = (into.len() - at).min(PAGE as usize - inside);
            let mut pages = self.pages.borrow_mut();
            if pages.len() >= self.bounds.pages {
                return None;
            }
            let page = pages.entry(from / PAGE).or_insert_with(|| self.page(from / PAGE));
            into[at..at + length].copy_from_slice(&page.as_ref()?[inside..inside + length]);
            at += length;
        }
        Some(())
    }

    fn page(&self, number: u64) -> Option<Box<[u8; PAGE as usize]>> {
        let mut page = Box::new([0; PAGE as usize]);
        self.file.read_exact_at(&mut page[..], number * PAGE).ok()?;
        Some(page)
    }

    pub fn bytes(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read(address, &mut bytes)?;
        Some(bytes)
    }

    pub fn u8(&self, address: u64) -> Option<u8> {
        let mut byte = [0];
        self.read(address, &mut byte)?;
        Some(byte[0])
    }

    pub fn u16(&self, address: u64) -> Option<u16> {
        let mut bytes = [0; 2];
        self.read(address, &mut bytes)?;
        Some(u16::from_le_bytes(bytes))
    }

    pub fn u32(&self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Some(u32::from_le_bytes(bytes))
    }

    pub fn u64(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Some(u64::from_le_bytes(bytes))
    }

    /// A C string of printable ASCII, at most `most` bytes long.
    pub fn text(&self, address: u64, most: usize) -> Option<String> {
        let mut text = String::new();
        for at in 0..=most as u64 {
            match self.u8(address.checked_add(at)?)? {
                0 => return Some(text),
                byte @ 0x20..=0x7e => text.push(byte.into()),
                _ => return None,
            }
        }
        None
    }
}
