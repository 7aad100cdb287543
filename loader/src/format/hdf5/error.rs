//! Why an HDF5 file cannot be read.

use crate::source;

/// Why an HDF5 file, or a part of it, cannot be read. Addresses are bytes from the begin of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes cannot be had.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// There is no HDF5 signature.
    #[error("no HDF5 signature found at byte 0, 512, 1024 or a further power of two")]
    Foreign,
    /// The file is shorter than it says.
    #[error("the file is cut off: it says that it has {expected} bytes and has {found}")]
    CutOff {
        /// The bytes it should have.
        expected: u64,
        /// The bytes it has.
        found: u64,
    },
    /// Something lies outside the file.
    #[error("{what} of {bytes} bytes at {address} lies outside the file, which has {size} bytes")]
    Outside {
        /// What should be there.
        what: &'static str,
        /// Where it should be.
        address: u64,
        /// How long it should be.
        bytes: u64,
        /// The bytes of the file.
        size: u64,
    },
    /// A structure contradicts the format.
    #[error("{what} at {address} is broken: {problem}")]
    Broken {
        /// The structure.
        what: &'static str,
        /// Where it is.
        address: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A check sum does not fit.
    #[error("{what} at {address} is broken: its check sum is {found:#010x}, {expected:#010x} is stored")]
    CheckSum {
        /// The structure.
        what: &'static str,
        /// Where it is.
        address: u64,
        /// The sum of its bytes.
        found: u32,
        /// The sum stored with them.
        expected: u32,
    },
    /// A valid thing that this reader does not know.
    #[error("{what} at {address} is not supported: {found}")]
    Unsupported {
        /// The structure.
        what: &'static str,
        /// Where it is.
        address: u64,
        /// The kind of it that was found.
        found: String,
    },
}
