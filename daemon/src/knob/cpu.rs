//! Frequency, energy and idle states: /sys/devices/system/cpu.
//!
//! The kernel keeps frequency settings once a policy, which is a CPU or a group of CPUs that share a clock; so
//! the instances are `cpu.policy0.governor`. Setting the same file through each CPU of the group would make one
//! setting look like many, and its undo like somebody else's change.

use super::attribute::Attribute;
use super::spec::{Identity, Risk};
use super::{Form, Knob, Spec};

const FREQUENCY: &str = "kernel Documentation/admin-guide/pm/cpufreq.rst";
const INTEL: &str = "kernel Documentation/admin-guide/pm/intel_pstate.rst";
const IDLE: &str = "kernel Documentation/admin-guide/pm/cpuidle.rst";

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        Spec::new("cpu.governor", Form::Word)
            .why("who chooses the frequency: performance keeps it high, powersave and schedutil follow the load")
            .risk(Risk::Low, "performance costs power and may cost turbo on neighbouring cores")
            .from(FREQUENCY)
            .per_device(Identity::Machine, &[])
            .disturbs(&["cpu.energy_performance_preference"]),
        "/sys/devices/system/cpu/cpufreq/*/scaling_governor",
    )
    .offered_in("/sys/devices/system/cpu/cpufreq/*/scaling_available_governors"),
    &Attribute::file(
        Spec::new("cpu.energy_performance_preference", Form::Word)
            .why("the hint to the processor's own governor between energy and speed")
            .risk(Risk::Low, "the kernel refuses other values than performance under the governor performance")
            .from(INTEL)
            .per_device(Identity::Machine, &[]),
        "/sys/devices/system/cpu/cpufreq/*/energy_performance_preference",
    )
    .offered_in("/sys/devices/system/cpu/cpufreq/*/energy_performance_available_preferences"),
    &Attribute::file(
        Spec::new("cpu.boost", Form::flag())
            .why("whether cores may run above their nominal frequency")
            .risk(Risk::Medium, "on: the frequency depends on heat and on the neighbours; off: lower peak")
            .from(FREQUENCY),
        "/sys/devices/system/cpu/cpufreq/boost",
    ),
    &Attribute::file(
        Spec::new("cpu.no_turbo", Form::flag())
            .why("forbids Intel processors to run above their nominal frequency")
            .risk(Risk::Medium, "1 lowers the peak")
            .from(INTEL),
        "/sys/devices/system/cpu/intel_pstate/no_turbo",
    ),
    &Attribute::file(
        Spec::new("cpu.min_perf_pct", Form::integer(0, 100))
            .why("the lowest performance of Intel processors, in per cent of the highest")
            .risk(Risk::Low, "100 costs power")
            .from(INTEL),
        "/sys/devices/system/cpu/intel_pstate/min_perf_pct",
    ),
    &Attribute::file(
        Spec::new("cpu.energy_perf_bias", Form::integer(0, 15))
            .why("an older hint of Intel processors: 0 is speed, 15 is energy")
            .risk(Risk::Low, "0 costs power")
            .from("kernel Documentation/admin-guide/pm/intel_epb.rst")
            .per_device(Identity::Machine, &[]),
        "/sys/devices/system/cpu/*/power/energy_perf_bias",
    ),
    &Attribute::file(
        Spec::new("cpu.pm_qos_resume_latency_us", Form::IntegerOr { min: 0, max: i32::MAX as i64, word: "n/a" })
            .why("how long this CPU may take to wake, in microseconds; n/a forbids every idle state, 0 sets no limit")
            .risk(Risk::Medium, "n/a keeps the CPU hot and takes turbo from its neighbours")
            .from(IDLE)
            .per_device(Identity::Machine, &[]),
        "/sys/devices/system/cpu/*/power/pm_qos_resume_latency_us",
    ),
];
