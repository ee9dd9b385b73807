// SPDX-License-Identifier: Apache-2.0
//! The few DWARF expressions that compilers and linkers put into frame rules.

use gimli::{Encoding, Expression, Operation, Register};

use super::Slice;

#[derive(Debug, PartialEq, Eq)]
pub enum Shape {
    /// A register and an offset.
    Sum { register: Register, offset: i64 },
    /// What is there in memory, and `add`: stacks that were aligned, or moved by hand-written assembly.
    Read { register: Register, at: i64, add: i64 },
    /// Lazy procedure linkage of x86-64: 8 bytes more are on the stack from this byte of each 16 on.
    Linkage { from: u64 },
}

/// None if it is another one.
pub fn shape(expression: Expression<Slice<'_>>, encoding: Encoding) -> Option<Shape> {
    use Operation::{And, Deref, Ge, Plus, PlusConstant, RegisterOffset, Shl, UnsignedConstant};

    // The longest shape has nine operations.
    let mut read = expression.operations(encoding);
    let mut operations = Vec::with_capacity(10);
    while let Some(operation) = read.next().ok()? {
        if operations.len() == 9 {
            return None;
        }
        operations.push(operation);
    }
    let simple = |space: bool, size: u8| !space && size == encoding.address_size;
    match operations[..] {
        [RegisterOffset { register, offset, .. }] => Some(Shape::Sum { register, offset }),
        [RegisterOffset { register, offset: at, .. }, Deref { size, space, .. }] if simple(space, size) => {
            Some(Shape::Read { register, at, add: 0 })
        }
        [RegisterOffset { register, offset: at, .. }, Deref { size, space, .. }, PlusConstant { value }]
            if simple(space, size) =>
        {
            Some(Shape::Read { register, at, add: value.try_into().ok()? })
        }
        // rsp + 8 + ((rip & 15) >= from) << 3
        [RegisterOffset { register: Register(7), offset: 8, .. }, RegisterOffset { register: Register(16), offset: 0, .. }, UnsignedConstant { value: 15 }, And, UnsignedConstant { value: from }, Ge, UnsignedConstant { value: 3 }, Shl, Plus] => {
            Some(Shape::Linkage { from })
        }
        _ => None,
    }
}
