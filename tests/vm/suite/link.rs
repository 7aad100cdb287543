//! JSON objects, one a line, over a Unix socket: what QEMU's monitor and the guest's agent both speak.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Longer than any answer: a file of a MiB in base64.
const LINE_BYTES_MAX: usize = 8 << 20;

/// One end of a socket.
pub struct Link {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Link {
    /// Connects; every wait for an answer ends after `patience`.
    pub fn connect(path: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(path).with_context(|| format!("connect to {}", path.display()))?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends a command.
    pub fn send(&mut self, command: &str, arguments: &Value) -> Result<()> {
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.stream.write_all(line.as_bytes()).with_context(|| format!("send {command}"))
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The next line that is JSON; a line that is not was cut off by whoever spoke before.
    pub fn receive(&mut self) -> Result<Value> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let start = line.iter().position(|byte| *byte != 0xff).unwrap_or(0);
                match serde_json::from_slice(&line[start..]) {
                    Ok(value) => return Ok(value),
                    Err(_) => continue,
                }
            }
            if self.received.len() > LINE_BYTES_MAX {
                bail!("a line of more than {LINE_BYTES_MAX} bytes");
            }
            let mut chunk = [0; 1 << 16];
            let bytes = match self.stream.read(&mut chunk) {
                // A read with a time limit ends so when this process, or all of this machine, was frozen and goes on.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.context("no answer in time")?,
            };
            if bytes == 0 {
                bail!("the machine went away");
            }
            self.received.extend_from_slice(&chunk[..bytes]);
        }
    }
}
