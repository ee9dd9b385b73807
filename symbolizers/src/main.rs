// SPDX-License-Identifier: Apache-2.0
//! The symbolizer child of the Stackwell agent: reads what processes of users control (ELF, DWARF, perf maps) without
//! any privilege, within a memory limit. Started and fed by `src/agent/profiling/symbolizer`; see docs/symbols.md.

mod answer;
mod demangle;
mod descriptors;
mod elf;
mod files;
mod go;
mod java;
mod jit;
mod kernel;
mod memory;
mod sandbox;
mod server;
mod threads;
mod unwind;
mod v8;

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::os::fd::FromRawFd;
use std::process::ExitCode;

/// `stackwell-symbolizer MEMORY FILES`: bytes of private memory and number of descriptors that it may use.
fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [memory, files] = numbers[..] else {
        eprintln!("usage: stackwell-symbolizer MEMORY FILES; the stackwell agent starts it");
        return ExitCode::from(2);
    };
    let opened = match sandbox::enter(&sandbox::Limits { memory, files }) {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("cannot close the sandbox: {error}");
            return ExitCode::from(3);
        }
    };
    // SAFETY: 0 and 1 are the agent's pipes, used by nothing else: not through std::io, whose locks and line
    // buffers are for terminals.
    let (input, output) = unsafe { (File::from_raw_fd(0), File::from_raw_fd(1)) };
    let ended: io::Result<()> =
        server::Server::new(opened).run(BufReader::new(input), BufWriter::with_capacity(1 << 16, output));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the agent is gone: {error}");
            ExitCode::from(1)
        }
    }
}
