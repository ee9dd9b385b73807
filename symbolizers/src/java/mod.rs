// SPDX-License-Identifier: Apache-2.0
//! Java: names in a HotSpot JVM (8 to 25), read from its memory while it runs. See docs/java.md.

mod classes;
mod code_cache;
mod compiled;
mod description;
mod identity;
mod layout;
mod lines;
mod method;
mod numbers;
mod structs;
mod stubs;
mod symbols;

use std::fs::File;
use std::io;

use classes::Classes;
use code_cache::Blob;
use layout::Layout;
use method::Named;
use structs::Structs;
use stubs::Stubs;
use symbols::{Symbols, STUBS};

use crate::answer::{Answer, Frame, Naming};
use crate::memory::{Bounds, Memory};

/// 64 MiB of each.
const BOUNDS: Bounds = Bounds { pages: 16_384, work: 64 << 20 };

/// One frame that is asked about, as the unwinder found it.
pub struct Question {
    pub kind: u32,
    /// Interpreted: the `Method*`. Else an address in generated code.
    pub address: u64,
    /// Interpreted: what tells the method from others, see identity.rs. Compiled: low half, where the blob is in the code cache; high half,
    /// its compile id, all ones for other blobs.
    pub extra: u64,
}

pub const INTERPRETED: u32 = 5;
pub const COMPILED: u32 = 6;

const NO_COMPILE_ID: u32 = u32::MAX;

pub struct Jvm {
    memory: Memory,
    layout: Layout,
    stubs: Stubs,
    classes: Classes,
    /// Where the JVM has the head of the list of stubs.
    stub_list: Option<u64>,
}

impl Jvm {
    /// `memory`: of the process; `library`: the file image of its libjvm.so; `bias`: what is added to its addresses.
    /// Fails with `NotFound` when the JVM does not tell what is needed, which may change while it starts.
    pub fn open(memory: File, library: &[u8], bias: u64) -> io::Result<Self> {
        let symbols = Symbols::read(library)?;
        let memory = Memory::new(memory, BOUNDS);
        let address = |name: &str| Some(symbols.address(name)?.wrapping_add(bias));
        let structs = Structs::read(&memory, address).ok_or(io::ErrorKind::NotFound)?;
        let layout = Layout::read(&memory, &structs).ok_or(io::ErrorKind::NotFound)?;
        memory.forget();
        Ok(Self {
            memory,
            layout,
            stubs: Stubs::default(),
            classes: Classes::default(),
            stub_list: address(STUBS),
        })
    }

    /// What the unwinder needs.
    pub fn describe(&self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&description::describe(&self.layout).ok_or(io::ErrorKind::NotFound)?);
        Ok(())
    }

    pub fn lookup(&mut self, questions: &[Question], answer: &mut Answer) {
        // Pages are read once for all, and once more to see whether they are still the same.
        self.forget();
        let first: Vec<_> = questions.iter().map(|question| self.frames(question)).collect();
        self.forget();
        for (question, before) in questions.iter().zip(first) {
            let after = before.as_ref().and_then(|_| self.frames(question));
            match before {
                Some(frames) if Some(&frames) == after.as_ref() => push(answer, &frames),
                _ => answer.unknown(),
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.memory.forget();
        self.classes = Classes::default();
    }

    fn frames(&mut self, question: &Question) -> Option<Vec<Named>> {
        match question.kind {
            INTERPRETED => self.interpreted(question.address, question.extra),
            COMPILED => {
                let address = self.layout.code.low.checked_add(question.extra & u64::from(u32::MAX))?;
                let blob = Blob::read(&self.memory, &self.layout, address)?;
                let id = (question.extra >> 32) as u32;
                if blob.compile_id.unwrap_or(NO_COMPILE_ID) != id {
                    return None;
                }
                self.generated(&blob, question.address)
            }
            _ => {
                let blob = Blob::at(&self.memory, &self.layout, question.address)?;
                // Which nmethod it was when the address was seen, nobody knows.
                if blob.compile_id.is_some() {
                    return None;
                }
                self.generated(&blob, question.address)
            }
        }
    }

    fn interpreted(&self, method: u64, identity: u64) -> Option<Vec<Named>> {
        let index = identity::index_of(&self.memory, &self.layout, method, identity)?;
        Some(vec![method::name(&self.memory, &self.layout, &self.classes, method, index)?])
    }

    fn generated(&mut self, blob: &Blob, address: u64) -> Option<Vec<Named>> {
        if !(blob.code..=blob.code_end).contains(&address) {
            return None;
        }
        if blob.compile_id.is_some() {
            return compiled::frames(&self.memory, &self.layout, &self.classes, blob, address);
        }
        let stub =
            self.stub_list.and_then(|list| self.stubs.find(&self.memory, &self.layout.code, list, address));
        let name = stub.unwrap_or(&blob.name).to_owned();
        Some(vec![Named { system_name: name.clone(), name, file: String::new(), line: 0 }])
    }
}

fn push(answer: &mut Answer, frames: &[Named]) {
    answer.begin();
    for Named { name, system_name, file, line } in frames {
        answer.named(name, Frame { system_name, file, line: *line, start_line: 0, naming: Naming::Linker });
    }
}
