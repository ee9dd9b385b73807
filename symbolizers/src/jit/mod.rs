// SPDX-License-Identifier: Apache-2.0
//! Perf maps: what a just-in-time compiler says about its code, as `start size name` lines with hexadecimal numbers.
//!
//! A runtime appends as it compiles and reuses memory of code that it dropped, so a later line wins over an earlier
//! one wherever they overlap.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// A bigger map is refused: it is the runtime's to write, and would take memory that other files need.
const MAX_BYTES: u64 = 64 << 20;

pub struct PerfMap {
    text: Vec<u8>,
    /// Start to (end, offset and length of the name in `text`); the ranges do not overlap.
    ranges: BTreeMap<u64, (u64, u32, u32)>,
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
        let mut ranges = BTreeMap::new();
        let mut offset = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if let Some((start, end, name, length)) = parse_line(line) {
                insert(&mut ranges, start, end, (offset + name) as u32, length as u32);
            }
            offset += line.len();
        }
        Ok(Self { text, ranges })
    }

    pub fn find(&self, address: u64) -> Option<String> {
        let (_, (end, offset, length)) = self.ranges.range(..=address).next_back()?;
        if address >= *end {
            return None;
        }
        let name = &self.text[*offset as usize..(*offset + *length) as usize];
        Some(String::from_utf8_lossy(name).into_owned())
    }
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

fn insert(ranges: &mut BTreeMap<u64, (u64, u32, u32)>, start: u64, end: u64, offset: u32, length: u32) {
    // What begins before: keep its part in front of us, and its part behind us.
    if let Some((before, (before_end, o, l))) = ranges.range(..start).next_back().map(|(k, v)| (*k, *v)) {
        if before_end > start {
            ranges.insert(before, (start, o, l));
            if before_end > end {
                ranges.insert(end, (before_end, o, l));
            }
        }
    }
    // What begins inside us goes; the last one may reach past our end.
    let inside: Vec<u64> = ranges.range(start..end).map(|(key, _)| *key).collect();
    for key in inside {
        if let Some((inside_end, o, l)) = ranges.remove(&key) {
            if inside_end > end {
                ranges.insert(end, (inside_end, o, l));
            }
        }
    }
    ranges.insert(start, (end, offset, length));
}

#[cfg(test)]
mod tests {
    use super::PerfMap;

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

    #[test]
    fn random_maps_agree_with_painting_bytes() {
        // A small deterministic generator: the reference paints every byte of a small address space.
        let mut state = 12345u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut painted = vec![None; 300];
            let mut text = String::new();
            for name in 0..30 {
                let (start, size) = (random(200), 1 + random(60));
                text += &format!("{start:x} {size:x} f{name}\n");
                painted[start as usize..(start + size) as usize].fill(Some(format!("f{name}")));
            }
            let map = PerfMap::read(text.as_bytes()).unwrap();
            for (address, name) in painted.iter().enumerate() {
                assert_eq!(&map.find(address as u64), name);
            }
        }
    }
}
