//! What the daemon reads of this host, beside what two well-kept crates read of it: procfs and sysctl.
//!
//! They open the machine's own files and know no `Root`, so they cannot be used inside; as judges they are fine.

use diapason_daemon::cpu_set::CpuSet;
use diapason_daemon::host::Host;
use diapason_daemon::knob::{ALL, Form, Instance, Lifetime};
use diapason_daemon::root::Root;
use procfs::{CpuInfo, Current, Meminfo};
use sysctl::Sysctl;

#[test]
fn facts_are_those_that_procfs_reads() {
    let host = Host::read(&Root::new("/")).unwrap();
    let memory = Meminfo::current().unwrap();
    assert_eq!(host.memory.total_bytes, memory.mem_total);
    let cpu = CpuInfo::current().unwrap();
    assert_eq!(host.cpu.online, cpu.num_cores());
    assert_eq!(host.cpu.model.as_deref(), cpu.model_name(0));
    assert_eq!(host.cpu.vendor.as_deref(), cpu.vendor_id(0));
    let version = procfs::sys::kernel::Version::current().unwrap();
    let numbers = format!("{}.{}", version.major, version.minor);
    assert!(host.kernel.release.as_deref().is_some_and(|release| release.starts_with(&numbers)));
    let swap: u64 = host.swap.iter().map(|swap| swap.bytes).sum();
    assert!(memory.swap_total.abs_diff(swap) <= 4096 * host.swap.len() as u64, "{swap}");
}

#[test]
fn sysctls_have_the_values_that_the_sysctl_crate_reads() {
    let root = Root::new("/");
    let mut compared = 0;
    for knob in ALL.iter().flat_map(|family| family.iter()) {
        let name = knob.spec().name;
        let Ok(theirs) = sysctl::Ctl::new(name).and_then(|ctl| ctl.value_string()) else { continue };
        let Ok(instance) = Instance::find(name) else { continue };
        let Ok(Some(ours)) = instance.read(&root) else { continue };
        if matches!(knob.spec().form, Form::Cpus | Form::CpusOr(_)) && CpuSet::parse_mask(&theirs).is_ok() {
            // Some files of sets of CPUs hold a list and some a mask; ours is the list in either case.
            let (list, mask) = (CpuSet::parse_list(&theirs), CpuSet::parse_mask(&theirs));
            let ours = CpuSet::parse_list(ours.trim_start_matches("none")).unwrap();
            assert!(
                list.is_ok_and(|set| set == ours) || mask.is_ok_and(|set| set == ours),
                "{name}: {theirs}"
            );
            compared += 1;
            continue;
        }
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&ours), words(&theirs), "{name}");
        compared += 1;
    }
    assert!(compared >= 10, "only {compared} sysctls could be compared");
}

/// Our bounds are not narrower than the kernel's: what it says of a setting is a value that we would write, and
/// the canonical form of itself. What a person asks of a swap area or a file of ours has another form than its state,
/// and a module may show any text.
#[test]
fn what_this_machine_says_is_a_value_that_it_takes() {
    let root = Root::new("/");
    let mut compared = 0;
    for knob in ALL.iter().flat_map(|family| family.iter()) {
        let spec = knob.spec();
        let has_states = ["swap.", "block.iosched."].iter().any(|family| spec.name.starts_with(family))
            || ["cpuset.partition", "module.parameter"].contains(&spec.name);
        if spec.lifetime == Lifetime::Persistent || has_states {
            continue;
        }
        let targets = knob.targets(&root).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
        // What nobody tunes may be beyond every bound: the loop-back interface has packets of 64 KiB.
        let is_tuned = |target: &String| {
            let skips =
                |skip: &&str| skip.strip_suffix('*').map_or(target == skip, |head| target.starts_with(head));
            !spec.skips.iter().any(skips)
        };
        for target in targets.into_iter().filter(is_tuned) {
            // Not every user may read every setting.
            let Ok(Some(value)) = knob.read(&root, &target) else { continue };
            let settled = knob.settle(&root, &target, &value);
            assert_eq!(settled.map_err(|error| error.to_string()), Ok(value), "{} {target}", spec.name);
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared} settings could be read");
}
