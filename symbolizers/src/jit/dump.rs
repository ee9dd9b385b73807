// SPDX-License-Identifier: Apache-2.0
//! Jitdump files (`jit-PID.dump`): records of code that was loaded and moved, with line numbers and a copy of the code.
//! The format is that of `perf inject --jit`: tools/perf/Documentation/jitdump-specification.txt in the kernel's tree.

use std::io::{self, BufReader, Read, Seek};

use super::ranges::Ranges;
use super::MAX_BYTES;
use crate::answer::{Answer, Frame, Naming};

/// `JiTD` as a 32-bit number in the byte order of the machine that wrote it.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER: u32 = 40;
const RECORD_HEADER: u32 = 16;

const CODE_LOAD: u32 = 0;
const CODE_MOVE: u32 = 1;
const CODE_DEBUG_INFO: u32 = 2;
const CODE_CLOSE: u32 = 3;

const LOAD_FIXED: u32 = 40;
const MOVE_BYTES: usize = 48;
/// Of a name, and of line numbers of one function.
const MAX_NAME: u32 = 64 << 10;
const MAX_DEBUG_INFO: u32 = 16 << 20;
/// Stands for a file name: the same as that of the entry before.
const SAME_FILE: &[u8] = &[0xff];
/// V8 adds the size of an ELF header to the addresses of lines: `perf inject` took it off before Linux 5.10.
const ELF_HEADER: u64 = 0x40;

#[derive(Clone, Copy)]
struct Line {
    /// From the start of the function on.
    offset: u32,
    line: u32,
    /// In `files`.
    file: u32,
}

struct Function {
    name: Box<str>,
    /// In `lines`.
    lines: std::ops::Range<u32>,
}

pub struct JitDump {
    functions: Vec<Function>,
    lines: Vec<Line>,
    files: Vec<Box<str>>,
    /// Where a function's code is: the function, and where it began. A part of it may have gone since.
    code: Ranges<(u32, u64)>,
    /// Memory of all this, about.
    bytes: u64,
}

impl JitDump {
    /// Reads all of `source`. It ends where a record is half written, or is none.
    pub fn read(source: impl Read + Seek) -> io::Result<Self> {
        let mut source = BufReader::new(source);
        let mut dump = Self {
            functions: Vec::new(),
            lines: Vec::new(),
            files: Vec::new(),
            code: Ranges::default(),
            bytes: 0,
        };
        let mut header = [0; HEADER as usize];
        source.read_exact(&mut header).map_err(|_| invalid("no jitdump header"))?;
        let mut fields = Fields(&header);
        let known = fields.u32() == Some(MAGIC) && fields.u32() == Some(VERSION);
        let size =
            fields.u32().filter(|size| known && *size >= HEADER).ok_or_else(|| invalid("no jitdump"))?;
        source.seek_relative((size - HEADER).into())?;
        // Line numbers come in front of the code that they are about.
        let mut lines = None;
        while let Some(record) = record_header(&mut source)? {
            match record.kind {
                CODE_DEBUG_INFO if record.size <= MAX_DEBUG_INFO => {
                    let Some(bytes) = body(&mut source, record.size)? else { break };
                    lines = Some(bytes);
                }
                CODE_LOAD if record.size >= LOAD_FIXED => {
                    if !dump.load(&mut source, record.size, lines.take())? {
                        break;
                    }
                }
                CODE_MOVE if record.size as usize == MOVE_BYTES => {
                    let Some(bytes) = body(&mut source, record.size)? else { break };
                    dump.relocate(Fields(&bytes));
                }
                CODE_CLOSE => break,
                _ => source.seek_relative(record.size.into())?,
            }
            if dump.bytes > MAX_BYTES {
                return Err(invalid("jitdump over 64 MiB"));
            }
        }
        Ok(dump)
    }

    /// False at the end of what is written.
    fn load(
        &mut self,
        source: &mut BufReader<impl Read + Seek>,
        size: u32,
        lines: Option<Vec<u8>>,
    ) -> io::Result<bool> {
        let kept = size.min(LOAD_FIXED + MAX_NAME);
        let Some(bytes) = body(source, kept)? else { return Ok(false) };
        source.seek_relative((size - kept).into())?;
        let mut fields = Fields(&bytes);
        // Process, thread and the address in a file that perf makes of it.
        let (Some(_), Some(_), Some(start), Some(length), Some(_)) =
            (fields.u64(), fields.u64(), fields.u64(), fields.u64(), fields.u64())
        else {
            return Ok(true);
        };
        let (Some(name), Some(end)) = (fields.text(), start.checked_add(length)) else { return Ok(true) };
        let from = self.lines.len() as u32;
        if let Some(lines) = lines {
            self.read_lines(Fields(&lines), start, length);
        }
        let lines = from..self.lines.len() as u32;
        self.bytes += 100 + name.len() as u64 + 12 * u64::from(lines.end - lines.start);
        self.code.insert(start, end, (self.functions.len() as u32, start));
        self.functions.push(Function { name: String::from_utf8_lossy(name).into(), lines });
        Ok(true)
    }

    fn relocate(&mut self, mut fields: Fields) {
        let mut next = || fields.u64().unwrap_or_default();
        let (_, _, old, new, size) = (next(), next(), next(), next(), next());
        let Some((function, _)) = self.code.find(old) else { return };
        self.code.remove(old, old.saturating_add(size));
        self.code.insert(new, new.saturating_add(size), (function, new));
    }

    /// All lines of a function or none: an entry that is not in it tells that the others cannot be trusted. (V8 11
    /// writes names of files from memory that it gave back.)
    fn read_lines(&mut self, mut fields: Fields, start: u64, length: u64) {
        let (before, files) = (self.lines.len(), self.files.len());
        if self.try_lines(&mut fields, start, length).is_none() {
            self.lines.truncate(before);
            self.files.truncate(files);
            return;
        }
        if self.lines.get(before).is_some_and(|first| u64::from(first.offset) == ELF_HEADER) {
            self.lines[before..].iter_mut().for_each(|line| line.offset -= ELF_HEADER as u32);
        }
    }

    fn try_lines(&mut self, fields: &mut Fields, start: u64, length: u64) -> Option<()> {
        if fields.u64()? != start {
            return None;
        }
        let (mut last, mut file) = (0, None);
        for _ in 0..fields.u64()? {
            let offset = fields.u64()?.checked_sub(start)?;
            let (line, _column) = (fields.u32()?, fields.u32()?);
            let name = fields.text()?;
            if offset >= length.saturating_add(ELF_HEADER) || offset < last {
                return None;
            }
            last = offset;
            if name != SAME_FILE {
                file = Some(self.file(std::str::from_utf8(name).ok()?));
            }
            self.lines.push(Line { offset: u32::try_from(offset).ok()?, line, file: file? });
        }
        Some(())
    }

    fn file(&mut self, name: &str) -> u32 {
        // Functions of one file mostly follow each other.
        if self.files.last().is_none_or(|last| **last != *name) {
            self.bytes += 16 + name.len() as u64;
            self.files.push(name.into());
        }
        self.files.len() as u32 - 1
    }

    pub fn answer(&self, address: u64, lines: bool, answer: &mut Answer) {
        let Some((function, start)) = self.code.find(address) else { return answer.unknown() };
        let Function { name, lines: own } = &self.functions[function as usize];
        let own = &self.lines[own.start as usize..own.end as usize];
        let place = own.partition_point(|line| u64::from(line.offset) <= address - start);
        let line = place.checked_sub(1).map(|at| own[at]).filter(|_| lines);
        let (file, line) = line.map_or(("", 0), |line| (&*self.files[line.file as usize], line.line));
        answer.begin();
        let frame = Frame { system_name: name, file, line, start_line: 0, naming: Naming::Linker };
        answer.named(name, frame);
    }
}

struct Record {
    kind: u32,
    /// Of what follows.
    size: u32,
}

/// None at the end, and where what is there is no record.
fn record_header(source: &mut impl Read) -> io::Result<Option<Record>> {
    let Some(bytes) = body(source, RECORD_HEADER)? else { return Ok(None) };
    let mut fields = Fields(&bytes);
    let kind = fields.u32().unwrap_or_default();
    let size = fields.u32().and_then(|size| size.checked_sub(RECORD_HEADER));
    Ok(size.map(|size| Record { kind, size }))
}

/// None when there is less.
fn body(source: &mut impl Read, size: u32) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(size.into()).read_to_end(&mut bytes)?;
    Ok((bytes.len() == size as usize).then_some(bytes))
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// Up to a zero, which goes with it.
    fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{JitDump, CODE_CLOSE, CODE_DEBUG_INFO, CODE_LOAD, CODE_MOVE, HEADER, MAGIC, VERSION};
    use crate::answer::Answer;

    struct Writer(Vec<u8>);

    impl Writer {
        /// With a header that is longer than the fields that are known.
        fn new() -> Self {
            let mut writer = Self(Vec::new());
            writer.words(&[MAGIC, VERSION, HEADER + 8, 62, 0, 1, 0, 0, 0, 0, 7, 7]);
            writer
        }

        fn words(&mut self, words: &[u32]) {
            words.iter().for_each(|word| self.0.extend_from_slice(&word.to_le_bytes()));
        }

        fn record(&mut self, kind: u32, body: &[u8]) {
            self.words(&[kind, 16 + body.len() as u32, 0, 0]);
            self.0.extend_from_slice(body);
        }

        fn load(&mut self, start: u64, size: u64, name: &str) {
            let mut body = longs(&[0, start, start, size, 1]);
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            // Code is skipped, whatever it is: also over the border of the reader's buffer.
            body.resize(body.len() + size as usize, 0xcc);
            self.record(CODE_LOAD, &body);
        }

        fn lines(&mut self, start: u64, entries: &[(u64, u32, &[u8])]) {
            let mut body = longs(&[start, entries.len() as u64]);
            for (address, line, file) in entries {
                body.extend_from_slice(&longs(&[*address]));
                body.extend_from_slice(&line.to_le_bytes());
                body.extend_from_slice(&[0; 4]);
                body.extend_from_slice(file);
                body.push(0);
            }
            self.record(CODE_DEBUG_INFO, &body);
        }

        fn read(&self) -> JitDump {
            JitDump::read(Cursor::new(&self.0)).unwrap()
        }
    }

    fn longs(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Name, file and line.
    fn at(dump: &JitDump, address: u64) -> Option<(String, String, u32)> {
        let mut answer = Answer::default();
        dump.answer(address, true, &mut answer);
        let (name, file, line) = answer.only_frame()?;
        Some((name.into(), file.into(), line))
    }

    fn name_at(dump: &JitDump, address: u64) -> String {
        at(dump, address).map(|(name, _, _)| name).unwrap_or_default()
    }

    #[test]
    fn functions_have_names_and_lines() {
        let mut writer = Writer::new();
        writer.lines(0x1000, &[(0x1000, 3, b"a.js"), (0x1008, 5, b"\xff"), (0x1010, 9, b"b.js")]);
        writer.load(0x1000, 0x20, "outer<int>(a b)");
        writer.load(0x9000, 100_000, "large");
        writer.lines(0x1000, &[(0x1000, 1, b"other.js")]);
        writer.load(0x3000, 0x20, "not what the lines are about");
        let dump = writer.read();
        let place = |file: &str, line| Some(("outer<int>(a b)".to_string(), file.to_string(), line));
        assert_eq!(at(&dump, 0x1000), place("a.js", 3));
        assert_eq!(at(&dump, 0x100f), place("a.js", 5));
        assert_eq!(at(&dump, 0x101f), place("b.js", 9));
        assert_eq!(at(&dump, 0xfff), None);
        assert_eq!(at(&dump, 0x1020), None);
        assert_eq!(name_at(&dump, 0x9000 + 99_999), "large");
        assert_eq!(at(&dump, 0x3000), Some(("not what the lines are about".into(), String::new(), 0)));
    }

    #[test]
    fn later_code_wins_and_code_moves() {
        let mut writer = Writer::new();
        writer.lines(0x1000, &[(0x1000, 3, b"a.js"), (0x1010, 4, b"\xff")]);
        writer.load(0x1000, 0x20, "first");
        writer.load(0x2000, 0x20, "second");
        writer.record(CODE_MOVE, &longs(&[0, 0, 0x1000, 0x2010, 0x20, 1]));
        writer.record(CODE_MOVE, &longs(&[0, 0, 0x7000, 0x8000, 0x20, 2]));
        let dump = writer.read();
        assert_eq!(at(&dump, 0x1000), None);
        assert_eq!(name_at(&dump, 0x200f), "second");
        assert_eq!(at(&dump, 0x2010), Some(("first".into(), "a.js".into(), 3)));
        assert_eq!(at(&dump, 0x202f), Some(("first".into(), "a.js".into(), 4)));
        assert_eq!(at(&dump, 0x8000), None);
    }

    #[test]
    fn lines_that_cannot_be_trusted_are_left_out() {
        let v8 = |start: u64, end: &'static [u8]| -> [(u64, u32, &'static [u8]); 2] {
            [(start + 0x40, 3, b"a.js"), (start + 0x60, 4, end)]
        };
        let mut writer = Writer::new();
        writer.lines(0x1000, &v8(0x1000, b"\xff"));
        writer.load(0x1000, 0x30, "shifted");
        writer.lines(0x2000, &v8(0x2000, b"\xfe\xff"));
        writer.load(0x2000, 0x30, "no text");
        writer.lines(0x3000, &[(0x3000, 1, b"\xff")]);
        writer.load(0x3000, 0x30, "nothing before");
        writer.lines(0x4000, &[(0x4000, 1, b"a.js"), (0x9000, 2, b"\xff")]);
        writer.load(0x4000, 0x30, "elsewhere");
        let dump = writer.read();
        assert_eq!(at(&dump, 0x1000), Some(("shifted".into(), "a.js".into(), 3)));
        assert_eq!(at(&dump, 0x1020), Some(("shifted".into(), "a.js".into(), 4)));
        for (address, name) in [(0x2000, "no text"), (0x3000, "nothing before"), (0x4000, "elsewhere")] {
            assert_eq!(at(&dump, address), Some((name.into(), String::new(), 0)));
        }
    }

    #[test]
    fn what_is_half_written_is_not_there_yet() {
        let mut writer = Writer::new();
        writer.load(0x1000, 0x20, "whole");
        let whole = writer.0.len();
        writer.lines(0x2000, &[(0x2000, 3, b"a.js")]);
        writer.load(0x2000, 0x20, "half");
        for end in whole..writer.0.len() {
            let dump = JitDump::read(Cursor::new(&writer.0[..end])).unwrap();
            assert_eq!(name_at(&dump, 0x1000), "whole");
            assert_eq!(name_at(&dump, 0x2000), "");
        }
        assert_eq!(name_at(&writer.read(), 0x2000), "half");
        writer.record(CODE_CLOSE, &[]);
        writer.load(0x3000, 0x20, "after the end");
        assert_eq!(name_at(&writer.read(), 0x3000), "");
    }

    #[test]
    fn other_files_are_refused() {
        let whole = Writer::new().0;
        for end in 0..HEADER as usize {
            assert!(JitDump::read(Cursor::new(&whole[..end])).is_err());
        }
        for (at, word) in [(0, MAGIC.swap_bytes()), (4, 2), (8, HEADER - 1)] {
            let mut other = whole.clone();
            other[at..at + 4].copy_from_slice(&word.to_le_bytes());
            assert!(JitDump::read(Cursor::new(&other)).is_err(), "{at}");
        }
        assert!(JitDump::read(Cursor::new(&whole)).is_ok());
    }

    #[test]
    fn no_bytes_are_too_strange() {
        let mut state = 99u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..2000 {
            let mut writer = Writer::new();
            for _ in 0..8 {
                let start = random(4) * 0x10;
                match random(3) {
                    0 => writer.load(start, random(64), "name"),
                    1 => writer.lines(start, &[(start, 1, b"a"), (start + random(80), 2, b"\xff")]),
                    _ => writer.record(CODE_MOVE, &longs(&[0, 0, start, random(64), random(64), 0])),
                }
            }
            for _ in 0..random(6) {
                let at = random(writer.0.len() as u64) as usize;
                writer.0[at] = [0, 1, 0x7f, 0xff][random(4) as usize];
            }
            if let Ok(dump) = JitDump::read(Cursor::new(&writer.0)) {
                for address in 0..0x100 {
                    at(&dump, address);
                }
            }
        }
    }
}
