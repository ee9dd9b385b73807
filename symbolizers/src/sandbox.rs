// SPDX-License-Identifier: Apache-2.0
//! Takes everything away from this process that it does not need to read what it was handed.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

pub struct Limits {
    /// Bytes of private memory (RLIMIT_DATA). Mapped files are not part of it.
    pub memory: u64,
    /// Open descriptors.
    pub files: u64,
}

/// Files that are opened before the door closes.
pub struct Opened {
    /// `/proc/self/statm`: how much memory this process uses.
    pub statm: OwnedFd,
}

/// The uid and gid "nobody".
const NOBODY: libc::uid_t = 65534;

/// Drops privileges for good. When it returns, this process can read and write what it holds, use memory within its
/// limits, and exit.
pub fn enter(limits: &Limits) -> io::Result<Opened> {
    let opened = Opened { statm: open_statm()? };

    limit(libc::RLIMIT_DATA, limits.memory)?;
    limit(libc::RLIMIT_NOFILE, limits.files)?;
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_FSIZE, 0)?;

    drop_identity()?;
    drop_capabilities()?;

    // After the change of identity, which clears it. Stdin's end tells the same, but not to a process that is busy.
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
    // Other processes of user "nobody" may not trace this one.
    prctl(libc::PR_SET_DUMPABLE, 0)?;
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    seccompiler::apply_filter(&filter().map_err(io::Error::other)?).map_err(io::Error::other)?;
    Ok(opened)
}

fn open_statm() -> io::Result<OwnedFd> {
    // By system call: `open` of this program knows only files that were handed over (see files.rs).
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            c"/proc/self/statm".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(descriptor as i32) })
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    check(unsafe { libc::getrlimit(resource, &mut now) })?;
    let value = value.min(now.rlim_max);
    let wanted = libc::rlimit { rlim_cur: value, rlim_max: value };
    check(unsafe { libc::setrlimit(resource, &wanted) })
}

/// Becomes "nobody" if this is root. In a container root may lack CAP_SETUID or the id may not be mapped; then the
/// name stays, and loses its power with the capabilities.
fn drop_identity() -> io::Result<()> {
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    let dropped = check(unsafe { libc::setgroups(0, std::ptr::null()) })
        .and_then(|()| check(unsafe { libc::setresgid(NOBODY, NOBODY, NOBODY) }))
        .and_then(|()| check(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) }));
    match dropped {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EINVAL)) => Ok(()),
        other => other,
    }
}

fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    // Effective, permitted, inheritable; low and high 32 bits.
    let none = [0u32; 6];
    check(unsafe { libc::syscall(libc::SYS_capset, &header, none.as_ptr()) } as i32)
}

/// The system calls that are left. Any other is refused with EPERM and does not kill: libraries try harmless things
/// that they can do without (a panic wants `/proc/self/maps` for its backtrace). What is refused has no effect.
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvmsg,
        libc::SYS_close,
        libc::SYS_fcntl,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        // How a process ends: abort() blocks signals, asks for its own ids and signals itself.
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ]
    .into_iter()
    .map(|call| (call, vec![]))
    .collect();

    // Signals to itself only.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![argument(0, SeccompCmpOp::Eq, own)?])?]);
    // Memory, but none that can be executed.
    let executable = libc::PROT_EXEC as u64;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let data_only = argument(2, SeccompCmpOp::MaskedEq(executable), 0)?;
        rules.insert(call, vec![SeccompRule::new(vec![data_only])?]);
    }

    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    check(unsafe { libc::prctl(option, value, 0, 0, 0) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Private data and resident memory of this process, in KiB.
pub fn memory_use(opened: &Opened) -> (u32, u32) {
    let mut text = [0u8; 128];
    let length = unsafe { libc::pread(opened.statm.as_raw_fd(), text.as_mut_ptr().cast(), text.len(), 0) };
    let text = usize::try_from(length).ok().and_then(|length| text.get(..length));
    let text = text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("");
    // proc(5): size resident shared text lib data dt, in pages.
    let pages: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
    let page_kib = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64 / 1024;
    let kib = |index: usize| (pages.get(index).copied().unwrap_or(0) * page_kib) as u32;
    (kib(5), kib(1))
}
