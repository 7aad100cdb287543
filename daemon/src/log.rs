//! What is said to the administrator: fields in the journal of systemd, lines on standard error anywhere else.
//!
//! `journalctl -u diapasond DIAPASON_KNOB=vm.swappiness` finds all that happened to one knob.

use std::io::Write;

use log::{Level, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Something is not as it should be, and the daemon cannot help it.
    Error,
    /// Somebody should look.
    Warning,
    /// What was done.
    Notice,
}

/// Where lines go.
#[derive(Default)]
pub struct Log {
    journal: Option<JournalLog>,
}

impl Log {
    /// The journal of systemd if standard error is connected to it (`JOURNAL_STREAM`), else standard error.
    #[must_use]
    pub fn open() -> Self {
        let journal = connected_to_journal().then(JournalLog::empty).and_then(Result::ok);
        Self { journal: journal.map(|journal| journal.with_syslog_identifier("diapasond".to_owned())) }
    }

    /// One message with its fields, `DIAPASON_KNOB` and the like. That nobody takes it is no reason to stop.
    pub fn say(&self, priority: Priority, message: &str, fields: &[(&str, &str)]) {
        let Some(journal) = &self.journal else {
            let _ = writeln!(std::io::stderr(), "diapasond: {message}");
            return;
        };
        // The levels are those that the logger turns into the priorities 3, 4 and 5 of syslog.
        let level = match priority {
            Priority::Error => Level::Error,
            Priority::Warning => Level::Warn,
            Priority::Notice => Level::Info,
        };
        let sent = journal.journal_send(
            &Record::builder().level(level).args(format_args!("{message}")).key_values(&fields).build(),
        );
        if sent.is_err() {
            let _ = writeln!(std::io::stderr(), "diapasond: {message}");
        }
    }
}
