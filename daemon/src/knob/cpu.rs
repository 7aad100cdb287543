//! Frequency, energy and idle states: /sys/devices/system/cpu.
//!
//! The kernel keeps frequency settings once a policy, which is a CPU or a group of CPUs that share a clock; so
//! the instances are `cpu.policy0.governor`. Setting the same file through each CPU of the group would make one
//! setting look like many, and its undo like somebody else's change.

use super::attribute::Attribute;
use super::identity::Identity;
use super::spec::{Class, Risk};
use super::{Form, Knob, Spec};

const FREQUENCY: &str = "kernel Documentation/admin-guide/pm/cpufreq.rst";
const INTEL: &str = "kernel Documentation/admin-guide/pm/intel_pstate.rst";
const IDLE: &str = "kernel Documentation/admin-guide/pm/cpuidle.rst";

/// What starts anew when a CPU comes back or the frequency driver changes its mode.
const PER_POLICY: &[&str] =
    &["cpu.governor", "cpu.energy_performance_preference", "cpu.boost", "cpu.scaling_freq"];

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        Spec::new("cpu.smt", Form::Choice(&["on", "off"]))
            .why("whether each core runs several threads; off leaves a core to one task alone")
            .risk(Risk::Medium, "taking CPUs off stops the whole machine for moments; on brings back every thread, also those taken off one by one")
            .from("kernel Documentation/ABI/testing/sysfs-devices-system-cpu, smt/control")
            .class(Class::Disruptive)
            .disturbs(&[
                "cpu.governor",
                "cpu.energy_performance_preference",
                "cpu.energy_perf_bias",
                "cpu.scaling_freq",
                "cpu.pm_qos_resume_latency_us",
                "cpu.idle_states",
                "scheduler.base_slice_ns",
            ]),
        "/sys/devices/system/cpu/smt/control",
    )
    .lacking(&["notsupported", "notimplemented", "forceoff"]),
    &Attribute::file(
        Spec::new("cpu.amd_pstate_status", Form::Choice(&["active", "passive", "guided"]))
            .why("who chooses the frequency of AMD processors: active the processor, guided the processor within bounds, passive the kernel")
            .risk(Risk::Medium, "the driver is taken out and put in again; a processor that lacks the mode is left without one, which is undone")
            .from("kernel Documentation/admin-guide/pm/amd-pstate.rst")
            .class(Class::Disruptive)
            .disturbs(PER_POLICY)
            .since(6, 3),
        "/sys/devices/system/cpu/amd_pstate/status",
    ),
    &Attribute::file(
        Spec::new("cpu.intel_pstate_status", Form::Choice(&["active", "passive"]))
            .why("who chooses the frequency of Intel processors: active the processor, passive the kernel")
            .risk(Risk::Medium, "the driver is taken out and put in again")
            .from(INTEL)
            .class(Class::Disruptive)
            .disturbs(&[
                "cpu.governor",
                "cpu.energy_performance_preference",
                "cpu.hwp_dynamic_boost",
                "cpu.perf_pct",
                "cpu.scaling_freq",
            ])
            .since(4, 12),
        "/sys/devices/system/cpu/intel_pstate/status",
    ),
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
            .from(FREQUENCY)
            // The highest frequency moves with it, and a bound of one's own is forgotten.
            .disturbs(&["cpu.scaling_freq"]),
        "/sys/devices/system/cpu/cpufreq/boost",
    ),
    &Attribute::file(
        Spec::new("cpu.no_turbo", Form::flag())
            .why("forbids Intel processors to run above their nominal frequency")
            .risk(Risk::Medium, "1 lowers the peak")
            .from(INTEL)
            .disturbs(&["cpu.scaling_freq"]),
        "/sys/devices/system/cpu/intel_pstate/no_turbo",
    ),
    &Attribute::file(
        Spec::new("cpu.hwp_dynamic_boost", Form::flag())
            .why("lets Intel processors speed up for a task that waited for a disk")
            .risk(Risk::Low, "on makes the frequency depend on input and output")
            .from(INTEL)
            .since(4, 19),
        "/sys/devices/system/cpu/intel_pstate/hwp_dynamic_boost",
    ),
    &Attribute::file(
        Spec::new("cpu.energy_efficiency", Form::flag())
            .why("lets Intel processors save power where they think it costs no speed")
            .risk(Risk::Low, "0 costs power")
            .from(INTEL)
            .since(5, 9),
        "/sys/devices/system/cpu/intel_pstate/energy_efficiency",
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
    &Attribute::file(
        Spec::new("cpu.idle_governor", Form::Word)
            .why("who chooses the idle state: menu and teo guess how long it will last, haltpoll polls in a guest")
            .risk(Risk::Low, "another guess costs power or time to wake")
            .from(IDLE),
        "/sys/devices/system/cpu/cpuidle/current_governor",
    )
    .offered_in("/sys/devices/system/cpu/cpuidle/available_governors"),
];
