// SPDX-License-Identifier: Apache-2.0
//! Rows of functions without any frame information, from their instructions: the C library musl is built without, and
//! keeps no frame pointers. A function is believed only if all of its paths give the stack back as they found it, so
//! that what is no function, or plays tricks with the stack, is left alone. One that never returns is believed where it
//! begins as functions do.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic};
use memchr::memchr_iter;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol, SymbolKind};

use super::code::{Code, Segment};
use super::frame::Frame;
use super::machine::Machine;
use super::rows::{Flat, Rows};

/// A damaged or hostile file must not cost more than a large one.
const MOST_INSTRUCTIONS: usize = 4 << 20;
const MOST_IN_FUNCTION: usize = 1 << 16;

/// Shorter gaps are padding.
const LEAST_GAP: u32 = 16;

const ALIGNMENT: u32 = 16;

/// call, and lea of something near as pointers to functions are made. What is in front of their four bytes of distance.
const CALL: u8 = 0xe8;
const LEA: u8 = 0x8d;

/// Parts of functions that were moved away; their frame is not a bare one.
const MOVED: &str = ".cold";

/// Rows for what `known` says nothing of. `data` are images that may have symbols: the file, its debug file.
pub fn rows(code: &Code, known: &Flat, data: &[&[u8]]) -> Rows {
    let mut rows = Rows::default();
    if code.machine != Machine::X86_64 {
        return rows;
    }
    let mut left = MOST_INSTRUCTIONS;
    for segment in code.segments() {
        let mut gaps = known.gaps(segment.offset, segment.end());
        gaps.retain(|(start, end)| end - start >= LEAST_GAP);
        if gaps.is_empty() {
            continue;
        }
        let named: BTreeSet<u32> = named(segment, &gaps, data).collect();
        let mut starts = called(segment, &gaps);
        starts.extend(&named);
        let mut walk = Walk { segment, gaps, named, starts, deduced: BTreeMap::new(), left };
        walk.all();
        left = walk.left;
        walk.put(&mut rows);
    }
    rows
}

fn within(gaps: &[(u32, u32)], at: u32) -> bool {
    let after = gaps.partition_point(|(start, _)| *start <= at);
    after > 0 && at < gaps[after - 1].1
}

/// What looks like it is called, or has its address taken, anywhere in the segment.
fn called(segment: &Segment, gaps: &[(u32, u32)]) -> BTreeSet<u32> {
    let bytes = segment.bytes;
    let distances = memchr_iter(CALL, bytes).map(|at| at + 1).chain(
        // REX.W in front, and then a register and the instruction pointer as base.
        memchr_iter(LEA, bytes)
            .filter(|at| *at > 0 && bytes[at - 1] & 0xfb == 0x48)
            .filter(|at| bytes.get(at + 1).is_some_and(|form| form & 0xc7 == 0x05))
            .map(|at| at + 2),
    );
    distances
        .filter_map(|at| {
            let distance = i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
            let target = i64::from(segment.offset) + at as i64 + 4 + i64::from(distance);
            u32::try_from(target).ok().filter(|target| within(gaps, *target))
        })
        .collect()
}

fn named<'a>(
    segment: &'a Segment,
    gaps: &'a [(u32, u32)],
    data: &'a [&[u8]],
) -> impl Iterator<Item = u32> + 'a {
    let files = data.iter().filter_map(|data| ElfFile64::<LittleEndian>::parse(*data).ok());
    files.flat_map(move |file| {
        let symbols = file.symbols().chain(file.dynamic_symbols());
        let functions = symbols.filter(|symbol| {
            symbol.kind() == SymbolKind::Text && symbol.name().is_ok_and(|name| !name.contains(MOVED))
        });
        let inside = functions.filter_map(|symbol| {
            let distance = symbol.address().checked_sub(segment.address)?;
            let at = segment.offset.checked_add(u32::try_from(distance).ok()?)?;
            within(gaps, at).then_some(at)
        });
        inside.collect::<Vec<_>>()
    })
}

/// By place: where an instruction ends, and the frame in front of it.
type Instructions = BTreeMap<u32, (u32, Frame)>;

/// A place that is reached, and the frame there.
type Place = (u32, Frame);

struct Walk<'a> {
    segment: &'a Segment<'a>,
    gaps: Vec<(u32, u32)>,
    /// File offsets where functions begin by their symbols, and those together with where they may begin.
    named: BTreeSet<u32>,
    starts: BTreeSet<u32>,
    /// Of functions that are believed.
    deduced: Instructions,
    left: usize,
}

impl Walk<'_> {
    fn all(&mut self) {
        let mut done = HashSet::new();
        let likely = |start: &u32| start.is_multiple_of(ALIGNMENT) || self.named.contains(start);
        let mut open: Vec<(u32, bool)> = self.starts.iter().map(|start| (*start, likely(start))).collect();
        while let Some((start, likely)) = open.pop() {
            if !done.insert((start, likely))
                || self.deduced.get(&start).is_some_and(|(_, frame)| frame.is_bare())
            {
                continue;
            }
            if let Some((function, jumps)) = self.function(start, likely) {
                for (at, instruction) in function {
                    self.deduced.entry(at).or_insert(instruction);
                }
                open.extend(jumps.into_iter().map(|target| (target, true)));
            }
        }
    }

    /// The instructions from `start` on, and where it jumps to with a bare frame: other functions, or parts of this one
    /// that might as well be. None if it is not believed; unless it is `likely` to begin here, it has to return for that.
    fn function(&mut self, start: u32, likely: bool) -> Option<(Instructions, Vec<u32>)> {
        let mut about = InstructionInfoFactory::new();
        let mut seen = Instructions::new();
        let mut jumps = Vec::new();
        let mut open: Vec<Place> = vec![(start, Frame::BARE)];
        // Behind calls, which may never return: only where nothing else leads to.
        let mut returned: Vec<Place> = Vec::new();
        // Behind jumps and returns: where the cases of a switch are, if there is one.
        let mut behind: Vec<u32> = Vec::new();
        let mut switch: Option<Frame> = None;
        let mut proven = likely;
        loop {
            let (at, frame) = if let Some(place) = open.pop() {
                place
            } else if let Some((at, frame)) = returned.pop() {
                if seen.contains_key(&at) || self.instruction(at)?.mnemonic() == Mnemonic::Nop {
                    continue;
                }
                (at, frame)
            } else if let (Some(frame), Some(at)) = (switch, behind.pop()) {
                let code = within(&self.gaps, at) && !self.starts.contains(&at) && !seen.contains_key(&at);
                if !code || self.instruction(at)?.mnemonic() == Mnemonic::Nop {
                    continue;
                }
                (at, frame)
            } else {
                return proven.then_some((seen, jumps));
            };
            if let Some((_, before)) = seen.get(&at) {
                if *before != frame {
                    return None;
                }
                continue;
            }
            if !within(&self.gaps, at) || seen.len() >= MOST_IN_FUNCTION || self.left == 0 {
                return None;
            }
            self.left -= 1;
            let instruction = self.instruction(at)?;
            let end = instruction.next_ip32();
            seen.insert(at, (end, frame));
            let mut jump = |target: u64| -> Option<Option<Place>> {
                let target = u32::try_from(target).ok()?;
                if frame.is_bare() {
                    jumps.extend(within(&self.gaps, target).then_some(target));
                    return Some(None);
                }
                Some(Some((target, frame)))
            };
            match instruction.flow_control() {
                FlowControl::Next | FlowControl::XbeginXabortXend => {
                    if instruction.mnemonic() != Mnemonic::Hlt {
                        open.push((end, frame.after(&instruction, &mut about)?));
                    }
                }
                FlowControl::Call | FlowControl::IndirectCall => {
                    let frame = frame.after(&instruction, &mut about)?;
                    if !self.starts.contains(&end) && within(&self.gaps, end) {
                        returned.push((end, frame));
                    }
                }
                FlowControl::ConditionalBranch => {
                    open.extend(jump(instruction.near_branch_target())?);
                    open.push((end, frame));
                }
                FlowControl::UnconditionalBranch => {
                    open.extend(jump(instruction.near_branch_target())?);
                    behind.push(end);
                }
                FlowControl::IndirectBranch => {
                    // To another function, or to a case of a switch.
                    switch = switch.or((!frame.is_bare()).then_some(frame));
                    behind.push(end);
                }
                FlowControl::Return => {
                    if !frame.is_bare() || instruction.op_count() > 0 {
                        return None;
                    }
                    proven = true;
                    behind.push(end);
                }
                FlowControl::Interrupt | FlowControl::Exception => behind.push(end),
            }
        }
    }

    fn instruction(&self, at: u32) -> Option<Instruction> {
        let bytes = self.segment.bytes.get((at - self.segment.offset) as usize..)?;
        let mut decoder = Decoder::with_ip(64, bytes, at.into(), DecoderOptions::NONE);
        let instruction = decoder.decode();
        (!instruction.is_invalid()).then_some(instruction)
    }

    /// One range for each run of instructions.
    fn put(&self, rows: &mut Rows) {
        let mut run: Option<(u32, u32)> = None;
        let mut pending = Vec::new();
        let mut close = |run: Option<(u32, u32)>, pending: &mut Vec<(u32, Frame)>| {
            if let Some((start, end)) = run {
                rows.begin(start, end);
                pending.drain(..).for_each(|(at, frame)| rows.push(at, frame.rule()));
            }
        };
        for (at, (end, frame)) in &self.deduced {
            run = match run {
                Some((start, reached)) if reached == *at => Some((start, *end)),
                // An instruction within another one: what was found first is kept.
                Some((_, reached)) if reached > *at => continue,
                before => {
                    close(before, &mut pending);
                    Some((*at, *end))
                }
            };
            pending.push((*at, *frame));
        }
        close(run, &mut pending);
    }
}
