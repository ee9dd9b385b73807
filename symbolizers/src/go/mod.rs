// SPDX-License-Identifier: Apache-2.0
//! Names, lines, inlined calls and unwind rules of Go code, from the tables that the Go runtime itself works with: they
//! are in every Go program, stripped or not. Formats of Go 1.18 to 1.27; facts about them are from the sources of
//! `cmd/link/internal/ld/pcln.go` and `runtime/symtab.go` of these releases.

mod arm64;
mod bytes;
mod function;
mod image;
mod module;
mod pclntab;
mod prologue;
mod unwind;
mod values;

use std::ops::Range;

pub use function::Level;
use image::Image;
use pclntab::Pclntab;

/// Where a file has its Go code and what describes it. Places in the file and addresses only: whoever asks brings the
/// file's bytes, which are not kept mapped between two questions.
pub struct Go {
    /// In the file: from the header of `.gopclntab` to the end of what is loaded with it.
    table: Range<usize>,
    /// In the file: what inline trees are counted from. None when no inline tree could be verified.
    inlined: Option<Range<usize>>,
    /// Addresses.
    text: Range<u64>,
    /// The same in the file.
    code: Range<usize>,
    x86_64: bool,
}

impl Go {
    /// None if there is no Go code in the file image `data`, or none whose tables hold together.
    pub fn find(data: &[u8]) -> Option<Self> {
        let image = Image::read(data)?;
        let found = image.go_tables().find_map(|table| {
            let pclntab = Pclntab::read(data.get(table.clone())?).filter(Pclntab::ascends)?;
            let module = module::find(&image, &table, &pclntab)?;
            let start = module.text.checked_add(pclntab.start().into())?;
            let end = module.text.checked_add(pclntab.end().into())?;
            let code = image.place_of(start..end)?;
            Some(Self { inlined: module.inlined, text: start..end, code, x86_64: image.x86_64(), table })
        });
        found
    }

    /// True if `address` is in Go code: then nothing else has a better name for it. Code of other languages in the
    /// same file is in front of it or behind it.
    pub fn contains(&self, address: u64) -> bool {
        self.text.contains(&address)
    }

    /// The frames of an address in Go code: innermost inlined call first, the function itself last. None if its function
    /// has no name.
    pub fn lookup<'a>(&self, data: &'a [u8], address: u64) -> Vec<Level<'a>> {
        let inlined = self.inlined.clone().and_then(|place| data.get(place));
        let levels = || {
            let pclntab = self.pclntab(data)?;
            let pc =
                u32::try_from(address.checked_sub(self.text.start)?).ok()?.checked_add(pclntab.start())?;
            Some(pclntab.find(pc)?.levels(inlined, pc))
        };
        levels().unwrap_or_default()
    }

    fn pclntab<'a>(&self, data: &'a [u8]) -> Option<Pclntab<'a>> {
        Pclntab::read(data.get(self.table.clone())?)
    }
}
