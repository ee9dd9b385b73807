// SPDX-License-Identifier: Apache-2.0
//! What an instruction of x86-64 does to the frame of its function: where the return address and the caller's frame
//! pointer are.

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};

use super::machine::Machine;
use super::rule::{Cfa, Rule, Saved};

const WORD: i64 = 8;

/// In front of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Distance of the CFA from the stack pointer. None where the stack was aligned.
    above_sp: Option<i64>,
    /// Its distance from the frame pointer, where that is used as one.
    above_fp: Option<i64>,
    /// The caller's frame pointer is this far below the CFA. None: it is in its register.
    saved: Option<i64>,
}

impl Frame {
    /// As a function is entered, and as it is left.
    pub const BARE: Self = Self { above_sp: Some(WORD), above_fp: None, saved: None };

    pub fn is_bare(&self) -> bool {
        self.above_sp == Self::BARE.above_sp && self.saved.is_none()
    }

    pub fn rule(&self) -> Rule {
        let cfa = self.above_sp.map(Cfa::Sp).or(self.above_fp.map(Cfa::Fp));
        let saved = self.saved.map_or(Saved::Same, Saved::Below);
        cfa.map_or(Rule::UNSAID, |cfa| Machine::X86_64.rule(cfa, saved, Saved::Below(WORD)))
    }

    /// The frame behind the instruction. None if it does something that compilers do not do.
    pub fn after(self, instruction: &Instruction, about: &mut InstructionInfoFactory) -> Option<Self> {
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        let frame = match (instruction.mnemonic(), to) {
            (Mnemonic::Push | Mnemonic::Pushfq, _) => self.pushed(to, instruction)?,
            (Mnemonic::Pop | Mnemonic::Popfq, _) => self.popped(to, instruction)?,
            (Mnemonic::Leave, _) => self.with_sp(self.above_fp?).popped(Register::RBP, instruction)?,
            (Mnemonic::Sub, Register::RSP) => self.moved(instruction.try_immediate(1).ok()? as i64)?,
            (Mnemonic::Add, Register::RSP) => self.moved(-(instruction.try_immediate(1).ok()? as i64))?,
            (Mnemonic::Mov, Register::RSP) if from == Register::RBP => self.with_sp(self.above_fp?),
            (Mnemonic::Mov, Register::RBP) if from == Register::RSP => {
                self.saved?;
                Self { above_fp: Some(self.above_sp?), ..self }
            }
            (Mnemonic::Lea, Register::RSP) => {
                let base = match instruction.memory_base() {
                    Register::RSP => self.above_sp?,
                    Register::RBP => self.above_fp?,
                    _ => return None,
                };
                let plain = instruction.memory_index() == Register::None;
                plain.then(|| self.with_sp(base - instruction.memory_displacement64() as i64))?
            }
            (Mnemonic::And, Register::RSP) => {
                self.above_fp?;
                Self { above_sp: None, ..self }
            }
            // What was called gives the stack back as it was.
            (Mnemonic::Call, _) => self,
            _ => self.untouched(instruction, about)?,
        };
        // The return address is never above the stack pointer.
        frame.above_sp.is_none_or(|above| above >= WORD).then_some(frame)
    }

    fn with_sp(self, above_sp: i64) -> Self {
        Self { above_sp: Some(above_sp), ..self }
    }

    fn moved(self, down: i64) -> Option<Self> {
        Some(self.with_sp(self.above_sp?.checked_add(down)?))
    }

    fn pushed(self, register: Register, instruction: &Instruction) -> Option<Self> {
        if instruction.stack_pointer_increment() != -(WORD as i32) {
            return None;
        }
        let Some(above) = self.above_sp else { return Some(self) };
        let frame = self.with_sp(above + WORD);
        let saves =
            self.saved.is_none() && register == Register::RBP && instruction.op0_kind() == OpKind::Register;
        Some(if saves { Self { saved: frame.above_sp, ..frame } } else { frame })
    }

    fn popped(self, register: Register, instruction: &Instruction) -> Option<Self> {
        let leave = instruction.mnemonic() == Mnemonic::Leave;
        if register == Register::RSP || !leave && instruction.stack_pointer_increment() != WORD as i32 {
            return None;
        }
        if register != Register::RBP {
            return Some(Self { above_sp: self.above_sp.map(|above| above - WORD), ..self });
        }
        let above = self.above_sp?;
        let saved = if self.saved? == above { None } else { self.saved };
        Some(Self { above_sp: Some(above - WORD), above_fp: None, saved })
    }

    /// After an instruction that is not known to move the stack.
    fn untouched(self, instruction: &Instruction, about: &mut InstructionInfoFactory) -> Option<Self> {
        let mut frame = self;
        for used in about.info(instruction).used_registers() {
            let written =
                !matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
            match used.register().full_register() {
                Register::RSP if written => return None,
                Register::RBP if written => {
                    frame.saved?;
                    frame.above_fp = None;
                    // Aligned, and nothing else leads to the CFA.
                    frame.above_sp?;
                }
                _ => {}
            }
        }
        Some(frame)
    }
}
