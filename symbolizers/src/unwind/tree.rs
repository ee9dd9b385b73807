// SPDX-License-Identifier: Apache-2.0
//! Rows as the B-tree of `bpf/profile/table.h`.

use super::rows::Row;

const BLOCK: usize = 4096;
const LEAF_ROWS: usize = 680;
const INNER_CHILDREN: usize = 511;
const LEVELS: u32 = 3;
/// 128 MB: what is beyond is refused. A browser of 300 MB needs a tenth.
const MAX_BLOCKS: usize = 32 << 10;

/// Offsets within `sw_leaf` and `sw_inner`.
const LEAF_AT: usize = 8;
const LEAF_RULE: usize = LEAF_AT + LEAF_ROWS * 2;
const INNER_KEY: usize = 8;
const INNER_CHILD: usize = INNER_KEY + INNER_CHILDREN * 4;

#[derive(Default)]
pub struct Tree {
    /// Of `BLOCK` bytes each; children are indices of these.
    pub blocks: Vec<u8>,
    pub root: u32,
    /// 1: the root is a leaf. 0: there are no rows.
    pub levels: u32,
}

impl Tree {
    /// Of rows in ascending order. None when it would be too large.
    pub fn new(rows: &[Row]) -> Option<Self> {
        let mut tree = Self::default();
        if rows.is_empty() {
            return Some(tree);
        }
        let mut level = tree.leaves(rows)?;
        tree.levels = 1;
        while level.len() > 1 {
            if tree.levels == LEVELS {
                return None;
            }
            level =
                level.chunks(INNER_CHILDREN).map(|children| tree.inner(children)).collect::<Option<_>>()?;
            tree.levels += 1;
        }
        tree.root = level[0].1;
        Some(tree)
    }

    pub fn count(&self) -> u32 {
        (self.blocks.len() / BLOCK) as u32
    }

    /// First offset and block of each.
    fn leaves(&mut self, mut rows: &[Row]) -> Option<Vec<(u32, u32)>> {
        let mut leaves = Vec::new();
        while let Some(Row { offset: base, .. }) = rows.first().copied() {
            // As many as there is room for and as 16 bits reach.
            let full = &rows[..rows.len().min(LEAF_ROWS)];
            let (own, rest) = rows.split_at(full.partition_point(|row| row.offset - base <= u16::MAX.into()));
            let block = self.block()?;
            put32(&mut self.blocks, block, 0, base);
            put16(&mut self.blocks, block, 4, own.len() as u16);
            for (index, row) in own.iter().enumerate() {
                put16(&mut self.blocks, block, LEAF_AT + index * 2, (row.offset - base) as u16);
                put32(&mut self.blocks, block, LEAF_RULE + index * 4, row.rule.0);
            }
            leaves.push((base, block));
            rows = rest;
        }
        Some(leaves)
    }

    fn inner(&mut self, children: &[(u32, u32)]) -> Option<(u32, u32)> {
        let block = self.block()?;
        put32(&mut self.blocks, block, 0, children.len() as u32);
        for (index, (key, child)) in children.iter().enumerate() {
            put32(&mut self.blocks, block, INNER_KEY + index * 4, *key);
            put32(&mut self.blocks, block, INNER_CHILD + index * 4, *child);
        }
        Some((children[0].0, block))
    }

    fn block(&mut self) -> Option<u32> {
        let block = self.count();
        (block < MAX_BLOCKS as u32).then(|| {
            self.blocks.resize(self.blocks.len() + BLOCK, 0);
            block
        })
    }
}

fn put32(blocks: &mut [u8], block: u32, at: usize, value: u32) {
    let at = block as usize * BLOCK + at;
    blocks[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put16(blocks: &mut [u8], block: u32, at: usize, value: u16) {
    let at = block as usize * BLOCK + at;
    blocks[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
pub mod tests {
    use super::{Row, Tree, BLOCK, INNER_CHILD, INNER_CHILDREN, INNER_KEY, LEAF_AT, LEAF_ROWS, LEAF_RULE};
    use crate::unwind::rule::Rule;

    fn word(tree: &Tree, block: u32, at: usize) -> u32 {
        let at = block as usize * BLOCK + at;
        u32::from_le_bytes(tree.blocks[at..at + 4].try_into().unwrap())
    }

    fn half(tree: &Tree, block: u32, at: usize) -> u32 {
        let at = block as usize * BLOCK + at;
        u16::from_le_bytes(tree.blocks[at..at + 2].try_into().unwrap()).into()
    }

    /// As the unwinder does it: by bisection from the root.
    pub fn find(tree: &Tree, offset: u32) -> Rule {
        let bisect = |count: u32, key: &dyn Fn(usize) -> u32| {
            let (mut low, mut high) = (0, count as usize);
            while low < high {
                let middle = (low + high) / 2;
                if key(middle) <= offset {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low.checked_sub(1)
        };
        let mut block = tree.root;
        for _ in 1..tree.levels {
            let key = |index| word(tree, block, INNER_KEY + index * 4);
            let Some(child) = bisect(word(tree, block, 0), &key) else { return Rule::NONE };
            block = word(tree, block, INNER_CHILD + child * 4);
        }
        if tree.levels == 0 {
            return Rule::NONE;
        }
        let base = word(tree, block, 0);
        let at = |index| base + half(tree, block, LEAF_AT + index * 2);
        let Some(row) = bisect(half(tree, block, 4), &at) else { return Rule::NONE };
        Rule(word(tree, block, LEAF_RULE + row * 4))
    }

    /// xorshift: the same numbers in each run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, most: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u32 % most
        }
    }

    fn random_rows(count: usize, seed: u64, stride: u32) -> Vec<Row> {
        let mut random = Random(seed);
        let mut offset = random.below(200_000);
        (0..count)
            .map(|_| {
                let row = Row { offset, rule: Rule(random.below(u32::MAX)) };
                offset += 1 + random.below(stride);
                row
            })
            .collect()
    }

    /// Every row's first and last byte and those around it, and places anywhere.
    fn check(rows: &[Row], seed: u64) -> Tree {
        let tree = Tree::new(rows).unwrap();
        let scan = |offset| {
            let found = rows.partition_point(|row| row.offset <= offset);
            found.checked_sub(1).map_or(Rule::NONE, |index| rows[index].rule)
        };
        for row in rows {
            for offset in [row.offset.wrapping_sub(1), row.offset, row.offset + 1] {
                assert_eq!(find(&tree, offset), scan(offset), "at {offset:#x}");
            }
        }
        let mut random = Random(seed);
        let end = rows.last().map_or(1, |row| row.offset) + 100_000;
        for _ in 0..2000 {
            let offset = random.below(end);
            assert_eq!(find(&tree, offset), scan(offset), "at {offset:#x}");
        }
        assert_eq!(find(&tree, u32::MAX), scan(u32::MAX));
        tree
    }

    #[test]
    fn a_tree_says_what_its_rows_say() {
        for (seed, count) in [1, 2, 679, 680, 681, 3000].into_iter().enumerate() {
            for stride in [1, 40, 5000, 100_000] {
                let tree = check(&random_rows(count, seed as u64 + 1, stride), 7);
                // Dense enough that a leaf is full before 16 bits are.
                if stride <= 40 {
                    assert_eq!(tree.levels, 1 + u32::from(count > LEAF_ROWS), "{count} rows");
                    assert_eq!(
                        tree.count() as usize,
                        count.div_ceil(LEAF_ROWS) + usize::from(tree.levels == 2)
                    );
                }
            }
        }
    }

    #[test]
    fn three_levels() {
        let count = LEAF_ROWS * INNER_CHILDREN;
        let two = check(&random_rows(count, 5, 20), 8);
        assert_eq!((two.levels, two.count() as usize), (2, INNER_CHILDREN + 1));
        let three = check(&random_rows(count + 1, 5, 20), 9);
        assert_eq!((three.levels, three.count() as usize), (3, INNER_CHILDREN + 1 + 2 + 1));
        assert_eq!(three.root, three.count() - 1);
    }

    #[test]
    fn none_and_too_many() {
        let empty = Tree::new(&[]).unwrap();
        assert_eq!((empty.levels, empty.count()), (0, 0));
        // Each so far from the next that it needs a leaf of its own.
        let sparse: Vec<Row> =
            (0..33_000).map(|index| Row { offset: index * 70_000, rule: Rule(index + 1) }).collect();
        assert!(Tree::new(&sparse).is_none());
    }
}
