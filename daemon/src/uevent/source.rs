//! The socket that the kernel speaks on, or a stand-in for it beside a tree.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, setsockopt,
    socket, sockopt,
};

use super::Uevent;

/// The multicast group of the kernel itself; udev speaks on another one.
const KERNEL_GROUP: u32 = 1;

/// Room for some thousand messages, which a controller with all of its disks does not fill in the time of an apply.
const ROOM_BYTES: usize = 2 << 20;

/// Longer than any message: the kernel's buffer for one has 2 KiB.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

/// Messages that are taken before the loop looks at anything else.
const MESSAGES_MAX: usize = 512;

/// Where messages about devices come from.
#[derive(Debug)]
pub enum Source {
    /// The kernel.
    Kernel(OwnedFd),
    /// A datagram socket beside a tree, so that whoever makes a device appear in the tree can say so, in the words of the
    /// kernel. It goes with the daemon.
    Tree(UnixDatagram, PathBuf),
}

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message about a device that a knob may be on.
    Event(Uevent),
    /// Messages were lost.
    Lost,
}

impl Source {
    /// The kernel's socket.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn kernel() -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
        // More than the administrator's limit where it is allowed; the usual room where it is not.
        let _ = setsockopt(&fd, sockopt::RcvBufForce, &ROOM_BYTES);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Self::Kernel(fd))
    }

    /// The stand-in at `path`.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn tree(path: &Path) -> Result<Self, Errno> {
        let failed = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = UnixDatagram::bind(path).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self::Tree(socket, path.to_owned()))
    }

    /// What has been said; an empty list when there is nothing, or nothing of interest.
    #[must_use]
    pub fn hear(&self) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut message = [0; MESSAGE_BYTES_MAX];
        for _ in 0..MESSAGES_MAX {
            match self.receive(&mut message) {
                Ok(bytes) => heard.extend(Uevent::parse(&message[..bytes]).map(Heard::Event)),
                Err(Errno::EAGAIN) => return heard,
                Err(Errno::EINTR) => {}
                // ENOBUFS: the room was too small. Anything else leaves the same doubt.
                Err(_) => {
                    heard.push(Heard::Lost);
                    return heard;
                }
            }
        }
        heard
    }

    /// One message; one that somebody else than the kernel sent has no bytes.
    fn receive(&self, message: &mut [u8]) -> Result<usize, Errno> {
        let fd = match self {
            Self::Tree(socket, _) => {
                let failed = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                return socket.recv(message).map_err(failed);
            }
            Self::Kernel(fd) => fd,
        };
        let mut slices = [IoSliceMut::new(message)];
        let received = recvmsg::<NetlinkAddr>(fd.as_raw_fd(), &mut slices, None, MsgFlags::MSG_DONTWAIT)?;
        let kernel = received.address.is_some_and(|sender| sender.pid() == 0);
        Ok(if kernel { received.bytes } else { 0 })
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Kernel(fd) => fd.as_fd(),
            Self::Tree(socket, _) => socket.as_fd(),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Tree(_, path) = self {
            // Where it cannot be removed, the next start replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Device};
    use super::*;

    #[test]
    fn a_tree_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uevents");
        let source = Source::tree(&path).unwrap();
        assert_eq!(source.hear(), []);
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"add@/devices/x/net/eth7\0SUBSYSTEM=net\0INTERFACE=eth7\0", &path).unwrap();
        sender.send_to(b"junk", &path).unwrap();
        let event = Uevent { device: Device::Interface("eth7".to_owned()), change: Change::Came };
        assert_eq!(source.hear(), [Heard::Event(event)]);
        drop(source);
        assert!(!path.exists());
    }

    #[test]
    fn the_kernel_is_heard_and_nobody_else() {
        diapason_tests::require!(Root);
        std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let (source, forger) = (Source::kernel().unwrap(), Source::kernel().unwrap());
            let forged = b"add@/devices/x/net/forged\0SUBSYSTEM=net\0INTERFACE=forged\0";
            let everybody = NetlinkAddr::new(0, KERNEL_GROUP);
            let fd = forger.as_fd().as_raw_fd();
            nix::sys::socket::sendto(fd, forged, &everybody, MsgFlags::empty()).unwrap();
            // A pair of interfaces in this private namespace.
            let made = std::process::Command::new("ip")
                .args("link add here type veth peer there".split(' '))
                .status();
            if !made.is_ok_and(|status| status.success()) {
                return;
            }
            let named = |heard: Heard| match heard {
                Heard::Event(event) => event.device.to_string(),
                Heard::Lost => "lost".to_owned(),
            };
            let heard: std::collections::BTreeSet<String> = source.hear().into_iter().map(named).collect();
            assert_eq!(heard.into_iter().collect::<Vec<_>>(), ["here", "there"]);
        })
        .join()
        .unwrap();
    }
}
