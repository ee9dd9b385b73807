// SPDX-License-Identifier: Apache-2.0
//! The variables of `libjvm.so` that the rest starts from, by name.

use std::collections::HashMap;
use std::io;

use object::read::File;
use object::{Object, ObjectSymbol};

const EXPORTED: &str = "gHotSpotVM";
/// Head of the list of stubs. Not exported: only a libjvm that was not stripped has it.
pub const STUBS: &str = "_ZN12StubCodeDesc5_listE";

pub struct Symbols(HashMap<String, u64>);

impl Symbols {
    /// Addresses as linked, from the file image `data`.
    pub fn read(data: &[u8]) -> io::Result<Self> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let file = File::parse(data).map_err(invalid)?;
        let exported = file
            .dynamic_symbols()
            .filter(|symbol| symbol.name().is_ok_and(|name| name.starts_with(EXPORTED)));
        let stubs = file.symbols().filter(|symbol| symbol.name() == Ok(STUBS));
        let named = |symbol: object::Symbol| Some((symbol.name().ok()?.to_owned(), symbol.address()));
        Ok(Self(exported.chain(stubs).filter_map(named).collect()))
    }

    pub fn address(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}
