//! Limits of dirty memory: pairs of files of which the kernel keeps one in force.
//!
//! Writing `dirty_bytes` zeroes `dirty_ratio` and the other way round, and neither takes its own zero back
//! (`EINVAL`). Kept as two knobs, a rollback would write that zero; as one knob, `ratio 20` or `bytes 1073741824`,
//! the member in force is saved and restored.

use super::form::{FormError, bytes};
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const FORM: Form =
    Form::Special("`ratio PER_CENT` (1 to 100) or `bytes SIZE` (8 KiB or more, or a share like 10%)");
const SOURCE: &str = "kernel Documentation/admin-guide/sysctl/vm.rst";
/// The kernel refuses less than two pages.
const BYTES_MIN: u64 = 8_192;

pub(super) static KNOBS: &[&dyn Knob] = &[
    // The background limit first: lowered it is lowered before, raised the kernel caps it below the other anyway.
    &Dirty {
        spec: Spec::new("vm.dirty_background", FORM)
            .why("how much memory may be dirty before it is written in the background")
            .risk(Risk::Low, "a low limit writes often, a high one in gusts")
            .from(SOURCE),
        stem: "dirty_background",
    },
    &Dirty {
        spec: Spec::new("vm.dirty", FORM)
            .why("how much memory may be dirty before a writing program itself must write")
            .risk(Risk::Low, "a low limit stalls writers, a high one loses more in a power cut")
            .from(SOURCE),
        stem: "dirty",
    },
];

struct Dirty {
    spec: Spec,
    stem: &'static str,
}

impl Dirty {
    fn path(&self, member: &str) -> String {
        format!("/proc/sys/vm/{}_{member}", self.stem)
    }
}

impl Knob for Dirty {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        let (Some(ratio), Some(bytes)) = (root.read(&self.path("ratio"))?, root.read(&self.path("bytes"))?)
        else {
            return Ok(None);
        };
        Ok(Some(match bytes.trim() {
            "0" => format!("ratio {}", ratio.trim()),
            bytes => format!("bytes {bytes}"),
        }))
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let bad =
            || FormError::Special { given: asked.to_owned(), expected: "`ratio PER_CENT` or `bytes SIZE`" };
        match asked.split_whitespace().collect::<Vec<_>>()[..] {
            ["ratio", number] => Ok(format!("ratio {}", Form::integer(1, 100).canonical(number)?)),
            ["bytes", size] => {
                let size = bytes(size).filter(|size| *size >= BYTES_MIN).ok_or_else(bad)?;
                Ok(format!("bytes {size}"))
            }
            _ => Err(bad().into()),
        }
    }

    fn files(&self, _target: &str) -> Vec<String> {
        vec![self.path("ratio"), self.path("bytes")]
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        let bad =
            || FormError::Special { given: value.to_owned(), expected: "`ratio PER_CENT` or `bytes SIZE`" };
        let (member, number) = value.split_once(' ').ok_or_else(bad)?;
        if !["ratio", "bytes"].contains(&member) {
            return Err(bad().into());
        }
        // The kernel zeroes the other member in the same moment.
        Ok(root.write(&self.path(member), number)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_in_force_is_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let vm = folder.path().join("proc/sys/vm");
        std::fs::create_dir_all(&vm).unwrap();
        std::fs::write(vm.join("dirty_ratio"), "20\n").unwrap();
        std::fs::write(vm.join("dirty_bytes"), "0\n").unwrap();
        let (root, knob) = (Root::new(folder.path()), KNOBS[1]);
        assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some("ratio 20"));
        let value = knob.settle(&root, "", " bytes  1GiB").unwrap();
        knob.write(&root, "", &value).unwrap();
        assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some("bytes 1073741824"));
        knob.write(&root, "", "ratio 20").unwrap();
        assert_eq!(std::fs::read_to_string(vm.join("dirty_bytes")).unwrap(), "0\n");
        assert!(knob.settle(&root, "", "ratio 0").is_err());
        assert!(knob.settle(&root, "", "bytes 1").is_err());
        assert_eq!(KNOBS[0].read(&root, "").unwrap(), None);
    }
}
