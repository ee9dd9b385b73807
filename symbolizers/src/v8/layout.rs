// SPDX-License-Identifier: Apache-2.0
//! Where things are in V8's objects. A V8 exports numbers for debuggers that look at it after its death (`v8dbg_…`), so
//! they are those of this very build.

use std::collections::HashMap;
use std::io;

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSegment, ObjectSymbol};

const PREFIX: &[u8] = b"v8dbg_";

/// Offsets are from the start of an object, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub map: u64,
    pub instance_type: u64,
    /// SharedFunctionInfo in a JSFunction.
    pub shared: u64,
    pub function: Function,
    pub scope: Scope,
    pub script: Script,
    pub string: Strings,
    pub first_non_string: u16,
    pub undefined: Undefined,
}

/// A SharedFunctionInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub kind: u16,
    pub name_or_scope: u64,
    pub script: u64,
    /// 32 bits: which one of its script it is.
    pub number: Option<u64>,
}

/// JavaScript's `undefined`: which of the objects of its kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undefined {
    pub at: u64,
    pub kind: i32,
}

/// A ScopeInfo: slots, counted from behind the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub kind: u16,
    /// How many variables are in a context.
    pub locals: u64,
    /// The first slot that not every scope has.
    pub first: u64,
    /// The function's place in its source is in front of that slot (V8 13), and not behind the names.
    pub place_first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub kind: u16,
    pub name: u64,
    pub source: u64,
    /// A small integer that no other script of the same V8 had before.
    pub number: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    pub length: u64,
    pub one_byte: u64,
    pub two_byte: u64,
    pub first: u64,
    pub second: u64,
    pub parent: u64,
    pub offset: u64,
    pub actual: u64,
}

impl Layout {
    /// From the image of the file that V8 is in. None if there is no V8 in it, or one of another make: with other frames,
    /// or with compressed pointers.
    pub fn read(data: &[u8]) -> io::Result<Option<Self>> {
        let invalid = |error: object::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let file = ElfFile64::<LittleEndian>::parse(data).map_err(invalid)?;
        let mut numbers = HashMap::new();
        for symbol in file.dynamic_symbols() {
            let Some(name) = symbol.name_bytes().ok().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            let number = file.segments().find_map(|segment| initial(&segment, symbol.address()));
            if let (Ok(name), Some(number)) = (std::str::from_utf8(name), number) {
                numbers.insert(name, number);
            }
        }
        Ok(Self::from(&Numbers(numbers)))
    }

    fn from(numbers: &Numbers) -> Option<Self> {
        const EXPECTED: [(&str, i32); 13] = [
            ("off_fp_function", -16),
            ("off_fp_context", -8),
            ("TaggedSize", 8),
            ("SmiShiftSize", 31),
            ("HeapObjectTag", 1),
            ("HeapObjectTagMask", 3),
            ("StringRepresentationMask", 7),
            ("StringEncodingMask", 8),
            ("OneByteStringTag", 8),
            ("SeqStringTag", 0),
            ("ConsStringTag", 1),
            ("SlicedStringTag", 3),
            ("ThinStringTag", 5),
        ];
        for (name, expected) in EXPECTED {
            if *numbers.0.get(name)? != expected {
                return None;
            }
        }
        let kind = |name: &str| u16::try_from(*numbers.0.get(format!("type_{name}").as_str())?).ok();
        let slot = |name: &str| u64::try_from(*numbers.0.get(format!("scopeinfo_idx_{name}").as_str())?).ok();
        let (locals, first) = (slot("ncontextlocals")?, slot("first_vars")?);
        let script = numbers.member("SharedFunctionInfo", "script_or_debug_info");
        Some(Self {
            map: numbers.member("HeapObject", "map")?,
            instance_type: numbers.member("Map", "instance_type")?,
            shared: numbers.member("JSFunction", "shared")?,
            function: Function {
                kind: kind("SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE")?,
                name_or_scope: numbers.member("SharedFunctionInfo", "name_or_scope_info")?,
                script: script.or_else(|| numbers.member("SharedFunctionInfo", "script"))?,
                // Not exported; from V8 10 to 13 it stands behind the flags.
                number: numbers.member("SharedFunctionInfo", "flags").map(|flags| flags + 4),
            },
            scope: Scope {
                kind: kind("ScopeInfo__SCOPE_INFO_TYPE")?,
                locals,
                first,
                place_first: match first.checked_sub(locals)? {
                    1 => false,
                    3 => true,
                    _ => return None,
                },
            },
            script: Script {
                kind: kind("Script__SCRIPT_TYPE")?,
                name: numbers.member("Script", "name")?,
                source: numbers.member("Script", "source")?,
                // The same.
                number: numbers.member("Script", "line_ends").map(|ends| ends + 8),
            },
            string: Strings {
                length: numbers.member("String", "length")?,
                one_byte: numbers.member("SeqOneByteString", "chars")?,
                two_byte: numbers.member("SeqTwoByteString", "chars")?,
                first: numbers.member("ConsString", "first")?,
                second: numbers.member("ConsString", "second")?,
                parent: numbers.member("SlicedString", "parent")?,
                offset: numbers.member("SlicedString", "offset")?,
                actual: numbers.member("ThinString", "actual")?,
            },
            first_non_string: u16::try_from(*numbers.0.get("FirstNonstringType")?).ok()?,
            undefined: Undefined {
                at: numbers.member("Oddball", "kind_offset")?,
                kind: *numbers.0.get("OddballUndefined")?,
            },
        })
    }
}

/// What a variable of four bytes is set to before anything runs.
fn initial<'a>(segment: &impl ObjectSegment<'a>, address: u64) -> Option<i32> {
    let at = usize::try_from(address.checked_sub(segment.address())?).ok()?;
    if at as u64 >= segment.size() {
        return None;
    }
    let four = segment.data().ok()?.get(at..at.checked_add(4)?);
    Some(four.and_then(|four| four.try_into().ok()).map_or(0, i32::from_le_bytes))
}

struct Numbers<'a>(HashMap<&'a str, i32>);

impl Numbers<'_> {
    /// The name ends with the member's type, which was written in several ways.
    fn member(&self, class: &str, member: &str) -> Option<u64> {
        let start = format!("class_{class}__{member}__");
        let (_, offset) = self.0.iter().find(|(name, _)| name.starts_with(&start))?;
        u64::try_from(*offset).ok().filter(|offset| *offset < 4096)
    }
}
