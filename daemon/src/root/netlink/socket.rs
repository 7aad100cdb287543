//! One question and its answer.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recvfrom, sendto, socket,
};

use super::{DONE, ERROR, messages};

/// Twice the largest datagram that the kernel makes for an answer (32 KiB, `netlink_dump`).
const ANSWER_BYTES: usize = 64 << 10;
/// An answer and an acknowledgement are two datagrams; notices of other things are not subscribed to.
const DATAGRAMS_MAX: usize = 16;
/// A list comes in datagrams of some dozen answers each.
const LIST_DATAGRAMS_MAX: usize = 4096;
/// `NLM_F_REQUEST | NLM_F_ACK`.
pub(in crate::root) const ASK: u16 = 1 | 4;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
pub(in crate::root) const LIST: u16 = 1 | 0x300;
/// `NLM_F_DUMP_INTR`: what is listed changed meanwhile.
const INTERRUPTED: u16 = 0x10;

/// Sends `message` and returns the body of the kernel's answer, empty where the kernel only agrees.
///
/// The kernel works on a message while it is being sent, so the answer is there when the call returns: nothing here
/// waits.
///
/// # Errors
/// The kernel's error number.
pub(in crate::root) fn exchange(protocol: SockProtocol, message: Vec<u8>) -> Result<Vec<u8>, Errno> {
    let (socket, sequence) = ask(protocol, message)?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; ANSWER_BYTES];
    for _ in 0..DATAGRAMS_MAX {
        let (bytes, from) = recvfrom::<NetlinkAddr>(socket.as_raw_fd(), &mut buffer)?;
        // Port 0 is the kernel; another process may send to any port.
        if from.map(|address| address.pid()) != Some(0) {
            continue;
        }
        let datagram = buffer.get(..bytes).ok_or(Errno::EMSGSIZE)?;
        for message in messages(datagram).filter(|message| message.sequence == sequence) {
            if message.kind != ERROR {
                answer = message.body.to_vec();
                continue;
            }
            let number = message.body.get(..4).and_then(|bytes| bytes.try_into().ok());
            return match number.map(i32::from_ne_bytes) {
                Some(0) => Ok(answer),
                Some(number) => Err(Errno::from_raw(number.saturating_neg())),
                None => Err(Errno::EBADMSG),
            };
        }
    }
    Err(Errno::EBADMSG)
}

/// Sends `message` and returns the bodies of all the kernel's answers. The kernel makes them while they are fetched.
///
/// # Errors
/// The kernel's error number; `EINTR` when what is listed changed meanwhile.
pub(in crate::root) fn list(protocol: SockProtocol, message: Vec<u8>) -> Result<Vec<Vec<u8>>, Errno> {
    let (socket, sequence) = ask(protocol, message)?;
    let mut answers = Vec::new();
    let mut buffer = vec![0; ANSWER_BYTES];
    for _ in 0..LIST_DATAGRAMS_MAX {
        let (bytes, from) = recvfrom::<NetlinkAddr>(socket.as_raw_fd(), &mut buffer)?;
        if from.map(|address| address.pid()) != Some(0) {
            continue;
        }
        let datagram = buffer.get(..bytes).ok_or(Errno::EMSGSIZE)?;
        for message in messages(datagram).filter(|message| message.sequence == sequence) {
            if message.flags & INTERRUPTED != 0 {
                return Err(Errno::EINTR);
            }
            match message.kind {
                DONE => return Ok(answers),
                ERROR => {
                    let number = message.body.get(..4).and_then(|bytes| bytes.try_into().ok());
                    let number = number.map_or(0, i32::from_ne_bytes);
                    return Err(Errno::from_raw(number.saturating_neg()));
                }
                _ => answers.push(message.body.to_vec()),
            }
        }
    }
    Err(Errno::EBADMSG)
}

/// Sends `message` under a number of its own.
fn ask(protocol: SockProtocol, mut message: Vec<u8>) -> Result<(OwnedFd, u32), Errno> {
    static SEQUENCE: AtomicU32 = AtomicU32::new(1);
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    message.get_mut(8..12).ok_or(Errno::EINVAL)?.copy_from_slice(&sequence.to_ne_bytes());
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    Ok((socket, sequence))
}
