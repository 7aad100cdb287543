//! Files that hdf5-metno writes with libhdf5, drawn at random over type, layout, chunk, filter, fill value, version and what of it
//! is written: every value has the bits that the library reads back. `RUST_WRITER_FILES=2000` for a long run.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use diapason_loader::table::Table;
use hdf5_metno::plist::dataset_create::Layout;
use hdf5_metno::plist::file_access::LibraryVersion;
use hdf5_metno::types::OwnedDynValue;
use hdf5_metno::{Extent, File, H5Type};

/// Draws from a seed.
struct Draw(u64);

impl Draw {
    /// A number below `count`; Knuth's multiplier, the high bits are the draw.
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((u128::from(self.0) * count as u128) >> 64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn is(&mut self, part: usize, of: usize) -> bool {
        self.below(of) < part
    }
}

/// Writes a data set of `values`, and gives what the library reads back.
fn dataset<T: H5Type + Copy + Into<OwnedDynValue>>(
    draw: &mut Draw,
    file: &File,
    name: &str,
    values: &[T],
) -> Vec<T> {
    let rows = values.len();
    let mut builder = file.new_dataset_builder();
    if draw.is(1, 2) {
        builder = builder.obj_track_times(false);
    }
    let is_chunked = draw.is(3, 4);
    if is_chunked {
        builder = builder.chunk(1 + draw.below(rows * 2).min(rows - 1));
        // The library is built without zlib here; deflate is among the filters that h5py writes.
        if draw.is(1, 2) {
            builder = builder.shuffle();
        }
        if draw.is(1, 2) {
            builder = builder.fletcher32();
        }
    } else if draw.is(1, 2) && size_of_val(values) < 60_000 {
        builder = builder.layout(Layout::Compact);
    } else {
        builder = builder.layout(Layout::Contiguous);
    }
    let limit = if is_chunked { draw.one(&[None, Some(rows), Some(rows * 3)]) } else { Some(rows) };
    let mut builder = builder.empty::<T>().shape([Extent::new(rows, limit)]);
    if draw.is(1, 2) {
        builder = builder.fill_value(values[draw.below(rows)]);
    }
    let made = builder.create(name).unwrap();
    match draw.below(4) {
        // Never written.
        0 => {}
        1 => {
            let first = draw.below(rows);
            let last = first + 1 + draw.below(rows - first);
            let piece = ndarray::ArrayView1::from(&values[first..last]);
            made.write_slice(piece, first..last).unwrap();
        }
        _ => made.write(ndarray::ArrayView1::from(values)).unwrap(),
    }
    made.read_raw().unwrap()
}

fn compare_whole(path: &Path, name: &str, expected: &[i64]) {
    let table = Table::open(path).unwrap();
    let mut found = vec![0; expected.len()];
    table.read_i64(name, 0..table.rows(), &mut found).unwrap();
    assert_eq!(found, expected, "{name}");
}

fn compare_float(path: &Path, name: &str, expected: &[f64]) {
    let table = Table::open(path).unwrap();
    let mut found = vec![0.0; expected.len()];
    table.read_f64(name, 0..table.rows(), &mut found).unwrap();
    let bits = |values: &[f64]| -> Vec<u64> { values.iter().map(|value| value.to_bits()).collect() };
    assert_eq!(bits(&found), bits(expected), "{name}");
}

#[test]
fn every_value_has_the_bits_that_the_library_reads_back() {
    use LibraryVersion::{Earliest, V18, V110, V112, V114, V200};
    let files: u64 = std::env::var("RUST_WRITER_FILES").map_or(60, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.h5");
    let mut values_compared = 0;
    for serial in 0..files {
        let mut draw = Draw(serial.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let rows = draw.one(&[1, 7, 100, 1000, 5000]);
        let mut whole: Vec<(String, Vec<i64>)> = Vec::new();
        let mut floats: Vec<(String, Vec<f64>)> = Vec::new();
        let (low, block) = (draw.one(&[Earliest, V18, V110, V112, V114, V200]), draw.one(&[0, 0, 512, 4096]));
        let mut builder = File::with_options();
        builder.with_fapl(|plist| plist.libver_bounds(low, V200)).with_fcpl(|plist| plist.userblock(block));
        let file = builder.create(&path).unwrap();
        for number in 0..1 + draw.below(4) {
            let name = format!("d{number}");
            let numbers: Vec<i64> = (0..rows).map(|row| draw.below(1 << 30) as i64 - row as i64).collect();
            macro_rules! ints {
                ($($of:ty),*) => {{
                    let makers: &[fn(&mut Draw, &File, &str, &[i64]) -> Vec<i64>] = &[$(|draw, file, name, numbers| {
                        let values: Vec<$of> = numbers.iter().map(|value| *value as $of).collect();
                        dataset(draw, file, name, &values).into_iter().map(|value| value as i64).collect()
                    }),*];
                    draw.one(makers)
                }};
            }
            match draw.below(3) {
                0 => {
                    let values: Vec<f64> = numbers.iter().map(|value| *value as f64 / 100.0).collect();
                    floats.push((name.clone(), dataset(&mut draw, &file, &name, &values)));
                }
                1 => {
                    let values: Vec<f32> = numbers.iter().map(|value| *value as f32 / 3.0).collect();
                    let read = dataset(&mut draw, &file, &name, &values);
                    floats.push((name.clone(), read.into_iter().map(f64::from).collect()));
                }
                _ => {
                    let make = ints!(i8, i16, i32, i64, u8, u16, u32);
                    whole.push((name.clone(), make(&mut draw, &file, &name, &numbers)));
                }
            }
        }
        file.close().unwrap();
        for (name, expected) in &whole {
            compare_whole(&path, name, expected);
            values_compared += expected.len();
        }
        for (name, expected) in &floats {
            compare_float(&path, name, expected);
            values_compared += expected.len();
        }
    }
    println!("{files} files, {values_compared} values");
}
