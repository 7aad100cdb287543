//! One record of a log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::knob::{Instance, Lifetime};

/// The format of the records below; a program refuses a log of a later one.
pub(super) const VERSION: u32 = 1;

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Brings the machine to a profile. Interrupted, it is undone.
    Apply,
    /// Brings every held knob to its original. Interrupted, it is done again.
    Rollback,
}

/// A knob that was changed and not yet given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The full name.
    pub knob: String,
    /// What tells its device.
    pub identity: Option<String>,
    /// What a rollback brings back.
    pub original: String,
    /// What it was last made to be.
    pub written: String,
    /// Whether only the kernel changed it, along with another knob that was written.
    #[serde(default)]
    pub aside: bool,
    /// Whether a write of it was announced and not seen to end: then whatever it is now is of our making.
    pub open: bool,
}

impl Held {
    /// Which log it is in. A name that this version does not know is volatile: it is never restored from an
    /// earlier boot.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        Instance::find(&self.knob).map_or(Lifetime::Volatile, |instance| instance.knob.spec().lifetime)
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Record {
    /// The first record of a log.
    Open {
        /// The format.
        version: u32,
        /// The boot it was begun in.
        boot: String,
        /// The last transaction before.
        last_tx: u64,
    },
    /// A transaction starts.
    Begin {
        /// Its number.
        tx: u64,
        /// What it does.
        kind: Kind,
        /// The profile it applies.
        profile: Option<String>,
        /// The boot it happens in: said in every transaction, so that no single line is worth the whole log.
        boot: String,
    },
    /// The value of a knob before the transaction.
    Original {
        /// The transaction.
        tx: u64,
        /// The knob's full name.
        knob: String,
        /// What tells its device.
        identity: Option<String>,
        /// The value.
        value: String,
    },
    /// A knob is about to be written.
    Intent {
        /// The transaction.
        tx: u64,
        /// Its place in the transaction, over both logs.
        step: u64,
        /// The knob's full name.
        knob: String,
        /// The value before.
        from: String,
        /// The value to write; `None` when the kernel will choose it, as a side effect of another write.
        to: Option<String>,
    },
    /// Devices have other names now, and with them their knobs. All at once, as two may have exchanged their names; what
    /// was held under a name that another device takes over, and has no new name itself, went with its device.
    Renamed {
        /// The full names of the knobs before and now.
        knobs: BTreeMap<String, String>,
    },
    /// A knob was written and read back.
    Done {
        /// The transaction.
        tx: u64,
        /// The knob's full name.
        knob: String,
        /// The value read back.
        value: String,
    },
    /// A knob that was written is about to be brought back to the value before the transaction.
    Undoing {
        /// The transaction.
        tx: u64,
        /// Which of its writes.
        step: u64,
        /// The knob's full name.
        knob: String,
    },
    /// A knob is back at the value before the transaction.
    Undone {
        /// The transaction.
        tx: u64,
        /// The knob's full name.
        knob: String,
        /// The value.
        value: String,
    },
    /// A knob is no longer held: it is at its original, somebody else has changed it, or it is gone.
    Released {
        /// The transaction.
        tx: u64,
        /// The knob's full name.
        knob: String,
    },
    /// The transaction has done all it should.
    Commit {
        /// The transaction.
        tx: u64,
        /// The profile in force from now on.
        profile: Option<String>,
    },
    /// The transaction has been undone.
    Abort {
        /// The transaction.
        tx: u64,
    },
    /// A knob that is held, in a log that was written anew.
    Keep {
        /// What is known of it.
        held: Held,
    },
}
