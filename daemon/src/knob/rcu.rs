//! How the kernel waits for readers to be done: /sys/kernel/rcu_* and the parameters of RCU.

use super::attribute::Attribute;
use super::spec::Risk::{Low, Medium};
use super::{Form, Knob, Spec};

const SOURCE: &str = "kernel Documentation/RCU/stallwarn.rst";

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        Spec::new("rcu.rcu_normal", Form::flag())
            .why("makes every wait of the kernel an ordinary one, which interrupts no CPU")
            .risk(Low, "changes of the network and of modules take longer")
            .from("kernel Documentation/admin-guide/kernel-parameters.txt, rcupdate.rcu_normal"),
        "/sys/kernel/rcu_normal",
    ),
    &Attribute::file(
        Spec::new("rcu.rcu_expedited", Form::flag())
            .why("makes every wait of the kernel a fast one, which interrupts every CPU")
            .risk(Medium, "1 disturbs isolated CPUs")
            .from("kernel Documentation/admin-guide/kernel-parameters.txt, rcupdate.rcu_expedited"),
        "/sys/kernel/rcu_expedited",
    ),
    &Attribute::file(
        Spec::new("rcu.rcu_cpu_stall_suppress", Form::flag())
            .why("leaves out the report of CPUs that hold the kernel up")
            .risk(Medium, "1 hides a CPU that hangs")
            .from(SOURCE),
        "/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress",
    ),
    &Attribute::file(
        Spec::new("rcu.rcu_cpu_stall_timeout", Form::integer(3, 300))
            .why("after how many seconds a CPU that holds the kernel up is reported")
            .risk(Low, "a real-time task that spins for longer is reported as a hang")
            .from(SOURCE),
        "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout",
    ),
];
