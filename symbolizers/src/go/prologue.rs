// SPDX-License-Identifier: Apache-2.0
//! Where in a function of x86-64 the caller's frame pointer goes to the stack. The compiler's tables do not say it, but
//! its prologues are of two kinds.

/// Distances from the start of the function.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Prologue {
    /// From here on the caller's frame pointer is in the word below the return address,
    pub saved: u32,
    /// and from here on the frame pointer points to it.
    pub settled: u32,
}

const PUSH: u8 = 0x55;
const MOVE: [u8; 3] = [0x48, 0x89, 0xe5];

/// `grown` is the distance at which the stack is deeper than at the start for the first time, by `depth` bytes. None
/// when the function does something else first: assembly that was told to have no frame.
pub fn read(code: &[u8], grown: u32, depth: u32) -> Option<Prologue> {
    let (before, after) = code.split_at_checked(grown as usize)?;
    if depth == 8 && before.last() == Some(&PUSH) {
        // Go 1.21 and later: PUSHQ BP; MOVQ SP, BP.
        return after.starts_with(&MOVE).then_some(Prologue { saved: grown, settled: grown + 3 });
    }
    // Before: SUBQ $depth, SP; MOVQ BP, depth-8(SP); LEAQ depth-8(SP), BP.
    let saved = at_stack(after, 0x89, depth.checked_sub(8)?)?;
    let settled = saved + at_stack(after.get(saved..)?, 0x8d, depth - 8)?;
    Some(Prologue { saved: grown + saved as u32, settled: grown + settled as u32 })
}

/// Length of the instruction `opcode` with the frame pointer as its register and offset(SP) as its memory.
fn at_stack(code: &[u8], opcode: u8, offset: u32) -> Option<usize> {
    let [0x48, op, form, 0x24, rest @ ..] = code else { return None };
    let (stated, length) = match form {
        0x2c => (0, 4),
        0x6c => (u32::from(*rest.first()?), 5),
        0xac => (u32::from_le_bytes(rest.get(..4)?.try_into().ok()?), 8),
        _ => return None,
    };
    (*op == opcode && stated == offset).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::{read, Prologue};

    #[test]
    fn push() {
        // cmp 0x10(%r14),%rsp; jbe; push %rbp; mov %rsp,%rbp; sub $0x20,%rsp
        let code = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x2d, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20];
        assert_eq!(read(&code, 7, 8), Some(Prologue { saved: 7, settled: 10 }));
        assert_eq!(read(&code, 7, 16), None);
        assert_eq!(read(&code[..9], 7, 8), None);
        assert_eq!(read(&code, 40, 8), None);
    }

    #[test]
    fn subtract() {
        let small = [0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x6c, 0x24, 0x10, 0x48, 0x8d, 0x6c, 0x24, 0x10];
        assert_eq!(read(&small, 4, 0x18), Some(Prologue { saved: 9, settled: 14 }));
        assert_eq!(read(&small, 4, 0x20), None);
        let none = [0x50, 0x48, 0x89, 0x2c, 0x24, 0x48, 0x8d, 0x2c, 0x24];
        assert_eq!(read(&none, 1, 8), Some(Prologue { saved: 5, settled: 9 }));
        let large = [
            [0x48, 0x81, 0xec, 0x08, 0x01, 0, 0].as_slice(),
            &[0x48, 0x89, 0xac, 0x24, 0, 0x01, 0, 0, 0x48, 0x8d, 0xac, 0x24, 0, 0x01, 0, 0],
        ];
        assert_eq!(read(&large.concat(), 7, 0x108), Some(Prologue { saved: 15, settled: 23 }));
    }

    #[test]
    fn no_frame() {
        assert_eq!(read(&[0x9c, 0xfc, 0x48, 0x83, 0xec, 0x70], 1, 8), None);
    }
}
