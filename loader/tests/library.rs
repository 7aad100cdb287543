//! What only libhdf5's own interface can be told to write: last chunks that are stored without their filters.
#![cfg(feature = "libhdf5")]

use diapason_loader::table::Table;
use hdf5_metno::dataset::ChunkOpts;
use hdf5_metno::{FileBuilder, file::LibraryVersion};

#[test]
fn unfiltered_edges() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<f64> = (0..100).map(|row| f64::from(row) / 8.0).collect();
    for version in [LibraryVersion::V110, LibraryVersion::latest()] {
        for opts in [ChunkOpts::DONT_FILTER_PARTIAL_CHUNKS, ChunkOpts::empty()] {
            for chunk in [7, 30, 50, 100] {
                let path = folder.path().join(format!("{version:?}-{opts:?}-{chunk}.h5"));
                let file =
                    FileBuilder::new().with_fapl(|plist| plist.libver_bounds(version, version)).create(&path);
                let file = file.unwrap();
                let builder = file.new_dataset_builder().empty::<f64>().shape(100).chunk(chunk);
                let data = builder.shuffle().fletcher32().chunk_opts(opts).create("a").unwrap();
                data.write_raw(&values).unwrap();
                drop(data);
                file.close().unwrap();
                let table = Table::open(&path).unwrap();
                let mut found = vec![0.0; 100];
                table.read_f64("a", 0..100, &mut found).unwrap();
                assert_eq!(found, values, "{}", path.display());
            }
        }
    }
}
