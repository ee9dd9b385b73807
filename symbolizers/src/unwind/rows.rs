// SPDX-License-Identifier: Apache-2.0
//! What one source of unwind information knows: ranges of a file's code, and in each the places where the rule changes.

use super::rule::Rule;

/// More rows than any program has; what a damaged or hostile file asks for beyond this is refused (64 MB).
const MAX_ROWS: usize = 8 << 20;

/// Functions begin at multiples of 16 bytes: what is left between two is never executed.
const MOST_PADDING: u32 = 15;

/// From `offset` in the file up to the next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub offset: u32,
    pub rule: Rule,
}

/// Between ranges. Never seen outside: another source may know, and else it becomes NONE.
const GAP: Rule = Rule(u32::MAX);

struct Range {
    start: u32,
    end: u32,
    /// Its first row; it has those up to the next range's.
    first: u32,
}

/// Collected in any order of ranges.
#[derive(Default)]
pub struct Rows {
    ranges: Vec<Range>,
    rows: Vec<Row>,
    overflow: bool,
}

impl Rows {
    /// Starts the range of file offsets from `start` to before `end`. Its rows follow.
    pub fn begin(&mut self, start: u32, end: u32) {
        if self.overflow || self.ranges.len() + self.rows.len() >= MAX_ROWS {
            self.overflow = true;
            return;
        }
        self.ranges.push(Range { start, end, first: self.rows.len() as u32 });
    }

    /// The rule from `offset` on, up to the next one or the end of the range. Offsets ascend within a range; of two
    /// for one offset the later one counts. What is before the first one has no rule.
    pub fn push(&mut self, offset: u32, rule: Rule) {
        let Some(range) = self.ranges.last() else { return };
        if self.overflow || self.ranges.len() + self.rows.len() >= MAX_ROWS {
            self.overflow = true;
            return;
        }
        let mut before = self.rows.get(range.first as usize..).and_then(<[Row]>::last).copied();
        if before.is_some_and(|row| row.offset == offset) {
            self.rows.pop();
            before = self.rows.get(range.first as usize..).and_then(<[Row]>::last).copied();
        }
        if before.is_none_or(|row| row.rule != rule) {
            self.rows.push(Row { offset, rule });
        }
    }

    /// Ends the range earlier.
    pub fn cut(&mut self, end: u32) {
        if let Some(range) = self.ranges.last_mut() {
            range.end = range.end.min(end);
        }
    }

    /// Disjoint and ascending, each range closed by a gap. None if there were too many.
    ///
    /// Where ranges overlap, the one that begins later wins, and of two that begin at one place the later one of the
    /// file: that is what the run-time unwinder of the C++ library finds by bisection (the last start that is not
    /// past the address), and so what exceptions in that program work with.
    pub fn flatten(mut self) -> Option<Flat> {
        if self.overflow {
            return None;
        }
        let mut order: Vec<u32> = (0..self.ranges.len() as u32).collect();
        order.sort_by_key(|index| self.ranges[*index as usize].start);
        // The rows after the last range's.
        self.ranges.push(Range { start: u32::MAX, end: u32::MAX, first: self.rows.len() as u32 });

        let mut flat = Flat(Vec::with_capacity(self.rows.len()));
        for (position, index) in order.iter().enumerate() {
            let range = &self.ranges[*index as usize];
            let next = order.get(position + 1).map_or(u32::MAX, |next| self.ranges[*next as usize].start);
            let end = range.end.min(next);
            let rows = &self.rows[range.first as usize..self.ranges[*index as usize + 1].first as usize];
            for row in rows.iter().filter(|row| (range.start..end).contains(&row.offset)) {
                flat.push(row.offset, row.rule);
            }
            if range.start < end {
                flat.push(end, GAP);
            }
        }
        Some(flat)
    }
}

/// Rows in ascending order, each place once.
#[derive(Default)]
pub struct Flat(Vec<Row>);

impl Flat {
    fn push(&mut self, offset: u32, rule: Rule) {
        if self.0.last().is_some_and(|row| row.offset == offset) {
            self.0.pop();
        }
        if self.0.last().map_or(GAP, |row| row.rule) != rule {
            self.0.push(Row { offset, rule });
        }
    }

    /// This, and where it has gaps, what `other` says.
    pub fn filled(self, other: Self) -> Self {
        if other.0.is_empty() {
            return self;
        }
        let mut both = Self(Vec::with_capacity(self.0.len() + other.0.len()));
        let (mut above, mut below) = (self.0.iter().peekable(), other.0.iter().peekable());
        let (mut first, mut second) = (GAP, GAP);
        loop {
            let heads = [above.peek(), below.peek()].into_iter().flatten();
            let Some(offset) = heads.map(|row| row.offset).min() else { break };
            first = above.next_if(|row| row.offset == offset).map_or(first, |row| row.rule);
            second = below.next_if(|row| row.offset == offset).map_or(second, |row| row.rule);
            both.push(offset, if first == GAP { second } else { first });
        }
        both
    }

    /// The parts of `start..end` that no range covers.
    pub fn gaps(&self, start: u32, end: u32) -> Vec<(u32, u32)> {
        let mut gaps = Vec::new();
        let mut from = start;
        // The row that holds at `start`, and those after it.
        let first = self.0.partition_point(|row| row.offset <= start).saturating_sub(1);
        let mut rule = GAP;
        for row in self.0[first..].iter().take_while(|row| row.offset < end) {
            let at = row.offset.max(start);
            if rule == GAP && row.rule != GAP && at > from {
                gaps.push((from, at));
            }
            if row.rule == GAP {
                from = at;
            }
            rule = row.rule;
        }
        if rule == GAP && from < end {
            gaps.push((from, end));
        }
        gaps
    }

    /// What goes into the table: gaps are NONE, but padding belongs to what is before it, which saves a row for most
    /// functions.
    pub fn close(self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::with_capacity(self.0.len());
        for (index, row) in self.0.iter().enumerate() {
            let next = self.0.get(index + 1);
            let padding = |next: &Row| next.offset - row.offset <= MOST_PADDING;
            let rule = match row.rule {
                GAP if next.is_some_and(padding) => continue,
                GAP => Rule::NONE,
                rule => rule,
            };
            if rows.last().map_or(Rule::NONE, |row| row.rule) != rule {
                rows.push(Row { offset: row.offset, rule });
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::{Flat, Row, Rows, Rule};

    const A: Rule = Rule(0x0001_0001);
    const B: Rule = Rule(0x0002_0001);
    const C: Rule = Rule(0x0003_0001);

    type Range<'a> = (u32, u32, &'a [(u32, Rule)]);

    fn rows(ranges: &[Range]) -> Flat {
        let mut rows = Rows::default();
        for (start, end, pushed) in ranges {
            rows.begin(*start, *end);
            pushed.iter().for_each(|(offset, rule)| rows.push(*offset, *rule));
        }
        rows.flatten().unwrap()
    }

    fn closed(flat: Flat) -> Vec<(u32, Rule)> {
        flat.close().iter().map(|Row { offset, rule }| (*offset, *rule)).collect()
    }

    #[test]
    fn ranges_are_sorted_and_end_in_none() {
        let flat = rows(&[(200, 300, &[(200, B)]), (100, 150, &[(100, A), (104, B), (104, C), (110, C)])]);
        let expected = [(100, A), (104, C), (150, Rule::NONE), (200, B), (300, Rule::NONE)];
        assert_eq!(closed(flat), expected);
    }

    #[test]
    fn equal_neighbours_are_one_row_and_padding_is_no_gap() {
        let flat =
            rows(&[(0, 32, &[(0, A)]), (32, 50, &[(32, A)]), (64, 80, &[(64, A)]), (96, 99, &[(96, A)])]);
        let expected = [(0, A), (80, Rule::NONE), (96, A), (99, Rule::NONE)];
        assert_eq!(closed(flat), expected);
    }

    #[test]
    fn the_range_that_begins_later_wins() {
        let flat = rows(&[(100, 200, &[(100, A)]), (150, 160, &[(150, B)]), (100, 120, &[(100, C)])]);
        let expected = [(100, C), (120, Rule::NONE), (150, B), (160, Rule::NONE)];
        assert_eq!(closed(flat), expected);
    }

    #[test]
    fn rows_outside_of_their_range_do_not_count() {
        let flat = rows(&[(100, 200, &[(90, A), (120, B), (200, C)]), (300, 300, &[(300, A)])]);
        assert_eq!(closed(flat), [(120, B), (200, Rule::NONE)]);
    }

    #[test]
    fn another_source_fills_gaps_only() {
        let above = rows(&[(100, 200, &[(100, A), (150, Rule::UNSAID)]), (300, 400, &[(300, A)])]);
        let below = rows(&[(50, 120, &[(50, B)]), (160, 350, &[(160, C), (250, B)])]);
        let expected =
            [(50, B), (100, A), (150, Rule::UNSAID), (200, C), (250, B), (300, A), (400, Rule::NONE)];
        assert_eq!(closed(above.filled(below)), expected);
    }

    #[test]
    fn gaps() {
        let flat = rows(&[(100, 200, &[(110, A)]), (300, 400, &[(300, B)])]);
        assert_eq!(flat.gaps(0, 500), [(0, 110), (200, 300), (400, 500)]);
        assert_eq!(flat.gaps(150, 250), [(200, 250)]);
        assert_eq!(flat.gaps(220, 230), [(220, 230)]);
        assert_eq!(flat.gaps(120, 130), []);
        assert_eq!(flat.gaps(450, 460), [(450, 460)]);
        assert_eq!(Flat::default().gaps(1, 2), [(1, 2)]);
    }
}
