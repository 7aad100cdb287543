//! Programs of others, each in a process of its own that takes requests and gives answers, a line of JSON each.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run must not give a number")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running script of `benches/rivals/`; it ends with this value.
pub struct Rival {
    child: Child,
    answers: Box<dyn Iterator<Item = String>>,
}

impl Rival {
    /// Starts `script` with the interpreter that `RIVALS_PYTHON` names; `None` when it names none.
    ///
    /// # Panics
    /// When it names something that does not start.
    #[must_use]
    pub fn start(script: &str) -> Option<Self> {
        Self::start_with(script, &[])
    }

    /// [`Rival::start`] with further variables in its environment.
    ///
    /// # Panics
    /// As [`Rival::start`].
    #[must_use]
    pub fn start_with(script: &str, environment: &[(&str, &str)]) -> Option<Self> {
        let python = std::env::var_os("RIVALS_PYTHON").map(PathBuf::from)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals").join(script);
        let mut command = Command::new(python);
        // What libraries warn of is not part of an answer.
        command.envs(environment.iter().copied());
        command.args(["-W", "ignore"]).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("RIVALS_PYTHON starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Some(Self { child, answers: Box::new(lines.map_while(Result::ok)) })
    }

    /// The answer to a request.
    ///
    /// # Panics
    /// When there is none.
    pub fn ask(&mut self, request: &Value) -> Value {
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{request}").expect("the rivals listen");
        let answer = self.answers.find(|line| line.starts_with('{')).expect("the rivals answer");
        serde_json::from_str(&answer).expect("an answer is JSON")
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
