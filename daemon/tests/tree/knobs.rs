//! The exam of every knob in `ALL`: read, settle, write, read back, write the original, and the tree is as before.

use std::path::Path;

use diapason_daemon::knob::{Class, Form, Instance, all};
use diapason_daemon::root::Root;

use crate::case::{differences, tree};

/// Files of knobs that are not found by their own name, with what the kernel has in them.
const FILES: &[(&str, &str)] = &[
    ("proc/sys/vm/dirty_ratio", "20\n"),
    ("proc/sys/vm/dirty_bytes", "0\n"),
    ("proc/sys/vm/dirty_background_ratio", "10\n"),
    ("proc/sys/vm/dirty_background_bytes", "0\n"),
    ("proc/sys/net/ipv4/tcp_congestion_control", "cubic\n"),
    ("proc/sys/net/ipv4/tcp_available_congestion_control", "reno cubic\n"),
    ("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 4092 0 -2\n"),
    ("proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("sys/kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never\n"),
    ("sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force\n"),
    ("sys/kernel/mm/transparent_hugepage/use_zero_page", "1\n"),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "1\n"),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none", "511\n"),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan", "4096\n"),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "10000\n"),
    ("sys/kernel/mm/ksm/run", "0\n"),
    ("sys/block/sda/queue/scheduler", "none [mq-deadline] \n"),
    ("sys/block/sda/queue/nr_requests", "256\n"),
    ("sys/block/sda/queue/read_ahead_kb", "128\n"),
    ("sys/block/sda/queue/rq_affinity", "1\n"),
    ("sys/block/sda/queue/nomerges", "0\n"),
    ("sys/block/sda/queue/add_random", "0\n"),
    ("sys/block/sda/queue/iostats", "1\n"),
    ("sys/block/sda/queue/wbt_lat_usec", "75000\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "powersave\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors", "performance powersave\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference", "balance_power\n"),
    (
        "sys/devices/system/cpu/cpufreq/policy0/energy_performance_available_preferences",
        "performance balance_power\n",
    ),
    ("sys/devices/system/cpu/cpufreq/boost", "1\n"),
    ("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n"),
    ("sys/devices/system/cpu/intel_pstate/min_perf_pct", "20\n"),
    ("sys/devices/system/cpu/intel_pstate/max_perf_pct", "100\n"),
    ("sys/devices/system/cpu/intel_pstate/hwp_dynamic_boost", "0\n"),
    ("sys/devices/system/cpu/intel_pstate/energy_efficiency", "1\n"),
    ("sys/devices/system/cpu/intel_pstate/status", "active\n"),
    ("sys/devices/system/cpu/amd_pstate/status", "active\n"),
    ("sys/devices/system/cpu/smt/control", "on\n"),
    ("sys/devices/system/cpu/possible", "0-7\n"),
    ("sys/devices/system/cpu/online", "0-7\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_min_freq", "800000\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "3700000\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq", "800000\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "3700000\n"),
    ("sys/devices/system/cpu/intel_uncore_frequency/package_00_die_00/min_freq_khz", "800000\n"),
    ("sys/devices/system/cpu/intel_uncore_frequency/package_00_die_00/max_freq_khz", "2400000\n"),
    ("sys/devices/system/cpu/intel_uncore_frequency/package_00_die_00/initial_min_freq_khz", "800000\n"),
    ("sys/devices/system/cpu/intel_uncore_frequency/package_00_die_00/initial_max_freq_khz", "2400000\n"),
    ("sys/devices/system/cpu/cpuidle/current_governor", "menu\n"),
    ("sys/devices/system/cpu/cpuidle/available_governors", "menu teo\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/disable", "0\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/latency", "0\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/disable", "0\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "133\n"),
    ("sys/kernel/debug/sched/tunable_scaling", "1\n"),
    ("sys/kernel/debug/sched/base_slice_ns", "3000000\n"),
    ("sys/kernel/debug/sched/latency_ns", "6000000\n"),
    ("sys/kernel/debug/sched/min_granularity_ns", "750000\n"),
    ("sys/kernel/debug/sched/wakeup_granularity_ns", "1000000\n"),
    ("sys/kernel/debug/sched/migration_cost_ns", "500000\n"),
    ("sys/kernel/debug/sched/nr_migrate", "32\n"),
    ("sys/kernel/debug/sched/preempt", "none voluntary (full) \n"),
    ("sys/kernel/rcu_normal", "0\n"),
    ("sys/kernel/rcu_expedited", "0\n"),
    ("sys/module/rcupdate/parameters/rcu_cpu_stall_suppress", "0\n"),
    ("sys/module/rcupdate/parameters/rcu_cpu_stall_timeout", "21\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm \n"),
    ("sys/devices/system/machinecheck/machinecheck0/ignore_ce", "0\n"),
    ("sys/module/haltpoll/parameters/guest_halt_poll_ns", "200000\n"),
    ("sys/module/haltpoll/parameters/guest_halt_poll_allow_shrink", "Y\n"),
    ("sys/module/haltpoll/parameters/guest_halt_poll_grow", "2\n"),
    ("sys/module/haltpoll/parameters/guest_halt_poll_grow_start", "50000\n"),
    ("sys/module/haltpoll/parameters/guest_halt_poll_shrink", "2\n"),
    ("sys/module/kvm/parameters/halt_poll_ns", "200000\n"),
    ("sys/module/kvm/parameters/halt_poll_ns_grow", "2\n"),
    ("sys/module/kvm/parameters/halt_poll_ns_shrink", "0\n"),
    ("sys/devices/virtual/workqueue/cpumask", "ff\n"),
    ("sys/devices/virtual/workqueue/cpumask_requested", "ff\n"),
    ("sys/devices/virtual/workqueue/writeback/cpumask", "ff\n"),
    ("sys/module/workqueue/parameters/default_affinity_scope", "cache\n"),
    ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
    ("sys/fs/cgroup/cgroup.subtree_control", "cpu memory pids\n"),
    ("sys/fs/cgroup/cpuset.cpus.effective", "0-7\n"),
    ("proc/sys/kernel/watchdog_cpumask", "0-7\n"),
    ("proc/irq/default_smp_affinity", "ff\n"),
    ("proc/irq/25/smp_affinity_list", "0-7\n"),
    ("sys/kernel/irq/25/actions", "eth0-TxRx-0\n"),
    ("sys/kernel/irq/25/chip_name", "PCI-MSI\n"),
    ("sys/kernel/irq/25/hwirq", "524289\n"),
    ("usr/lib/systemd/system/irqbalance.service", "[Service]\n"),
    ("sys/devices/system/cpu/cpu0/power/energy_perf_bias", "6\n"),
    ("sys/devices/system/cpu/cpu0/power/pm_qos_resume_latency_us", "0\n"),
    ("dev/cpu_dma_latency", "2000000000\n"),
    ("socket/timestamping", "0\n"),
    ("nvml/GPU-5a/persistence_mode", "0\n"),
    ("nvml/GPU-5a/power_limit_mw", "400000\n"),
    ("nvml/GPU-5a/power_limit_mw-min", "100000\n"),
    ("nvml/GPU-5a/power_limit_mw-max", "400000\n"),
    ("nvml/GPU-5a/applications_clocks_mhz", "1215 1095\n"),
    ("nvml/GPU-5a/compute_mode", "default\n"),
    ("nvml/GPU-5a/auto_boost", "1\n"),
    ("sys/class/net/eth0/ifindex", "2\n"),
    ("proc/sys/net/ipv4/conf/eth0/rp_filter", "0\n"),
    ("proc/sys/net/ipv4/conf/eth0/arp_ignore", "0\n"),
    ("proc/sys/net/ipv4/conf/eth0/arp_announce", "0\n"),
    ("netlink/ethtool/eth0/channels/combined", "4\n"),
    ("netlink/ethtool/eth0/channels/combined-max", "64\n"),
    ("netlink/ethtool/eth0/channels/rx", "4\n"),
    ("netlink/ethtool/eth0/channels/rx-max", "64\n"),
    ("netlink/ethtool/eth0/channels/tx", "4\n"),
    ("netlink/ethtool/eth0/channels/tx-max", "64\n"),
    ("netlink/ethtool/eth0/ring/rx", "4\n"),
    ("netlink/ethtool/eth0/ring/rx-max", "64\n"),
    ("netlink/ethtool/eth0/ring/tx", "4\n"),
    ("netlink/ethtool/eth0/ring/tx-max", "64\n"),
    ("netlink/ethtool/eth0/coalesce/adaptive-rx", "1\n"),
    ("netlink/ethtool/eth0/coalesce/rx-usecs", "1\n"),
    ("netlink/ethtool/eth0/coalesce/rx-frames", "1\n"),
    ("netlink/ethtool/eth0/coalesce/adaptive-tx", "1\n"),
    ("netlink/ethtool/eth0/coalesce/tx-usecs", "1\n"),
    ("netlink/ethtool/eth0/coalesce/tx-frames", "1\n"),
    ("netlink/ethtool/eth0/coalesce/rx-usecs-irq", "1\n"),
    ("netlink/ethtool/eth0/coalesce/rx-frames-irq", "1\n"),
    ("netlink/ethtool/eth0/coalesce/tx-usecs-irq", "1\n"),
    ("netlink/ethtool/eth0/coalesce/tx-frames-irq", "1\n"),
    ("netlink/ethtool/eth0/coalesce/cqe-mode-rx", "1\n"),
    ("netlink/ethtool/eth0/coalesce/cqe-mode-tx", "1\n"),
    ("netlink/ethtool/eth0/pause/autoneg", "1\n"),
    ("netlink/ethtool/eth0/pause/rx", "1\n"),
    ("netlink/ethtool/eth0/pause/tx", "1\n"),
    ("netlink/ethtool/eth0/features/hw-tc-offload", "on\n"),
    ("netlink/ethtool/eth0/features/rx-checksum", "on\n"),
    ("netlink/ethtool/eth0/features/rx-gro", "on\n"),
    ("netlink/ethtool/eth0/features/rx-gro-hw", "on\n"),
    ("netlink/ethtool/eth0/features/rx-gro-list", "on\n"),
    ("netlink/ethtool/eth0/features/rx-hashing", "on\n"),
    ("netlink/ethtool/eth0/features/rx-lro", "on\n"),
    ("netlink/ethtool/eth0/features/rx-ntuple-filter", "on\n"),
    ("netlink/ethtool/eth0/features/rx-udp-gro-forwarding", "on\n"),
    ("netlink/ethtool/eth0/features/rx-vlan-hw-parse", "on\n"),
    ("netlink/ethtool/eth0/features/tx-generic-segmentation", "on\n"),
    ("netlink/ethtool/eth0/features/tx-nocache-copy", "on\n"),
    ("netlink/ethtool/eth0/features/tx-scatter-gather", "on\n"),
    ("netlink/ethtool/eth0/features/tx-tcp-segmentation", "on\n"),
    ("netlink/ethtool/eth0/features/tx-tcp6-segmentation", "on\n"),
    ("netlink/ethtool/eth0/features/tx-udp-segmentation", "on\n"),
    ("sys/class/net/eth0/napi_defer_hard_irqs", "0\n"),
    ("sys/class/net/eth0/gro_flush_timeout", "0\n"),
    ("sys/class/net/eth0/tx_queue_len", "1000\n"),
    ("proc/sys/net/core/rps_default_mask", "00000000\n"),
    ("proc/sys/net/core/default_qdisc", "fq_codel\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "0\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_cpus", "00000001\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_rxqs", "0\n"),
    ("sys/class/net/eth0/threaded", "0\n"),
    ("sys/class/net/eth0/mtu", "1500\n"),
    ("sys/class/net/eth0/device/power/control", "auto\n"),
    ("sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled", "always [inherit] madvise never\n"),
    (
        "sys/kernel/mm/transparent_hugepage/hugepages-64kB/shmem_enabled",
        "always [inherit] within_size advise never\n",
    ),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs", "60000\n"),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_swap", "64\n"),
    ("sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_shared", "256\n"),
    ("sys/kernel/mm/transparent_hugepage/shrink_underused", "1\n"),
    ("sys/kernel/mm/ksm/pages_to_scan", "100\n"),
    ("sys/kernel/mm/ksm/sleep_millisecs", "20\n"),
    ("sys/kernel/mm/ksm/merge_across_nodes", "1\n"),
    ("sys/module/zswap/parameters/compressor", "lzo\n"),
    ("sys/module/zswap/parameters/max_pool_percent", "20\n"),
    ("sys/module/zswap/parameters/accept_threshold_percent", "90\n"),
    ("sys/module/zswap/parameters/shrinker_enabled", "N\n"),
    ("sys/module/zswap/parameters/enabled", "N\n"),
    ("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n"),
    ("sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages", "0\n"),
    ("sys/block/sda/queue/iosched/read_expire", "500\n"),
    ("sys/block/sda/queue/iosched/write_expire", "5000\n"),
    ("sys/block/sda/queue/iosched/writes_starved", "2\n"),
    ("sys/block/sda/queue/iosched/front_merges", "1\n"),
    ("sys/block/sda/queue/iosched/fifo_batch", "16\n"),
    ("sys/block/sda/queue/iosched/prio_aging_expire", "10000\n"),
    ("sys/block/sdb/queue/scheduler", "none [kyber] \n"),
    ("sys/block/sdb/queue/iosched/read_lat_nsec", "2000000\n"),
    ("sys/block/sdb/queue/iosched/write_lat_nsec", "10000000\n"),
    ("sys/block/sdc/queue/scheduler", "none [bfq] \n"),
    ("sys/block/sdc/queue/iosched/low_latency", "1\n"),
    ("sys/block/sdc/queue/iosched/slice_idle", "8\n"),
    ("sys/block/sdc/queue/iosched/strict_guarantees", "0\n"),
    ("sys/block/sdc/queue/iosched/timeout_sync", "124\n"),
    ("sys/block/sda/queue/max_sectors_kb", "1280\n"),
    ("sys/block/sda/queue/max_hw_sectors_kb", "32767\n"),
    ("sys/block/sda/queue/discard_max_bytes", "2147450880\n"),
    ("sys/block/sda/queue/discard_max_hw_bytes", "4294967296\n"),
    ("sys/block/sda/queue/iostats_passthrough", "0\n"),
    ("sys/block/sda/queue/io_poll", "0\n"),
    ("sys/block/sda/queue/io_poll_delay", "-1\n"),
    ("sys/block/sda/device/queue_depth", "32\n"),
    ("sys/block/sda/device/power/control", "on\n"),
    ("sys/class/nvme/nvme0/power/pm_qos_latency_tolerance_us", "100000\n"),
    ("sys/class/nvme/nvme0/device/power/control", "auto\n"),
    ("sys/class/scsi_host/host0/link_power_management_policy", "max_performance\n"),
    ("sys/module/pcie_aspm/parameters/policy", "[default] performance powersave powersupersave \n"),
    ("proc/1/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"),
    ("sys/module/ahci/parameters/mobile_lpm_policy", "0\n"),
    ("etc/modprobe.d/.keep", ""),
    ("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
    ("etc/kernel/cmdline", "root=/dev/sda1 ro quiet\n"),
    ("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n"),
    ("sys/block/zram0/disksize", "0\n"),
    ("sys/block/zram0/comp_algorithm", "[lzo-rle] lz4 zstd \n"),
    ("sys/block/zram0/reset", "0\n"),
    ("dev/zram0", ""),
    ("var/lib/diapason/.keep", ""),
    ("etc/systemd/system/engine.service", "[Service]\n"),
];

/// Values for knobs whose form only they themselves know, or whose words only the machine knows.
const SAMPLES: &[(&str, &str)] = &[
    ("vm.dirty", "bytes 1GiB"),
    ("vm.dirty_background", "bytes 256MiB"),
    ("net.ipv4.tcp_congestion_control", "reno"),
    ("block.scheduler", "none"),
    ("cpu.governor", "performance"),
    ("cpu.energy_performance_preference", "performance"),
    ("cpu.perf_pct", "50 60"),
    ("cpu.scaling_freq", "max max"),
    ("uncore.freq_khz", "max max"),
    ("cpu.idle_states", "latency_us 50"),
    ("cpu.idle_governor", "teo"),
    ("scheduler.preempt", "voluntary"),
    ("clocksource.current_clocksource", "hpet"),
    ("gpu.power_limit_mw", "250000"),
    ("gpu.applications_clocks_mhz", "1215 1410"),
    ("nic.channels.combined", "8"),
    ("nic.channels.rx", "8"),
    ("nic.channels.tx", "max"),
    ("nic.ring.rx", "max"),
    ("nic.ring.tx", "32"),
    ("nic.feature.hw-tc-offload", "off"),
    ("nic.feature.rx-checksum", "off"),
    ("nic.feature.rx-gro", "off"),
    ("nic.feature.rx-gro-hw", "off"),
    ("nic.feature.rx-gro-list", "off"),
    ("nic.feature.rx-hashing", "off"),
    ("nic.feature.rx-lro", "off"),
    ("nic.feature.rx-ntuple-filter", "off"),
    ("nic.feature.rx-udp-gro-forwarding", "off"),
    ("nic.feature.rx-vlan-hw-parse", "off"),
    ("nic.feature.tx-generic-segmentation", "off"),
    ("nic.feature.tx-nocache-copy", "off"),
    ("nic.feature.tx-scatter-gather", "off"),
    ("nic.feature.tx-tcp-segmentation", "off"),
    ("nic.feature.tx-tcp6-segmentation", "off"),
    ("nic.feature.tx-udp-segmentation", "off"),
    ("net.core.rps_default_mask", "0-3"),
    ("net.core.rps_sock_flow_entries", "32768"),
    ("net.core.default_qdisc", "fq"),
    ("nic.rps_cpus", "0-3"),
    ("nic.rps_flow_cnt", "4096"),
    ("nic.xps_cpus", "none"),
    ("nic.xps_rxqs", "2"),
    ("zswap.compressor", "zstd"),
    ("module.parameter", "3"),
    ("module.options", "nvme_core.io_timeout=60"),
    ("boot.cmdline", "nohz_full=2-7 rcu_nocbs=2-7"),
    ("swap.zram", "zstd 64MiB"),
    ("swap.file", "16MiB 5"),
    ("swap.devices", "none"),
    ("systemd.environment", "A=1"),
    ("unit.environment", "A=1 B=2"),
    ("unit.limits", "LimitRTPRIO=99"),
];

fn machine(folder: &Path) -> Root {
    let put = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    for knob in all() {
        let name = knob.spec().name;
        if ["vm.", "kernel.", "fs.", "net."].iter().any(|family| name.starts_with(family)) {
            let content = match knob.spec().form {
                Form::Integer { min, .. } => format!("{min}\n"),
                Form::Integers { count, min, .. } => format!("{}\n", vec![min.to_string(); count].join("\t")),
                _ => continue,
            };
            put(&format!("proc/sys/{}", name.replace('.', "/")), &content);
        }
    }
    FILES.iter().for_each(|(name, content)| put(name, content));
    let mut area = vec![0; 4096];
    area[1028..1032].copy_from_slice(&1023_u32.to_le_bytes());
    area[4086..].copy_from_slice(b"SWAPSPACE2");
    std::fs::write(folder.join("dev/sda2"), area).unwrap();
    Root::new(folder)
}

#[test]
fn every_knob_goes_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let root = machine(folder.path());
    for knob in all().filter(|knob| knob.spec().class != Class::Irreversible) {
        let name = knob.spec().name;
        let targets = knob.targets(&root).unwrap();
        assert!(!targets.is_empty(), "{name}: this test's machine has no file for it; add one to FILES");
        let target = &targets[0];
        let original = knob.read(&root, target).unwrap().unwrap_or_else(|| panic!("{name} reads nothing"));
        let sample = SAMPLES.iter().find(|(knob, _)| *knob == name).map(|(_, sample)| (*sample).to_owned());
        let asked = sample.unwrap_or_else(|| match knob.spec().form {
            Form::Integer { min, max, step } => {
                let other = if original == min.to_string() { max / step * step } else { min };
                other.to_string()
            }
            Form::IntegerOr { max, .. } => max.to_string(),
            Form::Integers { count, max, .. } => vec![max.to_string(); count].join(" "),
            Form::Choice(words) => (*words.iter().find(|word| **word != original).unwrap()).to_owned(),
            Form::Cpus | Form::CpusOr(_) => "0".to_owned(),
            Form::Word | Form::Special(_) => panic!("{name}: add a value to SAMPLES"),
        });
        let before = tree(folder.path());
        let wanted = knob.settle(&root, target, &asked).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_ne!(wanted, original, "{name}");
        let disturbed = Instance { knob, target: target.clone() }.disturbed(&root).into_iter();
        let disturbed: Vec<_> = disturbed
            .filter_map(|other| {
                let value = other.read(&root).unwrap()?;
                Some((other, value))
            })
            .collect();
        knob.write(&root, target, &wanted).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(knob.read(&root, target).unwrap().as_ref(), Some(&wanted), "{name}");
        knob.write(&root, target, &original).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (other, value) in &disturbed {
            other.write(&root, value).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(knob.read(&root, target).unwrap(), Some(original), "{name}");
        assert_eq!(differences(&before, &tree(folder.path())), "", "{name}");
    }
}

#[test]
fn no_value_that_was_settled_is_out_of_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let root = machine(folder.path());
    for knob in all() {
        let target = knob.targets(&root).unwrap().first().cloned().unwrap_or_default();
        for junk in [
            "",
            " ",
            "-9223372036854775808",
            "1e9",
            "9223372036854775807999",
            "\u{0}",
            "a b c d e",
            "%",
            "../..",
            "[x]",
        ] {
            if let Ok(settled) = knob.settle(&root, &target, junk) {
                panic!("{} takes {junk:?} as {settled:?}", knob.spec().name);
            }
        }
    }
}
