// SPDX-License-Identifier: Apache-2.0
//! The compressed line number table of a method: pairs of bytecode index and line, each as the difference to the one
//! before. A byte holds a small pair (5 bits of index, 3 of line), 0xff says that two numbers follow, 0 ends it.

use super::numbers::{Encoding, Numbers};

/// The line of the bytecode at `index`: that of the last pair that does not begin after it, as javac may give the
/// pairs in any order. 0 when the table does not tell. And whether the table ended within `table`.
pub fn line_of(table: &[u8], encoding: Encoding, index: u32) -> (u32, bool) {
    let mut numbers = Numbers::new(table, encoding);
    let (mut at, mut line) = (0i32, 0i32);
    let mut best: Option<(i32, i32)> = None;
    let mut ended = false;
    while let Some(byte) = numbers.byte() {
        match byte {
            0 => {
                ended = true;
                break;
            }
            0xff => match (numbers.signed(), numbers.signed()) {
                (Some(by), Some(lines)) => {
                    at = at.wrapping_add(by);
                    line = line.wrapping_add(lines);
                }
                _ => break,
            },
            _ => {
                at = at.wrapping_add(i32::from(byte >> 3));
                line = line.wrapping_add(i32::from(byte & 7));
            }
        }
        if at >= 0 && at as u32 <= index && best.is_none_or(|(before, _)| before <= at) {
            best = Some((at, line));
        }
    }
    (best.map_or(0, |(_, line)| u32::try_from(line).unwrap_or(0)), ended)
}

#[cfg(test)]
mod tests {
    use super::Encoding;

    fn line_of(table: &[u8], encoding: Encoding, index: u32) -> u32 {
        super::line_of(table, encoding, index).0
    }

    const OLD: Encoding = Encoding { excluded: 0 };
    const NEW: Encoding = Encoding { excluded: 1 };

    #[test]
    fn lines_between_pairs() {
        // (0, 3) by two numbers, as 3 * 2 is the signed form; (2, 4), (10, 4 + 7); end.
        let table = [0xff, 0, 6, 2 << 3 | 1, 8 << 3 | 7, 0];
        let lines = [(0, 3), (1, 3), (2, 4), (9, 4), (10, 11), (1000, 11)];
        for (index, line) in lines {
            assert_eq!(line_of(&table, OLD, index), line, "at {index}");
        }
        let shifted = [0xff, 1, 7, 2 << 3 | 1, 8 << 3 | 7, 0];
        for (index, line) in lines {
            assert_eq!(line_of(&shifted, NEW, index), line, "at {index}");
        }
    }

    #[test]
    fn a_loop_goes_back_a_line() {
        // (0, 10), (4, 11), (9, 10): the condition of a loop stands after its body.
        let table = [0xff, 0, 20, 4 << 3 | 1, 0xff, 10, 1, 0];
        assert_eq!(line_of(&table, OLD, 3), 10);
        assert_eq!(line_of(&table, OLD, 8), 11);
        assert_eq!(line_of(&table, OLD, 9), 10);
    }

    #[test]
    fn pairs_in_any_order() {
        // (8, 5), then (2, 3).
        let table = [8 << 3 | 5, 0xff, 11, 3, 0];
        assert_eq!(line_of(&table, OLD, 3), 3);
        assert_eq!(line_of(&table, OLD, 8), 5);
    }

    #[test]
    fn damaged_tables_tell_nothing_wrong() {
        assert_eq!(line_of(&[], OLD, 5), 0);
        assert_eq!(line_of(&[0], OLD, 5), 0);
        assert_eq!(line_of(&[0xff, 200], OLD, 5), 0);
        // A line below zero.
        assert_eq!(line_of(&[0xff, 0, 1, 0], OLD, 0), 0);
    }
}
