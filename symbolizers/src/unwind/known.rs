// SPDX-License-Identifier: Apache-2.0
//! Code without frame information whose rule is known all the same: the C library musl and Go's runtime have
//! none for what they write in assembly, and what is in front of a function has none.

use super::code::{Code, Segment};
use super::machine::Machine;
use super::rows::{Flat, Rows};
use super::rule::Rule;

struct Pattern {
    bytes: &'static [u8],
    rule: Rule,
    /// Bytes in front that belong to it.
    before: u32,
}

/// The call that ends a signal handler. The handler's return address is its first byte and nobody called it from
/// there: the byte before must be part of it, as return addresses are looked up in the call before them. That byte
/// is padding (a nop in musl, as in glibc; int3 in Go).
const SIGNAL_RETURN: u32 = 1;

const X86_64: &[Pattern] = &[
    // mov $15,%rax; syscall
    Pattern {
        bytes: &[0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05],
        rule: Rule::SIGNAL,
        before: SIGNAL_RETURN,
    },
    // mov $15,%eax; syscall
    Pattern { bytes: &[0xb8, 15, 0, 0, 0, 0x0f, 0x05], rule: Rule::SIGNAL, before: SIGNAL_RETURN },
    // The child's half of musl's clone: xor %ebp,%ebp; pop %rdi; call *%r9; then exit with what it returned.
    Pattern {
        bytes: &[0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1, 0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05],
        rule: Rule::END,
        before: 0,
    },
];

/// Functions whose first byte glibc's makecontext puts on a new stack as the return address of its outermost
/// function: __start_context. It has frame information, but it never called: the byte in front of it has none.
const CONTEXT_STARTS: &[&[u8]] = &[
    // mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi; je
    &[0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff, 0x74],
];

const ARM64: &[Pattern] = &[
    // mov x8,#139; svc #0. Return addresses are looked up four bytes before.
    Pattern { bytes: &[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4], rule: Rule::SIGNAL, before: 4 },
];

/// A program's first instructions up to its first call; less where another function begins.
const ENTRY_BYTES: u32 = 64;

/// What is recognized by its bytes where `known` has gaps.
pub fn recognized(code: &Code, known: &Flat) -> Rows {
    let (patterns, starts): (_, &[&[u8]]) = match code.machine {
        Machine::X86_64 => (X86_64, CONTEXT_STARTS),
        Machine::Arm64 => (ARM64, &[]),
    };
    let mut rows = Rows::default();
    for segment in code.segments() {
        for (start, end) in known.gaps(segment.offset, segment.end()) {
            search(segment, start, end, patterns, &mut rows);
            let behind = &segment.bytes[(end - segment.offset) as usize..];
            if starts.iter().any(|bytes| behind.starts_with(bytes)) {
                rows.begin(end - 1, end);
                rows.push(end - 1, Rule::END);
            }
        }
    }
    rows
}

/// Where the kernel starts the program: nobody called it.
pub fn entry(code: &Code) -> Rows {
    let mut rows = Rows::default();
    if let Some(segment) = code.segment(code.entry) {
        let start = segment.offset_of(code.entry);
        rows.begin(start, segment.end().min(start.saturating_add(ENTRY_BYTES)));
        rows.push(start, Rule::END);
    }
    rows
}

fn search(segment: &Segment, start: u32, end: u32, patterns: &[Pattern], rows: &mut Rows) {
    let bytes = &segment.bytes[(start - segment.offset) as usize..(end - segment.offset) as usize];
    for pattern in patterns {
        for at in memchr::memmem::find_iter(bytes, pattern.bytes) {
            let first = start + at as u32;
            let from = first.saturating_sub(pattern.before).max(segment.offset);
            rows.begin(from, first + pattern.bytes.len() as u32);
            rows.push(from, pattern.rule);
        }
    }
}
