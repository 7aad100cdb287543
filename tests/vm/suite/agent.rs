//! The guest's hands: commands through the guest agent, with their status and what they said.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::link::Link;

/// How a command ended.
#[derive(Debug)]
pub struct Output {
    /// The exit status, 128 and the signal, or 124 where the time was over.
    pub status: i64,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A connection to the agent.
pub struct Agent {
    link: Link,
}

impl Agent {
    /// Connects and skips what an earlier client may have left in the line.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        let mut link = Link::connect(socket, patience)?;
        let id = u64::from(std::process::id()) << 20 | u64::from(Instant::now().elapsed().subsec_nanos());
        link.send_raw(&[0xff])?;
        link.send("guest-sync", &json!({ "id": id }))?;
        while link.receive()?["return"] != json!(id) {}
        Ok(Self { link })
    }

    /// Runs a program and waits for it; after `patience` it is left alone and the status is 124.
    pub fn run(&mut self, program: &[&str], input: &str, patience: Duration) -> Result<Output> {
        let (path, arguments) = program.split_first().context("a program")?;
        let started = self.ask(
            "guest-exec",
            &json!({
                "path": path, "arg": arguments, "capture-output": true, "input-data": STANDARD.encode(input),
            }),
        )?;
        let (end, mut nap) = (Instant::now() + patience, Duration::from_millis(10));
        loop {
            let status = self.ask("guest-exec-status", &json!({ "pid": started["pid"] }))?;
            if status["exited"] == json!(true) {
                let text = |name: &str| -> Result<String> {
                    let bytes = STANDARD.decode(status[name].as_str().unwrap_or_default())?;
                    Ok(String::from_utf8_lossy(&bytes).into_owned())
                };
                let code = status["exitcode"].as_i64();
                let code = code.unwrap_or_else(|| 128 + status["signal"].as_i64().unwrap_or(0));
                return Ok(Output { status: code, out: text("out-data")?, err: text("err-data")? });
            }
            if Instant::now() > end {
                return Ok(Output { status: 124, out: String::new(), err: "out of time".to_owned() });
            }
            std::thread::sleep(nap);
            nap = (nap * 3 / 2).min(Duration::from_millis(200));
        }
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        self.link.send(command, arguments)?;
        let answer = self.link.receive().with_context(|| format!("agent: {command}"))?;
        if let Some(error) = answer.get("error") {
            bail!("agent: {command}: {error}");
        }
        Ok(answer["return"].clone())
    }
}
