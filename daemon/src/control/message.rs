//! Varlink messages: one JSON object each, ended by NUL. Pure. (varlink.org, "Method Call"; "Reply")

use serde::Deserialize;
use serde_json::{Value, json};

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// Interface and method, `io.diapason.Tuning.Apply`.
    pub method: String,
    /// The parameters; an object, or nothing.
    #[serde(default)]
    pub parameters: Value,
    /// Whether no answer is wanted.
    #[serde(default)]
    pub oneway: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    parameters: Value,
    error: Option<String>,
}

impl Call {
    /// The call in the bytes of one message, without its NUL.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The interface and the method in it.
    pub(super) fn split(&self) -> (&str, &str) {
        self.method.rsplit_once('.').unwrap_or(("", &self.method))
    }

    /// A parameter that is a string, and whether it is there at all.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Reply> {
        match self.parameters.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Reply::invalid_parameter(name)),
        }
    }
}

impl Reply {
    pub(super) const fn of(parameters: Value) -> Self {
        Self { parameters, error: None }
    }

    /// An error of the interface `io.diapason.Tuning`.
    pub(super) fn error(name: &str, message: &str) -> Self {
        let error = Some(format!("io.diapason.Tuning.{name}"));
        Self { parameters: json!({ "message": message }), error }
    }

    pub(super) fn invalid_parameter(parameter: &str) -> Self {
        Self::protocol("InvalidParameter", &json!({ "parameter": parameter }))
    }

    /// An error of the interface `org.varlink.service`.
    pub(super) fn protocol(name: &str, parameters: &Value) -> Self {
        Self { parameters: parameters.clone(), error: Some(format!("org.varlink.service.{name}")) }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut object = serde_json::Map::new();
        object.insert("parameters".to_owned(), self.parameters.clone());
        object.extend(self.error.clone().map(|error| ("error".to_owned(), Value::String(error))));
        let mut bytes = Value::Object(object).to_string().into_bytes();
        bytes.push(0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calls_and_replies() {
        let call =
            Call::parse(br#"{"method":"io.diapason.Tuning.Apply","parameters":{"profile":"p"},"more":true}"#)
                .unwrap();
        assert_eq!(call.split(), ("io.diapason.Tuning", "Apply"));
        assert_eq!(call.text("profile"), Ok(Some("p")));
        assert_eq!(call.text("other"), Ok(None));
        assert_eq!(Reply::of(json!({"a": 1})).encode(), b"{\"parameters\":{\"a\":1}}\0");
        let error = String::from_utf8(Reply::error("Failed", "no").encode()).unwrap();
        assert_eq!(error, "{\"error\":\"io.diapason.Tuning.Failed\",\"parameters\":{\"message\":\"no\"}}\0");
    }

    proptest! {
        #[test]
        fn junk_is_an_error_and_never_more(junk in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
            let _ = Call::parse(&junk);
            if let Ok(call) = Call::parse(text.as_bytes()) {
                let _ = (call.split(), call.text("profile"));
            }
            let nested = "[".repeat(junk.len() * 100);
            let message = format!("{{\"method\":\"m\",\"parameters\":{nested}");
            prop_assert!(Call::parse(message.as_bytes()).is_err());
        }
    }
}
