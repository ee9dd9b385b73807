// SPDX-License-Identifier: Apache-2.0
//! What differs from one processor to another: register numbers of DWARF, where the return address is, encoding.

use gimli::{Register, RegisterRule, Vendor};

use super::rule::{Cfa, Rule, Saved};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Arm64,
}

impl Machine {
    /// By the number in the ELF header.
    pub fn of(number: u16) -> Option<Self> {
        match number {
            object::elf::EM_X86_64 => Some(Self::X86_64),
            object::elf::EM_AARCH64 => Some(Self::Arm64),
            _ => None,
        }
    }

    pub fn stack_pointer(self) -> Register {
        match self {
            Self::X86_64 => Register(7),
            Self::Arm64 => Register(31),
        }
    }

    pub fn frame_pointer(self) -> Register {
        match self {
            Self::X86_64 => Register(6),
            Self::Arm64 => Register(29),
        }
    }

    /// The column of the return address.
    pub fn return_address(self) -> Register {
        match self {
            Self::X86_64 => Register(16),
            Self::Arm64 => Register(30),
        }
    }

    pub fn vendor(self) -> Vendor {
        match self {
            Self::X86_64 => Vendor::Default,
            Self::Arm64 => Vendor::AArch64,
        }
    }

    /// UNSAID if it does not fit.
    pub fn rule(self, cfa: Cfa, frame_pointer: Saved, return_address: Saved) -> Rule {
        match self {
            Self::X86_64 if return_address == Saved::Below(8) => Rule::x86_64(cfa, frame_pointer),
            Self::X86_64 => None,
            Self::Arm64 => Rule::arm64(cfa, frame_pointer, return_address),
        }
        .unwrap_or(Rule::UNSAID)
    }

    /// Where a frame's rules for these registers leave the caller's value, as far as it is that simple. A register
    /// without a rule is as it was.
    pub fn saved(rule: Option<&RegisterRule<usize>>) -> Option<Saved> {
        match rule {
            // A frame pointer that is lost (`undefined`) was of no use to the caller either.
            None | Some(RegisterRule::SameValue | RegisterRule::Undefined) => Some(Saved::Same),
            Some(RegisterRule::Offset(offset)) => Some(Saved::Below(offset.checked_neg()?)),
            _ => None,
        }
    }
}
