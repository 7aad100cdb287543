//! What a file holds that can be a column.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::error::{self, Error};
use super::facts::{Attribute, Column, Skipped};
use super::rows::Origin;
use super::sidecar::Known;
use super::storage::{Refusal, Storage};
use crate::format::hdf5::{self, Kind, Target};
use crate::source::Source;

/// The attribute with the names of the columns in order.
const ORDER: &str = "columns";
/// What files of ours say in the attribute `format`, and the newest version that is understood.
const FORMAT: (&str, i64) = ("diapason-table", 1);

/// The columns in the group `wanted` of `source`.
pub(super) fn known(source: &Arc<dyn Source>, path: &Path, wanted: &str) -> Result<Known, Error> {
    let failed = |object: &str| {
        let object = object.to_owned();
        move |error| error::of_format(path, object, error)
    };
    let file = hdf5::File::open(Arc::clone(source)).map_err(failed("/"))?;
    let group = find_group(&file, path, wanted)?;
    let Kind::Group(links) = group.kind else {
        return Err(Error::NoGroup { path: path.to_path_buf(), wanted: wanted.to_owned() });
    };
    let attributes: BTreeMap<String, Attribute> = named(group.attributes);
    check_version(path, &attributes)?;
    let (mut found, mut storages, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    let mut matrices = Vec::new();
    for link in links {
        let mut skip = |reason: String| skipped.push(Skipped { name: link.name.clone(), reason });
        let Target::Object(address) = link.target else {
            skip("it is a link to another name".to_owned());
            continue;
        };
        let object = match file.object(address) {
            Err(hdf5::Error::Unsupported { what, found, .. }) => {
                skip(format!("its {what} is not supported: {found}"));
                continue;
            }
            object => object.map_err(failed(&link.name))?,
        };
        let dataset = match object.kind {
            Kind::Dataset(dataset) => *dataset,
            Kind::Group(_) => {
                skip("it is a group".to_owned());
                continue;
            }
            Kind::Datatype => {
                skip("it is a type".to_owned());
                continue;
            }
        };
        let is_matrix = dataset.shape.dims.len() > 1;
        match Storage::of(&file, dataset) {
            Ok(own) if is_matrix => matrices.push((link.name, own, named(object.attributes))),
            Ok(own) => {
                let attributes = named(object.attributes);
                let columns = columns(&link.name, &own, attributes, (&found, storages.len()));
                found.extend(columns);
                storages.extend(own);
            }
            Err(Refusal::NoColumn(reason)) => skip(reason),
            Err(Refusal::Broken(error)) => return Err(error::of_format(path, link.name, error)),
        }
    }
    // A matrix beside columns is a part of the table if it is as long as they are.
    let rows = storages.first().map(|storage: &Storage| storage.rows);
    for (name, own, attributes) in matrices {
        let own_rows = own.first().map_or(0, |storage| storage.rows);
        if let Some(rows) = rows.filter(|rows| *rows != own_rows) {
            let reason = format!("it is a matrix of {own_rows} rows, the columns have {rows}");
            skipped.push(Skipped { name, reason });
            continue;
        }
        let columns = columns(&name, &own, attributes, (&found, storages.len()));
        found.extend(columns);
        storages.extend(own);
    }
    sort_as_noted(&mut found, &attributes);
    Ok(Known { columns: found, storages, attributes, skipped })
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

fn check_version(path: &Path, attributes: &BTreeMap<String, Attribute>) -> Result<(), Error> {
    let (format, known) = FORMAT;
    let is_ours = attributes.get("format") == Some(&Attribute::Text(format.to_owned()));
    match attributes.get("format_version") {
        Some(Attribute::Int(found)) if is_ours && *found > known => {
            Err(Error::Newer { path: path.to_path_buf(), found: (*found).into(), known })
        }
        _ => Ok(()),
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
                Origin { storage: first + at, offset: lane as usize * storage.element_bytes },
            ));
        }
    }
    found
}

/// The names of `width` columns, if these are such.
fn distinct(names: &[Attribute], width: usize) -> Option<Vec<String>> {
    let text = |name: &Attribute| if let Attribute::Text(text) = name { Some(text.clone()) } else { None };
    let names: Vec<String> = names.iter().map(text).collect::<Option<_>>()?;
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    (names.len() == width && distinct.len() == width).then_some(names)
}

/// Sorts the columns as the attribute of the table says; those that it does not name come last.
fn sort_as_noted(columns: &mut [(Column, Origin)], attributes: &BTreeMap<String, Attribute>) {
    let Some(Attribute::List(order)) = attributes.get(ORDER) else { return };
    let places: BTreeMap<&str, usize> = order
        .iter()
        .enumerate()
        .filter_map(
            |(place, name)| {
                if let Attribute::Text(name) = name { Some((name.as_str(), place)) } else { None }
            },
        )
        .collect();
    columns.sort_by_key(|(column, _)| places.get(column.name.as_str()).copied().unwrap_or(usize::MAX));
}
