// SPDX-License-Identifier: Apache-2.0
//! Names of methods: from a `Method*` to class, name, signature, source file and line.

use super::classes::Classes;
use super::layout::{Layout, SourceFile};
use super::lines::line_of;
use crate::memory::Memory;

/// Longest name of a class, a method or a signature that is taken.
const MAX_NAME: usize = 4096;
const UTF8: u8 = 1;
/// Bytes of a line number table: 11 for a pair at the most, but nobody has one for each bytecode.
const MAX_LINES: u64 = 256 << 10;
/// What most methods need of that.
const FIRST_LINES: u64 = 256;

#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// `java.lang.Math.sin`
    pub name: String,
    /// The same with the signature: `java.lang.Math.sin(D)D`
    pub system_name: String,
    pub file: String,
    /// 0 when unknown.
    pub line: u32,
}

/// Names `method` at the bytecode of this index; None for what cannot be a method, or is none any more.
pub fn name(
    memory: &Memory,
    layout: &Layout,
    classes: &Classes,
    method: u64,
    index: Option<u32>,
) -> Option<Named> {
    let at = &layout.method;
    let constant = aligned(at.const_method.read(memory, aligned(method)?)?)?;
    let pool = aligned(at.constants.read(memory, constant)?)?;
    let class = aligned(layout.pool.holder.read(memory, pool)?)?;
    if !classes.is_loaded(memory, layout, class)? {
        return None;
    }

    let method_name = utf8(memory, layout, pool, at.name.read(memory, constant)?)?;
    let signature = utf8(memory, layout, pool, at.signature.read(memory, constant)?)?;
    let class_name = symbol(memory, layout, layout.pool.class_name.read(memory, class)?)?;
    if !plausible(&method_name, &signature, &class_name) {
        return None;
    }
    let source = match &layout.pool.source_file {
        SourceFile::Class(slot) => slot.read(memory, class)?,
        SourceFile::Pool(slot) => slot.read(memory, pool)?,
    };
    // 0: the class file has no such attribute.
    let file = if source == 0 { String::new() } else { utf8(memory, layout, pool, source)? };

    let class_name = class_name.replace('/', ".");
    Some(Named {
        name: format!("{}.{method_name}", without_address(&class_name)),
        system_name: format!("{class_name}.{method_name}{signature}"),
        file,
        line: index.and_then(|index| line(memory, layout, constant, index)).unwrap_or(0),
    })
}

fn line(memory: &Memory, layout: &Layout, constant: u64, index: u32) -> Option<u32> {
    let at = &layout.method;
    if at.flags.read(memory, constant)? & at.has_lines == 0 {
        return None;
    }
    let size = at.code_size.read(memory, constant)?;
    if u64::from(index) >= size {
        return None;
    }
    // The table is somewhere in what follows the bytecode, and ends itself.
    let start = constant.checked_add(at.bytecode)?.checked_add(size)?;
    let end = constant.checked_add(at.words.read(memory, constant)?.checked_mul(8)?)?;
    let most = end.checked_sub(start)?.min(MAX_LINES);
    // What follows it belongs to something else.
    let mut length = most.min(FIRST_LINES);
    loop {
        let (line, ended) = line_of(&memory.bytes(start, length as usize)?, layout.encoding, index);
        if ended || length == most {
            return Some(line);
        }
        length = most.min(length * 16);
    }
}

/// The Utf8 constant at `index`.
fn utf8(memory: &Memory, layout: &Layout, pool: u64, index: u64) -> Option<String> {
    let at = &layout.pool;
    if index == 0 || index >= at.length.read(memory, pool)? {
        return None;
    }
    let tags = aligned(at.tags.read(memory, pool)?)?;
    if memory.u8(tags.checked_add(at.tag_data)?.checked_add(index)?)? != UTF8 {
        return None;
    }
    symbol(memory, layout, memory.u64(pool.checked_add(at.entries)?.checked_add(8 * index)?)?)
}

fn symbol(memory: &Memory, layout: &Layout, symbol: u64) -> Option<String> {
    let length = layout.pool.symbol_length.read(memory, aligned(symbol)?)? as usize;
    if length == 0 || length > MAX_NAME {
        return None;
    }
    // Java's own UTF-8 writes the characters past 16 bits and NUL in ways that are none; nobody names methods so.
    String::from_utf8(memory.bytes(symbol.checked_add(layout.pool.symbol_body)?, length)?).ok()
}

/// The class file format's own rules: enough to tell names from other memory.
fn plausible(method: &str, signature: &str, class: &str) -> bool {
    let printable = |text: &str| !text.chars().any(|c| c.is_control());
    let special = method == "<init>" || method == "<clinit>";
    printable(method)
        && printable(class)
        && (special || !method.contains(['.', ';', '[', '/', '<', '>']))
        && signature.starts_with('(')
        && signature.contains(')')
        && printable(signature)
}

/// Hidden classes (lambdas, method handles) carry an address and often a counter, which differ from run to run:
/// `App$$Lambda$14/0x0000000800c03000`, `App$$Lambda+0x00007f…`, `LambdaForm$MH$7/1234`.
fn without_address(class: &str) -> &str {
    let Some(at) = class.rfind(['+', '.', '/']) else {
        return class;
    };
    let tail = &class[at + 1..];
    let hexadecimal = tail.strip_prefix("0x").is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
    if !hexadecimal && (tail.is_empty() || !tail.chars().all(|c| c.is_ascii_digit())) {
        return class;
    }
    let base = &class[..at];
    base.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix('$').unwrap_or(base)
}

/// Metadata lies at multiples of eight, never at the bottom or in the kernel's half.
pub fn aligned(pointer: u64) -> Option<u64> {
    (pointer & 7 == 0 && (0x1000..1 << 56).contains(&pointer)).then_some(pointer)
}

#[cfg(test)]
mod tests {
    use super::{plausible, without_address};

    #[test]
    fn hidden_classes_lose_what_differs() {
        for (class, shown) in [
            ("java.lang.Math", "java.lang.Math"),
            ("App$1", "App$1"),
            ("App$$Lambda$14.0x0000000800c03000", "App$$Lambda"),
            ("App$$Lambda.0x00007f1234567890", "App$$Lambda"),
            ("App$$Lambda+0x00007f1234567890", "App$$Lambda"),
            ("java.lang.invoke.LambdaForm$MH.0x0000000800c0", "java.lang.invoke.LambdaForm$MH"),
            ("java.lang.invoke.LambdaForm$DMH$7.1234", "java.lang.invoke.LambdaForm$DMH"),
            ("a.b+c", "a.b+c"),
        ] {
            assert_eq!(without_address(class), shown);
        }
    }

    #[test]
    fn memory_that_holds_no_names() {
        assert!(plausible("main", "([Ljava/lang/String;)V", "App"));
        assert!(plausible("<init>", "()V", "App"));
        assert!(!plausible("ma.in", "()V", "App"));
        assert!(!plausible("main", "V", "App"));
        assert!(!plausible("main", "()V", "A\u{1}pp"));
    }
}
