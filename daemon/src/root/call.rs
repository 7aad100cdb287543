//! The system calls that no safe wrapper offers: the only `unsafe` of this crate is in this folder.

#![expect(
    unsafe_code,
    reason = "swapon(2) and swapoff(2) have no safe wrapper in nix or rustix, nor has a descriptor out of LISTEN_FDS"
)]

pub(super) mod passed;
pub(super) mod swap;
