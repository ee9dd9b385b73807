// SPDX-License-Identifier: Apache-2.0
//! Ranges of addresses that do not overlap: a later one takes the place of what it covers.

use std::collections::BTreeMap;

pub struct Ranges<T> {
    /// Start to end and value.
    ranges: BTreeMap<u64, (u64, T)>,
}

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self { ranges: BTreeMap::new() }
    }
}

impl<T: Copy> Ranges<T> {
    pub fn insert(&mut self, start: u64, end: u64, value: T) {
        self.remove(start, end);
        if start < end {
            self.ranges.insert(start, (end, value));
        }
    }

    pub fn remove(&mut self, start: u64, end: u64) {
        // What begins before: keep its part in front of us, and its part behind us.
        if let Some((before, (before_end, value))) =
            self.ranges.range(..start).next_back().map(|(key, range)| (*key, *range))
        {
            if before_end > start {
                self.ranges.insert(before, (start, value));
                if before_end > end {
                    self.ranges.insert(end, (before_end, value));
                }
            }
        }
        // What begins inside us goes; the last one may reach past our end.
        let inside: Vec<u64> = self.ranges.range(start..end.max(start)).map(|(key, _)| *key).collect();
        for key in inside {
            if let Some((inside_end, value)) = self.ranges.remove(&key) {
                if inside_end > end {
                    self.ranges.insert(end, (inside_end, value));
                }
            }
        }
    }

    pub fn find(&self, address: u64) -> Option<T> {
        let (_, (end, value)) = self.ranges.range(..=address).next_back()?;
        (address < *end).then_some(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn random_ranges_agree_with_painting_bytes() {
        // A small deterministic generator: the reference paints every byte of a small address space.
        let mut state = 12345u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut painted = vec![None; 300];
            let mut ranges = Ranges::default();
            for value in 0..30 {
                let (start, size) = (random(200), random(60));
                let bytes = &mut painted[start as usize..(start + size) as usize];
                if random(5) == 0 {
                    ranges.remove(start, start + size);
                    bytes.fill(None);
                } else {
                    ranges.insert(start, start + size, value);
                    bytes.fill(Some(value));
                }
            }
            for (address, value) in painted.iter().enumerate() {
                assert_eq!(ranges.find(address as u64), *value);
            }
        }
    }
}
