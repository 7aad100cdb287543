//! A knob that is a whole file of ours in a `.d` folder of systemd.
//!
//! The value is the state of the file, so that an undo restores it byte for byte: `no folder`, `no file`, or `file`
//! and, from the second line on, the content; `interrupted` is what a crash leaves, and is never written. The wanted content is written by the knob from a list of
//! assignments in the profile.

use super::KnobError;
use super::form::FormError;
use crate::root::Root;

const BYTES_MAX: u64 = 64 << 10;
/// The first line of every file of ours.
pub(super) const WRITTEN: &str = "# Written by diapasond; `diapason tune rollback` takes it away.\n";

/// The state of the file at `path`; `None` when not even the folder above its own is there.
pub(super) fn read(root: &Root, path: &str) -> Result<Option<String>, KnobError> {
    let foreign = |problem| KnobError::Foreign { path: path.to_owned(), problem };
    let folder = parent(path);
    if !root.exists(parent(folder))? {
        return Ok(None);
    }
    if !root.exists(folder)? {
        return Ok(Some("no folder".to_owned()));
    }
    if root.is_interrupted(path)? {
        return Ok(Some("interrupted".to_owned()));
    }
    let Some(bytes) = root.read_bytes(path, BYTES_MAX)? else { return Ok(Some("no file".to_owned())) };
    let text = String::from_utf8(bytes).map_err(|_| foreign("is not UTF-8"))?;
    Ok(Some(format!("file\n{text}")))
}

/// Brings the file at `path` to the state `value`.
pub(super) fn write(root: &Root, path: &str, value: &str) -> Result<(), KnobError> {
    let folder = parent(path);
    match value {
        "no folder" => {
            root.remove(path)?;
            Ok(root.remove_folder(folder)?)
        }
        // A folder that another knob of ours made and took away again is not missed.
        "no file" => Ok(root.remove(path)?),
        _ => {
            let expected = "`no folder`, `no file` or a file";
            let bad = || FormError::Special { given: value.to_owned(), expected };
            let text = value.strip_prefix("file\n").ok_or_else(bad)?;
            root.make_folder(folder)?;
            Ok(root.replace(path, text.as_bytes(), 0o644)?)
        }
    }
}

/// Whether `actual` is as good as `wanted`: without our file, the folder stays for the files of others.
pub(super) fn accepts(wanted: &str, actual: &str) -> bool {
    let is_absent = |state: &str| state == "no folder" || state == "no file";
    wanted == actual || (is_absent(wanted) && is_absent(actual))
}

/// The state of a file with `section` and `lines`; without lines, no file.
pub(super) fn state(section: &str, lines: &[String]) -> String {
    format!("file\n{WRITTEN}[{section}]\n{}\n", lines.join("\n"))
}

/// The `NAME=VALUE` pairs of a list: one a line, or where it is one line, separated by blanks; sorted by name.
pub(super) fn assignments<'a>(
    asked: &'a str,
    expected: &'static str,
) -> Result<Vec<(&'a str, &'a str)>, FormError> {
    let bad = || FormError::Special { given: asked.to_owned(), expected };
    let pieces: Vec<&str> =
        if asked.trim().contains('\n') { asked.lines().collect() } else { asked.split(' ').collect() };
    let pieces = pieces.into_iter().map(str::trim).filter(|piece| !piece.is_empty());
    let mut pairs: Vec<_> =
        pieces.map(|piece| piece.split_once('=').ok_or_else(bad)).collect::<Result<_, _>>()?;
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    };
    if pairs.is_empty()
        || !pairs.iter().all(|(name, value)| is_name(name) && !value.chars().any(char::is_control))
    {
        return Err(bad());
    }
    pairs.sort_unstable();
    if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err(bad());
    }
    Ok(pairs)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_and_goes_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/systemd")).unwrap();
        let (root, path) = (Root::new(folder.path()), "/etc/systemd/system.conf.d/50-diapason.conf");
        assert_eq!(read(&root, path).unwrap().as_deref(), Some("no folder"));
        let wanted = state("Manager", &["DefaultEnvironment=\"A=1\"".to_owned()]);
        write(&root, path, &wanted).unwrap();
        assert_eq!(read(&root, path).unwrap(), Some(wanted));
        write(&root, path, "no file").unwrap();
        assert_eq!(read(&root, path).unwrap().as_deref(), Some("no file"));
        write(&root, path, "no folder").unwrap();
        assert_eq!(read(&root, path).unwrap().as_deref(), Some("no folder"));
        assert_eq!(read(&Root::new(folder.path().join("etc")), path).unwrap(), None);
    }

    #[test]
    fn assignments_are_strict() {
        let of = |text| assignments(text, "assignments");
        assert_eq!(of("B=2 A=1").unwrap(), [("A", "1"), ("B", "2")]);
        assert_eq!(of("A=one two\nB=").unwrap(), [("A", "one two"), ("B", "")]);
        for bad in ["", "A", "1A=2", "A=1 A=2", "A B=1", "A=\u{1b}x\nB=1"] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
