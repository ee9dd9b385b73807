// SPDX-License-Identifier: Apache-2.0
//! Unwind rules of Go functions on arm64. The return address is at the stack pointer, the caller's frame pointer in the
//! word below it, and the frame pointer points there, so that the two are a record as in C.

use super::values::Values;
use crate::unwind::{Cfa, Rule, Saved};

const WORD: i64 = 8;
/// sub x29, sp, #8: the last instruction of a prologue.
const SETTLES: [u8; 4] = [0xfd, 0x23, 0x00, 0xd1];
/// Bytes after the stack pointer moved within which that comes.
const PROLOGUE: u32 = 12;

/// Rules by distance from the start of the function, as `depths` are. `switches`: it goes on on another stack, where depths
/// say nothing.
pub fn rules(depths: Values, code: &[u8], switches: bool) -> Vec<(u32, Rule)> {
    let mut rules = Vec::new();
    // From here on the frame pointer is this function's, but where the stack is as deep as at its start.
    let mut settled = None;
    let mut from = 0;
    for (to, depth) in depths.take_while(|(_, depth)| *depth >= 0) {
        if depth > 0 && settled.is_none() {
            settled = Some(settles(code, from));
        }
        match (depth, settled.flatten()) {
            (0, _) => rules.push((from, in_register())),
            (_, Some(place)) => {
                if from < place {
                    rules.push((from, by_depth(depth)));
                }
                if place < to {
                    rules.push((from.max(place), by_frame()));
                }
            }
            (_, None) if switches => rules.push((from, Rule::UNSAID)),
            (_, None) => rules.push((from, by_depth(depth))),
        }
        from = to;
        if from as usize >= code.len() {
            break;
        }
    }
    rules
}

/// The end of a prologue that moved the stack pointer right in front of `moved`.
fn settles(code: &[u8], moved: u32) -> Option<u32> {
    let places = (moved..=moved.checked_add(PROLOGUE)?).step_by(SETTLES.len());
    let mut found =
        places.filter(|at| code.get(*at as usize..).is_some_and(|rest| rest.starts_with(&SETTLES)));
    found.next().map(|at| at + SETTLES.len() as u32)
}

/// The return address was not put anywhere yet.
fn in_register() -> Rule {
    Rule::arm64(Cfa::Sp(0), Saved::Same, Saved::Same).unwrap_or(Rule::UNSAID)
}

fn by_depth(depth: i32) -> Rule {
    let depth = i64::from(depth);
    Rule::arm64(Cfa::Sp(depth), Saved::Same, Saved::Below(depth)).unwrap_or(Rule::UNSAID)
}

/// By the record, not by depth, of which a rule can say less than 64 words. It does not tell where the caller's stack is;
/// its own record does, if the caller is Go code as well. (C that was called back by Go and calls it again is not.)
fn by_frame() -> Rule {
    Rule::arm64(Cfa::Fp(2 * WORD), Saved::Below(2 * WORD), Saved::Below(WORD)).unwrap_or(Rule::UNSAID)
}
