// SPDX-License-Identifier: Apache-2.0
//! The answer to one question: columns, with every string once.

use std::collections::HashMap;

use crate::demangle::{demangle, without_instance};

pub struct Frame<'a> {
    pub system_name: &'a str,
    pub file: &'a str,
    /// 0 when unknown.
    pub line: u32,
    /// First line of the function; 0 when unknown.
    pub start_line: u32,
    pub naming: Naming,
}

/// How a system name becomes the one that is shown.
#[derive(Clone, Copy)]
pub enum Naming {
    /// As linkers know it.
    Linker,
    Go,
}

/// One row for each address that was asked for, in order.
#[derive(Default)]
pub struct Answer {
    /// Frames of each row; 0 when there is no name.
    counts: Vec<u32>,
    /// name, system name, file, line, first line of the function, of each frame.
    frames: Vec<[u32; 5]>,
    strings: Strings,
    /// String of a system name to string of what it is shown as: demangling is the expensive part.
    shown: HashMap<u32, u32>,
}

impl Answer {
    /// A row without a name.
    pub fn unknown(&mut self) {
        self.counts.push(0);
    }

    /// Starts a row; its frames follow, innermost first.
    pub fn begin(&mut self) {
        self.counts.push(0);
    }

    pub fn frame(&mut self, frame: Frame) {
        let system_name = self.strings.id(frame.system_name);
        let name = match self.shown.get(&system_name) {
            Some(name) => *name,
            None => {
                let name = match frame.naming {
                    Naming::Linker => demangle(frame.system_name),
                    Naming::Go => without_instance(frame.system_name),
                };
                let name = self.strings.id(&name);
                self.shown.insert(system_name, name);
                name
            }
        };
        self.push(name, system_name, &frame);
    }

    /// A frame that is shown as `name`, whatever its system name looks like.
    pub fn named(&mut self, name: &str, frame: Frame) {
        let (name, system_name) = (self.strings.id(name), self.strings.id(frame.system_name));
        self.push(name, system_name, &frame);
    }

    fn push(&mut self, name: u32, system_name: u32, frame: &Frame) {
        let file = self.strings.id(frame.file);
        self.frames.push([name, system_name, file, frame.line, frame.start_line]);
        if let Some(count) = self.counts.last_mut() {
            *count += 1;
        }
    }

    /// A row of one frame that is named as it stands, from a source without lines.
    pub fn plain(&mut self, name: Option<&str>) {
        self.begin();
        if let (Some(name), Some(count)) = (name, self.counts.last_mut()) {
            *count = 1;
            let name = self.strings.id(name);
            let none = self.strings.id("");
            self.frames.push([name, name, none, 0, 0]);
        }
    }

    /// Name, file and line, where the last row has one frame.
    #[cfg(test)]
    pub fn only_frame(&self) -> Option<(&str, &str, u32)> {
        let [name, _, file, line, _] = *self.frames.last().filter(|_| self.counts.last() == Some(&1))?;
        Some((self.strings.text(name), self.strings.text(file), line))
    }

    /// Rows, frames, strings, bytes; counts; the frames' columns; string ends; the strings.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let numbers =
            [self.counts.len(), self.frames.len(), self.strings.ends.len(), self.strings.bytes.len()];
        put(out, numbers.into_iter().map(|number| number as u32));
        put(out, self.counts.iter().copied());
        for column in 0..5 {
            put(out, self.frames.iter().map(|frame| frame[column]));
        }
        put(out, self.strings.ends.iter().copied());
        out.extend_from_slice(&self.strings.bytes);
    }
}

pub fn put(out: &mut Vec<u8>, numbers: impl Iterator<Item = u32>) {
    numbers.for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

#[derive(Default)]
struct Strings {
    ids: HashMap<Box<str>, u32>,
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    #[cfg(test)]
    fn text(&self, id: u32) -> &str {
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        std::str::from_utf8(&self.bytes[start as usize..self.ends[id as usize] as usize]).unwrap()
    }

    fn id(&mut self, text: &str) -> u32 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as u32);
        self.ids.insert(text.into(), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Frame, Naming};

    #[test]
    fn columns() {
        let mut answer = Answer::default();
        answer.unknown();
        answer.begin();
        let file = "a.cc";
        let naming = Naming::Linker;
        answer.frame(Frame { system_name: "_Z1fv", file, line: 3, start_line: 0, naming });
        answer.frame(Frame { system_name: "main", file, line: 9, start_line: 7, naming });
        answer.plain(Some("kernel_function"));
        answer.plain(None);

        let mut out = Vec::new();
        answer.encode(&mut out);
        let text = b"_Z1fvf()a.ccmainkernel_function";
        let (numbers, bytes) = out.split_at(out.len() - text.len());
        assert_eq!(bytes, text);
        let numbers: Vec<u32> =
            numbers.chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
        #[rustfmt::skip]
        assert_eq!(numbers, [
            4, 3, 6, 31,
            0, 2, 1, 0,
            1, 3, 4, // names
            0, 3, 4, // system names
            2, 2, 5, // files
            3, 9, 0, // lines
            0, 7, 0, // first lines
            5, 8, 12, 16, 31, 31,
        ]);
    }
}
