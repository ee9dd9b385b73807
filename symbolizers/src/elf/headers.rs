// SPDX-License-Identifier: Apache-2.0
//! What must be known of an ELF file before its symbols are read: identity, layout, and where its debug information is.

use std::io;

use object::read::{File, ObjectSection};
use object::{Object, ObjectSegment, SectionFlags, SegmentFlags};

pub struct Headers {
    pub build_id: Vec<u8>,
    /// (file offset, size in the file, virtual address) of what is loaded.
    segments: Vec<(u64, u64, u64)>,
    /// (start, end) addresses of executable sections.
    code: Vec<(u64, u64)>,
    pub has_dwarf: bool,
    /// `.symtab`, or the compressed one in `.gnu_debugdata`.
    pub has_symtab: bool,
    pub has_dynsym: bool,
    /// Its code is in it: not a debug file, whose code stayed where it was.
    pub has_code: bool,
    /// `.gnu_debuglink`: file name and CRC-32 of the debug file.
    pub debug_link: Option<(Vec<u8>, u32)>,
    /// `.gnu_debugaltlink`: path and build id of the supplementary file (made by dwz).
    pub supplement: Option<(Vec<u8>, Vec<u8>)>,
}

impl Headers {
    /// Reads the headers of the file image `data`. Fails with `Unsupported` when it is no ELF file, with `InvalidData`
    /// when it is a damaged one.
    pub fn read(data: &[u8]) -> io::Result<Self> {
        if !data.starts_with(b"\x7fELF") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let file = File::parse(data).map_err(invalid)?;
        let mut code = Vec::new();
        let (mut has_dwarf, mut has_symtab, mut has_dynsym, mut has_code) = (false, false, false, false);
        for section in file.sections() {
            // Bytes are gone from sections that a debug file only mentions, and from the file whose debug information
            // was moved away.
            let has_bytes = section.file_range().is_some_and(|(_, size)| size > 0);
            if let SectionFlags::Elf { sh_flags } = section.flags() {
                if sh_flags & u64::from(object::elf::SHF_EXECINSTR) != 0 {
                    code.push((section.address(), section.address().saturating_add(section.size())));
                    has_code |= has_bytes;
                }
            }
            match section.name_bytes() {
                Ok(b".debug_info" | b".zdebug_info") => has_dwarf = has_bytes,
                Ok(b".symtab" | b".gnu_debugdata") => has_symtab |= has_bytes,
                Ok(b".dynsym") => has_dynsym = has_bytes,
                _ => {}
            }
        }
        let loads: Vec<Load> = file.segments().map(|segment| Load::of(&segment)).collect();

        let some = |(name, rest): (&[u8], &[u8])| (name.to_vec(), rest.to_vec());
        Ok(Self {
            build_id: file.build_id().ok().flatten().unwrap_or_default().to_vec(),
            segments: if has_code { as_stated(&loads) } else { as_linked(&loads) },
            code,
            has_dwarf,
            has_symtab,
            has_dynsym,
            has_code,
            // A damaged link is as good as none.
            debug_link: file.gnu_debuglink().ok().flatten().map(|(name, crc)| (name.to_vec(), crc)),
            supplement: file.gnu_debugaltlink().ok().flatten().map(some),
        })
    }

    /// The link-time address of a file offset.
    pub fn address_of(&self, file_offset: u64) -> Option<u64> {
        self.segments
            .iter()
            .find(|(offset, size, _)| file_offset.checked_sub(*offset).is_some_and(|inside| inside < *size))
            .map(|(offset, _, address)| address.wrapping_add(file_offset - offset))
    }

    /// True if both addresses are in one section of code.
    pub fn same_code(&self, one: u64, other: u64) -> bool {
        self.code.iter().any(|(start, end)| (*start..*end).contains(&one) && (*start..*end).contains(&other))
    }
}

/// A PT_LOAD.
#[derive(Clone, Copy)]
struct Load {
    offset: u64,
    file_size: u64,
    address: u64,
    memory_size: u64,
    align: u64,
    writable: bool,
}

impl Load {
    fn of<'data>(segment: &impl ObjectSegment<'data>) -> Self {
        let (offset, file_size) = segment.file_range();
        let flags = match segment.flags() {
            SegmentFlags::Elf { p_flags } => p_flags,
            _ => 0,
        };
        Self {
            offset,
            file_size,
            address: segment.address(),
            memory_size: segment.size(),
            align: segment.align(),
            writable: flags & object::elf::PF_W != 0,
        }
    }
}

fn as_stated(loads: &[Load]) -> Vec<(u64, u64, u64)> {
    loads.iter().map(|load| (load.offset, load.file_size, load.address)).collect()
}

/// Where the segments of a debug file were in the file that ran. `objcopy --only-keep-debug` (and with it Debian's debug
/// packages) writes offsets and sizes of what it left in, not of what it took out; `eu-strip` leaves them as they were.
/// Only memory that is written to can be larger than what is in the file, so a smaller read-only segment tells. All
/// linkers put a segment at the first offset after the one before that agrees with its address in a page. What follows
/// a segment that is written to is not known.
fn as_linked(loads: &[Load]) -> Vec<(u64, u64, u64)> {
    if !loads.iter().any(|load| !load.writable && load.file_size < load.memory_size) {
        return as_stated(loads);
    }
    let mut segments = Vec::new();
    let mut end: u64 = 0;
    for load in loads.iter().take_while(|load| !load.writable) {
        let align = load.align.max(1);
        let (place, want) = (end % align, load.address % align);
        let padding = if want >= place { want - place } else { align - (place - want) };
        let offset = end.saturating_add(padding);
        segments.push((offset, load.memory_size, load.address));
        end = offset.saturating_add(load.memory_size);
    }
    segments
}

fn invalid(error: object::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::{as_linked, io, Headers, Load};

    /// An ELF header with one PT_LOAD: offset 0x40, 0x100 bytes, at 0x401040.
    fn image() -> Vec<u8> {
        let mut image = vec![0u8; 0x200];
        image[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &2u16.to_le_bytes()); // ET_EXEC
        put(18, &62u16.to_le_bytes()); // x86-64
        put(20, &1u32.to_le_bytes());
        put(32, &64u64.to_le_bytes()); // program headers
        put(52, &64u16.to_le_bytes());
        put(54, &56u16.to_le_bytes());
        put(56, &1u16.to_le_bytes());
        put(64, &1u32.to_le_bytes()); // PT_LOAD
        put(72, &0x40u64.to_le_bytes());
        put(80, &0x40_1040u64.to_le_bytes());
        put(96, &0x100u64.to_le_bytes());
        put(104, &0x100u64.to_le_bytes());
        image
    }

    #[test]
    fn offsets_become_addresses() {
        let headers = Headers::read(&image()).unwrap();
        assert_eq!(headers.address_of(0x3f), None);
        assert_eq!(headers.address_of(0x40), Some(0x40_1040));
        assert_eq!(headers.address_of(0x13f), Some(0x40_113f));
        assert_eq!(headers.address_of(0x140), None);
        assert!(!headers.has_dwarf && headers.build_id.is_empty());
        assert!(headers.debug_link.is_none() && headers.supplement.is_none());
    }

    /// A load as a linker writes it, and as `objcopy --only-keep-debug` leaves it.
    fn load(address: u64, memory_size: u64, align: u64, writable: bool) -> Load {
        Load { offset: 0, file_size: 0, address, memory_size, align, writable }
    }

    #[test]
    fn debug_files_say_where_code_was() {
        // GNU ld: code on a page of its own. What comes after data is not guessed.
        let gnu = [
            load(0x40_0000, 0x4f0, 0x1000, false),
            load(0x40_1000, 0x159, 0x1000, false),
            load(0x40_2000, 0xf0, 0x1000, false),
            load(0x40_3df8, 0x228, 0x1000, true),
            load(0x40_5000, 0x10, 0x1000, false),
        ];
        assert_eq!(
            as_linked(&gnu),
            [(0, 0x4f0, 0x40_0000), (0x1000, 0x159, 0x40_1000), (0x2000, 0xf0, 0x40_2000)]
        );
        // lld: no padding in the file, so address and offset differ by a page.
        let lld = [load(0, 0x5a8, 0x1000, false), load(0x15b0, 0x200, 0x1000, false)];
        assert_eq!(as_linked(&lld), [(0, 0x5a8, 0), (0x5b0, 0x200, 0x15b0)]);
        // eu-strip: what is stated is what was.
        let kept = [Load { offset: 0x1000, file_size: 0x159, ..load(0x40_1000, 0x159, 0x1000, false) }];
        assert_eq!(as_linked(&kept), [(0x1000, 0x159, 0x40_1000)]);
        // An alignment that is none, and one that runs over.
        assert_eq!(as_linked(&[load(5, 9, 0, false)]), [(0, 9, 5)]);
        as_linked(&[load(u64::MAX, u64::MAX, u64::MAX, false), load(7, u64::MAX, 1 << 63, false)]);
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |data: &[u8]| Headers::read(data).err().map(|error| error.kind());
        assert_eq!(refused(b""), Some(io::ErrorKind::Unsupported));
        assert_eq!(refused(b"#!/bin/sh\n"), Some(io::ErrorKind::Unsupported));
        assert_eq!(refused(&image()[..48]), Some(io::ErrorKind::InvalidData));
    }
}
