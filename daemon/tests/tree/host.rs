//! Facts of a machine that the tests do not run on: two sockets, NVMe, a fast card, a GPU.

use std::os::unix::fs::symlink;

use diapason_daemon::host::Host;
use diapason_daemon::root::Root;

fn server() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let link = |name: &str, target: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    };
    let cpu = |number: u32, package: u32| {
        format!(
            "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Intel(R) Xeon(R)\n\
             stepping\t: 8\nphysical id\t: {package}\ncore id\t\t: 0\nflags\t\t: fpu avx2 avx512f amx_tile\n\n"
        )
    };
    put("proc/cpuinfo", &[cpu(0, 0), cpu(1, 1), cpu(2, 0), cpu(3, 1)].concat());
    put("proc/meminfo", "MemTotal:       263842996 kB\nMemAvailable:   250000000 kB\n");
    put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/dm-1 partition 8388604 256 -2\n");
    put("proc/sys/kernel/osrelease", "6.12.9-rt\n");
    put("sys/kernel/realtime", "1\n");
    put("proc/cmdline", "isolcpus=1 nohz_full=1\n");
    put("sys/devices/system/cpu/isolated", "1\n");
    put("sys/devices/system/cpu/nohz_full", "1\n");
    put("sys/devices/system/cpu/smt/control", "on\n");
    put("sys/devices/system/cpu/cpu0/cache/index2/level", "2\n");
    put("sys/devices/system/cpu/cpu0/cache/index2/type", "Unified\n");
    put("sys/devices/system/cpu/cpu0/cache/index2/size", "2048K\n");
    put("sys/devices/system/cpu/cpu0/cache/index2/shared_cpu_list", "0,2\n");
    for node in 0..2 {
        put(&format!("sys/devices/system/node/node{node}/cpulist"), &format!("{node},{}\n", node + 2));
        put(
            &format!("sys/devices/system/node/node{node}/meminfo"),
            &format!("Node {node} MemTotal:       1048576 kB\n"),
        );
    }
    put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500\n");
    put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    put("sys/block/nvme0n1/size", "7501476528\n");
    put("sys/block/nvme0n1/queue/rotational", "0\n");
    put("sys/block/nvme0n1/queue/scheduler", "[none] mq-deadline kyber \n");
    put("sys/block/nvme0n1/queue/nr_requests", "1023\n");
    link("sys/block/nvme0n1/device/device/driver", "../../../../bus/pci/drivers/nvme");
    put("sys/class/net/enp1s0f0/operstate", "up\n");
    put("sys/class/net/enp1s0f0/speed", "100000\n");
    put("sys/class/net/enp1s0f0/mtu", "9000\n");
    put("sys/class/net/enp1s0f0/queues/rx-0/rps_cpus", "0\n");
    put("sys/class/net/enp1s0f0/queues/rx-1/rps_cpus", "0\n");
    put("sys/class/net/enp1s0f0/device/numa_node", "1\n");
    link("sys/class/net/enp1s0f0/device/driver", "../../../bus/pci/drivers/mlx5_core");
    put("sys/class/net/enp1s0f1/operstate", "down\n");
    put("sys/class/net/enp1s0f1/speed", "-1\n");
    put("sys/class/net/bonding_masters", "bond0\n");
    put("sys/bus/pci/devices/0000:17:00.0/class", "0x030200\n");
    put("sys/bus/pci/devices/0000:17:00.0/vendor", "0x10de\n");
    put("sys/bus/pci/devices/0000:17:00.0/device", "0x2330\n");
    link("sys/bus/pci/devices/0000:17:00.0/driver", "../../../bus/pci/drivers/nvidia");
    put("sys/bus/pci/devices/0000:00:1f.0/class", "0x060100\n");
    put(
        "proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n",
    );
    put(
        "proc/driver/nvidia/gpus/0000:17:00.0/information",
        "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 90\n",
    );
    put("dev/dri/renderD128", "");
    put("usr/share/vulkan/icd.d/nvidia_icd.json", "{}");
    put("proc/4711/comm", "irqbalance\n");
    put("proc/4712/comm", "engine\n");
    put("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    put("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm \n");
    folder
}

#[test]
fn a_server_is_read_as_it_is() {
    let folder = server();
    let host = Host::read(&Root::new(folder.path())).unwrap();
    assert_eq!((host.cpu.online, host.cpu.cores, host.cpu.signature), (4, Some(2), Some([6, 143, 8])));
    assert!(host.cpu.flags.contains(&"amx_tile".to_owned()));
    assert_eq!(
        (host.cpu.isolated.as_deref(), host.cpu.nohz_full.as_deref(), host.cpu.smt.as_deref()),
        (Some("1"), Some("1"), Some("on"))
    );
    assert_eq!((host.cpu.caches[0].bytes, host.cpu.caches[0].shared_by.as_str()), (2 << 20, "0,2"));
    assert_eq!((host.numa.len(), host.numa[1].cpus.as_str(), host.numa[1].memory_bytes), (2, "1,3", 1 << 30));
    assert_eq!(host.memory.total_bytes, 263_842_996 * 1024);
    assert_eq!(
        (host.memory.hugepages[0].page_bytes, host.memory.hugepages[0].total, host.memory.hugepages[0].free),
        (2 << 20, 512, 500)
    );
    assert_eq!(host.memory.transparent_hugepages.as_deref(), Some("madvise"));
    assert_eq!((host.swap[0].path.as_str(), host.swap[0].used_bytes), ("/dev/dm-1", 256 * 1024));
    let disk = &host.block[0];
    assert_eq!(
        (disk.name.as_str(), disk.driver.as_deref(), disk.scheduler.as_deref()),
        ("nvme0n1", Some("nvme"), Some("none"))
    );
    assert_eq!((disk.schedulers.len(), disk.rotational, disk.nr_requests), (3, Some(false), Some(1023)));
    let names: Vec<_> = host.nics.iter().map(|nic| nic.name.as_str()).collect();
    assert_eq!(names, ["enp1s0f0", "enp1s0f1"]);
    let (card, down) = (&host.nics[0], &host.nics[1]);
    assert_eq!(
        (card.driver.as_deref(), card.speed_mbit, card.mtu, card.rx_queues, card.numa_node),
        (Some("mlx5_core"), Some(100_000), Some(9000), 2, Some(1))
    );
    assert_eq!((down.state.as_deref(), down.speed_mbit), (Some("down"), None));
    let gpu = &host.gpus[0];
    assert_eq!((host.gpus.len(), gpu.vendor.as_str(), gpu.driver.as_deref()), (1, "nvidia", Some("nvidia")));
    assert_eq!(
        (gpu.driver_version.as_deref(), gpu.model.as_deref()),
        (Some("570.86.15"), Some("NVIDIA H100 80GB HBM3"))
    );
    assert_eq!(host.vulkan.manifests, ["/usr/share/vulkan/icd.d/nvidia_icd.json"]);
    assert_eq!(host.vulkan.render_nodes, ["/dev/dri/renderD128"]);
    assert_eq!(
        (host.rivals.len(), host.rivals[0].name.as_str(), host.rivals[0].pid),
        (1, "irqbalance", 4711)
    );
    assert_eq!((host.kernel.clocksource.as_deref(), host.kernel.clocksources.len()), (Some("tsc"), 3));
    assert_eq!((host.kernel.virtualisation, host.kernel.realtime), (None, true));
}
