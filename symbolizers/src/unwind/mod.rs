// SPDX-License-Identifier: Apache-2.0
//! Unwind tables: how to get from a frame to its caller's, for each place in a file's code. See docs/unwinding.md.

mod rows;
mod rule;
mod tree;

pub use rows::{Flat, Row, Rows};
pub use rule::{Cfa, Rule, Saved};
pub use tree::Tree;
