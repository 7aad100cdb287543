//! Folders of drop-in files as systemd, udev and modprobe read them: several folders, one list.
//!
//! A file hides those of the same name in folders further down, a link to /dev/null hides them and says nothing
//! itself, and the files are read in the order of their names, whatever folder they are in.
//! Source: sysctl.d(5), "Configuration directories and precedence"; udev(7), tmpfiles.d(5), modprobe.d(5).

use std::collections::BTreeMap;

use crate::root::{Root, RootError};

/// Above each other, the strongest first.
const FOLDERS: &[&str] = &["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Its path.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The files with `suffix` of all folders `name`, in the order in which they are read. What cannot be read is
/// named in `unread`: others may read it.
pub(super) fn files(
    root: &Root,
    name: &str,
    suffix: &str,
    unread: &mut Vec<String>,
) -> Result<Vec<File>, RootError> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        let folder = format!("{folder}/{name}");
        for file in root.list(&folder)? {
            if file.ends_with(suffix) {
                found.entry(file.clone()).or_insert_with(|| format!("{folder}/{file}"));
            }
        }
    }
    let mut files = Vec::new();
    for path in found.into_values() {
        if root.link(&path).ok().flatten().as_deref() == Some("/dev/null") {
            continue;
        }
        match root.read(&path) {
            Ok(Some(text)) => files.push(File { path, text }),
            // A link to nowhere says nothing, and hides like any other.
            Ok(None) => {}
            Err(error) => unread.push(error.to_string()),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_once_and_the_order_is_that_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("usr/lib/sysctl.d/50-default.conf", "vendor");
        put("usr/lib/sysctl.d/10-first.conf", "first");
        put("usr/lib/sysctl.d/60-masked.conf", "masked");
        put("etc/sysctl.d/50-default.conf", "mine");
        put("run/sysctl.d/50-default.conf", "volatile");
        put("run/sysctl.d/README", "no");
        std::os::unix::fs::symlink("/dev/null", folder.path().join("etc/sysctl.d/60-masked.conf")).unwrap();
        let found = files(&Root::new(folder.path()), "sysctl.d", ".conf", &mut Vec::new()).unwrap();
        let texts: Vec<&str> = found.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["first", "mine"]);
    }
}
