// SPDX-License-Identifier: Apache-2.0
//! A heap that is made by hand, for tests.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;

use super::heap::Heap;
use super::layout::{Function, Layout, Scope, Script, Strings, Undefined};

pub const LAYOUT: Layout = Layout {
    map: 0,
    instance_type: 12,
    shared: 24,
    function: Function { kind: 262, name_or_scope: 16, script: 32, number: Some(52) },
    scope: Scope { kind: 261, locals: 2, first: 3, place_first: false },
    script: Script { kind: 167, name: 16, source: 8, number: Some(64) },
    string: Strings {
        length: 12,
        one_byte: 16,
        two_byte: 16,
        first: 16,
        second: 24,
        parent: 16,
        offset: 24,
        actual: 16,
    },
    first_non_string: 128,
    undefined: Undefined { at: 40, kind: 5 },
};

pub const LAYOUT_13: Layout =
    Layout { scope: Scope { first: 5, place_first: true, ..LAYOUT.scope }, ..LAYOUT };

pub const SCRIPT_NUMBER: i32 = 77;
pub const FUNCTION_NUMBER: u32 = 3;

const MAP: u16 = 255;
const CONS: u16 = 1;
const ONE_BYTE: u16 = 8;

#[derive(Clone)]
pub struct Made {
    layout: Layout,
    bytes: Vec<u8>,
    /// The map of all maps.
    maps: u64,
}

impl Made {
    pub fn new(layout: &Layout) -> Self {
        let mut made = Self { layout: layout.clone(), bytes: vec![0; 64], maps: 0 };
        made.maps = made.next_object();
        made.object(made.maps, &[u64::from(MAP) << 32]);
        made
    }

    pub fn heap(&self) -> Heap {
        // SAFETY: a name that is a C string; what comes back is checked, and nobody else has it.
        let mut file = unsafe {
            let descriptor = libc::memfd_create(c"heap".as_ptr(), 0);
            assert!(descriptor >= 0);
            File::from_raw_fd(descriptor)
        };
        file.write_all(&self.bytes).unwrap();
        // Pages are read whole.
        file.set_len((self.bytes.len() as u64).next_multiple_of(4096)).unwrap();
        Heap::new(file)
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub fn small(number: i32) -> u64 {
        u64::from(number as u32) << 32
    }

    /// What the next object that is made will be called. Two words are its map's.
    pub fn next_object(&self) -> u64 {
        self.bytes.len() as u64 + if self.maps == 0 { 1 } else { 17 }
    }

    fn object(&mut self, map: u64, words: &[u64]) -> u64 {
        let object = self.bytes.len() as u64 + 1;
        for word in [&[map], words].concat() {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        object
    }

    fn of(&mut self, kind: u16, words: &[u64]) -> u64 {
        let map = self.object(self.maps, &[u64::from(kind) << 32]);
        self.object(map, words)
    }

    fn string(&mut self, kind: u16, length: usize, bytes: &[u8]) -> u64 {
        let words: Vec<u64> = bytes
            .chunks(8)
            .map(|part| part.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
            .collect();
        self.of(kind, &[&[(length as u64) << 32], &words[..]].concat())
    }

    pub fn one_byte(&mut self, text: &str) -> u64 {
        self.string(ONE_BYTE, text.len(), text.as_bytes())
    }

    pub fn two_byte(&mut self, text: &str) -> u64 {
        let units: Vec<u16> = text.encode_utf16().collect();
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        self.string(0, units.len(), &bytes)
    }

    pub fn cons(&mut self, first: u64, second: u64) -> u64 {
        let length = |object: u64| {
            let at = object as usize - 1 + 12;
            self.bytes.get(at..at + 4).map_or(1, |four| u32::from_le_bytes(four.try_into().unwrap()))
        };
        let length = u64::from(length(first) + length(second));
        self.of(CONS, &[length << 32, first, second])
    }

    pub fn script(&mut self, name: u64, source: u64) -> u64 {
        self.of(self.layout.script.kind, &[source, name, 0, 0, 0, 0, 0, Self::small(SCRIPT_NUMBER)])
    }

    pub fn scope(&mut self, slots: &[u64]) -> u64 {
        self.of(self.layout.scope.kind, slots)
    }

    /// A SharedFunctionInfo.
    pub fn function(&mut self, scope: u64, script: u64) -> u64 {
        self.of(self.layout.function.kind, &[0, scope, 0, script, 0, u64::from(FUNCTION_NUMBER) << 32])
    }
}
