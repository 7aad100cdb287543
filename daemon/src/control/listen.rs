//! Where callers connect: a socket of the service manager's, or one of our own.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt};

use super::ControlError;

/// A listening socket. One that was made here has its file removed with it; the service manager keeps its own.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: Option<PathBuf>,
}

impl Listener {
    /// The first socket that listens out of what the service manager passed, which then has it no more.
    #[must_use]
    pub fn take(passed: &mut Vec<(String, OwnedFd)>) -> Option<Self> {
        let listens = |fd: &OwnedFd| getsockopt(fd, sockopt::AcceptConn).unwrap_or(false);
        let at = passed.iter().position(|(_, fd)| listens(fd))?;
        Some(Self { socket: passed.remove(at).1.into(), path: None })
    }

    /// A new socket at `path` with the permissions `mode`: 0o666 where anybody may ask and each call is judged by its
    /// caller.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn make(path: &Path, mode: u32) -> Result<Self, ControlError> {
        let failed = |verb| move |source| ControlError::Socket { verb, path: path.to_owned(), source };
        // Whoever left it is gone: the journal's lock lets only one daemon come this far.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("replace")(error));
            }
            _ => {}
        }
        let socket = UnixListener::bind(path).map_err(failed("make"))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).map_err(failed("open up"))?;
        Ok(Self { socket, path: Some(path.to_owned()) })
    }

    /// The socket itself.
    #[must_use]
    pub const fn socket(&self) -> &UnixListener {
        &self.socket
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Where it cannot be removed, the next start replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_socket_is_told_from_a_stored_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let stored: OwnedFd = tempfile::tempfile().unwrap().into();
        let socket: OwnedFd = UnixListener::bind(folder.path().join("socket")).unwrap().into();
        let mut passed =
            vec![("cpu.dma_latency".to_owned(), stored), ("diapasond.socket".to_owned(), socket)];
        assert!(Listener::take(&mut passed).unwrap().path.is_none());
        assert_eq!(passed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["cpu.dma_latency"]);
        assert!(Listener::take(&mut passed).is_none());
        assert!(folder.path().join("socket").exists(), "the service manager's socket stays");
    }

    #[test]
    fn a_socket_of_our_own_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        std::fs::write(&path, "left by somebody").unwrap();
        drop(Listener::make(&path, 0o666).unwrap());
        assert!(!path.exists());
        let error = Listener::make(&folder.path().join("none/socket"), 0o666).unwrap_err().to_string();
        assert!(error.contains("its folder must exist and be writable"), "{error}");
    }
}
