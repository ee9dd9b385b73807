// SPDX-License-Identifier: Apache-2.0
//! What a function is called, and where it is written.

use std::collections::HashMap;

use super::heap::{Heap, Object, Value};
use super::layout::Layout;
use super::strings::{is_outside, text, units};

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

pub struct Named {
    pub name: String,
    /// Empty if it is not known.
    pub file: String,
    /// Where the function begins: a place in a source, by UTF-16 units.
    start: Option<(Object, usize)>,
}

impl Named {
    /// Whether two readings say the same. A source may have moved in between.
    pub fn agrees(&self, other: &Self) -> bool {
        let start = |named: &Self| named.start.map(|(_, start)| start);
        self.name == other.name && self.file == other.file && start(self) == start(other)
    }
}

/// As a sample tells of a function: the tagged address of its SharedFunctionInfo, and which one it was, 0 if that is not
/// known.
#[derive(Clone, Copy)]
pub struct Question {
    pub shared: u64,
    pub identity: u16,
}

/// None if there is no function, or another one by now.
pub fn name(heap: &Heap, layout: &Layout, question: Question) -> Option<Named> {
    let shared = Value::of(question.shared)?.object()?;
    if heap.kind(layout, shared)? != layout.function.kind {
        return None;
    }
    if question.identity != 0 && identity(heap, layout, shared)? != question.identity {
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
    // Functions of V8's own have none, and one that is debugged has something else there.
    let (file, source) = match heap.value(shared, layout.function.script)? {
        Value::Object(script) if heap.kind(layout, script)? == layout.script.kind => {
            (path(heap, layout, script)?, heap.value(script, layout.script.source).and_then(Value::object))
        }
        _ => Default::default(),
    };
    let name = if scope.name.is_empty() { anonymous(&file) } else { scope.name };
    Some(Named { name, file, start: source.zip(scope.start) })
}

/// As in bpf/profile/v8.h.
fn identity(heap: &Heap, layout: &Layout, shared: Object) -> Option<u16> {
    let function = heap.u32(shared, layout.function.number?)?;
    let script = heap.value(shared, layout.function.script)?.object()?;
    let number = heap.word(script, layout.script.number?)?;
    let name = name_word(heap, layout, shared).unwrap_or(0).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let word = (number ^ u64::from(function)).wrapping_add(name);
    Some(((word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16).max(1))
}

/// What tells its name from others: hash and length of the string, of a name that was inferred the length alone.
fn name_word(heap: &Heap, layout: &Layout, shared: Object) -> Option<u64> {
    let scope = heap.value(shared, layout.function.name_or_scope)?.object()?;
    let slot = |index: u64| heap.word(scope, layout.map + 8 + 8 * index);
    let flags = match (slot(0)? as u32, slot(0)? >> 32) {
        (0, upper) => upper as u32,
        (lower, _) => lower,
    };
    let locals = slot(layout.scope.locals)? >> 32;
    let mut at = layout.scope.first;
    at += u64::from(flags & SCOPE_TYPE == MODULE);
    at += locals + if locals < MOST_NAMES_INSIDE { locals } else { 1 };
    at += u64::from(flags & HAS_CLASS_VARIABLE != 0);
    // Three words are read whether there is a function's name or not.
    let words = [slot(at)?, slot(at + 1)?, slot(at + 2)?];
    let string = |word: u64| match Value::of(word) {
        Some(Value::Object(object)) => heap.word(object, layout.map + 8).unwrap_or(0),
        _ => 0,
    };
    let mut inferred = words[0];
    if flags & FUNCTION_VARIABLE != 0 {
        inferred = words[2];
        let name = string(words[0]);
        if name >> 32 != 0 {
            return Some(name);
        }
    }
    Some(if flags & HAS_INFERRED_NAME != 0 { string(inferred) >> 32 } else { 0 })
}

/// By its file, or there would be many of one name. Not by its line, which is another one in each version.
fn anonymous(file: &str) -> String {
    match file.rsplit('/').next().filter(|base| !base.is_empty()) {
        Some(base) => format!("(anonymous {base})"),
        None => "(anonymous)".to_owned(),
    }
}

/// Empty for a script that was read from no file. None if what is there is neither a name nor nothing: it was dropped.
fn path(heap: &Heap, layout: &Layout, script: Object) -> Option<String> {
    let path = match heap.value(script, layout.script.name)? {
        Value::Object(path) if is_outside(heap.kind(layout, path)?, layout) => String::new(),
        Value::Object(path) if heap.kind(layout, path)? < layout.first_non_string => {
            text(heap, layout, path, MOST_PATH)?
        }
        Value::Object(none) if heap.value(none, layout.undefined.at)?.small()? == layout.undefined.kind => {
            String::new()
        }
        _ => return None,
    };
    Some(path.strip_prefix("file://").map_or(path.clone(), str::to_owned))
}

/// Where the lines of sources end. A source is read once and as far as it is asked for, however many functions it has.
#[derive(Default)]
pub struct Lines(HashMap<Object, Ends>);

#[derive(Default)]
struct Ends {
    /// Units that were looked at.
    seen: usize,
    /// Where among them lines end.
    at: Vec<u32>,
}

impl Lines {
    /// The line on which a function begins; 0 if it is not known. Without a file (eval) a line means nothing.
    pub fn of(&mut self, heap: &Heap, layout: &Layout, named: &Named) -> u32 {
        let start = named.start.filter(|(_, start)| !named.file.is_empty() && *start <= MOST_SOURCE);
        start.and_then(|(source, start)| self.line(heap, layout, source, start)).unwrap_or(0)
    }

    fn line(&mut self, heap: &Heap, layout: &Layout, source: Object, start: usize) -> Option<u32> {
        let ends = self.0.entry(source).or_default();
        if start > ends.seen {
            let more = units(heap, layout, source, ends.seen, start - ends.seen)?;
            if more.len() != start - ends.seen {
                return None;
            }
            let found = more.iter().enumerate().filter(|(_, unit)| **unit == u16::from(b'\n'));
            ends.at.extend(found.map(|(at, _)| (ends.seen + at) as u32));
            ends.seen = start;
        }
        Some(ends.at.partition_point(|at| (*at as usize) < start) as u32 + 1)
    }
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
        let mut start =
            if layout.scope.place_first { Some(start(slot(at - 2)?, slot(at - 1)?)?) } else { None };
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

#[cfg(test)]
mod tests {
    use super::super::heap::{Heap, Value};
    use super::super::layout::Layout;
    use super::super::made::{Made, FUNCTION_NUMBER, LAYOUT, LAYOUT_13, SCRIPT_NUMBER};
    use super::{Lines, Question, FUNCTION_VARIABLE, HAS_INFERRED_NAME};

    const SOURCE: &str = "// first\n// second\nfunction f() {}\n";

    /// A function `f` on the third line of a script, whose name is `name` words at the end of the scope.
    fn function(layout: &Layout, flags: u32, name: impl Fn(&mut Made) -> Vec<u64>) -> (Made, u64) {
        let mut made = Made::new(layout);
        let path = made.one_byte("file:///srv/app.mjs");
        let source = made.one_byte(SOURCE);
        let script = made.script(path, source);
        let variable = made.one_byte("variable");
        let name = name(&mut made);
        let place = [Made::small(28), Made::small(33)];
        let mut slots = vec![Made::small(flags as i32), Made::small(0), Made::small(1)];
        slots.extend(if layout.scope.place_first { &place[..] } else { &[] });
        slots.extend([variable, Made::small(0)]);
        slots.extend(name);
        slots.extend(if layout.scope.place_first { &[] } else { &place[..] });
        let scope = made.scope(&slots);
        let function = made.function(scope, script);
        (made, function)
    }

    fn asked(heap: &Heap, layout: &Layout, question: Question) -> Option<(String, String, u32)> {
        let named = super::name(heap, layout, question)?;
        let line = Lines::default().of(heap, layout, &named);
        Some((named.name, named.file, line))
    }

    /// Whichever it was when it was sampled.
    fn name(heap: &Heap, layout: &Layout, shared: u64) -> Option<(String, String, u32)> {
        asked(heap, layout, Question { shared, identity: 0 })
    }

    fn named(name: &str) -> Option<(String, String, u32)> {
        Some((name.into(), "/srv/app.mjs".into(), 3))
    }

    #[test]
    fn by_the_scope() {
        for layout in [&LAYOUT, &LAYOUT_13] {
            let (made, function) =
                function(layout, FUNCTION_VARIABLE, |made| vec![made.one_byte("f"), Made::small(0)]);
            assert_eq!(name(&made.heap(), layout, function), named("f"));
        }
    }

    #[test]
    fn by_what_was_inferred() {
        let flags = FUNCTION_VARIABLE | HAS_INFERRED_NAME;
        let (made, function) = function(&LAYOUT, flags, |made| {
            let (first, second) = (made.one_byte("Module."), made.two_byte("größe"));
            vec![Made::small(0), Made::small(0), made.cons(first, second)]
        });
        assert_eq!(name(&made.heap(), &LAYOUT, function), named("Module.größe"));
    }

    #[test]
    fn without_a_name() {
        let (made, function) = function(&LAYOUT, 0, |_| vec![]);
        assert_eq!(name(&made.heap(), &LAYOUT, function), named("(anonymous app.mjs)"));
    }

    #[test]
    fn another_function_in_its_place_is_none() {
        let (made, shared) =
            function(&LAYOUT, FUNCTION_VARIABLE, |made| vec![made.one_byte("f"), Made::small(0)]);
        let sampled = |script: i32, number: u32, name: u64| {
            let word = Made::small(script) | u64::from(number);
            let word = word.wrapping_add(name.wrapping_mul(0xff51_afd7_ed55_8ccd));
            let identity = (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16;
            asked(&made.heap(), &LAYOUT, Question { shared, identity })
        };
        let f = 1 << 32; // one character, and no hash

        assert_eq!(sampled(SCRIPT_NUMBER, FUNCTION_NUMBER, f), named("f"));
        assert_eq!(sampled(SCRIPT_NUMBER + 1, FUNCTION_NUMBER, f), None);
        assert_eq!(sampled(SCRIPT_NUMBER, FUNCTION_NUMBER + 1, f), None);
        assert_eq!(sampled(SCRIPT_NUMBER, FUNCTION_NUMBER, f | 1), None, "another name");
        assert_eq!(sampled(SCRIPT_NUMBER, FUNCTION_NUMBER, 2 * f), None, "a longer name");
        assert_eq!(sampled(SCRIPT_NUMBER, FUNCTION_NUMBER, 0), None, "no name");
    }

    #[test]
    fn another_object_is_none() {
        let (mut made, function) = function(&LAYOUT, 0, |_| vec![]);
        let string = made.one_byte("f");
        let heap = made.heap();
        assert_eq!(name(&heap, &LAYOUT, string), None, "a string");
        assert_eq!(name(&heap, &LAYOUT, function + 8), None, "the middle of an object");
        assert_eq!(name(&heap, &LAYOUT, function - 1), None, "no object");
        assert_eq!(name(&heap, &LAYOUT, 0x7fff_ffff_0001), None, "no memory");
        assert_eq!(name(&heap, &LAYOUT, u64::MAX - 2), None);
    }

    #[test]
    fn a_scope_of_another_make_is_none() {
        // Its flags promise a name, and a number is there.
        let (made, function) = function(&LAYOUT, FUNCTION_VARIABLE, |_| vec![Made::small(7), Made::small(0)]);
        assert_eq!(name(&made.heap(), &LAYOUT, function), None);
    }

    #[test]
    fn a_string_in_itself_ends() {
        let (made, function) = function(&LAYOUT, FUNCTION_VARIABLE, |made| {
            let cons = made.next_object();
            vec![made.cons(cons, cons), Made::small(0)]
        });
        assert_eq!(name(&made.heap(), &LAYOUT, function), None);
    }

    #[test]
    fn lines_of_a_source_that_was_read_in_part() {
        let mut made = Made::new(&LAYOUT);
        let source = made.one_byte("a\nb\n\nc\nd");
        let (heap, source) = (made.heap(), Value::of(source).unwrap().object().unwrap());
        let mut lines = Lines::default();
        let mut line = |start| lines.line(&heap, &LAYOUT, source, start);
        assert_eq!([2, 0, 5, 4, 1, 8, 7].map(&mut line), [2, 1, 4, 3, 1, 5, 5].map(Some), "{source:?}");
        assert_eq!(line(9), None, "behind its end");
        assert_eq!(line(5), Some(4));
    }

    #[test]
    fn damage_ends() {
        let (mut made, function) =
            function(&LAYOUT, FUNCTION_VARIABLE, |made| vec![made.one_byte("f"), Made::small(0)]);
        let mut names = 0;
        for at in 0..made.bytes().len() {
            for flip in [1, 2, 0x80, 0xff] {
                let mut damaged = made.clone();
                damaged.bytes()[at] ^= flip;
                names += usize::from(name(&damaged.heap(), &LAYOUT, function).is_some());
            }
        }
        assert!(names > 0);
    }
}
