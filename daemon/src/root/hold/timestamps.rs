//! A socket that asks for the time at which packets are received.
//!
//! The kernel takes that time for every packet as long as one socket of the machine wants it. The first that does and the
//! last that does not make it rewrite its own code, which interrupts every CPU (`netstamp_needed_key` in net/core/dev.c).
//! A socket that is always there spares the machine that each time chronyd(8) or ptp4l(8) opens one.
//!
//! Any socket but a Unix one counts (`sock_needs_netstamp` in net/core/sock.c), so it is one of netlink, which the daemon
//! may open. It has a number of its own, by which other processes find it in /proc/net/netlink.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::PoisonError;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, TimestampingFlag, bind, setsockopt, socket,
    sockopt,
};
use sd_notify::NotifyState;

use super::{Hold, Root, RootError};

/// In a tree: 1 while it is held.
const PICTURE: &str = "/socket/timestamping";
const TABLE: &str = "/proc/net/netlink";
/// `diap` as bytes: beyond every process number, so that the kernel gives it to nobody by itself.
const PORT: u32 = 0x6469_6170;
/// `NETLINK_USERSOCK`, in which the kernel says nothing.
const FAMILY: &str = "2";

impl Root {
    /// Whether the socket is held: by this process, or by another where this one is not the one that holds.
    ///
    /// # Errors
    /// When the machine cannot be read.
    pub fn has_timestamps(&self, name: &str) -> Result<Option<bool>, RootError> {
        if !self.is_machine() {
            return Ok(self.read(PICTURE)?.map(|text| text.trim() == "1"));
        }
        if let Some(holds) = &self.holds {
            return Ok(Some(holds.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)));
        }
        let ours = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            words.next() == Some(FAMILY) && words.next().and_then(|port| port.parse().ok()) == Some(PORT)
        };
        Ok(self.read(TABLE)?.map(|table| table.lines().any(ours)))
    }

    /// Holds the socket under `name`; one that is held already is told again what it asks for.
    ///
    /// # Errors
    /// When the kernel refuses it, or this process is not the one that holds.
    pub fn hold_timestamps(&self, name: &str) -> Result<(), RootError> {
        if !self.is_machine() {
            return self.write(PICTURE, "1");
        }
        let refused = |errno| RootError::Write { path: TABLE.to_owned(), data: name.to_owned(), errno };
        self.spend(TABLE, name)?;
        let holds = self.holds.as_ref().ok_or_else(|| refused(Errno::EPERM))?;
        let mut holds = holds.lock().unwrap_or_else(PoisonError::into_inner);
        if !holds.contains_key(name) {
            let file = opened().map_err(refused)?;
            holds.insert(name.to_owned(), Hold { file, value: None, stored: false });
        }
        let Some(hold) = holds.get_mut(name) else { return Ok(()) };
        if let Err(errno) = ask(&hold.file, true) {
            holds.remove(name);
            return Err(refused(errno));
        }
        hold.value = Some(1);
        if !std::mem::replace(&mut hold.stored, true) {
            // As with every hold: without a store it ends with this process, and the next start says so.
            let _ = sd_notify::notify_with_fds(
                &[NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")],
                &[hold.file.as_fd()],
            );
        }
        Ok(())
    }

    /// Lets go of the socket. What it asks for ends now, also while the service manager has a copy yet.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn release_timestamps(&self, name: &str) -> Result<(), RootError> {
        if !self.is_machine() {
            return self.write(PICTURE, "0");
        }
        self.spend(TABLE, name)?;
        let Some(holds) = &self.holds else { return Ok(()) };
        let Some(hold) = holds.lock().unwrap_or_else(PoisonError::into_inner).remove(name) else {
            return Ok(());
        };
        let _ = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
        let refused = |errno| RootError::Write { path: TABLE.to_owned(), data: name.to_owned(), errno };
        ask(&hold.file, false).map_err(refused)
    }
}

fn opened() -> Result<File, Errno> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkUserSock,
    )?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(PORT, 0))?;
    Ok(fd.into())
}

fn ask(file: &File, wanted: bool) -> Result<(), Errno> {
    let flags =
        if wanted { TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE } else { TimestampingFlag::empty() };
    setsockopt(file, sockopt::Timestamping, &flags)
}

#[cfg(test)]
mod tests {
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::socket::getsockopt;

    use super::*;

    #[test]
    fn a_socket_of_the_real_kernel_is_held_seen_and_let_go() {
        diapason_tests::require!(Root);
        std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let name = "net.rx_timestamps";
            let (daemon, other) = (Root::new("/").holding([]), Root::new("/"));
            assert_eq!(daemon.has_timestamps(name).unwrap(), Some(false));
            assert!(other.hold_timestamps(name).unwrap_err().to_string().contains("Operation not permitted"));
            daemon.hold_timestamps(name).unwrap();
            daemon.hold_timestamps(name).unwrap();
            assert_eq!((daemon.has_timestamps(name).unwrap(), daemon.holds().len()), (Some(true), 1));
            let copy = {
                let holds = daemon.holds.as_ref().unwrap().lock().unwrap();
                holds[name].file.try_clone().unwrap()
            };
            let asked = || getsockopt(&copy, sockopt::Timestamping).unwrap();
            assert_eq!(asked(), TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE);
            // The table of this thread's own network.
            let table = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
            assert!(
                table.lines().any(|line| line.split_whitespace().nth(2) == Some(&PORT.to_string())),
                "{table}"
            );
            // The next daemon gets it from the service manager.
            let next = Root::new("/").holding([(name.to_owned(), copy.try_clone().unwrap().into())]);
            assert_eq!(next.has_timestamps(name).unwrap(), Some(true));
            next.hold_timestamps(name).unwrap();
            next.release_timestamps(name).unwrap();
            assert_eq!(next.has_timestamps(name).unwrap(), Some(false));
            assert_eq!(asked(), TimestampingFlag::empty(), "it asks for nothing, whoever has a copy");
        })
        .join()
        .unwrap();
    }
}
