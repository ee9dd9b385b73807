// SPDX-License-Identifier: Apache-2.0
//! Finds frame information in a file, also where its section headers were taken away or its sections are compressed.

use std::borrow::Cow;
use std::io::{self, Read};

use gimli::{BaseAddresses, EhFrameHdr, LittleEndian as Little, Pointer};
use object::elf::{FileHeader64, PT_GNU_EH_FRAME, PT_LOAD};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{CompressionFormat, LittleEndian, Object, ObjectSection};

use super::code::invalid;

/// Longest section after decompression. That of a browser has 30 MB.
const MAX_DECOMPRESSED: u64 = 128 << 20;

pub struct Section<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub bases: BaseAddresses,
    /// It ends at its first terminator: what follows is something else. A section whose end is known is read to the
    /// end, for linkers put terminators into its middle when they are given the objects in another order.
    pub terminated: bool,
}

/// The whole `.eh_frame`; its index is needed only where nothing else tells where it is.
pub fn eh_frame(data: &[u8]) -> io::Result<Option<Section<'_>>> {
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(invalid)?;
    let Some(section) = file.section_by_name(".eh_frame") else { return indexed(data) };
    let address = |name| file.section_by_name(name).map(|section| section.address());
    let mut bases = BaseAddresses::default().set_eh_frame(section.address());
    // What pointers can be relative to besides themselves. Linkers for these machines do not use it.
    if let Some(text) = address(".text") {
        bases = bases.set_text(text);
    }
    if let Some(got) = address(".got") {
        bases = bases.set_got(got);
    }
    // A debug file has the header of the section, and no bytes.
    let bytes = section.data().map_err(invalid)?;
    Ok((!bytes.is_empty()).then_some(Section { bytes: bytes.into(), bases, terminated: false }))
}

/// `.eh_frame` as the loader finds it: PT_GNU_EH_FRAME leads to `.eh_frame_hdr`, which says where it begins. It ends at
/// its terminator, at the latest with its segment.
fn indexed(data: &[u8]) -> io::Result<Option<Section<'_>>> {
    let header = FileHeader64::<LittleEndian>::parse(data).map_err(invalid)?;
    let segments = header.program_headers(LittleEndian, data).map_err(invalid)?;
    let index = segments.iter().find(|segment| {
        segment.p_type(LittleEndian) == PT_GNU_EH_FRAME && segment.p_filesz(LittleEndian) > 0
    });
    let Some(index) = index else { return Ok(None) };
    let start = index.p_vaddr(LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame_hdr(start);
    let bytes =
        index.data(LittleEndian, data).map_err(|()| invalid("PT_GNU_EH_FRAME is outside of the file"))?;
    let parsed = EhFrameHdr::new(bytes, Little).parse(&bases, 8).map_err(invalid)?;
    let Pointer::Direct(address) = parsed.eh_frame_ptr() else { return Ok(None) };
    for segment in segments.iter().filter(|segment| segment.p_type(LittleEndian) == PT_LOAD) {
        let Some(inside) = address.checked_sub(segment.p_vaddr(LittleEndian)) else { continue };
        let bytes = segment.data(LittleEndian, data).unwrap_or_default();
        if let Some(bytes) = usize::try_from(inside).ok().and_then(|inside| bytes.get(inside..)) {
            let bases = bases.set_eh_frame(address);
            return Ok(Some(Section { bytes: bytes.into(), bases, terminated: true }));
        }
    }
    Ok(None)
}

/// `.debug_frame`, decompressed.
pub fn debug_frame(data: &[u8]) -> io::Result<Option<Section<'_>>> {
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(invalid)?;
    // The second is an older form of compression.
    let names = [".debug_frame", ".zdebug_frame"];
    let Some(section) = names.iter().find_map(|name| file.section_by_name(name)) else { return Ok(None) };
    let compressed = section.compressed_data().map_err(invalid)?;
    let bytes = match compressed.format {
        CompressionFormat::None => compressed.data.into(),
        CompressionFormat::Zlib => take(flate2::read::ZlibDecoder::new(compressed.data))?.into(),
        CompressionFormat::Zstandard => take(zstd::Decoder::new(compressed.data)?)?.into(),
        _ => return Err(invalid("unknown compression")),
    };
    Ok(Some(Section { bytes, bases: BaseAddresses::default(), terminated: false }))
}

/// All of it, whatever size was announced: memory grows with what is really there.
fn take(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decoder.take(MAX_DECOMPRESSED + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_DECOMPRESSED {
        return Err(invalid("too large"));
    }
    Ok(bytes)
}
