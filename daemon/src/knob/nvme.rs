//! Power states of disks and of what connects them: NVMe, SATA links, PCI Express.

use super::attribute::Attribute;
use super::identity::Identity;
use super::spec::{Class, Risk};
use super::{Form, Knob, Spec};

const POWER: &str = "kernel Documentation/ABI/testing/sysfs-devices-power";
const AUTO_ON: Form = Form::Choice(&["auto", "on"]);

const fn device(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).per_device(Identity::Machine, &[])
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        device("nvme.pm_qos_latency_tolerance_us", Form::IntegerOr { min: 0, max: i32::MAX as i64, word: "auto" })
            .why("how long an NVMe disk may take to wake from a power state of its own choice, in microseconds; 0 allows none")
            .risk(Risk::Low, "0 costs some watts a disk; the disk writes its table of states anew")
            .from(POWER),
        "/sys/class/nvme/*/power/pm_qos_latency_tolerance_us",
    ),
    &Attribute::file(
        device("nvme.power_control", AUTO_ON)
            .why("whether the disk's controller may be suspended while it is idle; on keeps it awake")
            .risk(Risk::Low, "on costs power")
            .from(POWER),
        "/sys/class/nvme/*/device/power/control",
    ),
    &Attribute::file(
        device(
            "sata.link_power_management_policy",
            Form::Choice(&[
                "max_performance",
                "medium_power",
                "med_power_with_dipm",
                "min_power",
                "min_power_with_partial",
                "keep_firmware_settings",
            ]),
        )
        .why("how deep the link to a SATA disk may sleep; max_performance never")
        .risk(Risk::Medium, "the link is set up anew for the change; min_power loses data on some old disks")
        .from("kernel Documentation/scsi/link_power_management_policy.rst")
        .class(Class::Disruptive),
        "/sys/class/scsi_host/*/link_power_management_policy",
    ),
    &Attribute::file(
        Spec::new("pcie.aspm_policy", Form::Choice(&["default", "performance", "powersave", "powersupersave"]))
            .why("how deep links of PCI Express may sleep; performance never, default as the firmware says")
            .risk(Risk::Medium, "waking a link takes microseconds; some devices fail with powersupersave")
            .from("kernel Documentation/admin-guide/kernel-parameters.txt, pcie_aspm.policy")
            .class(Class::BestEffort),
        "/sys/module/pcie_aspm/parameters/policy",
    )
    .marked(),
];
