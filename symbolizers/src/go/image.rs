// SPDX-License-Identifier: Apache-2.0
//! A program as it will be in memory: what is at which address, with the pointers that the loader will write.

use std::ops::Range;

use object::elf::{self, FileHeader64};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection};

use super::bytes::{u32_at, u64_at};

/// What is loaded: the same number of bytes in the file and in memory.
struct Segment {
    address: u64,
    file: Range<usize>,
    writable: bool,
}

pub struct Image<'a> {
    pub data: &'a [u8],
    elf: ElfFile<'a, FileHeader64<LittleEndian>>,
    segments: Vec<Segment>,
    /// Entries of 24 bytes: address, type, addend.
    relocations: &'a [u8],
}

/// Names of the section that begins with the table. As the linker of Go writes it: the second is of programs that are
/// loaded anywhere (before Go 1.26), whose header has a pointer. The linker of C may merge the second into another.
const SECTIONS: [&[u8]; 2] = [b".gopclntab", b".data.rel.ro.gopclntab"];

const RELOCATION: usize = 24;

impl<'a> Image<'a> {
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let elf = ElfFile::<FileHeader64<LittleEndian>>::parse(data).ok()?;
        let mut image = Self { data, elf, segments: Vec::new(), relocations: &[] };
        let endian = LittleEndian;
        let mut dynamic = None;
        for header in image.elf.elf_program_headers() {
            let offset = usize::try_from(header.p_offset(endian)).ok()?;
            let end = offset.saturating_add(usize::try_from(header.p_filesz(endian)).ok()?).min(data.len());
            match header.p_type(endian) {
                elf::PT_LOAD if offset < end => image.segments.push(Segment {
                    address: header.p_vaddr(endian),
                    file: offset..end,
                    writable: header.p_flags(endian) & elf::PF_W != 0,
                }),
                elf::PT_DYNAMIC => dynamic = data.get(offset..end),
                _ => {}
            }
        }
        image.relocations = dynamic.and_then(|dynamic| image.relocation_table(dynamic)).unwrap_or_default();
        Some(image)
    }

    pub fn x86_64(&self) -> bool {
        self.elf.elf_header().e_machine(LittleEndian) == elf::EM_X86_64
    }

    pub fn offset_of(&self, address: u64) -> Option<usize> {
        self.segments.iter().find_map(|segment| {
            let inside = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            (inside < segment.file.len()).then(|| segment.file.start + inside)
        })
    }

    /// Where all of `addresses` are in the file. None if not.
    pub fn place_of(&self, addresses: Range<u64>) -> Option<Range<usize>> {
        let start = self.offset_of(addresses.start)?;
        let length = usize::try_from(addresses.end.checked_sub(addresses.start)?).ok()?;
        self.rest(start).filter(|rest| length <= rest.len()).map(|_| start..start + length)
    }

    pub fn address_of(&self, offset: usize) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| segment.file.contains(&offset))?;
        segment.address.checked_add((offset - segment.file.start) as u64)
    }

    /// From `offset` to the end of what is loaded with it.
    pub fn rest(&self, offset: usize) -> Option<Range<usize>> {
        let segment = self.segments.iter().find(|segment| segment.file.contains(&offset))?;
        Some(offset..segment.file.end)
    }

    /// Places in the file that may be the header of the table, the likely ones first.
    pub fn go_tables(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut go = false;
        let mut sections = 0;
        let mut named = Vec::new();
        for section in self.elf.sections() {
            let name = section.name_bytes().unwrap_or_default();
            sections += 1;
            go |= name.starts_with(b".go.") || name == b".note.go.buildid";
            if SECTIONS.contains(&name) {
                named.extend(section.file_range().and_then(|(offset, _)| self.rest(offset.try_into().ok()?)));
            }
        }
        // All that is loaded is read for it only if it is Go's, or if that cannot be known.
        let search = named.is_empty() && (go || sections == 0);
        let searched = search.then(|| self.segments.iter().flat_map(|segment| self.headers(segment)));
        named.into_iter().chain(searched.into_iter().flatten())
    }

    /// What looks like the table's header: it is aligned to a pointer, and its first 8 bytes are known but for a bit
    /// of the version and the size of instructions.
    fn headers<'b>(&'b self, segment: &'b Segment) -> impl Iterator<Item = Range<usize>> + 'b {
        let bytes = &self.data[segment.file.clone()];
        let misaligned = segment.address.wrapping_neg() as usize % 8;
        bytes.get(misaligned..).unwrap_or_default().chunks_exact(8).enumerate().filter_map(
            move |(index, eight)| {
                let known = matches!(eight, [0xf0 | 0xf1, 0xff, 0xff, 0xff, 0, 0, 1 | 4, 8]);
                known.then(|| segment.file.start + misaligned + index * 8..segment.file.end)
            },
        )
    }

    /// Addresses, aligned to a pointer, at which there will be a pointer to `target`.
    pub fn pointers_to(&self, target: u64) -> impl Iterator<Item = u64> + '_ {
        let relocated = self.relative().filter(move |(_, addend)| *addend == target).map(|(at, _)| at);
        let written = self.segments.iter().filter(|segment| segment.writable).flat_map(move |segment| {
            let misaligned = segment.address.wrapping_neg() as usize % 8;
            let bytes = &self.data[segment.file.clone()];
            let words = bytes.get(misaligned..).unwrap_or_default().chunks_exact(8).enumerate();
            words
                .filter(move |(_, eight)| **eight == target.to_le_bytes())
                .map(move |(index, _)| segment.address.wrapping_add((misaligned + index * 8) as u64))
        });
        relocated.chain(written)
    }

    /// The words from `address` on: as they are in the file, and where the loader writes a pointer, that.
    pub fn words<const N: usize>(&self, address: u64) -> Option<[u64; N]> {
        let place = self.rest(self.offset_of(address)?)?;
        let bytes = &self.data[place];
        let mut words = [0; N];
        for (index, word) in words.iter_mut().enumerate() {
            *word = u64_at(bytes, index * 8)?;
        }
        for (at, addend) in self.relative() {
            let index = at.wrapping_sub(address) / 8;
            if let Some(word) = words.get_mut(usize::try_from(index).ok()?) {
                *word = addend;
            }
        }
        Some(words)
    }

    /// Address and addend of the relocations that add where the program was loaded. (Those in the short form, RELR,
    /// have their addend in the file where the pointer will be.)
    fn relative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let kind = if self.x86_64() { elf::R_X86_64_RELATIVE } else { elf::R_AARCH64_RELATIVE };
        self.relocations.chunks_exact(RELOCATION).filter_map(move |entry| {
            let relative = u32_at(entry, 8)? == kind;
            relative.then_some(())?;
            Some((u64_at(entry, 0)?, u64_at(entry, 16)?))
        })
    }

    fn relocation_table(&self, dynamic: &[u8]) -> Option<&'a [u8]> {
        let value = |tag| {
            let mut entries = dynamic.chunks_exact(16);
            entries.find_map(|entry| (u64_at(entry, 0)? == tag).then(|| u64_at(entry, 8))?)
        };
        let start = self.offset_of(value(elf::DT_RELA.into())?)?;
        let size = usize::try_from(value(elf::DT_RELASZ.into())?).ok()?;
        self.data.get(start..start.checked_add(size)?)
    }
}
