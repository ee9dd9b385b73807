// SPDX-License-Identifier: Apache-2.0
//! The entries of a section of call frame information, by their lengths alone: one that is damaged inside does not
//! hide those after it.

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    EhFrame,
    DebugFrame,
}

/// Offsets of the entries of functions (FDE); those that many share (CIE) are passed over.
pub struct Entries<'a> {
    bytes: &'a [u8],
    kind: Kind,
    terminated: bool,
    at: usize,
}

/// In place of a 32-bit length: a 64-bit one follows.
const LONG: u32 = u32::MAX;

impl<'a> Entries<'a> {
    pub fn new(bytes: &'a [u8], kind: Kind, terminated: bool) -> Self {
        Self { bytes, kind, terminated, at: 0 }
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
    }

    fn long(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
    }

    /// Whether the entry whose length ends at `at` is one that many share.
    fn is_common(&self, at: usize, long: bool) -> Option<bool> {
        Some(match self.kind {
            Kind::EhFrame => self.word(at)? == 0,
            Kind::DebugFrame if long => self.long(at)? == u64::MAX,
            Kind::DebugFrame => self.word(at)? == u32::MAX,
        })
    }
}

impl Iterator for Entries<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let start = self.at;
            let word = self.word(start)?;
            if word == 0 {
                // A terminator, or what an assembler left in the middle of `.debug_frame`.
                if self.terminated {
                    return None;
                }
                self.at = start + 4;
                continue;
            }
            let (body, length) =
                if word == LONG { (start + 12, self.long(start + 4)?) } else { (start + 4, word.into()) };
            self.at = body.checked_add(usize::try_from(length).ok()?)?;
            if !self.is_common(body, word == LONG)? {
                return Some(start);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entries, Kind};

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn found(bytes: &[u8], kind: Kind, terminated: bool) -> Vec<usize> {
        Entries::new(bytes, kind, terminated).collect()
    }

    #[test]
    fn functions_of_eh_frame() {
        // CIE, FDE, terminator, CIE, long FDE, an FDE that is cut off.
        let bytes = words(&[8, 0, 1, 8, 12, 1, 0, 4, 0, u32::MAX, 12, 0, 4, 0, 0, 99, 4]);
        assert_eq!(found(&bytes, Kind::EhFrame, false), [12, 36, 60]);
        assert_eq!(found(&bytes, Kind::EhFrame, true), [12]);
        assert_eq!(found(&bytes[..10], Kind::EhFrame, false), []);
    }

    #[test]
    fn functions_of_debug_frame() {
        let max = u32::MAX;
        let bytes = words(&[4, max, 8, 0, 7, 0, max, 8, 0, max, max, max, 8, 0, 1, 0]);
        assert_eq!(found(&bytes, Kind::DebugFrame, false), [8, 44]);
    }

    #[test]
    fn lengths_of_any_kind_end() {
        for length in [u32::MAX - 1, 0x7fff_ffff, 3] {
            assert!(found(&words(&[length, 1, length]), Kind::EhFrame, false).len() <= 2);
        }
        let past = words(&[u32::MAX, u32::MAX, u32::MAX, 1, 1]);
        assert_eq!(found(&past, Kind::EhFrame, false), []);
    }
}
