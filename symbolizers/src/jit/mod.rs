// SPDX-License-Identifier: Apache-2.0
//! What just-in-time compilers say about their code: perf maps and jitdump files.
//!
//! Both are written while the program runs, and code takes the place of code that was dropped: what is said later wins
//! over what was said earlier wherever they overlap.

mod dump;
mod perf_map;
mod ranges;

pub use dump::JitDump;
pub use perf_map::PerfMap;

/// More to keep than this is refused: it is the runtime's to write, and would take memory that other files need.
const MAX_BYTES: u64 = 64 << 20;
