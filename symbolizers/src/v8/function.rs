// SPDX-License-Identifier: Apache-2.0
//! What a function is called, and where it is written.

use super::heap::{Heap, Object, Value};
use super::layout::Layout;
use super::strings::{text, units};

const MOST_NAME: usize = 1024;
const MOST_PATH: usize = 4096;
/// Lines are counted in this much of a source.
const MOST_SOURCE: usize = 4 << 20;
/// With more variables their names are in a table of their own (`kScopeInfoMaxInlinedLocalNamesSize`).
const MOST_NAMES_INSIDE: u64 = 75;
const MOST_LOCALS: u64 = 1 << 16;

/// Flags of a ScopeInfo, the same from V8 10 to 13.
const SCOPE_TYPE: u32 = 15;
const MODULE: u32 = 5;
const HAS_CLASS_VARIABLE: u32 = 1 << 10;
const FUNCTION_VARIABLE: u32 = 3 << 12;
const HAS_INFERRED_NAME: u32 = 1 << 14;

#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// Empty if it is not known.
    pub file: String,
    /// Where the function begins; 0 if it is not known.
    pub line: u32,
}

/// Of the function whose SharedFunctionInfo is at the tagged address `shared`. None if there is none.
pub fn name(heap: &Heap, layout: &Layout, shared: u64) -> Option<Named> {
    let shared = Value::of(shared)?.object()?;
    if heap.kind(layout, shared)? != layout.function.kind {
        return None;
    }
    let mut scope = Scope::default();
    // A function that never ran has its name only, and so has one of V8's own.
    match heap.value(shared, layout.function.name_or_scope)? {
        Value::Object(object) if heap.kind(layout, object)? == layout.scope.kind => {
            scope = Scope::read(heap, layout, object)?
        }
        Value::Object(object) => scope.name = text(heap, layout, object, MOST_NAME)?,
        Value::Small(_) => {}
    }
    let script = heap.value(shared, layout.function.script)?.object();
    let script = script.filter(|script| heap.kind(layout, *script) == Some(layout.script.kind));
    let (file, line) = script.map_or_else(Default::default, |script| place(heap, layout, script, scope.start));
    let name = if scope.name.is_empty() { "(anonymous)".to_owned() } else { scope.name };
    Some(Named { name, file, line })
}

fn place(heap: &Heap, layout: &Layout, script: Object, start: Option<usize>) -> (String, u32) {
    let path = heap.value(script, layout.script.name).and_then(Value::object);
    let path = path.and_then(|path| text(heap, layout, path, MOST_PATH)).unwrap_or_default();
    let path = path.strip_prefix("file://").map_or(path.clone(), str::to_owned);
    let source = heap.value(script, layout.script.source).and_then(Value::object);
    let line = start.filter(|start| *start <= MOST_SOURCE).zip(source).and_then(|(start, source)| {
        let before = units(heap, layout, source, start)?;
        let ends = before.iter().filter(|unit| **unit == u16::from(b'\n')).count();
        (before.len() == start).then_some(ends as u32 + 1)
    });
    (path, line.unwrap_or(0))
}

#[derive(Default)]
struct Scope {
    /// Empty: it has none.
    name: String,
    start: Option<usize>,
}

impl Scope {
    /// What each scope has is followed by what not every one has, so every slot on the way is checked to be what it
    /// should be. None if one is not.
    fn read(heap: &Heap, layout: &Layout, object: Object) -> Option<Self> {
        let word = layout.map + 8;
        let slot = |index: u64| heap.value(object, word + 8 * index);
        // A small integer, or (V8 13) 32 bits and 32 that are not used.
        let low = heap.u32(object, word)?;
        let flags = if low == 0 { heap.u32(object, word + 4)? } else { low };
        let locals = u64::try_from(slot(layout.scope.locals)?.small()?).ok().filter(|n| *n <= MOST_LOCALS)?;

        let mut at = layout.scope.first;
        let mut start = if layout.scope.place_first { Some(start(slot(at - 2)?, slot(at - 1)?)?) } else { None };
        if flags & SCOPE_TYPE == MODULE {
            slot(at)?.small()?;
            at += 1;
        }
        at += if locals < MOST_NAMES_INSIDE { locals } else { 1 };
        for _ in 0..locals {
            slot(at)?.small()?;
            at += 1;
        }
        if flags & HAS_CLASS_VARIABLE != 0 {
            at += 1;
        }
        let string = |value: Value| match value {
            Value::Object(object) => text(heap, layout, object, MOST_NAME),
            Value::Small(0) => Some(String::new()),
            Value::Small(_) => None,
        };
        let mut name = String::new();
        if flags & FUNCTION_VARIABLE != 0 {
            name = string(slot(at)?)?;
            slot(at + 1)?.small()?;
            at += 2;
        }
        if flags & HAS_INFERRED_NAME != 0 {
            // It may be undefined, which is no string.
            if name.is_empty() {
                name = string(slot(at)?).unwrap_or_default();
            }
            at += 1;
        }
        if !layout.scope.place_first {
            start = Some(self::start(slot(at)?, slot(at + 1)?)?);
        }
        Some(Self { name, start })
    }
}

/// Where a function begins, which is not behind where it ends.
fn start(start: Value, end: Value) -> Option<usize> {
    let (start, end) = (start.small()?, end.small()?);
    usize::try_from(start).ok().filter(|_| start <= end)
}
