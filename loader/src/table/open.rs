//! What a file holds that can be a column.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::error::{self, Error};
use super::facts::{Attribute, Column, Skipped};
use super::pandas;
use super::rows::Origin;
use super::sidecar::Known;
use super::storage::{Refusal, Storage};
use super::stored::Stored;
use crate::format::hdf5::{self, Kind, Target};
use crate::source::Source;

/// The attribute with the names of the columns in order.
const ORDER: &str = "columns";
/// The most columns of a table: a file may lead to one wide data set under any number of names.
const COLUMNS_MAX: usize = 16_384;
/// What files of ours say in the attribute `format`, and the newest version that is understood.
const FORMAT: (&str, i64) = ("diapason-table", 2);

/// The columns in the group `wanted` of `source`, which may be growing.
pub(super) fn known(
    source: &Arc<dyn Source>,
    path: &Path,
    (wanted, is_growing): (&str, bool),
) -> Result<Known, Error> {
    let failed = |object: &str| {
        let object = object.to_owned();
        move |error| error::of_format(path, object, error)
    };
    let file = hdf5::File::open(Arc::clone(source)).map_err(failed("/"))?;
    let group = find_group(&file, path, wanted)?;
    let mut attributes: BTreeMap<String, Attribute> = named(group.attributes);
    let is_ours = is_ours(path, &attributes)?;
    let (datasets, mut skipped) = match group.kind {
        Kind::Group(links) => datasets(&file, path, links)?,
        Kind::Dataset(dataset) => (vec![Found::alone(wanted, *dataset)], Vec::new()),
        Kind::Datatype => {
            return Err(Error::NoGroup { path: path.to_path_buf(), wanted: wanted.to_owned() });
        }
    };
    // Records that are alone in their group are meant by the group's name: their fields are the columns.
    let is_alone = datasets.len() == 1;
    let (mut found, mut storages, mut matrices) = (Vec::new(), Vec::new(), Vec::new());
    let mut names = pandas::Names::default();
    for Found { name, dataset, notes } in datasets {
        if let Some(texts) = pandas::labels(&file, &**source, &attributes, &name, &dataset) {
            names.add(&name, texts.map_err(failed(&name))?);
        }
        let (is_matrix, fields) = (dataset.shape.dims.len() > 1, dataset.fields.clone());
        match Storage::of(&file, dataset, &notes) {
            Ok(own) if !fields.is_empty() => {
                let prefix = if is_alone { String::new() } else { format!("{name}/") };
                let (columns, others) = fields_of(&prefix, fields, &own, storages.len());
                found.extend(columns);
                skipped.extend(others);
                storages.extend(own);
                if is_alone {
                    attributes.extend(notes);
                }
            }
            Ok(own) if is_matrix => matrices.push((name, own, notes)),
            Ok(own) => {
                // In files of others a note of that name is not ours.
                let stored =
                    own.first().filter(|_| is_ours).map(|storage| Stored::of(storage.datatype, &notes));
                match stored.transpose() {
                    Ok(stored) => {
                        let mut columns = columns(&name, &own, notes, (&found, storages.len()));
                        if let (Some(stored), [(column, origin)]) = (stored, &mut columns[..]) {
                            // What is noted of the type is of the values, which take eight bytes each.
                            if stored.dtype != column.dtype || stored.scale.is_some() {
                                column.raw_bytes =
                                    own.first().map_or(0, |storage| storage.rows.saturating_mul(8));
                            }
                            (column.dtype, column.stored_as) = (stored.dtype, stored.name);
                            origin.scale = stored.scale;
                        }
                        found.extend(columns);
                        storages.extend(own);
                    }
                    Err(reason) => skipped.push(Skipped { name, reason }),
                }
            }
            Err(Refusal::NoColumn(reason)) => skipped.push(Skipped { name, reason }),
            Err(Refusal::Broken(error)) => return Err(error::of_format(path, name, error)),
        }
        if found.len() > COLUMNS_MAX {
            return Err(Error::TooManyColumns { path: path.to_path_buf(), columns_max: COLUMNS_MAX });
        }
    }
    // A matrix beside columns is a part of the table if it is as long as they are.
    let rows = storages.first().map(|storage: &Storage| storage.rows);
    for (name, own, attributes) in matrices {
        let own_rows = own.first().map_or(0, |storage| storage.rows);
        // In a table that grows one may be ahead of the other.
        if let Some(rows) = rows.filter(|rows| *rows != own_rows && !is_growing) {
            let reason = format!("it is a matrix of {own_rows} rows, the columns have {rows}");
            skipped.push(Skipped { name, reason });
            continue;
        }
        let columns = columns(&name, &own, attributes, (&found, storages.len()));
        found.extend(columns);
        storages.extend(own);
        if found.len() > COLUMNS_MAX {
            return Err(Error::TooManyColumns { path: path.to_path_buf(), columns_max: COLUMNS_MAX });
        }
    }
    names.rename(&attributes, &mut found);
    sort_as_noted(&mut found, &attributes);
    Ok(Known { columns: found, storages, attributes, skipped })
}

/// A data set of the group, and what is noted at it.
struct Found {
    name: String,
    dataset: hdf5::Dataset,
    notes: BTreeMap<String, Attribute>,
}

impl Found {
    /// The data set at `place`, asked for by itself.
    fn alone(place: &str, dataset: hdf5::Dataset) -> Self {
        let name = place.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        Self { name, dataset, notes: BTreeMap::new() }
    }
}

/// The data sets that `links` lead to, and what else they lead to.
fn datasets(
    file: &hdf5::File,
    path: &Path,
    links: Vec<hdf5::Link>,
) -> Result<(Vec<Found>, Vec<Skipped>), Error> {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for hdf5::Link { name, target } in links {
        let mut skip = |name: String, reason: String| skipped.push(Skipped { name, reason });
        let Target::Object(address) = target else {
            skip(name, "it is a link to another name".to_owned());
            continue;
        };
        let object = match file.object(address) {
            Err(hdf5::Error::Unsupported { what, found, .. }) => {
                skip(name, format!("its {what} is not supported: {found}"));
                continue;
            }
            Err(error) => return Err(error::of_format(path, name, error)),
            Ok(object) => object,
        };
        match object.kind {
            Kind::Dataset(dataset) => {
                found.push(Found { name, dataset: *dataset, notes: named(object.attributes) });
            }
            Kind::Group(_) => skip(name, "it is a group".to_owned()),
            Kind::Datatype => skip(name, "it is a type".to_owned()),
        }
    }
    Ok((found, skipped))
}

/// The columns of records, and the fields that are none; their storage will stand at `number`.
fn fields_of(
    prefix: &str,
    fields: Vec<hdf5::Field>,
    storages: &[Storage],
    number: usize,
) -> (Vec<(Column, Origin)>, Vec<Skipped>) {
    let (mut columns, mut skipped) = (Vec::new(), Vec::new());
    let Some(storage) = storages.first() else { return (columns, skipped) };
    let (chunks, stored_bytes) = storage.stored();
    for hdf5::Field { name, offset, datatype } in fields {
        let name = format!("{prefix}{name}");
        let Some(bytes) = datatype.number_bytes() else {
            skipped.push(Skipped { name, reason: format!("it is {datatype}, no number") });
            continue;
        };
        // Its share by the bytes of the record.
        let share = u128::from(stored_bytes) * bytes as u128 / storage.element_bytes.max(1) as u128;
        let column = Column {
            name,
            dtype: datatype.to_string(),
            stored_as: datatype.to_string(),
            chunk_rows: storage.chunk_rows,
            chunks,
            filters: storage.filters(),
            raw_bytes: storage.rows.saturating_mul(bytes as u64),
            stored_bytes: share as u64,
            attributes: BTreeMap::new(),
        };
        columns.push((column, Origin { storage: number, offset: offset as usize, datatype, scale: None }));
    }
    (columns, skipped)
}

fn named(attributes: Vec<(String, hdf5::Value)>) -> BTreeMap<String, Attribute> {
    attributes.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// The object at `wanted`, from the root.
fn find_group(file: &hdf5::File, path: &Path, wanted: &str) -> Result<hdf5::Object, Error> {
    let failed = |error| error::of_format(path, wanted.to_owned(), error);
    let mut object = file.object(file.root()).map_err(failed)?;
    for name in wanted.split('/').filter(|name| !name.is_empty()) {
        let Kind::Group(links) = &object.kind else { break };
        let target = links.iter().find(|link| link.name == name).map(|link| link.target);
        let Some(Target::Object(address)) = target else {
            return Err(Error::NoGroup { path: path.to_path_buf(), wanted: wanted.to_owned() });
        };
        object = file.object(address).map_err(failed)?;
    }
    Ok(object)
}

/// Whether it is a table of ours; an error when it is newer than what is understood here.
fn is_ours(path: &Path, attributes: &BTreeMap<String, Attribute>) -> Result<bool, Error> {
    let (format, known) = FORMAT;
    let is_ours = attributes.get("format").and_then(Attribute::text) == Some(format);
    match attributes.get("format_version") {
        Some(Attribute::Int(found)) if is_ours && *found > known => {
            Err(Error::Newer { path: path.to_path_buf(), found: (*found).into(), known })
        }
        _ => Ok(is_ours),
    }
}

/// The columns of a data set, after those `before`; its storages will stand from `first` on.
fn columns(
    name: &str,
    storages: &[Storage],
    attributes: BTreeMap<String, Attribute>,
    (before, first): (&[(Column, Origin)], usize),
) -> Vec<(Column, Origin)> {
    let width = storages.iter().map(|storage| storage.width).sum();
    let is_free = |name: &String| before.iter().all(|(column, _)| column.name != *name);
    let names = match attributes.get(ORDER) {
        Some(Attribute::List(names)) if width > 1 => distinct(names, width),
        _ => None,
    };
    let names = names.filter(|names| names.iter().all(is_free));
    let mut found = Vec::with_capacity(width);
    for (at, storage) in storages.iter().enumerate() {
        let (chunks, stored_bytes) = storage.stored();
        let (count, before) = (storage.width as u64, found.len());
        for lane in 0..count {
            let place = before + lane as usize;
            let column = Column {
                name: match &names {
                    Some(names) => names[place].clone(),
                    None if width == 1 => name.to_owned(),
                    None => format!("{name}[{place}]"),
                },
                dtype: storage.datatype.to_string(),
                stored_as: storage.datatype.to_string(),
                chunk_rows: storage.chunk_rows,
                chunks,
                filters: storage.filters(),
                raw_bytes: storage.rows.saturating_mul(storage.element_bytes as u64),
                // Shared by the columns of the data set, so that the sum is right.
                stored_bytes: stored_bytes * (lane + 1) / count - stored_bytes * lane / count,
                attributes: attributes.clone(),
            };
            found.push((
                column,
                Origin {
                    storage: first + at,
                    offset: lane as usize * storage.element_bytes,
                    datatype: storage.datatype,
                    scale: None,
                },
            ));
        }
    }
    found
}

/// The names of `width` columns, if these are such.
fn distinct(names: &[Attribute], width: usize) -> Option<Vec<String>> {
    let names: Vec<&str> = names.iter().map(Attribute::text).collect::<Option<_>>()?;
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    (names.len() == width && distinct.len() == width).then(|| names.into_iter().map(str::to_owned).collect())
}

/// Sorts the columns as the attribute of the table says; those that it does not name come last.
fn sort_as_noted(columns: &mut [(Column, Origin)], attributes: &BTreeMap<String, Attribute>) {
    let Some(Attribute::List(order)) = attributes.get(ORDER) else { return };
    let places: BTreeMap<&str, usize> =
        order.iter().enumerate().filter_map(|(place, name)| Some((name.text()?, place))).collect();
    columns.sort_by_key(|(column, _)| places.get(column.name.as_str()).copied().unwrap_or(usize::MAX));
}
