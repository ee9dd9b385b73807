// SPDX-License-Identifier: Apache-2.0
//! V8's strings: in one piece, in two, a part of another one, or a reference to one. Those whose text is outside of the
//! heap are not read.

use super::heap::{Heap, Object};
use super::layout::Layout;

/// Bits of a string's type; the layout was checked to have them so.
const REPRESENTATION: u16 = 7;
const ONE_BYTE: u16 = 8;
const SEQUENCE: u16 = 0;
const CONS: u16 = 1;
const EXTERNAL: u16 = 2;
const SLICED: u16 = 3;
const THIN: u16 = 5;

/// Strings within strings, of one string.
const MOST_PARTS: usize = 64;

/// Whether an object of this type is a string whose text is outside of the heap.
pub fn is_outside(kind: u16, layout: &Layout) -> bool {
    kind < layout.first_non_string && kind & REPRESENTATION == EXTERNAL
}

/// At most `most` UTF-16 units of a string, from `from` on. None if it is no string, or none that can be read.
pub fn units(heap: &Heap, layout: &Layout, string: Object, from: usize, most: usize) -> Option<Vec<u16>> {
    let mut units = Vec::new();
    let mut parts = 0;
    append(heap, layout, Part { string, from, most }, &mut units, &mut parts)?;
    Some(units)
}

/// A string of at most `most` units, as text that is fit to be shown. None for a longer one.
pub fn text(heap: &Heap, layout: &Layout, string: Object, most: usize) -> Option<String> {
    let units = units(heap, layout, string, 0, most + 1)?;
    let text = String::from_utf16(&units).ok()?;
    (units.len() <= most && !text.chars().any(char::is_control)).then_some(text)
}

struct Part {
    string: Object,
    from: usize,
    most: usize,
}

fn append(heap: &Heap, layout: &Layout, part: Part, to: &mut Vec<u16>, parts: &mut usize) -> Option<()> {
    *parts += 1;
    let kind = heap.kind(layout, part.string)?;
    if *parts > MOST_PARTS || kind >= layout.first_non_string {
        return None;
    }
    let Part { string, from, most } = part;
    let length = heap.u32(string, layout.string.length)? as usize;
    let count = length.checked_sub(from)?.min(most);
    let inner = |offset| heap.value(string, offset)?.object();
    match kind & REPRESENTATION {
        SEQUENCE if kind & ONE_BYTE != 0 => {
            let mut bytes = vec![0; count];
            heap.read(string, layout.string.one_byte + from as u64, &mut bytes)?;
            to.extend(bytes.into_iter().map(u16::from));
        }
        SEQUENCE => {
            let mut bytes = vec![0; count * 2];
            heap.read(string, layout.string.two_byte + 2 * from as u64, &mut bytes)?;
            to.extend(bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])));
        }
        CONS => {
            let first = inner(layout.string.first)?;
            let split = heap.u32(first, layout.string.length)? as usize;
            let before = to.len();
            if from < split {
                append(heap, layout, Part { string: first, from, most: count }, to, parts)?;
            }
            let rest = count.checked_sub(to.len() - before)?;
            if rest > 0 {
                let second = inner(layout.string.second)?;
                let from = from.saturating_sub(split);
                append(heap, layout, Part { string: second, from, most: rest }, to, parts)?;
            }
        }
        SLICED => {
            let offset = usize::try_from(heap.value(string, layout.string.offset)?.small()?).ok()?;
            let parent = Part { string: inner(layout.string.parent)?, from: offset + from, most: count };
            append(heap, layout, parent, to, parts)?;
        }
        THIN => {
            let actual = Part { string: inner(layout.string.actual)?, from, most: count };
            append(heap, layout, actual, to, parts)?;
        }
        _ => return None,
    }
    Some(())
}
