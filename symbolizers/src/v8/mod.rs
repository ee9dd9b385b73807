// SPDX-License-Identifier: Apache-2.0
//! JavaScript: names of functions in a V8 (Node.js), read from its heap while it runs. See docs/node.md.

mod function;
mod heap;
mod layout;
#[cfg(test)]
pub mod made;
mod strings;

use std::fs::File;
use std::io;

use crate::answer::{Answer, Frame, Naming};
use function::{Lines, Named, Question};
use heap::Heap;
pub use layout::Layout;

pub struct V8 {
    heap: Heap,
    layout: Layout,
}

impl V8 {
    /// `memory`: of the process; `program`: the image of its executable. None if that has no V8 that is known here.
    pub fn open(memory: File, program: &[u8]) -> io::Result<Option<Self>> {
        Ok(Layout::read(program)?.map(|layout| Self { heap: Heap::new(memory), layout }))
    }

    /// Names functions: each word is the address of a SharedFunctionInfo, and in its upper 16 bits which one it was. The
    /// process runs on: each is read twice, each time from memory as it is then, and two answers that differ are none.
    pub fn lookup(&self, words: &[u64], answer: &mut Answer) {
        let functions: Vec<_> = words
            .iter()
            .map(|word| Question { shared: word & ((1 << 48) - 1), identity: (word >> 48) as u16 })
            .collect();
        let read = |function: &Question| function::name(&self.heap, &self.layout, *function);
        self.heap.forget();
        let first: Vec<_> = functions.iter().map(read).collect();
        self.heap.forget();
        let mut lines = Lines::default();
        for (function, before) in functions.iter().zip(first) {
            let after = before.as_ref().and_then(|_| read(function));
            match before.zip(after) {
                Some((before, named)) if before.agrees(&named) => {
                    push(answer, &named, lines.of(&self.heap, &self.layout, &named))
                }
                _ => answer.unknown(),
            }
        }
        self.heap.forget();
    }
}

fn push(answer: &mut Answer, named: &Named, line: u32) {
    answer.begin();
    // Where in the function it was is not known: its first line stands for it.
    let frame =
        Frame { system_name: &named.name, file: &named.file, line, start_line: line, naming: Naming::Linker };
    answer.named(&named.name, frame);
}
