// SPDX-License-Identifier: Apache-2.0
//! The thread-local variable of a file that publishes, and where it is in a process that has the file loaded. How it is
//! reached depends on how it was compiled and linked; the loader leaves what it decided in a slot that a relocation
//! names: a TLS descriptor, a pair of module and offset, or an offset from the thread pointer. An executable may have
//! no slot: then the linker has decided.

use std::io;

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, ElfFile, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol, RelocationFlags, RelocationTarget};

use super::place::{Machine, Place};
use crate::memory::Memory;

const NAME: &str = "otel_thread_ctx_v1";
/// More modules than any process has.
const MODULES: u64 = 65_536;
/// On arm64 an offset from the thread pointer is positive, as addresses are. The lowest address of a program's memory
/// is above this.
const LOWEST: i64 = 1 << 20;

const LARGEST_PAGE: u64 = 1 << 16;

type Elf<'data> = ElfFile<'data, FileHeader64<Endianness>>;

/// How the file reaches the variable; slots by their address as linked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Descriptor(u64),
    /// The offset in the slot's second word, or the one of the symbol.
    Module(u64, Option<u64>),
    Offset(u64),
    Linked(i64),
}

#[derive(Debug)]
pub struct Variable {
    pub machine: Machine,
    access: Access,
    /// Offset in the file, size there and address of what is executable.
    code: Vec<(u64, u64, u64)>,
}

impl Variable {
    /// None when the file does not have it.
    pub fn read(image: &[u8]) -> io::Result<Option<Self>> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        if !image.starts_with(b"\x7fELF\x02\x01") {
            return Ok(None); // 32 bits, or another byte order
        }
        let file = Elf::parse(image).map_err(invalid)?;
        let machine = match file.elf_header().e_machine(Endianness::Little) {
            elf::EM_X86_64 => Machine::X86,
            elf::EM_AARCH64 => Machine::Arm,
            _ => return Ok(None),
        };
        let symbol = file.dynamic_symbols().find(|symbol| {
            symbol.elf_symbol().st_type() == elf::STT_TLS
                && !symbol.is_undefined()
                && symbol.name() == Ok(NAME)
        });
        let Some(symbol) = symbol else { return Ok(None) };
        let offset = symbol.address();
        let slot = slot(&file, machine, symbol.index(), offset);
        let access = match slot {
            Some(access) => Some(access),
            None if is_program(&file, image) => linked(&file, machine, offset).map(Access::Linked),
            None => None,
        };
        Ok(access.map(|access| Self { machine, access, code: code(&file) }))
    }

    /// What is added to the file's addresses. A mapping begins with a page, its segment anywhere in that.
    fn bias(&self, (start, offset): (u64, u64)) -> Option<u64> {
        let within = |(from, size, _): &&(u64, u64, u64)| offset.wrapping_sub(*from) < *size;
        let around = |(from, _, _): &&(u64, u64, u64)| from.wrapping_sub(offset) < LARGEST_PAGE;
        let (from, _, address) = self.code.iter().find(within).or_else(|| self.code.iter().find(around))?;
        Some(start.wrapping_sub(offset).wrapping_sub(address.wrapping_sub(*from)))
    }

    /// None when the loader has not decided yet, or what the process has there is no such thing.
    pub fn resolve(&self, memory: &Memory, mapped: (u64, u64)) -> Option<Place> {
        let bias = self.bias(mapped)?;
        let word = |address: u64, at: u64| memory.u64(bias.wrapping_add(address).checked_add(at)?);
        match self.access {
            Access::Linked(offset) => Some(Place::Static(offset)),
            Access::Offset(slot) => is_offset(self.machine, word(slot, 0)?).map(Place::Static),
            Access::Module(slot, offset) => dynamic(word(slot, 0)?, offset.or_else(|| word(slot, 8))?),
            Access::Descriptor(slot) => {
                // A function, and its argument: an offset, or where a pair is.
                let argument = word(slot, 8)?;
                match is_offset(self.machine, argument) {
                    Some(offset) => Some(Place::Static(offset)),
                    None => dynamic(memory.u64(argument)?, memory.u64(argument.checked_add(8)?)?),
                }
            }
        }
    }
}

fn is_offset(machine: Machine, word: u64) -> Option<i64> {
    let offset = word as i64;
    let is = match machine {
        Machine::X86 => (i64::from(i32::MIN)..0).contains(&offset),
        Machine::Arm => (16..LOWEST).contains(&offset),
    };
    is.then_some(offset)
}

fn dynamic(module: u64, offset: u64) -> Option<Place> {
    let module = u32::try_from(module).ok().filter(|module| (1..MODULES).contains(&u64::from(*module)))?;
    let offset = i64::from(i32::try_from(offset).ok()?);
    Some(Place::Dynamic { module, offset })
}

/// The best slot that the file's relocations name. A symbol that cannot be replaced by another file's may be relocated
/// without its name: as its module and its offset.
fn slot(file: &Elf, machine: Machine, index: object::SymbolIndex, offset: u64) -> Option<Access> {
    let (descriptor, module, pointer) = match machine {
        Machine::X86 => (elf::R_X86_64_TLSDESC, elf::R_X86_64_DTPMOD64, elf::R_X86_64_TPOFF64),
        Machine::Arm => (elf::R_AARCH64_TLSDESC, elf::R_AARCH64_TLS_DTPMOD, elf::R_AARCH64_TLS_TPREL),
    };
    let mut unnamed = None;
    for (address, relocation) in file.dynamic_relocations()? {
        let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
        let named = relocation.target() == RelocationTarget::Symbol(index);
        let own = relocation.target() == RelocationTarget::Absolute && relocation.addend() as u64 == offset;
        let access = match r_type {
            _ if r_type == descriptor && (named || own) => Access::Descriptor(address),
            _ if r_type == pointer && (named || own) => Access::Offset(address),
            _ if r_type == module && named => Access::Module(address, None),
            _ if r_type == module && relocation.target() == RelocationTarget::Absolute => {
                unnamed.get_or_insert(Access::Module(address, Some(offset)));
                continue;
            }
            _ => continue,
        };
        return Some(access);
    }
    unnamed
}

fn code(file: &Elf) -> Vec<(u64, u64, u64)> {
    let endian = Endianness::Little;
    let headers = file.elf_program_headers().iter();
    let code = headers
        .filter(|header| header.p_type(endian) == elf::PT_LOAD && header.p_flags(endian) & elf::PF_X != 0);
    code.map(|header| (header.p_offset(endian), header.p_filesz(endian), header.p_vaddr(endian))).collect()
}

/// Whether it is the program itself, whose thread-local variables have the first place: not a library.
fn is_program(file: &Elf, image: &[u8]) -> bool {
    let endian = Endianness::Little;
    if file.elf_header().e_type(endian) == elf::ET_EXEC {
        return true;
    }
    let dynamic = file.elf_program_headers().iter().find_map(|header| header.dynamic(endian, image).ok()?);
    let pie = |entry: &elf::Dyn64<Endianness>| {
        entry.tag32(endian) == Some(elf::DT_FLAGS_1)
            && entry.d_val.get(endian) & u64::from(elf::DF_1_PIE) != 0
    };
    dynamic.is_some_and(|entries| entries.iter().any(pie))
}

/// What the linker has decided on for a program: its block is right below the thread pointer (x86-64), or right above
/// the two words that are there (arm64).
fn linked(file: &Elf, machine: Machine, offset: u64) -> Option<i64> {
    let endian = Endianness::Little;
    let block = file.elf_program_headers().iter().find(|header| header.p_type(endian) == elf::PT_TLS)?;
    let align = block.p_align(endian).max(1);
    let size = block.p_memsz(endian);
    if !align.is_power_of_two() || align > 1 << 20 || size > 1 << 30 || offset >= size {
        return None;
    }
    let distance = match machine {
        Machine::X86 => (offset as i64) - (size.next_multiple_of(align) as i64),
        Machine::Arm => (16u64.next_multiple_of(align) + offset) as i64,
    };
    Some(distance)
}
