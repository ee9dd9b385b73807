// SPDX-License-Identifier: Apache-2.0
//! Questions in, answers out. The format is described in docs/symbols.md; the other half is protocol.ts.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};

use blazesym::symbolize::evict::{self, Evict};
use blazesym::symbolize::Symbolizer;

use crate::answer::{put, Answer};
use crate::descriptors::Descriptors;
use crate::elf::{Elf, Headers, DEBUG_FOLDER};
use crate::files;
use crate::java::{Jvm, Question};
use crate::jit::{JitDump, PerfMap};
use crate::kernel::Kallsyms;
use crate::sandbox::{memory_use, Opened};
use crate::threads;
use crate::v8::V8;

/// First thing that is written: tells that the sandbox is closed, and which format follows.
pub const HELLO: u32 = 0x5357_0001;

/// A longer question is not one of ours.
const MAX_QUESTION: usize = 16 << 20;

const OPEN_ELF: u32 = 1;
const OPEN_KERNEL: u32 = 2;
const OPEN_PERF_MAP: u32 = 3;
const ATTACH_DEBUG: u32 = 4;
const ATTACH_SUPPLEMENT: u32 = 5;
const LOOKUP: u32 = 6;
const CLOSE: u32 = 7;
const UNWIND: u32 = 8;
const OPEN_JAVA: u32 = 9;
const LOOK_UP_JAVA: u32 = 10;
const OPEN_JIT_DUMP: u32 = 11;
const OPEN_V8: u32 = 12;
const FIND_THREADS: u32 = 13;

const OK: u32 = 0;
/// The debug file offered does not belong to the file.
const NOT_ITS_OWN: u32 = 1;
const DAMAGED: u32 = 2;
/// No such file was opened, or its descriptor did not arrive.
const NO_FILE: u32 = 3;
/// Mapped, but no ELF file: data, or code that a JIT compiler made. Or a program without a V8, or a file that publishes
/// nothing of threads.
const NOT_ELF: u32 = 4;

enum Source {
    Elf(Box<Elf>),
    Kernel(Kallsyms),
    PerfMap(PerfMap),
    Java(Box<Jvm>),
    JitDump(JitDump),
    V8(V8),
}

/// Why a question has no answer.
enum Failure {
    Damaged,
    NoFile,
    NotItsOwn,
    NotElf,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Unsupported => Self::NotElf,
            io::ErrorKind::NotFound => Self::NoFile,
            _ => Self::Damaged,
        }
    }
}

impl From<blazesym::Error> for Failure {
    fn from(_: blazesym::Error) -> Self {
        Self::Damaged
    }
}

pub struct Server {
    symbolizer: Symbolizer,
    descriptors: Descriptors,
    sources: HashMap<u32, Source>,
    /// Supplementary files are shared by many debug files: name and how many opened files use it.
    supplements: HashMap<String, u32>,
    /// Which of them each file uses.
    supplement_of: HashMap<u32, String>,
    opened: Opened,
}

impl Server {
    pub fn new(opened: Opened) -> Self {
        let symbolizer = Symbolizer::builder()
            .enable_auto_reload(false)
            .enable_code_info(true)
            .enable_inlined_fns(true)
            .enable_demangling(false)
            .set_debug_dirs(Some([DEBUG_FOLDER]))
            .build();
        Self {
            symbolizer,
            descriptors: Descriptors::default(),
            sources: HashMap::new(),
            supplements: HashMap::new(),
            supplement_of: HashMap::new(),
            opened,
        }
    }

    /// Answers until the input ends. An error means that the agent is gone or does not speak our language.
    pub fn run(&mut self, mut input: impl Read, mut output: impl Write) -> io::Result<()> {
        output.write_all(&HELLO.to_le_bytes())?;
        output.flush()?;
        let mut question = Vec::new();
        let mut answer = Vec::new();
        while let Some(length) = read_length(&mut input)? {
            if !(12..=MAX_QUESTION).contains(&length) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            question.resize(length, 0);
            input.read_exact(&mut question)?;

            let sequence = number(&question, 0);
            let mut payload = Vec::new();
            // What a panic leaves behind in caches is dropped with the file: the agent closes a damaged one.
            let result = catch_unwind(AssertUnwindSafe(|| self.answer(&question, &mut payload)));
            let status = match result {
                Ok(Ok(())) => OK,
                Ok(Err(Failure::NotItsOwn)) => NOT_ITS_OWN,
                Ok(Err(Failure::NoFile)) => NO_FILE,
                Ok(Err(Failure::NotElf)) => NOT_ELF,
                Ok(Err(Failure::Damaged)) | Err(_) => DAMAGED,
            };
            if status != OK {
                payload.clear();
            }

            let (data, resident) = memory_use(&self.opened);
            answer.clear();
            let length = 16 + payload.len() as u32;
            put(&mut answer, [length, sequence, status, data, resident].into_iter());
            answer.extend_from_slice(&payload);
            output.write_all(&answer)?;
            output.flush()?;
        }
        Ok(())
    }

    fn answer(&mut self, question: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let (kind, file) = (number(question, 4), number(question, 8));
        let rest = &question[12..];
        match kind {
            OPEN_ELF => {
                let elf = Elf::open(self.bind(file)?)?;
                describe(&elf, out);
                self.sources.insert(file, Source::Elf(Box::new(elf)));
            }
            OPEN_KERNEL => {
                let kallsyms = Kallsyms::read(self.take(file)?)?;
                let (start, end) = kallsyms.text;
                out.extend_from_slice(&start.to_le_bytes());
                out.extend_from_slice(&end.to_le_bytes());
                self.sources.insert(file, Source::Kernel(kallsyms));
            }
            OPEN_PERF_MAP => {
                let map = PerfMap::read(self.take(file)?)?;
                self.sources.insert(file, Source::PerfMap(map));
            }
            OPEN_JIT_DUMP => {
                let dump = JitDump::read(self.take(file)?)?;
                self.sources.insert(file, Source::JitDump(dump));
            }
            OPEN_V8 => {
                let memory = self.take(file)?;
                let program = files::map(&name_of(number(rest, 0)))?;
                let v8 = V8::open(memory, &program)?.ok_or(Failure::NotElf)?;
                self.sources.insert(file, Source::V8(v8));
            }
            ATTACH_DEBUG => {
                let name = self.bind(number(rest, 0))?;
                let belongs = self.elf(file).and_then(|elf| Ok(elf.attach(name.clone())?));
                if !matches!(belongs, Ok(true)) {
                    files::unbind(&name);
                }
                if !belongs? {
                    return Err(Failure::NotItsOwn);
                }
                describe(self.elf(file)?, out);
            }
            ATTACH_SUPPLEMENT => self.attach_supplement(file, number(rest, 0))?,
            LOOKUP => {
                let lines = number(rest, 0) != 0;
                let addresses: Vec<u64> = rest
                    .get(4..)
                    .unwrap_or_default()
                    .chunks_exact(8)
                    .map(|eight| u64::from_le_bytes(eight.try_into().unwrap_or_default()))
                    .collect();
                self.lookup(file, &addresses, lines)?.encode(out);
            }
            CLOSE => self.close(file)?,
            UNWIND => self.elf(file)?.unwind_table(number(rest, 0) != 0)?.encode(out),
            OPEN_JAVA => {
                let memory = self.take(file)?;
                let id = number(rest, 0);
                // Where the library's code is mapped, and of which part of the file.
                let linked = self.elf(id)?.headers.address_of(long(rest, 12)).ok_or(Failure::Damaged)?;
                let bias = long(rest, 4).wrapping_sub(linked);
                let jvm = Jvm::open(memory, &files::map(&name_of(id))?, bias)?;
                jvm.describe(out)?;
                self.sources.insert(file, Source::Java(Box::new(jvm)));
            }
            LOOK_UP_JAVA => {
                let Some(Source::Java(jvm)) = self.sources.get_mut(&file) else {
                    return Err(Failure::NoFile);
                };
                let mut answer = Answer::default();
                jvm.lookup(&java_questions(rest), &mut answer);
                answer.encode(out);
            }
            FIND_THREADS => {
                let memory = self.take(file)?;
                let question = threads::Question {
                    mapped: (long(rest, 4), long(rest, 12)),
                    context: long(rest, 20),
                    musl: number(rest, 28) != 0,
                };
                let image = files::map(&name_of(number(rest, 0)))?;
                out.extend_from_slice(&threads::find(memory, &image, &question)?);
            }
            _ => return Err(Failure::NoFile),
        }
        Ok(())
    }

    fn lookup(&self, file: u32, addresses: &[u64], lines: bool) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        match self.sources.get(&file).ok_or(Failure::NoFile)? {
            Source::Elf(elf) => elf.lookup(&self.symbolizer, addresses, lines, &mut answer)?,
            Source::Kernel(kallsyms) => {
                addresses.iter().for_each(|address| answer.plain(kallsyms.find(*address)))
            }
            Source::PerfMap(map) => addresses.iter().for_each(|address| map.answer(*address, &mut answer)),
            Source::Java(_) => return Err(Failure::NoFile),
            Source::JitDump(dump) => {
                addresses.iter().for_each(|address| dump.answer(*address, lines, &mut answer))
            }
            Source::V8(v8) => v8.lookup(addresses, &mut answer),
        }
        Ok(answer)
    }

    fn attach_supplement(&mut self, file: u32, id: u32) -> Result<(), Failure> {
        let descriptor = self.take(id)?;
        let wanted = self.elf(file)?.supplement().map(|(_, build_id)| build_id.clone());
        // A shorter id is not looked for by blazesym.
        let wanted = wanted.filter(|build_id| build_id.len() >= 8).ok_or(Failure::NotItsOwn)?;
        let name = supplement_name(&wanted);
        if !self.supplements.contains_key(&name) {
            files::bind(&name, descriptor.into());
            let offered = files::map(&name).and_then(|data| Headers::read(&data));
            if !offered.as_ref().is_ok_and(|headers| headers.build_id == wanted) {
                files::unbind(&name);
                return Err(offered.err().map_or(Failure::NotItsOwn, Failure::from));
            }
        }
        // Asked twice for one file, it is still one user.
        if self.supplement_of.insert(file, name.clone()).is_none() {
            *self.supplements.entry(name).or_default() += 1;
        }
        Ok(())
    }

    /// Drops everything that is known of a file.
    fn close(&mut self, file: u32) -> Result<(), Failure> {
        let mut gone = vec![name_of(file)];
        if let Some(Source::Elf(elf)) = self.sources.remove(&file) {
            gone.extend(elf.names().map(String::from));
        }
        if let Some(name) = self.supplement_of.remove(&file) {
            if let Some(users) = self.supplements.get_mut(&name) {
                *users -= 1;
                if *users == 0 {
                    self.supplements.remove(&name);
                    gone.push(name);
                }
            }
        }
        for name in gone {
            self.symbolizer.evict(&Evict::Elf(evict::Elf::new(&name)))?;
            files::unbind(&name);
        }
        // SAFETY: no arguments. Gives freed memory back: the agent closes files because memory is short.
        unsafe { libc::malloc_trim(0) };
        Ok(())
    }

    fn elf(&mut self, file: u32) -> Result<&mut Elf, Failure> {
        match self.sources.get_mut(&file) {
            Some(Source::Elf(elf)) => Ok(elf),
            _ => Err(Failure::NoFile),
        }
    }

    fn take(&mut self, id: u32) -> Result<File, Failure> {
        Ok(self.descriptors.take(id)?.ok_or(Failure::NoFile)?.into())
    }

    fn bind(&mut self, id: u32) -> Result<String, Failure> {
        let name = name_of(id);
        files::bind(&name, self.take(id)?.into());
        Ok(name)
    }
}

/// Five words each: kind, address, extra.
fn java_questions(bytes: &[u8]) -> Vec<Question> {
    let question =
        |words: &[u8]| Question { kind: number(words, 0), address: long(words, 4), extra: long(words, 12) };
    bytes.chunks_exact(20).map(question).collect()
}

/// Where a descriptor is found by those who want a path.
fn name_of(id: u32) -> String {
    format!("/{id}")
}

/// Where blazesym looks for the supplementary file with this build id.
fn supplement_name(build_id: &[u8]) -> String {
    let hex: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{DEBUG_FOLDER}/.build-id/{}/{}.debug", &hex[..2], &hex[2..])
}

/// What the agent must know to find debug files: flags, then build id, debug link, supplement, each with its length.
fn describe(elf: &Elf, out: &mut Vec<u8>) {
    let (link, crc) = elf.headers.debug_link.as_ref().map_or((&[][..], 0), |(name, crc)| (name, *crc));
    let (path, id) = elf.supplement().map_or((&[][..], &[][..]), |(path, id)| (path, id));
    let headers = &elf.headers;
    let flags = [headers.has_dwarf, headers.has_symtab, headers.has_dynsym, headers.has_code];
    let flags = flags.iter().rev().fold(0, |bits, flag| bits << 1 | u32::from(*flag));
    put(out, [flags, crc].into_iter());
    for bytes in [&elf.headers.build_id[..], link, path, id] {
        put(out, [bytes.len() as u32].into_iter());
        out.extend_from_slice(bytes);
    }
}

/// The 32-bit number at `at`; 0 past the end.
fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}

/// The 64-bit number at `at`; 0 past the end.
fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at)) | u64::from(number(bytes, at + 4)) << 32
}

/// The length of the next question; None at the end of the input.
fn read_length(input: &mut impl Read) -> io::Result<Option<usize>> {
    let mut length = [0u8; 4];
    match input.read_exact(&mut length) {
        Ok(()) => Ok(Some(u32::from_le_bytes(length) as usize)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
