//! A blocking client of the daemon, for the command line.
//!
//! The wire is Varlink (varlink.org): one JSON object a message, ended by a NUL byte, over a Unix socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::apply::report::{ApplyReport, RollbackReport, StatusReport, VerifyReport};
use crate::plan::Gate;

/// Where the daemon listens.
pub const SOCKET: &str = "/run/diapason/control.sock";

/// Longer than any operation of the daemon: taking swap away moves all of its pages.
const TIMEOUT: Duration = Duration::from_secs(900);

/// Longer than the report of a machine with hundreds of disks.
const REPLY_BYTES_MAX: u64 = 16 << 20;

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error("cannot reach diapasond at {path}: {source}; start it with `systemctl start diapasond`")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The caller may not use the socket at all.
    #[error("{path} is not open to you; use sudo, or ask for membership in the group diapason")]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The connection broke.
    #[error("diapasond at {path} did not answer: {source}")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The answer is not of the protocol.
    #[error(
        "diapasond at {path} answered what is not of this version: {source}; restart it after an upgrade"
    )]
    Reply {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The daemon refused the call.
    #[error("diapasond refused: {message}")]
    Refused {
        /// The Varlink error, `io.diapason.Tuning.NotPermitted`.
        error: String,
        /// What it says.
        message: String,
    },
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    parameters: Value,
    error: Option<String>,
}

impl Client {
    /// Connects to the daemon that listens at `path`; [`SOCKET`] is the usual place.
    ///
    /// # Errors
    /// When nobody listens there or the caller may not connect.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::PermissionDenied => ClientError::Forbidden { path: path.to_owned() },
            _ => ClientError::Unreachable { path: path.to_owned(), source },
        })?;
        let broken = |source| ClientError::Broken { path: path.to_owned(), source };
        stream.set_read_timeout(Some(TIMEOUT)).map_err(broken)?;
        Ok(Self { path: path.to_owned(), stream: BufReader::new(stream) })
    }

    /// Brings the machine to a profile, by name.
    ///
    /// # Errors
    /// When the daemon does not answer or refuses. A profile that was tried and undone is a report, not an error.
    pub fn apply(&mut self, profile: &str) -> Result<ApplyReport, ClientError> {
        self.apply_behind(profile, Gate::Allow)
    }

    /// The same behind a gate for changes that disturb.
    ///
    /// # Errors
    /// As [`Client::apply`].
    pub fn apply_behind(&mut self, profile: &str, disruption: Gate) -> Result<ApplyReport, ClientError> {
        self.call("Apply", &json!({ "profile": profile, "disruption": disruption }))
    }

    /// Compares the machine with a profile; `None` is the one in force.
    ///
    /// # Errors
    /// When the daemon does not answer or refuses, or no profile is in force.
    pub fn verify(&mut self, profile: Option<&str>) -> Result<VerifyReport, ClientError> {
        self.call("Verify", &json!({ "profile": profile }))
    }

    /// Brings every knob back to its original value.
    ///
    /// # Errors
    /// When the daemon does not answer or refuses.
    pub fn rollback(&mut self) -> Result<RollbackReport, ClientError> {
        self.call("Rollback", &json!({}))
    }

    /// What the daemon holds.
    ///
    /// # Errors
    /// When the daemon does not answer or refuses.
    pub fn status(&mut self) -> Result<StatusReport, ClientError> {
        self.call("Status", &json!({}))
    }

    fn call<T: DeserializeOwned>(&mut self, method: &str, parameters: &Value) -> Result<T, ClientError> {
        let broken = |source| ClientError::Broken { path: self.path.clone(), source };
        let wrong = |source| ClientError::Reply { path: self.path.clone(), source };
        let mut message =
            json!({ "method": format!("io.diapason.Tuning.{method}"), "parameters": parameters }).to_string();
        message.push('\0');
        self.stream.get_mut().write_all(message.as_bytes()).map_err(broken)?;
        let mut answer = Vec::new();
        (&mut self.stream).take(REPLY_BYTES_MAX).read_until(0, &mut answer).map_err(broken)?;
        if answer.pop() != Some(0) {
            return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let reply: Reply = serde_json::from_slice(&answer).map_err(wrong)?;
        let Some(error) = reply.error else {
            // A report is in the one member `report`, so that others can be added beside it.
            return serde_json::from_value(reply.parameters.get("report").cloned().unwrap_or_default())
                .map_err(wrong);
        };
        let message = reply.parameters.get("message").and_then(Value::as_str).unwrap_or(&error).to_owned();
        Err(ClientError::Refused { error, message })
    }
}
