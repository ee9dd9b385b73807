// SPDX-License-Identifier: Apache-2.0
//! Unwind rules of Go code on x86-64, from the stack depths that the runtime's own tracebacks work with.

use super::function::Function;
use super::prologue::{self, Prologue};
use super::values::Values;
use super::Go;
use crate::unwind::{Cfa, Rows, Rule, Saved};

/// Flags of functions: nobody called it; it moves the stack pointer to another stack.
const TOP_FRAME: u8 = 1;
const WRITES_STACK_POINTER: u8 = 2;

/// The frame that a signal handler returns to. Its name was changed in Go 1.21.
const SIGNAL_RETURN: [&[u8]; 2] = [b"runtime.sigreturn", b"runtime.sigreturn__sigaction"];
/// Signal handlers: the runtime calls them the top of their stack, but the interrupted code is behind their return address.
const HANDLERS: [&[u8]; 2] = [b"runtime.sigtramp", b"runtime.cgoSigtramp"];
/// Runs the scheduler on the thread's own stack. The goroutine that called it is parked, and may go on on another
/// thread meanwhile: nobody is waiting for what happens here.
const SCHEDULER: &[u8] = b"runtime.mcall";
/// What the kernel jumps to.
const ENTRY: &[u8] = b"_rt0_";
/// Before Go 1.21 these had no frame of their own: the frame pointer is the caller's, so the next frame that can be
/// found is that of the caller's caller.
const WITHOUT_FRAME: [&[u8]; 3] = [b"runtime.systemstack", b"runtime.asmcgocall", GROW_STACK];
/// Called by functions that have not made their frame yet. Newer versions clear the frame pointer before they go on on the
/// thread's own stack, and nothing there leads back: then it is the outermost frame, as in the runtime's own tracebacks.
const GROW_STACK: &[u8] = b"runtime.morestack";

/// Between two functions: never executed.
const PADDING: u8 = 0xcc;

const RETURN_ADDRESS: i64 = 8;
/// The caller's frame pointer is right below the return address, and the frame pointer points to it.
const FRAME: i64 = 16;

impl Go {
    /// One range for each function, in file offsets. What is C in them (linked in without a C compiler) is left out.
    pub fn rows(&self, data: &[u8]) -> Rows {
        let mut rows = Rows::default();
        let Some(pclntab) = self.pclntab(data).filter(|_| self.x86_64) else { return rows };
        // Tables count in 32 bits; what is past that has no rules.
        let base = |pc: u32| {
            let distance = pc.checked_sub(pclntab.start())?;
            u32::try_from(self.code.start as u64 + u64::from(distance)).ok()
        };
        for index in 0..pclntab.count() {
            let Some(function) = pclntab.function(index) else { continue };
            let (Some(start), Some(end)) = (base(function.range.start), base(function.range.end)) else {
                break;
            };
            let code = data.get(start as usize..end as usize).unwrap_or_default();
            match kind(&function) {
                Kind::SignalReturn => {
                    // It is never called: the return address is its first byte, and return addresses are looked up
                    // one before that.
                    let before = start.checked_sub(1).filter(|at| data.get(*at as usize) == Some(&PADDING));
                    rows.begin(before.unwrap_or(start), end);
                    rows.push(before.unwrap_or(start), Rule::SIGNAL);
                }
                Kind::Top => {
                    rows.begin(start, end);
                    rows.push(start, Rule::END);
                }
                kind => {
                    let Some(depths) = function.depths() else { continue };
                    rows.begin(start, end);
                    for (from, rule) in rules(depths, code, kind) {
                        rows.push(start + from, rule);
                    }
                }
            }
        }
        rows
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    SignalReturn,
    /// Nobody called it.
    Top,
    /// Goes on on another stack.
    Switches,
    SwitchesWithoutFrame,
    Plain,
}

fn kind(function: &Function) -> Kind {
    let name = function.name().unwrap_or_default();
    let flags = function.flags();
    if SIGNAL_RETURN.contains(&name) {
        Kind::SignalReturn
    } else if flags & TOP_FRAME != 0 && !HANDLERS.contains(&name)
        || name == SCHEDULER
        || name.starts_with(ENTRY)
    {
        Kind::Top
    } else if flags & WRITES_STACK_POINTER == 0 {
        Kind::Plain
    } else if WITHOUT_FRAME.contains(&name) {
        Kind::SwitchesWithoutFrame
    } else {
        Kind::Switches
    }
}

/// Rules by distance from the start of the function. `depths` are by the same distance.
fn rules(depths: Values, code: &[u8], kind: Kind) -> Vec<(u32, Rule)> {
    let mut rules = Vec::new();
    let prologue = prologue(depths.clone(), code);
    let mut from = 0;
    for (to, depth) in depths.take_while(|(_, depth)| *depth >= 0) {
        let plain = by_depth(depth, Saved::Same);
        // From where on which rule; before that and after the epilogue, the caller's frame pointer is in its register.
        let (place, rule) = match (prologue, kind) {
            (None, Kind::SwitchesWithoutFrame) => (0, by_frame()),
            (None, Kind::Switches) => (0, Rule::UNSAID),
            (None, _) => (0, plain),
            (Some(_), _) if depth == 0 => (0, plain),
            // On another stack the depth says nothing, but the frame pointer leads back.
            (Some(prologue), Kind::Switches | Kind::SwitchesWithoutFrame) => (prologue.settled, by_frame()),
            (Some(prologue), _) => match by_depth(depth, Saved::Below(FRAME)) {
                Rule::UNSAID => (prologue.settled, by_frame()),
                rule => (prologue.saved, rule),
            },
        };
        if from < place {
            rules.push((from, plain));
        }
        if place < to {
            rules.push((from.max(place), rule));
        }
        from = to;
        if from as usize >= code.len() {
            break;
        }
    }
    rules
}

fn prologue(mut depths: Values, code: &[u8]) -> Option<Prologue> {
    let (before, first) = (depths.next()?, depths.next()?);
    (before.1 == 0 && first.1 > 0).then(|| prologue::read(code, before.0, first.1 as u32))?
}

fn by_depth(depth: i32, frame_pointer: Saved) -> Rule {
    let cfa = Cfa::Sp(i64::from(depth) + RETURN_ADDRESS);
    Rule::x86_64(cfa, frame_pointer).unwrap_or(Rule::UNSAID)
}

fn by_frame() -> Rule {
    Rule::x86_64(Cfa::Fp(FRAME), Saved::Below(FRAME)).unwrap_or(Rule::UNSAID)
}
