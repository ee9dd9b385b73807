// SPDX-License-Identifier: Apache-2.0
//! One rule in 32 bits, as `bpf/profile/table.h` states them.

use crate::v8::Layout;

/// How to get from a frame to its caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule(pub u32);

/// Where the canonical frame address is: the stack pointer of the caller before the call. All numbers are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cfa {
    /// Stack pointer + offset.
    Sp(i64),
    /// Frame pointer + offset.
    Fp(i64),
    /// What is at stack pointer + `at`, + `add`.
    SpRead { at: i64, add: i64 },
    /// What is at frame pointer + `at`, + `add`.
    FpRead { at: i64, add: i64 },
    /// Lazy procedure linkage: stack pointer + 8, and 8 more from the 11th byte of each 16 on.
    Plt,
}

/// Where a register of the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Still in the register.
    Same,
    /// In memory, this many bytes below the CFA.
    Below(i64),
    /// In memory, where the callee's frame pointer points to.
    AtFramePointer,
}

const SP: u32 = 1;
const FP: u32 = 2;
const PLT: u32 = 3;
const SP_READ: u32 = 6;
const FP_READ: u32 = 7;
const V8: u32 = 8;

const WORD: i64 = 8;
const X86_64_SLOTS: i64 = 0xffe;
const X86_64_AT_FRAME_POINTER: u32 = 0xfff;
const ARM64_SLOTS: i64 = 63;

impl Rule {
    /// No code, or none that is known.
    pub const NONE: Self = Self(0);
    /// Code whose rule is known and cannot be said in 32 bits. The same to who follows rules, not to who counts them.
    pub const UNSAID: Self = Self(1 << 16);
    pub const SIGNAL: Self = Self(4);
    pub const END: Self = Self(5);

    /// Code of V8, by frame pointer.
    pub fn v8(interpreter: bool, layout: &Layout) -> Option<Self> {
        // Of a size that it is counted in, and in as many bits as there are.
        let member = |offset: u64, size: u64, bits: u32| {
            let count = u32::try_from(offset / size).ok()?;
            (offset.is_multiple_of(size) && count != 0 && count >> bits == 0).then_some(count)
        };
        let shared = member(layout.shared, 8, 5)?;
        let identity = || {
            let script = member(layout.function.script, 8, 5)?;
            let function = member(layout.function.number?, 4, 6)?;
            let scope = member(layout.function.name_or_scope, 8, 5)?;
            // Otherwise the kernel's part would look for names elsewhere.
            let known = layout.scope.locals == 2 && layout.map == 0;
            let place_first = u32::from(layout.scope.place_first);
            let number = member(layout.script.number?, 8, 5).filter(|_| known)?;
            Some(script | function << 5 | number << 11 | scope << 16 | place_first << 21)
        };
        Some(Self(V8 | u32::from(interpreter) << 4 | shared << 5 | identity().unwrap_or(0) << 10))
    }

    /// The return address is in the word below the CFA. None if it does not fit.
    pub fn x86_64(cfa: Cfa, frame_pointer: Saved) -> Option<Self> {
        let slot = match frame_pointer {
            Saved::Same => 0,
            Saved::Below(bytes) => slot(bytes, X86_64_SLOTS)?,
            Saved::AtFramePointer => X86_64_AT_FRAME_POINTER,
        };
        Some(Self(place(cfa)? | slot << 4))
    }

    /// None if it does not fit.
    pub fn arm64(cfa: Cfa, frame_pointer: Saved, return_address: Saved) -> Option<Self> {
        let slot = |saved| match saved {
            Saved::Same => Some(0),
            Saved::Below(bytes) => slot(bytes, ARM64_SLOTS),
            Saved::AtFramePointer => None,
        };
        // No procedure linkage of this machine moves the stack pointer.
        let place = if cfa == Cfa::Plt { None } else { place(cfa) };
        Some(Self(place? | slot(frame_pointer)? << 4 | slot(return_address)? << 10))
    }
}

/// Kind and offset.
fn place(cfa: Cfa) -> Option<u32> {
    let wide = |bytes| Some((words(bytes, i16::MIN.into(), i16::MAX.into())? as u32) << 16);
    let read = |at, add| {
        let at = words(at, i8::MIN.into(), i8::MAX.into())? as u32 & 0xff;
        Some(at << 16 | (words(add, 0, u8::MAX.into())? as u32) << 24)
    };
    Some(match cfa {
        Cfa::Sp(offset) => SP | wide(offset)?,
        Cfa::Fp(offset) => FP | wide(offset)?,
        Cfa::SpRead { at, add } => SP_READ | read(at, add)?,
        Cfa::FpRead { at, add } => FP_READ | read(at, add)?,
        Cfa::Plt => PLT,
    })
}

fn slot(bytes: i64, most: i64) -> Option<u32> {
    words(bytes, 1, most).map(|slot| slot as u32)
}

fn words(bytes: i64, least: i64, most: i64) -> Option<i64> {
    let whole = bytes % WORD == 0 && (least..=most).contains(&(bytes / WORD));
    whole.then_some(bytes / WORD)
}

#[cfg(test)]
mod tests {
    use super::{Cfa, Layout, Rule, Saved};
    use crate::v8::made::{LAYOUT, LAYOUT_13};

    fn x86(cfa: Cfa, frame_pointer: Saved) -> Option<u32> {
        Rule::x86_64(cfa, frame_pointer).map(|rule| rule.0)
    }

    #[test]
    fn bits_of_x86_64() {
        assert_eq!(x86(Cfa::Sp(8), Saved::Same), Some(0x0001_0001));
        assert_eq!(x86(Cfa::Fp(16), Saved::Below(16)), Some(0x0002_0022));
        assert_eq!(x86(Cfa::Sp(-8), Saved::Same), Some(0xffff_0001));
        assert_eq!(x86(Cfa::Plt, Saved::Same), Some(3));
        assert_eq!(x86(Cfa::SpRead { at: 40, add: 8 }, Saved::Below(16)), Some(0x0105_0026));
        assert_eq!(x86(Cfa::FpRead { at: -8, add: 0 }, Saved::AtFramePointer), Some(0x00ff_fff7));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(x86(Cfa::Sp(12), Saved::Same), None, "no whole word");
        assert_eq!(x86(Cfa::Sp(32767 * 8), Saved::Same), Some(0x7fff_0001));
        assert_eq!(x86(Cfa::Sp(32768 * 8), Saved::Same), None);
        assert_eq!(x86(Cfa::Sp(8), Saved::Below(0xffe * 8)), Some(0x0001_ffe1));
        assert_eq!(x86(Cfa::Sp(8), Saved::Below(0xfff * 8)), None);
        assert_eq!(x86(Cfa::Sp(8), Saved::Below(0)), None);
        assert_eq!(x86(Cfa::SpRead { at: 128 * 8, add: 0 }, Saved::Same), None);
        assert_eq!(x86(Cfa::SpRead { at: 0, add: -8 }, Saved::Same), None);
        assert_eq!(x86(Cfa::SpRead { at: 0, add: 256 * 8 }, Saved::Same), None);
    }

    #[test]
    fn bits_of_v8() {
        let layout = |shared| Layout { shared, ..LAYOUT };
        let identity = 2 << 26 | 8 << 21 | 13 << 15 | 4 << 10;
        assert_eq!(Rule::v8(false, &layout(24)), Some(Rule(identity | 3 << 5 | 8)));
        assert_eq!(Rule::v8(true, &layout(32)), Some(Rule(identity | 4 << 5 | 1 << 4 | 8)));
        let after = Rule::v8(true, &Layout { shared: 32, ..LAYOUT_13 });
        assert_eq!(after, Some(Rule(1 << 31 | identity | 4 << 5 | 1 << 4 | 8)));
        assert_eq!(Rule::v8(true, &layout(0)), None);
        assert_eq!(Rule::v8(true, &layout(20)), None);
        assert_eq!(Rule::v8(true, &layout(256)), None);
        let mut unknown = LAYOUT;
        unknown.script.number = None;
        assert_eq!(Rule::v8(false, &unknown), Some(Rule(3 << 5 | 8)));
    }

    #[test]
    fn bits_of_arm64() {
        let rule = |cfa, fp, lr| Rule::arm64(cfa, fp, lr).map(|rule| rule.0);
        assert_eq!(rule(Cfa::Sp(0), Saved::Same, Saved::Same), Some(1));
        assert_eq!(rule(Cfa::Sp(32), Saved::Below(32), Saved::Below(24)), Some(0x0004_0c41));
        assert_eq!(rule(Cfa::Fp(16), Saved::Below(63 * 8), Saved::Below(8)), Some(0x0002_07f2));
        assert_eq!(rule(Cfa::Fp(16), Saved::Below(64 * 8), Saved::Below(8)), None);
        assert_eq!(rule(Cfa::Plt, Saved::Same, Saved::Same), None);
    }
}
