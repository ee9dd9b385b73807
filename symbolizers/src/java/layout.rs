// SPDX-License-Identifier: Apache-2.0
//! Where things are in the JVM that is read: members whose names and places differ between versions, as one set.

use super::numbers::Encoding;
use super::structs::{Slot, Structs};
use crate::memory::Memory;

/// Code heaps: one, or three since JDK 9; a fourth is planned for.
const MAX_HEAPS: u64 = 4;

/// An address within the code of a blob: a pointer (JDK 9 to 22), or an offset from the blob's start.
#[derive(Clone, Copy)]
pub enum Place {
    Pointer(Slot),
    Offset(Slot),
}

impl Place {
    pub fn read(&self, memory: &Memory, blob: u64) -> Option<u64> {
        match self {
            Self::Pointer(slot) => slot.read(memory, blob),
            Self::Offset(slot) => blob.checked_add(slot.read(memory, blob)?),
        }
    }

    pub fn slot(&self) -> Slot {
        match self {
            Self::Pointer(slot) | Self::Offset(slot) => *slot,
        }
    }
}

/// Reserved memory for code, and the map of its segments: for each, how far back to go to find its block's start.
pub struct Heap {
    pub low: u64,
    pub high: u64,
    pub segments: u64,
}

pub struct CodeCache {
    pub heaps: Vec<Heap>,
    pub low: u64,
    pub segment_shift: u8,
    /// Bytes in front of each blob.
    pub header: u64,
    pub used: Slot,
    pub interpreter: (u64, u64),
}

impl CodeCache {
    pub fn heap(&self, address: u64) -> Option<&Heap> {
        self.heaps.iter().find(|heap| (heap.low..heap.high).contains(&address))
    }
}

pub struct Blob {
    pub name: Slot,
    pub size: Slot,
    pub code: Place,
    pub code_end: Place,
    pub frame_size: Slot,
    pub frame_complete: Slot,
}

pub struct Nmethod {
    pub method: Slot,
    pub compile_id: Slot,
    pub deopt: Place,
    pub deopt_mh: Option<Place>,
    pub original_pc: Slot,
    pub debug_info: DebugInfo,
}

/// Where an nmethod keeps what tells its inlined calls.
pub enum DebugInfo {
    /// Up to JDK 22: in the nmethod itself.
    Inside { pcs: Slot, pcs_end: Slot, data: Place, metadata: Slot },
    /// Since JDK 23: in memory of its own; the metadata inside, or since JDK 25 behind the relocations.
    Outside { memory: Slot, bytes: Slot, pcs: Slot, data: Slot, metadata: Metadata },
}

pub enum Metadata {
    /// From the start of the data.
    InData {
        data: Slot,
        metadata: Slot,
        size: Slot,
    },
    Mutable {
        memory: Slot,
        bytes: Slot,
        relocations: Slot,
    },
}

pub struct Method {
    pub const_method: Slot,
    /// Size of ConstMethod with all that follows it, in words.
    pub words: Slot,
    pub constants: Slot,
    pub code_size: Slot,
    pub name: Slot,
    pub signature: Slot,
    /// Number of the method in its class.
    pub number: Slot,
    pub flags: Slot,
    /// Of `flags`: lines follow the bytecode.
    pub has_lines: u64,
    /// Of ConstMethod: the bytecode follows it.
    pub bytecode: u64,
}

pub struct Pool {
    pub holder: Slot,
    pub tags: Slot,
    pub length: Slot,
    /// Of ConstantPool: the entries follow it.
    pub entries: u64,
    pub tag_data: u64,
    pub source_file: SourceFile,
    pub class_name: Slot,
    pub symbol_length: Slot,
    pub symbol_body: u64,
    /// How many use a symbol: 16 bits.
    pub symbol_refcount: u64,
}

/// The JVM's list of class loaders (ClassLoaderData), each with a list of its classes.
pub struct Loaders {
    /// Where the head of the list is.
    pub first: Slot,
    pub next: Slot,
    pub classes: Slot,
    pub next_class: Slot,
    pub of_class: Slot,
}

/// Index of the source file's name: in the class (up to JDK 14) or in its constants.
pub enum SourceFile {
    Class(Slot),
    Pool(Slot),
}

pub struct Layout {
    pub encoding: Encoding,
    pub code: CodeCache,
    pub blob: Blob,
    pub nmethod: Nmethod,
    pub method: Method,
    pub pool: Pool,
    /// None in a JVM that does not tell: then classes are not known to be loaded.
    pub loaders: Option<Loaders>,
    /// Words from the frame pointer down to the bytecode's address in an interpreted frame.
    pub bytecode_slot: u8,
}

impl Layout {
    /// None for a JVM that does not tell all of it: a version to come, or one that is still starting.
    pub fn read(memory: &Memory, structs: &Structs) -> Option<Self> {
        let version = version(memory, structs)?;
        let slot = |name: &str| structs.slot(name);
        let code = match slot("CodeBlob::_code_begin") {
            Some(begin) => (Place::Pointer(begin), Place::Pointer(slot("CodeBlob::_code_end")?)),
            None => {
                // Also in JDK 8: code ends where the data of the blob begins.
                (
                    Place::Offset(slot("CodeBlob::_code_offset")?),
                    Place::Offset(slot("CodeBlob::_data_offset")?),
                )
            }
        };
        Some(Self {
            encoding: Encoding { excluded: u8::from(version >= 20) },
            code: code_cache(memory, structs)?,
            blob: Blob {
                name: slot("CodeBlob::_name")?,
                size: slot("CodeBlob::_size")?,
                code: code.0,
                code_end: code.1,
                frame_size: slot("CodeBlob::_frame_size")?,
                frame_complete: slot("CodeBlob::_frame_complete_offset")?,
            },
            nmethod: nmethod(structs)?,
            method: Method {
                const_method: slot("Method::_constMethod")?,
                words: slot("ConstMethod::_constMethod_size")?,
                constants: slot("ConstMethod::_constants")?,
                code_size: slot("ConstMethod::_code_size")?,
                name: slot("ConstMethod::_name_index")?,
                signature: slot("ConstMethod::_signature_index")?,
                number: slot("ConstMethod::_method_idnum")?,
                flags: structs.any(&["ConstMethod::_flags", "ConstMethod::_flags._flags"])?,
                has_lines: [
                    "ConstMethod::_has_linenumber_table",
                    "ConstMethodFlags::_misc_has_linenumber_table",
                ]
                .iter()
                .find_map(|name| structs.constant(name))? as u64,
                bytecode: structs.size("ConstMethod")?,
            },
            pool: Pool {
                holder: slot("ConstantPool::_pool_holder")?,
                tags: slot("ConstantPool::_tags")?,
                length: slot("ConstantPool::_length")?,
                entries: structs.size("ConstantPool")?,
                tag_data: slot("Array<u1>::_data")?.at,
                source_file: match slot("ConstantPool::_source_file_name_index") {
                    Some(index) => SourceFile::Pool(index),
                    None => SourceFile::Class(slot("InstanceKlass::_source_file_name_index")?),
                },
                class_name: slot("Klass::_name")?,
                symbol_length: slot("Symbol::_length")?,
                symbol_body: structs.any(&["Symbol::_body", "Symbol::_body[0]"])?.at,
                // The lower half of 32 bits since JDK 13.
                symbol_refcount: structs.any(&["Symbol::_refcount", "Symbol::_hash_and_refcount"])?.at,
            },
            loaders: loaders(structs),
            bytecode_slot: if version < 9 { 7 } else { 8 },
        })
    }
}

fn loaders(structs: &Structs) -> Option<Loaders> {
    Some(Loaders {
        first: structs.slot("ClassLoaderDataGraph::_head")?,
        next: structs.slot("ClassLoaderData::_next")?,
        classes: structs.slot("ClassLoaderData::_klasses")?,
        next_class: structs.slot("Klass::_next_link")?,
        of_class: structs.slot("Klass::_class_loader_data")?,
    })
}

/// 8, 11, 17, …
fn version(memory: &Memory, structs: &Structs) -> Option<u32> {
    let major = match structs.global(memory, "Abstract_VM_Version::_vm_major_version") {
        Some(major) => major as u32,
        // JDK 8 numbers its virtual machine on its own.
        None => structs.global(memory, "JDK_Version::_current")? as u32 & 0xff,
    };
    // Numbers of the virtual machine: 25 is that of JDK 8 as well as of JDK 25, so structures tell them apart.
    let major = if structs.slot("CodeCache::_heap").is_some() { 8 } else { major };
    (8..=200).contains(&major).then_some(major)
}

fn code_cache(memory: &Memory, structs: &Structs) -> Option<CodeCache> {
    let heaps = match structs.slot("CodeCache::_heaps") {
        Some(slot) => {
            let array = slot.read(memory, 0)?;
            let count = structs.any(&["GrowableArrayBase::_len", "GenericGrowableArray::_len"])?;
            let data = structs.slot("GrowableArray<int>::_data")?.read(memory, array)?;
            let count = count.read(memory, array)?;
            if !(1..=MAX_HEAPS).contains(&count) {
                return None;
            }
            (0..count).map(|i| memory.u64(data.checked_add(8 * i)?)).collect::<Option<Vec<_>>>()?
        }
        None => vec![structs.global(memory, "CodeCache::_heap")?],
    };
    let (space, map) = (structs.slot("CodeHeap::_memory")?, structs.slot("CodeHeap::_segmap")?);
    let (low, high) = (structs.slot("VirtualSpace::_low")?, structs.slot("VirtualSpace::_high_boundary")?);
    let shift = structs.slot("CodeHeap::_log2_segment_size")?.read(memory, *heaps.first()?)?;
    if !(4..=16).contains(&shift) {
        return None;
    }
    let heaps: Vec<Heap> = heaps
        .iter()
        .map(|heap| {
            let (space, map) = (heap.checked_add(space.at)?, heap.checked_add(map.at)?);
            let (low, high, segments) =
                (low.read(memory, space)?, high.read(memory, space)?, low.read(memory, map)?);
            (low < high && segments != 0).then_some(Heap { low, high, segments })
        })
        .collect::<Option<_>>()?;

    let queue = structs.global(memory, "AbstractInterpreter::_code")?;
    let start = structs.slot("StubQueue::_stub_buffer")?.read(memory, queue)?;
    let length = structs.slot("StubQueue::_buffer_limit")?.read(memory, queue)?;
    let interpreter = (start, start.checked_add(length)?);
    let code = CodeCache {
        low: heaps.iter().map(|heap| heap.low).min()?,
        heaps,
        segment_shift: shift as u8,
        header: structs.size("HeapBlock")?,
        used: structs.slot("HeapBlock::Header::_used")?,
        interpreter,
    };
    // Made when the JVM has started: before, it cannot be told where interpreted code is.
    code.heap(start)?;
    Some(code)
}

fn nmethod(structs: &Structs) -> Option<Nmethod> {
    let slot = |name: &str| structs.slot(name);
    let outside = slot("nmethod::_immutable_data");
    let deopt = match structs.any(&["CompiledMethod::_deopt_handler_begin", "nmethod::_deopt_handler_begin"])
    {
        Some(begin) => (
            Place::Pointer(begin),
            structs
                .any(&["CompiledMethod::_deopt_mh_handler_begin", "nmethod::_deopt_mh_handler_begin"])
                .map(Place::Pointer),
        ),
        None => (
            Place::Offset(structs.any(&["nmethod::_deopt_handler_offset", "nmethod::_deoptimize_offset"])?),
            slot("nmethod::_deopt_mh_handler_offset").map(Place::Offset),
        ),
    };
    let debug_info = match outside {
        Some(memory) => DebugInfo::Outside {
            memory,
            bytes: slot("nmethod::_immutable_data_size")?,
            pcs: slot("nmethod::_scopes_pcs_offset")?,
            data: slot("nmethod::_scopes_data_offset")?,
            metadata: match slot("CodeBlob::_mutable_data") {
                Some(memory) => Metadata::Mutable {
                    memory,
                    bytes: slot("CodeBlob::_mutable_data_size")?,
                    relocations: slot("CodeBlob::_relocation_size")?,
                },
                None => Metadata::InData {
                    data: slot("CodeBlob::_data_offset")?,
                    metadata: slot("nmethod::_metadata_offset")?,
                    size: slot("CodeBlob::_size")?,
                },
            },
        },
        None => DebugInfo::Inside {
            pcs: slot("nmethod::_scopes_pcs_offset")?,
            pcs_end: slot("nmethod::_dependencies_offset")?,
            data: match structs.any(&["CompiledMethod::_scopes_data_begin", "nmethod::_scopes_data_begin"]) {
                Some(begin) => Place::Pointer(begin),
                None => Place::Offset(slot("nmethod::_scopes_data_offset")?),
            },
            metadata: slot("nmethod::_metadata_offset")?,
        },
    };
    Some(Nmethod {
        method: structs.any(&["CompiledMethod::_method", "nmethod::_method"])?,
        compile_id: slot("nmethod::_compile_id")?,
        deopt: deopt.0,
        deopt_mh: deopt.1,
        original_pc: slot("nmethod::_orig_pc_offset")?,
        debug_info,
    })
}
