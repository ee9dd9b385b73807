// SPDX-License-Identifier: Apache-2.0
//! Perf maps: `start size name` lines with hexadecimal numbers.

use std::io::{self, Read};

use super::ranges::Ranges;
use super::MAX_BYTES;
use crate::answer::{Answer, Frame, Naming};

pub struct PerfMap {
    text: Vec<u8>,
    /// Offset and length of the name in `text`.
    names: Ranges<(u32, u32)>,
}

impl PerfMap {
    /// Reads all of `source`. Lines that are not of the format are skipped: the last one is often half written.
    pub fn read(source: impl Read) -> io::Result<Self> {
        let mut text = Vec::new();
        source.take(MAX_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "perf map over 64 MiB"));
        }
        text.shrink_to_fit();
        let mut names = Ranges::default();
        let mut offset = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if let Some((start, end, name, length)) = parse_line(line) {
                names.insert(start, end, ((offset + name) as u32, length as u32));
            }
            offset += line.len();
        }
        Ok(Self { text, names })
    }

    /// Adds the row of an address.
    pub fn answer(&self, address: u64, answer: &mut Answer) {
        let text = self.find(address);
        let Some((name, file)) = text.as_deref().and_then(python) else {
            return answer.plain(text.as_deref());
        };
        let system_name = text.as_deref().unwrap_or_default();
        answer.begin();
        answer.named(name, Frame { system_name, file, line: 0, start_line: 0, naming: Naming::Linker });
    }

    fn find(&self, address: u64) -> Option<String> {
        let (offset, length) = self.names.find(address)?;
        let name = &self.text[offset as usize..(offset + length) as usize];
        Some(String::from_utf8_lossy(name).into_owned())
    }
}

/// Name and file, as CPython writes them: `py::NAME:FILE`.
fn python(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("py::")?.split_once(':').filter(|(name, _)| !name.is_empty())
}

/// Start, end, and where in the line the name is.
fn parse_line(line: &[u8]) -> Option<(u64, u64, usize, usize)> {
    // Without its newline a line may be half written, its name cut.
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let first = line.iter().position(|byte| *byte == b' ')?;
    let second = first + 1 + line.get(first + 1..)?.iter().position(|byte| *byte == b' ')?;
    let start = hexadecimal(&line[..first])?;
    let size = hexadecimal(&line[first + 1..second])?;
    let name = second + 1;
    (size > 0 && name < line.len())
        .then(|| Some((start, start.checked_add(size)?, name, line.len() - name)))
        .flatten()
}

fn hexadecimal(word: &[u8]) -> Option<u64> {
    let word = word.strip_prefix(b"0x").unwrap_or(word);
    u64::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::PerfMap;
    use crate::answer::Answer;

    #[test]
    fn names_of_python() {
        let text = "1000 10 py::Ledger.post:/srv/app.py\n2000 10 py::odd\n3000 10 py:::/srv/app.py\n";
        let map = PerfMap::read(text.as_bytes()).unwrap();
        for (address, expected) in [
            (0x1000, ("Ledger.post", "/srv/app.py", 0)),
            (0x2000, ("py::odd", "", 0)),
            (0x3000, ("py:::/srv/app.py", "", 0)),
        ] {
            let mut answer = Answer::default();
            map.answer(address, &mut answer);
            assert_eq!(answer.only_frame(), Some(expected));
        }
    }

    #[test]
    fn later_lines_win() {
        let map = PerfMap::read(
            "1000 100 first one\n\
             0x2000 0x10 prefixed\n\
             bad line\n\
             3000 0 empty\n\
             1040 20 inner\n\
             10f0 20 across the end\n\
             ffffffffffffffff 2 overflow\n\
             4000 10 half writ"
                .as_bytes(),
        )
        .unwrap();
        for (address, name) in [
            (0xfff, None),
            (0x1000, Some("first one")),
            (0x103f, Some("first one")),
            (0x1040, Some("inner")),
            (0x105f, Some("inner")),
            (0x1060, Some("first one")),
            (0x10ef, Some("first one")),
            (0x10f0, Some("across the end")),
            (0x110f, Some("across the end")),
            (0x1110, None),
            (0x200f, Some("prefixed")),
            (0x3000, None),
            (0x4000, None),
            (u64::MAX, None),
        ] {
            assert_eq!(map.find(address).as_deref(), name, "{address:x}");
        }
    }
}
