// SPDX-License-Identifier: Apache-2.0
//! The tables in which a HotSpot JVM describes its own structures, made for its serviceability agent: which member of
//! which type lies where (`gHotSpotVMStructs`), how big types are (`gHotSpotVMTypes`), and constants. `libjvm.so`
//! exports them, with the layout of their entries, in every version since 6.

use std::collections::HashMap;

use crate::memory::Memory;

/// Entries of one table: a tenth of it is in use.
const MAX_ENTRIES: u64 = 30_000;
const MAX_NAME: usize = 200;

/// A member's place in its object, and its width in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    pub at: u64,
    pub bytes: u8,
}

impl Slot {
    /// The member of the object at `base`, without sign.
    pub fn read(&self, memory: &Memory, base: u64) -> Option<u64> {
        let address = base.checked_add(self.at)?;
        match self.bytes {
            1 => memory.u8(address).map(u64::from),
            2 => memory.u16(address).map(u64::from),
            4 => memory.u32(address).map(u64::from),
            _ => memory.u64(address),
        }
    }
}

#[derive(Default)]
pub struct Structs {
    /// `Type::member` to its slot; that of a static member is its address.
    slots: HashMap<String, Slot>,
    sizes: HashMap<String, u64>,
    constants: HashMap<String, i64>,
}

impl Structs {
    /// `symbol` gives the address of a variable that libjvm exports.
    pub fn read(memory: &Memory, symbol: impl Fn(&str) -> Option<u64>) -> Option<Self> {
        let value = |name: &str| memory.u64(symbol(name)?);
        let mut structs = Self::default();

        let member = |field: &str| value(&format!("gHotSpotVMStructEntry{field}"));
        let (type_name, name) = (member("TypeNameOffset")?, member("FieldNameOffset")?);
        let (type_string, is_static) = (member("TypeStringOffset")?, member("IsStaticOffset")?);
        let (offset, address) = (member("OffsetOffset")?, member("AddressOffset")?);
        each(value("gHotSpotVMStructs")?, member("ArrayStride")?, |entry| {
            let owner = name_at(memory, entry.checked_add(type_name)?)?;
            let name = name_at(memory, entry.checked_add(name)?)?;
            // Some have no type; nobody asks for those.
            let kind = name_at(memory, entry.checked_add(type_string)?).unwrap_or_default();
            let fixed = memory.u32(entry.checked_add(is_static)?)? != 0;
            let at = memory.u64(entry.checked_add(if fixed { address } else { offset })?)?;
            structs.slots.insert(format!("{owner}::{name}"), Slot { at, bytes: width(&kind) });
            Some(())
        });

        let member = |field: &str| value(&format!("gHotSpotVMTypeEntry{field}"));
        let (name, size) = (member("TypeNameOffset")?, member("SizeOffset")?);
        each(value("gHotSpotVMTypes")?, member("ArrayStride")?, |entry| {
            let name = name_at(memory, entry.checked_add(name)?)?;
            structs.sizes.insert(name, memory.u64(entry.checked_add(size)?)?);
            Some(())
        });

        let member = |field: &str| value(&format!("gHotSpotVMIntConstantEntry{field}"));
        let (name, number) = (member("NameOffset")?, member("ValueOffset")?);
        each(value("gHotSpotVMIntConstants")?, member("ArrayStride")?, |entry| {
            let name = name_at(memory, entry.checked_add(name)?)?;
            let number = memory.u32(entry.checked_add(number)?)? as i32;
            structs.constants.insert(name, number.into());
            Some(())
        });
        Some(structs)
    }

    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    /// The first of the names that this version has.
    pub fn any(&self, names: &[&str]) -> Option<Slot> {
        names.iter().find_map(|name| self.slot(name))
    }

    /// What a static member holds.
    pub fn global(&self, memory: &Memory, name: &str) -> Option<u64> {
        self.slot(name)?.read(memory, 0)
    }

    pub fn size(&self, name: &str) -> Option<u64> {
        self.sizes.get(name).copied()
    }

    pub fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }
}

/// Visits entries until one has no name, which is the end of a table.
fn each(table: u64, stride: u64, mut visit: impl FnMut(u64) -> Option<()>) {
    for i in 0..MAX_ENTRIES {
        let entry = stride.checked_mul(i).and_then(|offset| table.checked_add(offset));
        if entry.and_then(&mut visit).is_none() {
            return;
        }
    }
}

fn name_at(memory: &Memory, pointer: u64) -> Option<String> {
    match memory.u64(pointer)? {
        0 => None,
        address => memory.text(address, MAX_NAME),
    }
}

/// Width of a member by its C++ type.
fn width(kind: &str) -> u8 {
    let kind = kind.trim_start_matches("volatile ").trim_start_matches("const ");
    match kind {
        "u1" | "bool" | "jbyte" | "signed char" | "unsigned char" | "CodeBlobKind" => 1,
        "u2" | "short" | "unsigned short" | "int16_t" | "uint16_t" | "jushort" => 2,
        "int" | "u4" | "jint" | "juint" | "unsigned int" | "uint" | "uint32_t" | "int32_t" | "CompLevel" => 4,
        _ => 8,
    }
}
