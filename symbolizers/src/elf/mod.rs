// SPDX-License-Identifier: Apache-2.0
//! Symbols, lines and inlined calls of ELF files, by blazesym: symbol tables, `.gnu_debugdata`, DWARF.
//!
//! blazesym is never left to look for debug files: the agent finds and opens them, and they are read here as files
//! of their own. Only a supplementary file (dwz) is reached by blazesym itself, under the one name where it looks for
//! a build id.

mod headers;

use std::io;
use std::path::Path;

use blazesym::symbolize::source::{self, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};

use crate::answer::{Answer, Frame, Naming};
use crate::demangle::is_mangled;
use crate::files;
use crate::go::{Go, Level};
use crate::unwind::Table;
pub use headers::Headers;

/// Where blazesym looks for supplementary files.
pub const DEBUG_FOLDER: &str = "/debug";

/// Longest reach of a symbol without a size: hand-written assembly is seldom longer.
const MAX_UNSIZED: usize = 64 << 10;

pub struct Elf {
    name: String,
    pub headers: Headers,
    /// Go code in it.
    go: Option<Go>,
    debug: Option<Debug>,
}

struct Debug {
    name: String,
    headers: Headers,
}

impl Elf {
    /// Reads the headers of the file that is bound to `name`.
    pub fn open(name: String) -> io::Result<Self> {
        let data = files::map(&name)?;
        let headers = Headers::read(&data)?;
        Ok(Self { name, headers, go: Go::find(&data), debug: None })
    }

    /// Takes the file bound to `name` as this one's debug information, if it is: equal build ids, or, where one has
    /// none, the checksum that the debug link states. False when it is not.
    pub fn attach(&mut self, name: String) -> io::Result<bool> {
        let data = files::map(&name)?;
        let headers = Headers::read(&data)?;
        let belongs = if !self.headers.build_id.is_empty() && !headers.build_id.is_empty() {
            self.headers.build_id == headers.build_id
        } else {
            self.headers.debug_link.as_ref().is_some_and(|(_, crc)| crc32fast::hash(&data) == *crc)
        };
        if belongs {
            self.debug = Some(Debug { name, headers });
        }
        Ok(belongs)
    }

    /// Build id of the supplementary file that the debug information needs.
    pub fn supplement(&self) -> Option<&(Vec<u8>, Vec<u8>)> {
        let headers = self.debug.as_ref().map_or(&self.headers, |debug| &debug.headers);
        headers.supplement.as_ref()
    }

    /// The names under which blazesym may have this file in its cache.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [Some(&self.name), self.debug.as_ref().map(|debug| &debug.name)]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// How to unwind through this file's code. `debug` false leaves debug information alone.
    pub fn unwind_table(&self, debug: bool) -> io::Result<Table> {
        let attached = match &self.debug {
            Some(attached) if debug => Some(files::map(&attached.name)?),
            _ => None,
        };
        Ok(Table::new(&files::map(&self.name)?, self.go.as_ref(), attached.as_deref(), debug))
    }

    /// Appends an answer for each file offset. `lines` false leaves DWARF alone. Fails when the file is so damaged that
    /// nothing was found.
    pub fn lookup(
        &self,
        symbolizer: &Symbolizer,
        offsets: &[u64],
        lines: bool,
        answer: &mut Answer,
    ) -> io::Result<()> {
        // Offsets that are not loaded go on as address 0, which is never code.
        let addresses: Vec<u64> =
            offsets.iter().map(|offset| self.headers.address_of(*offset).unwrap_or(0)).collect();

        // Go code is named by the tables of its runtime, also where there is DWARF: both say the same, functions, lines
        // and inlined calls, but these are there in a stripped program, need no decompression, and are what Go's own
        // tools show. And only by them: in a stripped program the nearest dynamic symbol is one of C.
        let in_go = |address: u64| self.go.as_ref().filter(|go| go.contains(address));
        let any_go = addresses.iter().any(|address| in_go(*address).is_some());
        let data = any_go.then(|| files::map(&self.name)).transpose()?;

        // The file itself first if it has lines; then the debug file, which has the better symbol table.
        let mut tables: Vec<(&str, bool)> = Vec::new();
        if lines && self.headers.has_dwarf {
            tables.push((&self.name, true));
        }
        if let Some(debug) = &self.debug {
            if lines && debug.headers.has_dwarf {
                tables.push((&debug.name, true));
            }
            tables.push((&debug.name, false));
        }
        tables.push((&self.name, false));

        let mut found: Vec<Option<(Sym, u64)>> = addresses.iter().map(|_| None).collect();
        let elsewhere = |row: &usize| addresses[*row] != 0 && in_go(addresses[*row]).is_none();
        let mut missing: Vec<usize> = (0..addresses.len()).filter(elsewhere).collect();
        let mut damaged = false;
        // A return address is asked for by the byte in front of it. If that is in no function and one begins behind it,
        // nobody called from there: the address was put on the stack by hand (return from a signal, makecontext).
        for (ahead, (name, dwarf)) in
            [0, 1].into_iter().flat_map(|ahead| tables.iter().map(move |table| (ahead, table)))
        {
            let source = source(name, *dwarf);
            // A damaged table can take long to fail, each time anew. It is given up when it fails more than it helps,
            // and must not hide the next one.
            let (mut helped, mut failed) = (0, 0);
            missing.retain(|row| {
                if failed > helped + 1 {
                    return true;
                }
                let address = addresses[*row] + ahead;
                match symbolizer.symbolize_single(&source, Input::VirtOffset(address)) {
                    Ok(Symbolized::Sym(symbol))
                        if self.trusted(&symbol, address) && (ahead == 0 || symbol.addr == address) =>
                    {
                        helped += 1;
                        found[*row] = Some((symbol, address));
                        false
                    }
                    Ok(_) => true,
                    Err(_) => {
                        failed += 1;
                        true
                    }
                }
            });
            damaged |= failed > 0;
        }
        if damaged && data.is_none() && found.iter().all(Option::is_none) {
            return Err(io::ErrorKind::InvalidData.into());
        }

        for (symbol, address) in found.iter().zip(&addresses) {
            if let (Some(go), Some(data)) = (in_go(*address), &data) {
                push_go(answer, &go.lookup(data, *address));
                continue;
            }
            let Some((symbol, address)) = symbol else {
                answer.unknown();
                continue;
            };
            match self.linker_name(symbolizer, symbol, *address) {
                Some(own) => push(answer, symbol, &own),
                None if symbol.name.is_empty() => answer.unknown(),
                None => push(answer, symbol, &symbol.name),
            }
        }
        Ok(())
    }

    /// A symbol that has a size covers the address (blazesym sees to that). One that has none reaches to the next
    /// symbol, which says little: it must be near and in the same section. A function that DWARF describes in several
    /// ranges comes without a start and a size, and was found by the range.
    fn trusted(&self, symbol: &Sym, address: u64) -> bool {
        (symbol.code_info.is_some() || !symbol.name.is_empty())
            && (symbol.size.is_some()
                || symbol.addr == 0
                || symbol.offset == 0
                || symbol.offset <= MAX_UNSIZED && self.headers.same_code(symbol.addr, address))
    }

    /// DWARF names some functions without their scope (a lambda is `operator()`), and blazesym does not follow those
    /// that dwz moved to the supplementary file: the symbol table has the name.
    fn linker_name(&self, symbolizer: &Symbolizer, symbol: &Sym, address: u64) -> Option<String> {
        if symbol.code_info.is_none() || is_mangled(&symbol.name) {
            return None;
        }
        let name = self.debug.as_ref().map_or(&self.name, |debug| &debug.name);
        match symbolizer.symbolize_single(&source(name, false), Input::VirtOffset(address)).ok()? {
            Symbolized::Sym(own)
                if own.size.is_some() && (is_mangled(&own.name) || symbol.name.is_empty()) =>
            {
                Some(without_clone(&own.name).to_owned())
            }
            _ => None,
        }
    }
}

fn source(name: &str, dwarf: bool) -> Source<'static> {
    let mut elf = source::Elf::new(name);
    elf.debug_syms = dwarf;
    Source::Elf(elf)
}

/// DWARF names what was written, not the copies that the compiler made of it; neither does this.
fn without_clone(name: &str) -> &str {
    let clone =
        [".isra.", ".part.", ".constprop.", ".cold"].iter().filter_map(|suffix| name.find(suffix)).min();
    &name[..clone.unwrap_or(name.len())]
}

/// Innermost inlined call first, the function itself last.
fn push(answer: &mut Answer, symbol: &Sym, system_name: &str) {
    answer.begin();
    // One that has no name is left out: the frame around it has the line of the call.
    for inlined in symbol.inlined.iter().rev().filter(|inlined| !inlined.name.is_empty()) {
        let (file, line) = place(inlined.code_info.as_ref());
        answer.frame(named(&inlined.name, &file, line));
    }
    let (file, line) = place(symbol.code_info.as_deref());
    answer.frame(named(system_name, &file, line));
}

fn named<'a>(system_name: &'a str, file: &'a str, line: u32) -> Frame<'a> {
    Frame { system_name, file, line, start_line: 0, naming: Naming::Linker }
}

/// No levels: a row without a name.
fn push_go(answer: &mut Answer, levels: &[Level]) {
    answer.begin();
    for Level { name, file, line, start_line } in levels {
        let (line, start_line) = (*line, *start_line);
        answer.frame(Frame { system_name: name, file, line, start_line, naming: Naming::Go });
    }
}

fn place(info: Option<&CodeInfo>) -> (String, u32) {
    let Some(info) = info else {
        return (String::new(), 0);
    };
    let file = Path::new(&*info.file);
    let path = info.dir.as_ref().map_or_else(|| file.to_path_buf(), |dir| dir.join(file));
    (path.to_string_lossy().into_owned(), info.line.unwrap_or(0))
}
