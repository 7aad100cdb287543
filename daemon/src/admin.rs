//! The helper with more rights: `diapasond --helper`, started by systemd when the daemon asks, gone soon after.
//!
//! The daemon faces callers, reads profiles and has next to no rights; this has rights, faces only the daemon (the
//! socket is root's, and the caller's identity is checked before a byte is read), reads no profile and knows six
//! requests. A value is held against the catalogue here again, whatever the daemon thought of it. Requests are done one
//! after the other, also those of a daemon that was killed since: its successor waits for them (`Request::Nothing`) before it
//! looks at what is to be undone.

use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, getsockopt, sendmsg, sockopt};
use nix::unistd::geteuid;

use crate::knob::{Class, Form, Identity, Instance, KnobError, UnknownKnob};
use crate::root::{Answer, OPENED_MAX, Request, Root, RootError, said};
use crate::watch::Watch;

/// How long it stays when nobody asks: an apply comes with several requests, then comes nothing for hours.
const IDLE: Duration = Duration::from_secs(10);

/// How long a caller may take over its request.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Longer than any request: a name, and a value such as the environment of a service.
const REQUEST_BYTES_MAX: u64 = 64 << 10;

const LATENCY: &str = "/dev/cpu_dma_latency";

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Not a request.
    #[error("this is no request: {0}")]
    Request(#[from] serde_json::Error),
    /// A name that no knob has.
    #[error(transparent)]
    Unknown(#[from] UnknownKnob),
    /// The knob refused.
    #[error("{knob}: {error}")]
    Knob {
        /// The full name.
        knob: String,
        /// The error.
        error: KnobError,
    },
    /// An action that cannot be undone.
    #[error("{0} cannot be undone and is not written")]
    Irreversible(String),
    /// A knob of a network namespace, which is not this process's.
    #[error("{0} is of a network namespace that the helper is not in; the daemon writes it itself")]
    Namespace(String),
    /// The machine refused.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The kernel refused.
    #[error("cannot {verb}: {}", said(*errno))]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
}

/// Does what is asked on `listener` until nobody has asked for a while.
///
/// # Errors
/// When the kernel refuses to wait.
pub fn serve(root: &Root, listener: &UnixListener) -> Result<(), AdminError> {
    let patience = PollTimeout::try_from(IDLE).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], patience) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(AdminError::Refused { verb: "wait", errno }),
        }
        // Whoever has hung up already is no reason to end.
        if let Ok((stream, _)) = listener.accept()
            && is_daemon(&stream)
        {
            attend(root, stream);
        }
    }
}

/// Whether the caller is root, or runs as this process does (a tree of one's own).
fn is_daemon(stream: &UnixStream) -> bool {
    let caller = getsockopt(stream, sockopt::PeerCredentials).ok();
    caller.is_some_and(|caller| caller.uid() == 0 || caller.uid() == geteuid().as_raw())
}

fn attend(root: &Root, mut stream: UnixStream) {
    let mut message = Vec::new();
    let timeouts =
        stream.set_read_timeout(Some(SILENCE_MAX)).and(stream.set_write_timeout(Some(SILENCE_MAX)));
    if timeouts.is_err() {
        return;
    }
    let mut byte = [0; 512];
    while message.last() != Some(&0) && (message.len() as u64) < REQUEST_BYTES_MAX {
        match stream.read(&mut byte) {
            Ok(bytes) if bytes > 0 => message.extend_from_slice(&byte[..bytes]),
            // Half a request: a caller that was killed while it wrote.
            _ => return,
        }
    }
    let message = message.strip_suffix(&[0]).unwrap_or(&message);
    let (answer, fds) = match perform(root, message) {
        Ok(done) => done,
        Err(error) => (Answer::Refused { message: error.to_string() }, Vec::new()),
    };
    let Ok(mut bytes) = serde_json::to_vec(&answer) else { return };
    bytes.push(0);
    let fds: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let control = [ControlMessage::ScmRights(&fds)];
    let control = if fds.is_empty() { &[][..] } else { &control[..] };
    // A caller that has gone meanwhile looks for itself when it is back.
    let flags = MsgFlags::MSG_NOSIGNAL;
    let _ = sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(&bytes)], control, flags, None);
}

/// Does what a message asks for; what to say, and the descriptors to send.
fn perform(root: &Root, message: &[u8]) -> Result<(Answer, Vec<OwnedFd>), AdminError> {
    let done = |fds| Ok((Answer::Done {}, fds));
    match serde_json::from_slice(message)? {
        Request::Nothing {} => done(Vec::new()),
        Request::Latency => done(vec![root.open_device(LATENCY)?]),
        Request::Watch => {
            let refused = |errno| AdminError::Refused { verb: "watch files", errno };
            done(vec![Watch::group().map_err(refused)?])
        }
        Request::Files { knobs } => {
            let (knobs, fds) = files(root, &knobs)?;
            Ok((Answer::Opened { knobs }, fds))
        }
        Request::Gpus => Ok((Answer::Gpus { gpus: root.gpus()? }, Vec::new())),
        Request::Write { knob, value } => {
            let instance = Instance::find(&knob)?;
            let failed = |error: KnobError| AdminError::Knob { knob: knob.clone(), error };
            if instance.knob.spec().class == Class::Irreversible {
                return Err(AdminError::Irreversible(knob));
            }
            if matches!(
                instance.knob.spec().identity,
                Identity::NetNamespace | Identity::Interface | Identity::Queue
            ) {
                return Err(AdminError::Namespace(knob));
            }
            match instance.knob.spec().form {
                // The knob, or the machine, knows what it takes, and refuses anything else when it is written.
                // A set of CPUs may be part of a state that has words beside it (`isolated 2-3`).
                Form::Special(_) | Form::Word | Form::Cpus => {}
                form => {
                    form.canonical(&value).map_err(|error| failed(error.into()))?;
                }
            }
            instance.write(root, &value).map_err(failed)?;
            done(Vec::new())
        }
    }
}

/// The files of knobs of the catalogue, open for reading, each with the name of its knob. What is not there, or cannot be
/// read, is left out: nobody can be seen writing to it.
fn files(root: &Root, knobs: &[String]) -> Result<(Vec<String>, Vec<OwnedFd>), AdminError> {
    let (mut names, mut fds) = (Vec::new(), Vec::new());
    for name in knobs {
        let instance = Instance::find(name)?;
        for path in instance.knob.files(&instance.target) {
            if let (Ok(Some(file)), true) = (root.pin(&path), fds.len() < OPENED_MAX) {
                names.push(name.clone());
                fds.push(file);
            }
        }
    }
    Ok((names, fds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_catalogue_within_its_bounds() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/sys/vm")).unwrap();
        std::fs::write(folder.path().join("proc/sys/vm/swappiness"), "60\n").unwrap();
        let root = Root::new(folder.path());
        let write = |knob: &str, value: &str| {
            let request = Request::Write { knob: knob.to_owned(), value: value.to_owned() };
            perform(&root, &serde_json::to_vec(&request).unwrap())
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert_eq!(write("vm.swappiness", "10"), Ok(()));
        assert_eq!(root.read("/proc/sys/vm/swappiness").unwrap().as_deref(), Some("10\n"));
        assert_eq!(
            write("vm.swappiness", "201"),
            Err("vm.swappiness: 201 is out of range; give 0 to 200".to_owned())
        );
        assert!(write("kernel.core_pattern", "|/bin/sh").unwrap_err().contains("unknown knob"));
        assert!(write("vm.drop_caches", "3").unwrap_err().contains("cannot be undone"));
        assert!(write("net.core.somaxconn", "4096").unwrap_err().contains("network namespace"));
        assert!(write("swap.file", "../../etc/shadow").is_err());
        let said = |bytes: &[u8]| perform(&root, bytes).map(drop).unwrap_err().to_string();
        assert!(said(b"{\"remove\":\"/etc\"}").contains("this is no request: unknown variant"));
        assert!(
            said(b"{\"write\":{\"knob\":\"vm.swappiness\",\"value\":\"1\",\"path\":\"/x\"}}")
                .contains("unknown field")
        );
        assert!(perform(&root, b"{\"nothing\":{}}").unwrap().1.is_empty());
        let opened =
            |names: &str| perform(&root, format!("{{\"files\":{{\"knobs\":[{names}]}}}}").as_bytes());
        let (answer, fds) = opened("\"vm.swappiness\",\"vm.stat_interval\"").unwrap();
        assert_eq!((answer, fds.len()), (Answer::Opened { knobs: vec!["vm.swappiness".to_owned()] }, 1));
        assert!(opened("\"kernel.core_pattern\"").is_err());
        std::fs::create_dir_all(folder.path().join("nvml/GPU-5a")).unwrap();
        std::fs::write(folder.path().join("nvml/GPU-5a/compute_mode"), "default\n").unwrap();
        let (answer, _) = perform(&root, b"\"gpus\"").unwrap();
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"gpus":{"gpus":{"GPU-5a":{"compute_mode":"default"}}}}"#
        );
        assert_eq!(write("gpu.GPU-5a.compute_mode", "prohibited"), Ok(()));
        assert!(write("gpu.GPU-5a.compute_mode", "mine").unwrap_err().contains("gpu.GPU-5a.compute_mode"));
    }

    proptest! {
        #[test]
        fn junk_is_refused(junk in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            let root = Root::nowhere();
            prop_assert!(perform(&root, &junk).is_err());
            prop_assert!(perform(&root, text.as_bytes()).is_err());
        }
    }
}
