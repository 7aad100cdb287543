//! sysctl.d(5): which file sets which kernel parameter at boot.
//!
//! The rules, as systemd-sysctl 252 applies them: files are read by name, a later assignment of the same key
//! replaces an earlier one (and is then written at its own, later place, unless the value is the same); a key with
//! a wildcard is written to every parameter that it covers, except those that are also named in full; `-key = value`
//! may fail, `-key` alone only keeps wildcards away. The first separator of a key tells which kind it has:
//! `net/ipv4/conf/eth0.100/x` is `net.ipv4.conf.eth0/100.x`.

use super::layered::File;
use crate::pattern::{covers_path, is_pattern};

/// A line of a file that sets something, or keeps wildcards away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The key as a path below /proc/sys, perhaps with wildcards.
    pub key: String,
    /// The value; `None` keeps wildcards away.
    pub value: Option<String>,
    /// The file and the line.
    pub place: String,
}

/// Every assignment as written, in the order of reading.
pub(super) fn read(files: &[File]) -> Vec<Assignment> {
    files.iter().flat_map(assignments).collect()
}

/// Those that are left when later ones have replaced earlier ones, in the order of writing.
pub(super) fn merged(all: &[Assignment]) -> Vec<&Assignment> {
    let mut left: Vec<&Assignment> = Vec::new();
    for assignment in all {
        match left.iter().position(|earlier| earlier.key == assignment.key) {
            Some(at) if left[at].value == assignment.value => {}
            Some(at) => {
                left.remove(at);
                left.push(assignment);
            }
            None => left.push(assignment),
        }
    }
    left
}

/// Which assignment a parameter has in the end; `key` is its path below /proc/sys.
pub(super) fn winner<'a>(merged: &[&'a Assignment], key: &str) -> Option<&'a Assignment> {
    if let Some(exact) = merged.iter().find(|assignment| assignment.key == key) {
        return exact.value.is_some().then_some(exact);
    }
    let covers = |assignment: &&&Assignment| is_pattern(&assignment.key) && covers_path(&assignment.key, key);
    merged.iter().filter(|assignment| assignment.value.is_some()).rfind(covers).copied()
}

fn assignments(file: &File) -> Vec<Assignment> {
    let line = |(number, line): (usize, &str)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        let place = format!("{}:{}", file.path, number + 1);
        match line.split_once('=') {
            Some((key, value)) => {
                let key = key.strip_prefix('-').unwrap_or(key).trim();
                Some(Assignment { key: normal(key), value: Some(value.trim().to_owned()), place })
            }
            None => {
                let key = line.strip_prefix('-')?.trim();
                Some(Assignment { key: normal(key), value: None, place })
            }
        }
    };
    file.text.lines().enumerate().filter_map(line).collect()
}

/// The key as a path: where a dot comes first, dots and slashes change places.
pub(super) fn normal(key: &str) -> String {
    let swapped = match key.find(['.', '/']) {
        Some(at) if key.as_bytes()[at] == b'.' => {
            let swap = |letter| match letter {
                '.' => '/',
                '/' => '.',
                other => other,
            };
            key.chars().map(swap).collect()
        }
        _ => key.to_owned(),
    };
    swapped.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
