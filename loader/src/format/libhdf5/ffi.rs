//! The two calls of libhdf5 that its Rust crate does not wrap: announcing a filter, and writing a chunk as it is.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::LazyLock;

use hdf5_metno::Dataset;
use hdf5_metno::sync::sync;
use hdf5_metno_sys::h5d::H5Dwrite_chunk;
use hdf5_metno_sys::h5p::H5P_DEFAULT;
use hdf5_metno_sys::h5z::{H5Z_CLASS_T_VERS, H5Z_class2_t, H5Zregister};

/// The registered number of the zstd filter.
pub(super) const ZSTD: c_int = 32_015;

/// Lets data sets name the zstd filter in their pipeline; the library refuses numbers it does not know.
///
/// The filter's function declines, since the library never has to run it: chunks come compressed, extents only
/// grow, and files are read natively.
pub(super) fn register_zstd() -> hdf5_metno::Result<()> {
    const CLASS: H5Z_class2_t = H5Z_class2_t {
        version: H5Z_CLASS_T_VERS as c_int,
        id: ZSTD,
        encoder_present: 1,
        decoder_present: 1,
        name: c"zstd".as_ptr(),
        can_apply: None,
        set_local: None,
        filter: Some(decline),
    };
    struct Registered(c_int);
    static REGISTERED: LazyLock<Registered> = LazyLock::new(|| {
        let class = CLASS;
        // SAFETY: `class` is a whole filter class whose name is static, the library copies it (H5Z.c, H5Z_register),
        // and `sync` holds the library's lock.
        Registered(sync(|| unsafe { H5Zregister((&raw const class).cast()) }))
    });
    if REGISTERED.0 >= 0 { Ok(()) } else { Err(refused("H5Zregister declined filter 32015")) }
}

extern "C" fn decline(
    _flags: c_uint,
    _count: usize,
    _values: *const c_uint,
    _bytes: usize,
    _size: *mut usize,
    _buffer: *mut *mut c_void,
) -> usize {
    0
}

/// Writes `stored` as the chunk of the one-dimensional `dataset` that starts at row `first`.
pub(super) fn write_chunk(dataset: &Dataset, first: u64, stored: &[u8]) -> hdf5_metno::Result<()> {
    const NO_FILTER_SKIPPED: u32 = 0;
    let place = [first];
    // SAFETY: `dataset` is open while borrowed and was created with one dimension by `super::dataset`, so one
    // coordinate is read from `place`; `stored` is readable for its length; `sync` holds the library's lock.
    let status = sync(|| unsafe {
        H5Dwrite_chunk(
            dataset.id(),
            H5P_DEFAULT,
            NO_FILTER_SKIPPED,
            place.as_ptr(),
            stored.len(),
            stored.as_ptr().cast(),
        )
    });
    if status >= 0 { Ok(()) } else { Err(refused("H5Dwrite_chunk declined a chunk")) }
}

fn refused(what: &str) -> hdf5_metno::Error {
    // The library's own words, when it left some on its error stack.
    hdf5_metno::Error::query().unwrap_or_else(|_| hdf5_metno::Error::Internal(what.to_owned()))
}
