//! What a daemon with few rights leaves to its helper.
//!
//! It writes most kernel files as the user 0 without a single capability. Files that outlive the boot, control groups and
//! swap are out of its reach by the sandbox of its unit, so they are not even tried; any other write that the
//! kernel refuses for a lack of rights is (kernel.numa_balancing, kernel.kptr_restrict and others want CAP_SYS_ADMIN, and
//! which ones do differs between kernels).

use nix::errno::Errno;

use super::spec::{Lifetime, Spec};
use super::{Identity, Instance, KnobError};
use crate::root::{Request, Root, RootError};

/// Families whose volatile knobs take several steps, of which the daemon could do only the first, or act on the mount
/// namespace of the machine, or need a device that the daemon has not got.
const FAMILIES: &[&str] = &["swap", "cpuset", "mount", "gpu"];

/// Whether a knob is written by the helper only.
pub(super) fn is_for_helper(spec: &Spec) -> bool {
    let family = spec.name.split('.').next().unwrap_or_default();
    spec.lifetime == Lifetime::Persistent || FAMILIES.contains(&family)
}

/// Whether the kernel refused for a lack of rights that the helper could make up for: it is in no network namespace but
/// its own, and refuses what is of one.
pub(super) fn is_for_more_rights(spec: &Spec, error: &RootError) -> bool {
    let of_network = matches!(spec.identity, Identity::NetNamespace | Identity::Interface | Identity::Queue);
    !of_network && matches!(error.errno(), Some(Errno::EPERM | Errno::EACCES | Errno::EROFS))
}

/// Lets the helper write.
pub(super) fn ask(root: &Root, instance: &Instance, value: &str) -> Result<(), KnobError> {
    let request = Request::Write { knob: instance.name(), value: value.to_owned() };
    Ok(root.ask(&request).map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::super::{all, find};
    use super::*;

    #[test]
    fn families_exist_and_files_are_out_of_reach() {
        for family in FAMILIES {
            assert!(all().any(|knob| knob.spec().name.split('.').next() == Some(family)), "{family}");
        }
        let is_for_helper = |name: &str| is_for_helper(find(name).unwrap().knob().spec());
        assert!(is_for_helper("swap.zram") && is_for_helper("systemd.environment"));
        assert!(!is_for_helper("vm.swappiness"));
    }
}
