// SPDX-License-Identifier: Apache-2.0
//! Kernel, module and BPF program symbols from the text of `/proc/kallsyms`.
//!
//! The format is `address type name [module]`, tab before the module. Our own reader and not blazesym's, because a
//! kernel's 200,000 names are kept for as long as the agent runs: one block of text and two columns are a third of
//! the memory of a string each, and can be replaced when modules or BPF programs come and go.

use std::io::{self, BufRead, BufReader, Read};

/// Functions are never this long; an address that far past the last symbol of its neighbourhood belongs to none.
const MAX_FUNCTION: u64 = 1 << 20;

/// Bounds of what the kernel's text may make us keep (a kernel with everything loaded has 300,000 functions).
const MAX_SYMBOLS: usize = 4_000_000;

#[derive(Default)]
pub struct Kallsyms {
    address: Vec<u64>,
    /// n + 1 offsets into `names`.
    offset: Vec<u32>,
    names: Vec<u8>,
    /// The kernel's own text, `_stext` to `_etext`: names in it stay true as long as the machine runs.
    pub text: (u64, u64),
}

impl Kallsyms {
    /// Reads all of `source`. Fails with `InvalidData` when it shows no addresses (kernel.kptr_restrict) or is no
    /// such text at all.
    pub fn read(source: impl Read) -> io::Result<Self> {
        let mut rows: Vec<(u64, u8, u32, u32)> = Vec::new();
        let mut blob: Vec<u8> = Vec::new();
        let mut text = (0, 0);
        let mut line = Vec::new();
        let mut reader = BufReader::with_capacity(1 << 16, source);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let Some((address, kind, name)) = parse_line(&line) else {
                continue;
            };
            match name {
                b"_stext" => text.0 = address,
                b"_etext" => text.1 = address,
                _ => {}
            }
            // Functions only; and _etext, which ends the last of them.
            if !matches!(kind, b't' | b'T' | b'w' | b'W') && name != b"_etext" || address == 0 {
                continue;
            }
            if rows.len() == MAX_SYMBOLS || blob.len() + name.len() > u32::MAX as usize {
                break;
            }
            rows.push((address, preference(kind), blob.len() as u32, name.len() as u32));
            blob.extend_from_slice(name);
        }
        if rows.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no kernel addresses"));
        }

        // Of several names for one address the preferred one, else the one that comes first in the kernel's list.
        rows.sort_by_key(|row| (row.0, row.1));
        rows.dedup_by_key(|row| row.0);
        let mut symbols = Self { text, ..Self::default() };
        symbols.address.reserve_exact(rows.len());
        symbols.offset.reserve_exact(rows.len() + 1);
        symbols.offset.push(0);
        for (address, _, start, length) in rows {
            symbols.address.push(address);
            symbols.names.extend_from_slice(&blob[start as usize..(start + length) as usize]);
            symbols.offset.push(symbols.names.len() as u32);
        }
        symbols.names.shrink_to_fit();
        Ok(symbols)
    }

    /// The function that `address` is in.
    pub fn find(&self, address: u64) -> Option<&str> {
        let next = self.address.partition_point(|start| *start <= address);
        let row = next.checked_sub(1)?;
        if address - self.address[row] >= MAX_FUNCTION {
            return None;
        }
        let name = std::str::from_utf8(&self.names[self.offset[row] as usize..self.offset[row + 1] as usize]);
        name.ok().filter(|name| *name != "_etext")
    }
}

/// Global names first: they are the ones in the source.
fn preference(kind: u8) -> u8 {
    match kind {
        b'T' => 0,
        b't' => 1,
        _ => 2,
    }
}

fn parse_line(line: &[u8]) -> Option<(u64, u8, &[u8])> {
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let address = std::str::from_utf8(words.next()?).ok()?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let kind = words.next()?;
    let name = words.next()?;
    (kind.len() == 1).then(|| (address, kind[0], name))
}

#[cfg(test)]
mod tests {
    use super::Kallsyms;

    const TEXT: &str = "\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000010 t helper
ffffffff81000010 T global
ffffffff81000100 W weak
ffffffff81000200 D data
ffffffff81001000 T _etext
ffffffffc0000000 t module_function\t[some_module]
ffffffffc0100000 t bpf_prog_6deef7357e7b4530_main\t[bpf]
broken line
";

    #[test]
    fn names_by_address() {
        let symbols = Kallsyms::read(TEXT.as_bytes()).unwrap();
        assert_eq!(symbols.text, (0xffff_ffff_8100_0000, 0xffff_ffff_8100_1000));
        for (address, name) in [
            (0xffff_ffff_80ff_ffff, None),
            (0xffff_ffff_8100_0000, Some("_stext")),
            (0xffff_ffff_8100_000f, Some("_stext")),
            (0xffff_ffff_8100_0010, Some("global")),
            (0xffff_ffff_8100_0250, Some("weak")),
            (0xffff_ffff_8100_1000, None),
            (0xffff_ffff_c000_0001, Some("module_function")),
            (0xffff_ffff_c010_0080, Some("bpf_prog_6deef7357e7b4530_main")),
            (0xffff_ffff_c020_0000, None),
            (u64::MAX, None),
            (0, None),
        ] {
            assert_eq!(symbols.find(address), name, "{address:x}");
        }
    }

    #[test]
    fn hidden_addresses_are_an_error() {
        assert!(Kallsyms::read("0000000000000000 T _stext\n".as_bytes()).is_err());
        assert!(Kallsyms::read("not kallsyms".as_bytes()).is_err());
    }
}
