// SPDX-License-Identifier: Apache-2.0
//! Names as people write them, from names as linkers write them.

use std::borrow::Cow;

/// Demangles C++ (Itanium) and Rust (both schemes); any other name stays as it is. A symbol version (`@GLIBC_2.2.5`)
/// is not part of a function's name.
pub fn demangle(name: &str) -> Cow<'_, str> {
    let name = match name.find('@') {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    };
    if name.starts_with("_R") || name.starts_with("_Z") || name.starts_with("__Z") {
        // First Rust: its old scheme is valid C++ as well, with a hash at its end that only Rust knows to drop.
        if let Ok(demangled) = rustc_demangle::try_demangle(name) {
            return Cow::Owned(format!("{demangled:#}"));
        }
        if let Ok(symbol) = cpp_demangle::Symbol::new(name) {
            if let Ok(demangled) = symbol.demangle() {
                return Cow::Owned(demangled);
            }
        }
    }
    Cow::Borrowed(name)
}

/// Go's own tools show one name for all instances of a generic function: what it was instantiated with is left out.
pub fn without_instance(name: &str) -> Cow<'_, str> {
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            Cow::Owned(format!("{}[...]{}", &name[..open], &name[close + 1..]))
        }
        _ => Cow::Borrowed(name),
    }
}

/// True for a name that says more than its plain text: with scopes and parameters inside.
pub fn is_mangled(name: &str) -> bool {
    name.starts_with("_Z") || name.starts_with("_R")
}

#[cfg(test)]
mod tests {
    use super::{demangle, without_instance};

    #[test]
    fn names_of_every_language() {
        for (system, shown) in [
            ("main", "main"),
            ("main.main", "main.main"),
            ("_ZN3foo3barEi", "foo::bar(int)"),
            ("_ZN3foo3barEi.cold", "foo::bar(int) [clone .cold]"),
            ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("_Znot mangled", "_Znot mangled"),
            ("@odd", "@odd"),
            ("", ""),
        ] {
            assert_eq!(demangle(system), shown);
        }
    }

    #[test]
    fn instances_of_generic_functions() {
        for (system, shown) in [
            ("main.main", "main.main"),
            ("main.largest[go.shape.string,go.shape.int]", "main.largest[...]"),
            ("main.(*pair[go.shape.int,go.shape.[]uint8]).larger", "main.(*pair[...]).larger"),
            ("main.mapped[...].func1", "main.mapped[...].func1"),
            ("odd]name[", "odd]name["),
        ] {
            assert_eq!(without_instance(system), shown);
        }
    }
}
