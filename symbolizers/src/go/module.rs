// SPDX-License-Identifier: Apache-2.0
//! `runtime.moduledata`, in which the runtime has where everything is. No section or symbol leads there in a stripped
//! program: it begins with a pointer to the table of functions, and repeats what the header of that says.

use std::ops::Range;

use super::image::Image;
use super::pclntab::Pclntab;

/// Words of it. Those up to the text are the same from Go 1.18 to 1.27.
const WORDS: usize = 64;
/// Pointers to the parts of the table, in its order.
const PARTS: [usize; 5] = [1, 4, 7, 10, 13];
const FUNCTIONS: usize = 17;
const FIRST_PC: usize = 20;
const LAST_PC: usize = 21;
const TEXT: usize = 22;
/// `gofunc`, what inline trees are counted from, is one of these words: at 38 in Go 1.18, 40 from 1.20 on, 43 in 1.27.
const INLINED: Range<usize> = 32..56;

/// Functions whose inline tree must make sense.
const CHECKED: usize = 100;
/// Places that look like a module and are none.
const MAX_CANDIDATES: usize = 64;

pub struct Module {
    /// Address from which functions are counted.
    pub text: u64,
    /// Place in the file of what inline trees are counted from, to the end of what is loaded with it.
    pub inlined: Option<Range<usize>>,
}

pub fn find(image: &Image, table: &Range<usize>, pclntab: &Pclntab) -> Option<Module> {
    let header = image.address_of(table.start)?;
    let parts = pclntab.places(image.data.get(table.clone())?).map(|place| header.wrapping_add(place));
    image.pointers_to(header).take(MAX_CANDIDATES).find_map(|candidate| {
        let words: [u64; WORDS] = image.words(candidate)?;
        let text = words[TEXT];
        let own = PARTS.iter().zip(parts).all(|(word, part)| words[*word] == part)
            && words[FUNCTIONS] == pclntab.count() as u64 + 1
            && words[FIRST_PC] == text.wrapping_add(pclntab.start().into())
            && words[LAST_PC] == text.wrapping_add(pclntab.end().into());
        own.then(|| Module { text, inlined: inlined(image, &words, pclntab) })
    })
}

/// Of the words that may be it, the one by which the inline trees of functions make sense: that does not depend on what
/// else a release has added to the module.
fn inlined(image: &Image, words: &[u64; WORDS], pclntab: &Pclntab) -> Option<Range<usize>> {
    let functions: Vec<_> = (0..pclntab.count())
        .filter_map(|index| pclntab.function(index))
        .filter_map(|function| function.first_inlined().map(|tree| (function, tree)))
        .take(CHECKED)
        .collect();
    words[INLINED].iter().find_map(|address| {
        let place = image.rest(image.offset_of(*address)?)?;
        let bytes = image.data.get(place.clone())?;
        let called = functions.iter().map(|(function, tree)| Some(function.call_at(bytes, *tree)?.name));
        let names: Vec<u32> = called.collect::<Option<_>>()?;
        // Zeros make sense, too: the first name over and over.
        names.iter().any(|name| *name != names[0]).then_some(place)
    })
}
