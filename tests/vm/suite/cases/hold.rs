//! The PM QoS hold, sampled at 1 kHz from outside of the daemon while the daemon is restarted and killed.

use anyhow::{Result, ensure};

use super::memory::with_profile;
use crate::case::{Case, Leaves, Notes, Starts};
use crate::guest::{Guest, PAYLOAD};

/// A hundred kills, each followed by a restart.
pub const HOLD: Case =
    Case { name: "hold", quick: false, starts: Starts::Installed, leaves: Leaves::Same, run: hold };

/// What is held, in microseconds.
const LATENCY_US: &str = "9";

fn hold(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    with_profile(guest, &[("cpu.dma_latency", LATENCY_US)], |guest| {
        // A second between two starts is the unit's; a hundred of them would prove no more.
        guest.ok("mkdir -p /run/systemd/system/diapasond.service.d
             printf '[Service]\\nRestartSec=100ms\\n' > /run/systemd/system/diapasond.service.d/hold.conf
             systemctl daemon-reload")?;
        let answer = guest.ok_within(
            &format!(
                "rm -f /run/over; {PAYLOAD}/vm-guest hold {LATENCY_US} /run/over > /run/held &
                 kills=0; restarts=0
                 for i in $(seq 100); do
                   old=$(systemctl show -p MainPID --value diapasond)
                   kill -KILL $old; kills=$((kills + 1))
                   for j in $(seq 200); do
                     new=$(systemctl show -p MainPID --value diapasond)
                     [ \"$new\" != 0 ] && [ \"$new\" != \"$old\" ] && systemctl is-active -q diapasond && break
                     sleep 0.02
                   done
                   systemctl restart diapasond && restarts=$((restarts + 1))
                 done
                 touch /run/over; wait; echo $kills kills, $restarts restarts; cat /run/held"
            ),
            std::time::Duration::from_secs(580),
        )?;
        guest.ok(
            "rm -r /run/systemd/system/diapasond.service.d /run/over /run/held; systemctl daemon-reload",
        )?;
        notes.say(answer.trim().to_owned());
        ensure!(answer.contains("\"lapses\":0,"), "the hold lapsed: {answer}");
        Ok(())
    })
}
