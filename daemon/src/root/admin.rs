//! Asking a helper with more rights: the daemon itself has next to none.
//!
//! What can be asked is the closed list [`Request`]; the helper looks at each for itself. One connection a request: a JSON
//! object and a NUL in each direction, with a descriptor beside the answer where one is asked for.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::call::passed::received;
use super::gpu::Gpus;
use super::{Root, RootError, errno};

/// Longer than taking swap away, which moves all of its pages.
const PATIENCE: Duration = Duration::from_secs(900);

/// Longer than any answer: the names of all files that are sent, or the settings of sixteen GPUs.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Everything that can be asked of the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// To write a value to a knob of the catalogue.
    Write {
        /// The full name.
        knob: String,
        /// The value in canonical form.
        value: String,
    },
    /// To open the device of PM QoS, and to send its descriptor.
    Latency,
    /// To make a group of fanotify watches, and to send its descriptor.
    Watch,
    /// To open the files of knobs for reading, [`OPENED_MAX`] at most, and to send their descriptors. The daemon has a /proc
    /// of its own, whose files nobody else writes to.
    Files {
        /// The full names.
        knobs: Vec<String>,
    },
    /// To read what can be set of every GPU.
    Gpus,
    /// Nothing. Requests are done one after the other, so this is answered when no earlier one is under way.
    Nothing {},
}

/// Descriptors that one answer may bring: the kernel passes no more at a time (`SCM_MAX_FD`).
pub const OPENED_MAX: usize = 253;

/// What the helper says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was done.
    Done {},
    /// These files come with it, each by the knob whose it is.
    Opened {
        /// The full names, in the order of the descriptors.
        knobs: Vec<String>,
    },
    /// The settings of each GPU.
    Gpus {
        /// By their identifiers.
        gpus: Gpus,
    },
    /// It was not done.
    Refused {
        /// Why.
        message: String,
    },
}

impl Root {
    /// The same root for a process that leaves to the helper at `socket` what it may not do itself.
    #[must_use]
    pub fn with_admin(mut self, socket: PathBuf) -> Self {
        self.admin = Some(Arc::new(socket));
        self
    }

    /// Whether there is a helper to ask.
    #[must_use]
    pub const fn has_admin(&self) -> bool {
        self.admin.is_some()
    }

    /// Asks the helper, and waits until it has answered.
    ///
    /// # Errors
    /// When there is none, it does not answer, or it refuses.
    pub fn ask(&self, request: &Request) -> Result<Option<OwnedFd>, RootError> {
        self.converse(request).map(|(_, fds)| fds.into_iter().next())
    }

    /// As [`Root::ask`], with all that is said and sent.
    ///
    /// # Errors
    /// As [`Root::ask`].
    pub fn converse(&self, request: &Request) -> Result<(Answer, Vec<OwnedFd>), RootError> {
        let path = self.admin.as_ref().map(|path| path.as_path()).unwrap_or_else(|| "".as_ref());
        let helper = || path.display().to_string();
        let unreachable = |errno| RootError::NoHelper { helper: helper(), errno };
        let broken = |error: std::io::Error| unreachable(errno(&error));
        self.spend(&helper(), "request")?;
        let mut message = serde_json::to_vec(request).map_err(|_| unreachable(Errno::EINVAL))?;
        message.push(0);
        let mut stream = UnixStream::connect(path).map_err(broken)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
        stream.write_all(&message).map_err(broken)?;
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        let (mut bytes, fds) = received(&stream, &mut answer).map_err(unreachable)?;
        while bytes > 0 && bytes < answer.len() && answer[bytes - 1] != 0 {
            match stream.read(&mut answer[bytes..]).map_err(broken)? {
                0 => break,
                more => bytes += more,
            }
        }
        // It was killed before it could answer: whether it was done is for the caller to look at.
        let whole = answer[..bytes].strip_suffix(&[0]).ok_or_else(|| unreachable(Errno::ECONNRESET))?;
        match serde_json::from_slice(whole) {
            Ok(Answer::Refused { message }) => Err(RootError::Helper { helper: helper(), message }),
            Ok(answer) => Ok((answer, fds)),
            Err(_) => Err(unreachable(Errno::EPROTO)),
        }
    }
}
