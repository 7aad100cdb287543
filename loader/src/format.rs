//! How a file says where its chunks are.
//!
//! Reading is native and safe, since files come from anywhere; writing goes through the C library, which is the
//! judge of what an HDF5 file is.

pub mod hdf5;
#[cfg(feature = "libhdf5")]
pub mod libhdf5;
pub(crate) mod scale;
