//! What a profile would change on a host that is a folder: nothing here touches the machine.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use anyhow::Result;
use diapason_daemon::host::Host;
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::Library;
use diapason_daemon::root::Root;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let sysctl = folder.path().join("proc/sys/vm");
    std::fs::create_dir_all(&sysctl)?;
    std::fs::write(sysctl.join("swappiness"), "60\n")?;

    let root = Root::new(folder.path());
    let profile = Library::new(&root).load("trading-low-latency")?;
    let plan = Plan::make(&profile, &Host::read(&root)?, &root)?;
    for change in plan.pending() {
        println!(
            "{}: {} -> {}\n  {} ({})",
            change.knob,
            change.current.as_deref().unwrap_or("-"),
            change.wanted,
            change.reason,
            change.source
        );
    }
    println!("{} other settings do not exist on this host", plan.changes.len() - plan.pending().count());
    Ok(())
}
