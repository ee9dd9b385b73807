// SPDX-License-Identifier: Apache-2.0
//! The only file system that this process has: a table of names, each standing for a descriptor that was handed over.
//!
//! blazesym opens its files by path, and the sandbox allows no system call that takes a path. So this module defines
//! the C library's functions through which Rust opens and examines files (`open64`, `stat`, ...). The linker takes a
//! definition in the executable before one in a shared library, so every such call of this program and its crates
//! ends here and is answered from the table: a known name gives a duplicate of its descriptor, everything else
//! "no such file". Were a call to get past this (a function of libc that uses its own `open` inside), seccomp refuses
//! it; the table is what makes allowed things possible, not what makes forbidden things impossible.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use libc::{c_char, c_int};

/// Name to descriptor. A mutex and not a thread local: the functions below can be called while a thread ends.
static TABLE: Mutex<Option<HashMap<Vec<u8>, OwnedFd>>> = Mutex::new(None);

/// Makes `descriptor` what the path `name` opens from now on.
pub fn bind(name: &str, descriptor: OwnedFd) {
    if let Ok(mut table) = TABLE.lock() {
        table.get_or_insert_with(HashMap::new).insert(name.into(), descriptor);
    }
}

/// Forgets `name` and closes its descriptor. What was opened through it stays open.
pub fn unbind(name: &str) {
    if let Ok(mut table) = TABLE.lock() {
        if let Some(table) = table.as_mut() {
            table.remove(name.as_bytes());
        }
    }
}

/// Maps a bound file into memory for reading.
pub fn map(name: &str) -> std::io::Result<memmap2::Mmap> {
    let file = File::open(name)?;
    // SAFETY: the file belongs to someone else and may shrink under the mapping. Then the process dies by SIGBUS and
    // the agent starts another one, as for any other damage.
    unsafe { memmap2::Mmap::map(&file) }
}

/// Runs `use_descriptor` with the descriptor behind `path`, if there is one.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn with(path: *const c_char, use_descriptor: impl FnOnce(RawFd) -> c_int) -> c_int {
    let found = if path.is_null() {
        None
    } else {
        // A poisoned or busy lock is "no such file", never a wait: the caller may be a panic that prints itself.
        TABLE.try_lock().ok().and_then(|table| {
            let name = unsafe { CStr::from_ptr(path) }.to_bytes();
            Some(use_descriptor(table.as_ref()?.get(name)?.as_raw_fd()))
        })
    };
    found.unwrap_or_else(|| {
        unsafe { *libc::__errno_location() = libc::ENOENT };
        -1
    })
}

/// `fstat` by its own system call: glibc's version goes through `newfstatat`, which takes a path.
unsafe fn examine(descriptor: RawFd, into: *mut libc::stat) -> c_int {
    unsafe { libc::syscall(libc::SYS_fstat, descriptor, into) as c_int }
}

unsafe fn open_bound(path: *const c_char) -> c_int {
    unsafe { with(path, |descriptor| libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0)) }
}

// On the 64-bit targets that are supported, `struct stat` and `struct stat64` are the same.

#[no_mangle]
extern "C" fn open64(path: *const c_char, _flags: c_int, _mode: c_int) -> c_int {
    unsafe { open_bound(path) }
}

#[no_mangle]
extern "C" fn open(path: *const c_char, _flags: c_int, _mode: c_int) -> c_int {
    unsafe { open_bound(path) }
}

#[no_mangle]
extern "C" fn stat(path: *const c_char, into: *mut libc::stat) -> c_int {
    unsafe { with(path, |descriptor| examine(descriptor, into)) }
}

#[no_mangle]
extern "C" fn stat64(path: *const c_char, into: *mut libc::stat) -> c_int {
    unsafe { with(path, |descriptor| examine(descriptor, into)) }
}

#[no_mangle]
extern "C" fn fstat64(descriptor: c_int, into: *mut libc::stat) -> c_int {
    unsafe { examine(descriptor, into) }
}

#[no_mangle]
extern "C" fn fstat(descriptor: c_int, into: *mut libc::stat) -> c_int {
    unsafe { examine(descriptor, into) }
}

/// Refused as if the kernel had none: Rust then uses `stat64` and `fstat64`.
#[no_mangle]
extern "C" fn statx(
    _directory: c_int,
    _path: *const c_char,
    _flags: c_int,
    _mask: libc::c_uint,
    _into: *mut libc::statx,
) -> c_int {
    unsafe { *libc::__errno_location() = libc::ENOSYS };
    -1
}

/// There are no directories and no links: no path has a canonical form.
#[no_mangle]
extern "C" fn realpath(_path: *const c_char, _into: *mut c_char) -> *mut c_char {
    unsafe { *libc::__errno_location() = libc::ENOENT };
    std::ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::FromRawFd;

    fn memory_file(content: &[u8]) -> OwnedFd {
        let descriptor = unsafe { libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(descriptor >= 0);
        let written = unsafe { libc::write(descriptor, content.as_ptr().cast(), content.len()) };
        assert_eq!(written, content.len() as isize);
        unsafe { libc::lseek(descriptor, 0, libc::SEEK_SET) };
        unsafe { OwnedFd::from_raw_fd(descriptor) }
    }

    #[test]
    fn only_bound_names_open() {
        bind("/bound", memory_file(b"content"));
        let mut text = String::new();
        File::open("/bound").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        assert_eq!(std::fs::metadata("/bound").unwrap().len(), 7);
        assert_eq!(map("/bound").unwrap().as_ref(), b"content");

        for path in ["/etc/passwd", "/proc/self/maps", "Cargo.toml", "/bound/", "/bound/.."] {
            let error = File::open(path).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{path}");
            assert!(std::fs::metadata(path).is_err(), "{path}");
            assert!(std::fs::canonicalize(path).is_err(), "{path}");
        }

        unbind("/bound");
        assert!(File::open("/bound").is_err());
    }
}
