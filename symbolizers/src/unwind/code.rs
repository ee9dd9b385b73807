// SPDX-License-Identifier: Apache-2.0
//! Where a file's code is: tables are keyed by file offset, and frame information speaks of addresses.

use std::io;

use object::elf::{FileHeader64, PF_X, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::LittleEndian;

use super::machine::Machine;

pub struct Code<'a> {
    pub machine: Machine,
    /// Where the program starts.
    pub entry: u64,
    segments: Vec<Segment<'a>>,
}

/// Loaded from the file and executable.
pub struct Segment<'a> {
    pub address: u64,
    pub offset: u32,
    pub bytes: &'a [u8],
}

impl<'a> Code<'a> {
    /// None for a machine whose frames are not known here, or one of 32 bits.
    pub fn read(data: &'a [u8]) -> io::Result<Option<Self>> {
        let Ok(header) = FileHeader64::<LittleEndian>::parse(data) else { return Ok(None) };
        let endian = header.endian().map_err(invalid)?;
        let Some(machine) = Machine::of(header.e_machine(endian)) else { return Ok(None) };
        let mut segments = Vec::new();
        for segment in header.program_headers(endian, data).map_err(invalid)? {
            if segment.p_type(endian) != PT_LOAD || segment.p_flags(endian) & PF_X == 0 {
                continue;
            }
            // A key has 32 bits; what is beyond has no rows. A segment that is cut short is what is there.
            let (offset, size) = segment.file_range(endian);
            let (Ok(offset), Some(there)) = (u32::try_from(offset), data.len().checked_sub(offset as usize))
            else {
                continue;
            };
            let size = size.min(there as u64).min((u32::MAX - offset).into()) as usize;
            let bytes = &data[offset as usize..offset as usize + size];
            segments.push(Segment { address: segment.p_vaddr(endian), offset, bytes });
        }
        Ok(Some(Self { machine, entry: header.e_entry(endian), segments }))
    }

    pub fn segments(&self) -> impl Iterator<Item = &Segment<'a>> {
        self.segments.iter()
    }

    /// The segment with this address.
    pub fn segment(&self, address: u64) -> Option<&Segment<'a>> {
        self.segments.iter().find(|segment| segment.inside(address) < segment.bytes.len() as u64)
    }
}

impl Segment<'_> {
    /// File offset of an address in this segment; of one past it, the segment's end.
    pub fn offset_of(&self, address: u64) -> u32 {
        self.offset + self.inside(address).min(self.bytes.len() as u64) as u32
    }

    /// Address of a file offset in this segment.
    pub fn address_of(&self, offset: u32) -> u64 {
        self.address.wrapping_add(u64::from(offset.wrapping_sub(self.offset)))
    }

    pub fn end(&self) -> u32 {
        self.offset + self.bytes.len() as u32
    }

    /// `size` bytes; none if there are fewer.
    pub fn bytes_at(&self, address: u64, size: usize) -> &[u8] {
        let start = usize::try_from(self.inside(address)).unwrap_or(usize::MAX);
        start.checked_add(size).and_then(|end| self.bytes.get(start..end)).unwrap_or_default()
    }

    /// Bytes from the start; huge for an address before it.
    fn inside(&self, address: u64) -> u64 {
        address.checked_sub(self.address).unwrap_or(u64::MAX)
    }
}

pub fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
