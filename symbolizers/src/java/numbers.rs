// SPDX-License-Identifier: Apache-2.0
//! Compressed numbers of HotSpot (UNSIGNED5): one to five bytes with six bits each, the first ones at the bottom; a
//! byte below a limit ends the number. Since JDK 20 bytes count from 1, so that none of them is zero.

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoding {
    /// Byte values that are left out at the bottom: 0 or 1.
    pub excluded: u8,
}

const LAST_BELOW: u8 = 192;
const MAX_BYTES: u32 = 5;

pub struct Numbers<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
}

impl<'a> Numbers<'a> {
    pub fn new(bytes: &'a [u8], encoding: Encoding) -> Self {
        Self { bytes, encoding }
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub fn unsigned(&mut self) -> Option<u32> {
        let mut sum = 0u32;
        for i in 0..MAX_BYTES {
            let byte = self.byte()?;
            let bits = byte.checked_sub(self.encoding.excluded)?;
            sum = sum.wrapping_add(u32::from(bits).wrapping_shl(6 * i));
            if byte < LAST_BELOW {
                break;
            }
        }
        Some(sum)
    }

    /// The lowest bit is the sign.
    pub fn signed(&mut self) -> Option<i32> {
        let number = self.unsigned()?;
        Some((number >> 1) as i32 ^ -((number & 1) as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::{Encoding, Numbers};

    #[test]
    fn numbers_of_every_length() {
        let old = Encoding { excluded: 0 };
        let mut numbers = Numbers::new(&[0, 191, 192, 0, 255, 191, 192, 192, 192, 192, 192], old);
        // 192 + 0 * 64; 255 + 191 * 64; the fifth byte ends a number whatever it is.
        for expected in [0, 191, 192, 12479] {
            assert_eq!(numbers.unsigned(), Some(expected));
        }
        let five = [0, 6, 12, 18, 24].iter().fold(0u32, |sum, shift| sum.wrapping_add(192 << shift));
        assert_eq!(numbers.unsigned(), Some(five));
        assert_eq!(numbers.unsigned(), None);
    }

    #[test]
    fn without_zero_bytes() {
        let new = Encoding { excluded: 1 };
        let mut numbers = Numbers::new(&[1, 191, 192, 1, 0], new);
        for expected in [Some(0), Some(190), Some(191), None] {
            assert_eq!(numbers.unsigned(), expected);
        }
    }

    #[test]
    fn the_sign_is_the_lowest_bit() {
        let mut numbers = Numbers::new(&[0, 1, 2, 3], Encoding { excluded: 0 });
        for expected in [0, -1, 1, -2] {
            assert_eq!(numbers.signed(), Some(expected));
        }
    }
}
