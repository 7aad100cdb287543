//! QEMU's own hands: devices that come and go.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::link::Link;

/// A device operation of QEMU takes no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the monitor.
pub struct Monitor {
    link: Link,
}

impl Monitor {
    /// Connects.
    pub fn connect(socket: &Path) -> Result<Self> {
        let mut link = Link::connect(socket, PATIENCE)?;
        link.receive()?;
        let mut monitor = Self { link };
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// One command; events in between are passed over.
    pub fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        self.link.send(command, arguments)?;
        loop {
            let answer = self.link.receive()?;
            if let Some(error) = answer.get("error") {
                bail!("monitor: {command}: {error}");
            }
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
    }

    /// Waits until the guest has let go of a device that was taken away.
    pub fn wait_for_removal(&mut self, device: &str) -> Result<()> {
        loop {
            let event = self.link.receive()?;
            if event["event"] == json!("DEVICE_DELETED") && event["data"]["device"] == json!(device) {
                return Ok(());
            }
        }
    }
}
