//! The package: it installs and changes nothing, the unit starts, and it goes without a trace.

use anyhow::{Result, ensure};

use crate::case::{Case, Leaves, Notes, Starts, differences, install};
use crate::guest::{Guest, PAYLOAD};

/// What installing may change: the package's own folders, its group, its units' links and control groups.
const ITS_OWN: &[&str] = &[
    "/etc/group",
    "/etc/gshadow",
    "/etc/diapason",
    "/etc/systemd/system/",
    "/sys/fs/cgroup/system.slice/diapasond",
];

/// From nothing to a daemon that answers.
pub const INSTALL: Case =
    Case { name: "package-installs", quick: true, starts: Starts::Bare, leaves: Leaves::Same, run: installs };

/// Removal with a profile in force.
pub const PURGE: Case = Case {
    name: "package-purges",
    quick: true,
    starts: Starts::Installed,
    leaves: Leaves::Anything,
    run: purges,
};

fn installs(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    guest.ok(&format!("{PAYLOAD}/vm-guest snapshot /root/bare"))?;
    install(guest)?;
    let changed = differences(guest, "/root/bare")?;
    let strays: Vec<&String> =
        changed.iter().filter(|line| !ITS_OWN.iter().any(|own| line.starts_with(own))).collect();
    ensure!(strays.is_empty(), "installing changed settings: {strays:#?}");
    ensure!(guest.ok("systemctl is-active diapasond")?.trim() == "active", "the unit is not active");
    let doctor = guest.json("diapason doctor --json")?;
    let checks = doctor.as_array().map_or(0, Vec::len);
    ensure!(checks > 5, "doctor said little: {doctor}");
    notes.say(format!("doctor judged {checks} facts"));
    notes.say(
        guest.ok("systemd-analyze security diapasond.service --no-pager | tail -n 1")?.trim().to_owned(),
    );
    guest.ok(
        "diapason tune status && diapason tune list && systemctl --failed --quiet --no-legend | (! grep .)",
    )?;
    Ok(())
}

fn purges(guest: &mut Guest, _notes: &mut Notes) -> Result<()> {
    guest.ok("dpkg -L diapason | while read -r f; do [ -d \"$f\" ] || echo \"$f\"; done > /root/files")?;
    guest.ok("diapason tune apply trading-low-latency")?;
    guest.ok("dpkg --purge diapason")?;
    let left = guest.ok("while read -r f; do [ -e \"$f\" ] && echo \"$f\"; done < /root/files
         for f in /etc/diapason /run/diapason /var/lib/diapason; do [ -e $f ] && echo $f; done
         systemctl is-active diapasond.service diapasond.socket | grep -v -e inactive -e unknown; true")?;
    ensure!(left.trim().is_empty(), "purging left behind:\n{left}");
    let changed = differences(guest, crate::case::PRISTINE)?;
    let strays: Vec<&String> =
        changed.iter().filter(|line| !ITS_OWN.iter().any(|own| line.starts_with(own))).collect();
    ensure!(strays.is_empty(), "purging with a profile in force left settings changed: {strays:#?}");
    Ok(())
}
