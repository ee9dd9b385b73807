// SPDX-License-Identifier: Apache-2.0
//! Values that change from instruction to instruction (line, file, stack depth), as the Go compiler packs them: pairs of
//! a difference in value and a distance in code.

#[derive(Clone)]
pub struct Values<'a> {
    bytes: &'a [u8],
    value: i32,
    end: u32,
    quantum: u32,
    first: bool,
}

impl<'a> Values<'a> {
    /// The values that `bytes` begin with.
    pub fn new(bytes: &'a [u8], quantum: u32) -> Self {
        Self { bytes, value: -1, end: 0, quantum, first: true }
    }

    /// What holds at this distance from the function's start.
    pub fn at(mut self, distance: u32) -> Option<i32> {
        self.find(|(end, _)| distance < *end).map(|(_, value)| value)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// A distance from the function's start, and the value that holds up to it.
impl Iterator for Values<'_> {
    type Item = (u32, i32);

    fn next(&mut self) -> Option<(u32, i32)> {
        let zigzag = self.number()?;
        if zigzag == 0 && !self.first {
            return None;
        }
        self.first = false;
        self.value = self.value.wrapping_add((zigzag >> 1) as i32 ^ -((zigzag & 1) as i32));
        let distance = self.number()?.checked_mul(self.quantum)?;
        // No distance is no step: a damaged table would go on without getting anywhere.
        self.end = self.end.checked_add(distance).filter(|_| distance > 0)?;
        Some((self.end, self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::Values;

    #[test]
    fn steps() {
        // 0 up to 16, 8 up to 19, -1 up to 219.
        let bytes = [2, 16, 16, 3, 17, 0xc8, 1, 0, 99];
        let values = Values::new(&bytes, 1);
        assert_eq!(values.clone().collect::<Vec<_>>(), [(16, 0), (19, 8), (219, -1)]);
        for (at, value) in [(0, Some(0)), (15, Some(0)), (16, Some(8)), (218, Some(-1)), (219, None)] {
            assert_eq!(values.clone().at(at), value, "at {at}");
        }
        assert_eq!(Values::new(&bytes, 4).next(), Some((64, 0)));
    }

    #[test]
    fn the_first_difference_may_be_zero() {
        assert_eq!(Values::new(&[0, 5, 0], 1).collect::<Vec<_>>(), [(5, -1)]);
    }

    #[test]
    fn damage_ends_them() {
        for bytes in [&[][..], &[2], &[2, 0x80], &[2, 0, 2, 1], &[2, 0xff, 0xff, 0xff, 0xff, 0xff, 1]] {
            assert_eq!(Values::new(bytes, 1).next(), None, "{bytes:?}");
        }
        assert_eq!(Values::new(&[2, 0xff, 0xff, 0xff, 0xff, 0xf], 4).next(), None);
        assert_eq!(Values::new(&[2, 0xff, 0xff, 0xff, 0xff, 0xf, 2, 1], 1).count(), 1);
    }
}
