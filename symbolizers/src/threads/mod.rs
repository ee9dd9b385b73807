// SPDX-License-Identifier: Apache-2.0
//! Where a process publishes what its threads work on: OpenTelemetry's thread context (OTEP 4947), announced by its
//! process context (OTEP 4719). See docs/trace-link.md.

mod context;
mod place;
mod variable;

use std::fs::File;
use std::io;

use variable::Variable;

use crate::memory::{Bounds, Memory};

const BOUNDS: Bounds = Bounds { pages: 64, work: 1 << 20 };

/// What is asked about one file that a process runs.
pub struct Question {
    /// Where its code is mapped, and from which offset in the file.
    pub mapped: (u64, u64),
    /// Address of the process context.
    pub context: u64,
    /// The process has musl for a C library, not glibc.
    pub musl: bool,
}

/// The place of the variable, as bpf/profile/publisher.h has it. Fails with `Unsupported` when the file `image` has no
/// such variable, and with `NotFound` when the process does not say that it publishes, or not yet where.
pub fn find(memory: File, image: &[u8], question: &Question) -> io::Result<[u8; place::BYTES]> {
    let variable = Variable::read(image)?.ok_or(io::ErrorKind::Unsupported)?;
    let memory = Memory::new(memory, BOUNDS);
    if !context::publishes(&memory, question.context) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let place = variable.resolve(&memory, question.mapped).ok_or(io::ErrorKind::NotFound)?;
    Ok(place.encode(variable.machine, question.musl))
}
