//! Who is at the other end of a connection, as the kernel says (SO_PEERCRED), and what they may do.

use std::ffi::CString;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist};

use super::GROUP;

/// A caller.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    uid: Uid,
    gid: Gid,
}

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = getsockopt(stream, sockopt::PeerCredentials).ok()?;
        Some(Self { uid: Uid::from_raw(credentials.uid()), gid: Gid::from_raw(credentials.gid()) })
    }

    /// A caller that is this process itself.
    #[cfg(test)]
    pub(super) fn myself() -> Self {
        Self { uid: geteuid(), gid: nix::unistd::getegid() }
    }

    /// Whether the caller may change the machine: root, the user that the daemon runs as (a tree of one's own),
    /// and the members of the group. An unknown user or group is nobody.
    pub(super) fn may_change(self) -> bool {
        if self.uid.is_root() || self.uid == geteuid() {
            return true;
        }
        let Ok(Some(group)) = Group::from_name(GROUP) else { return false };
        let member = || {
            let user = User::from_uid(self.uid).ok()??;
            let groups = getgrouplist(&CString::new(user.name).ok()?, self.gid).ok()?;
            Some(groups.contains(&group.gid))
        };
        self.gid == group.gid || member().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_may_look_only() {
        assert!(Peer::myself().may_change());
        let nobody = Peer { uid: Uid::from_raw(65_534), gid: Gid::from_raw(65_534) };
        assert!(geteuid().as_raw() == 65_534 || !nobody.may_change());
        assert_eq!(Peer::myself().gid, nix::unistd::getegid());
    }
}
