// SPDX-License-Identifier: Apache-2.0
//! What must be known of an ELF file before its symbols are read: identity, layout, and where its debug information is.

use std::io;

use object::read::{File, ObjectSection};
use object::{Object, ObjectSegment, SectionFlags};

pub struct Headers {
    pub build_id: Vec<u8>,
    /// (file offset, size in the file, virtual address) of what is loaded.
    segments: Vec<(u64, u64, u64)>,
    /// (start, end) addresses of executable sections.
    code: Vec<(u64, u64)>,
    pub has_dwarf: bool,
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
        let segments = file
            .segments()
            .map(|segment| {
                let (offset, size) = segment.file_range();
                (offset, size, segment.address())
            })
            .collect();

        let mut code = Vec::new();
        let mut has_dwarf = false;
        for section in file.sections() {
            if let SectionFlags::Elf { sh_flags } = section.flags() {
                if sh_flags & u64::from(object::elf::SHF_EXECINSTR) != 0 {
                    code.push((section.address(), section.address().saturating_add(section.size())));
                }
            }
            if matches!(section.name_bytes(), Ok(b".debug_info" | b".zdebug_info")) {
                // Its bytes are gone in a file whose debug information was moved away.
                has_dwarf = section.file_range().is_some_and(|(_, size)| size > 0);
            }
        }

        let some = |(name, rest): (&[u8], &[u8])| (name.to_vec(), rest.to_vec());
        Ok(Self {
            build_id: file.build_id().ok().flatten().unwrap_or_default().to_vec(),
            segments,
            code,
            has_dwarf,
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

fn invalid(error: object::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::{io, Headers};

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

    #[test]
    fn other_files_are_refused() {
        let refused = |data: &[u8]| Headers::read(data).err().map(|error| error.kind());
        assert_eq!(refused(b""), Some(io::ErrorKind::Unsupported));
        assert_eq!(refused(b"#!/bin/sh\n"), Some(io::ErrorKind::Unsupported));
        assert_eq!(refused(&image()[..48]), Some(io::ErrorKind::InvalidData));
    }
}
