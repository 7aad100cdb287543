//! The system calls that no safe wrapper offers: the only `unsafe` of this crate is in this folder.

#![expect(
    unsafe_code,
    reason = "swapon(2), swapoff(2), mount_setattr(2), fspick(2) and fsconfig(2) have no safe wrapper in nix, nor has a \
              descriptor out of LISTEN_FDS"
)]

pub(super) mod mount;
pub(super) mod passed;
pub(super) mod process;
pub(super) mod swap;
