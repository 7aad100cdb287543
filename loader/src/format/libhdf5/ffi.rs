//! What the library's Rust crate does not wrap: announcing a filter, writing a chunk as it is, and exchanging the
//! file beneath an open one.

use std::ffi::{c_int, c_uint, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;
use std::sync::LazyLock;

use hdf5_metno::Dataset;
use hdf5_metno::sync::sync;
use hdf5_metno_sys::h5d::{H5Dget_chunk_info_by_coord, H5Dread_chunk2, H5Dwrite_chunk};
use hdf5_metno_sys::h5f::H5Fget_vfd_handle;
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

/// Reads the chunk of the one-dimensional `dataset` that starts at row `first`, as it is stored.
pub(super) fn read_chunk(dataset: &Dataset, first: u64, stored: &mut Vec<u8>) -> hdf5_metno::Result<()> {
    let place = [first];
    let (mut skipped, mut address, mut bytes) = (0, 0, 0);
    // SAFETY: `dataset` is open while borrowed and was created with one dimension by `super::dataset`, so one
    // coordinate is read from `place`; the others are places for one number each; `sync` holds the library's lock.
    let status = sync(|| unsafe {
        H5Dget_chunk_info_by_coord(
            dataset.id(),
            place.as_ptr(),
            &raw mut skipped,
            &raw mut address,
            &raw mut bytes,
        )
    });
    if status < 0 {
        return Err(refused("H5Dget_chunk_info_by_coord found no chunk"));
    }
    stored.clear();
    let mut room = bytes as usize;
    stored.resize(room, 0);
    // SAFETY: as above; the library writes no more than `room` bytes (H5D.c, H5Dread_chunk2), which `stored` has.
    let status = sync(|| unsafe {
        H5Dread_chunk2(
            dataset.id(),
            H5P_DEFAULT,
            place.as_ptr(),
            &raw mut skipped,
            stored.as_mut_ptr().cast(),
            &raw mut room,
        )
    });
    if status >= 0 { Ok(()) } else { Err(refused("H5Dread_chunk declined a chunk")) }
}

/// Lets the open file `file` go on in `into`, which holds the same bytes; what it was opened from is let go.
///
/// The library keeps no more of a file than its descriptor, its size, and device and inode to tell files apart
/// (H5FDsec2.c, `H5FD_sec2_t`): the size is the same, and the inode must stay taken while `file` is open.
pub(super) fn exchange(file: &hdf5_metno::File, into: &File) -> hdf5_metno::Result<()> {
    let mut handle: *mut c_void = null_mut();
    // SAFETY: `file` is open while borrowed, `handle` is a place for one pointer, `sync` holds the library's lock.
    let status = sync(|| unsafe { H5Fget_vfd_handle(file.id(), H5P_DEFAULT, &raw mut handle) });
    if status < 0 || handle.is_null() {
        return Err(refused("H5Fget_vfd_handle gave no descriptor"));
    }
    // SAFETY: for the default driver, which `super::Writer::create` leaves in place, the handle points to the
    // descriptor in the driver's record of the file (H5FDsec2.c, `H5FD__sec2_get_handle`), and `file` is still open.
    let descriptor = sync(|| unsafe { handle.cast::<c_int>().read() });
    // SAFETY: both descriptors are open; the library's one stays its own, only what it refers to changes.
    let status = sync(|| unsafe { nix::libc::dup3(into.as_raw_fd(), descriptor, nix::libc::O_CLOEXEC) });
    if status >= 0 { Ok(()) } else { Err(hdf5_metno::Error::Internal(last_os_error())) }
}

/// The system's last error in the library's way of saying it.
fn last_os_error() -> String {
    format!("errno = {}", std::io::Error::last_os_error().raw_os_error().unwrap_or_default())
}

fn refused(what: &str) -> hdf5_metno::Error {
    // The library's own words, when it left some on its error stack.
    hdf5_metno::Error::query().unwrap_or_else(|_| hdf5_metno::Error::Internal(what.to_owned()))
}
