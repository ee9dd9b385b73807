// SPDX-License-Identifier: Apache-2.0
//! Nothing of Rust is used: the crate only carries libbpf's objects into one archive.
extern crate libbpf_sys as _;
