// SPDX-License-Identifier: Apache-2.0
//! Files arrive over a socket: one message is a 32-bit id (little-endian) with one descriptor (SCM_RIGHTS).

use std::collections::HashMap;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The descriptor number of the socket, as the agent sets it up.
pub const SOCKET: RawFd = 3;

/// Descriptors that arrived and were not asked for yet.
#[derive(Default)]
pub struct Descriptors {
    waiting: HashMap<u32, OwnedFd>,
}

impl Descriptors {
    /// The descriptor that was sent with `id`. The agent sends it before it asks, so it is there or never comes:
    /// nothing here waits.
    pub fn take(&mut self, id: u32) -> io::Result<Option<OwnedFd>> {
        while let Some((id, descriptor)) = receive(SOCKET)? {
            self.waiting.insert(id, descriptor);
        }
        Ok(self.waiting.remove(&id))
    }
}

/// One message, or None when the socket is empty (or holds something that is not one descriptor, which is dropped).
fn receive(socket: RawFd) -> io::Result<Option<(u32, OwnedFd)>> {
    loop {
        let mut id = [0u8; 4];
        // u64 for the alignment of cmsghdr; room for one descriptor.
        let mut control = [0u64; 4];
        let mut part = libc::iovec { iov_base: id.as_mut_ptr().cast(), iov_len: id.len() };
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as _;

        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        let length = unsafe { libc::recvmsg(socket, &mut message, flags) };
        if length < 0 {
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => return Ok(None),
                _ => return Err(error),
            }
        }
        if length == 0 {
            return Ok(None);
        }

        let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
        if header.is_null() {
            continue;
        }
        // SAFETY: the kernel wrote a control message of this length into `control`.
        let (level, kind, size) =
            unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        let expected = unsafe { libc::CMSG_LEN(size_of::<RawFd>() as u32) } as usize;
        if level != libc::SOL_SOCKET || kind != libc::SCM_RIGHTS || size != expected {
            continue;
        }
        // SAFETY: SCM_RIGHTS of this length carries one descriptor, which is ours from here on.
        let descriptor =
            unsafe { OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()) };
        if length as usize == id.len() {
            return Ok(Some((u32::from_le_bytes(id), descriptor)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_message_carries_an_id_and_a_descriptor() {
        let mut pair = [0 as RawFd; 2];
        let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, pair.as_mut_ptr()) };
        assert_eq!(made, 0);
        let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1])) };

        assert!(receive(theirs.as_raw_fd()).unwrap().is_none(), "an empty socket does not wait");

        // A message without a descriptor is dropped, the one after it arrives.
        unsafe { libc::send(ours.as_raw_fd(), [9u8, 0, 0, 0].as_ptr().cast(), 4, 0) };
        let sent = unsafe { libc::memfd_create(c"sent".as_ptr(), 0) };
        let mut id = 7u32.to_le_bytes();
        let mut control = [0u64; 4];
        let mut part = libc::iovec { iov_base: id.as_mut_ptr().cast(), iov_len: 4 };
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as _;
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(sent);
            assert_eq!(libc::sendmsg(ours.as_raw_fd(), &message, 0), 4);
        }

        let (id, descriptor) = receive(theirs.as_raw_fd()).unwrap().unwrap();
        assert_eq!(id, 7);
        assert_ne!(descriptor.as_raw_fd(), sent);
        unsafe { libc::close(sent) };
    }
}
