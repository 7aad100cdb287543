//! The checks, in the order in which they are shown: pure judgements over the facts of a host.

use diapason_daemon::host::{BlockDevice, Host, Nic};
use diapason_kernels::Isa;
use diapason_loader::source::uring;

use super::{Check, Grade};
use crate::console;

/// The oldest kernel whose io_uring has the flags that the loader asks for (`DEFER_TASKRUN`, Linux 6.1).
const KERNEL_FULL: (u32, u32) = (6, 1);
/// Below this the loader's default budget does not leave room for a model.
const MEMORY_FAIL_BYTES: u64 = 512 << 20;
/// Below this a training run competes with the page cache.
const MEMORY_WARN_BYTES: u64 = 2 << 30;

/// Judges every fact of `host`; probes of the running kernel are made only when it is this very host.
pub fn all(host: &Host, is_this_host: bool) -> Vec<Check> {
    let mut checks =
        vec![cpu(host), isa(is_this_host), caches(host), numa(host), isolation(host), governor(host)];
    checks.extend([
        memory(host),
        hugepages(host),
        swap(host),
        kernel(host),
        clock(host),
        virtualisation(host),
    ]);
    // A loop device without a file and a port without a driver are slots, not devices.
    checks.extend(host.block.iter().filter(|disk| disk.bytes > 0).map(block));
    checks.extend(host.nics.iter().filter(|nic| nic.driver.is_some()).map(nic));
    if is_this_host {
        checks.push(io_uring());
    }
    checks.extend([gpu(host), vulkan(host)]);
    checks.extend(devices(is_this_host));
    checks.push(rivals(host));
    checks
}

fn pass(name: &str, fact: String) -> Check {
    Check { name: name.to_owned(), grade: Grade::Pass, fact, reason: String::new(), remedy: String::new() }
}

fn warn(name: &str, fact: String, reason: &str, remedy: &str) -> Check {
    let (reason, remedy) = (reason.to_owned(), remedy.to_owned());
    Check { name: name.to_owned(), grade: Grade::Warn, fact, reason, remedy }
}

fn fail(name: &str, fact: String, reason: &str, remedy: &str) -> Check {
    Check { grade: Grade::Fail, ..warn(name, fact, reason, remedy) }
}

fn known(fact: Option<&str>) -> String {
    fact.unwrap_or("unknown").to_owned()
}

fn cpu(host: &Host) -> Check {
    let cpu = &host.cpu;
    let threads = match (cpu.cores, cpu.smt.as_deref()) {
        (Some(cores), Some("notsupported" | "notimplemented")) => {
            format!("{} CPUs on {cores} cores, no SMT", cpu.online)
        }
        (Some(cores), Some(smt)) => format!("{} CPUs on {cores} cores, SMT {smt}", cpu.online),
        _ => format!("{} CPUs", cpu.online),
    };
    pass("cpu", format!("{}, {threads}", known(cpu.model.as_deref())))
}

fn isa(is_this_host: bool) -> Check {
    if !is_this_host {
        return pass("isa", "not asked: another tree is examined".to_owned());
    }
    let available: Vec<String> = Isa::available().map(|isa| isa.to_string()).collect();
    let fact = available.join(", ");
    if Isa::available().any(|isa| isa != Isa::Scalar) {
        return pass("isa", fact);
    }
    warn(
        "isa",
        fact,
        "only the scalar kernels can run: many times slower",
        "use a CPU with AVX2 and FMA or AVX-512; in a VM, pass the host's CPU model through",
    )
}

fn caches(host: &Host) -> Check {
    let caches: Vec<String> = host
        .cpu
        .caches
        .iter()
        .filter(|cache| cache.kind != "Instruction")
        .map(|cache| format!("L{} {}", cache.level, console::bytes(cache.bytes)))
        .collect();
    pass("caches", if caches.is_empty() { "unknown".to_owned() } else { caches.join(", ") })
}

fn numa(host: &Host) -> Check {
    match host.numa.as_slice() {
        [] | [_] => pass("numa", "one node".to_owned()),
        nodes => warn(
            "numa",
            format!("{} nodes", nodes.len()),
            "memory of another node is slower",
            "run one process a node under `numactl --cpunodebind=N --membind=N`",
        ),
    }
}

fn isolation(host: &Host) -> Check {
    match host.cpu.isolated.as_deref() {
        Some(cpus) if !cpus.is_empty() => pass("isolated cpus", cpus.to_owned()),
        _ => warn(
            "isolated cpus",
            "none".to_owned(),
            "a tick shares its core with every other task, timer and interrupt",
            "for trading, isolate cores on the kernel command line (isolcpus, nohz_full, rcu_nocbs) or in a cpuset partition",
        ),
    }
}

fn governor(host: &Host) -> Check {
    let name = "cpu frequency";
    match (host.cpu.frequency_driver.as_deref(), host.cpu.governor.as_deref()) {
        (None, _) => pass(name, "not under this kernel's control".to_owned()),
        (Some(driver), Some("performance")) => pass(name, format!("{driver}, performance")),
        (Some(driver), governor) => warn(
            name,
            format!("{driver}, {}", known(governor)),
            "the clock falls between ticks and takes microseconds to rise",
            "sudo diapason tune apply trading-low-latency",
        ),
    }
}

fn memory(host: &Host) -> Check {
    let memory = &host.memory;
    let fact = format!(
        "{}, {} available",
        console::bytes(memory.total_bytes),
        console::bytes(memory.available_bytes)
    );
    match memory.available_bytes {
        bytes if bytes < MEMORY_FAIL_BYTES => {
            fail("memory", fact, "too little for the loader and a model", "stop other programs or add memory")
        }
        bytes if bytes < MEMORY_WARN_BYTES => {
            warn("memory", fact, "the page cache has little room left", "stop other programs or add memory")
        }
        _ => pass("memory", fact),
    }
}

fn hugepages(host: &Host) -> Check {
    let mode = known(host.memory.transparent_hugepages.as_deref());
    let reserved: u64 = host.memory.hugepages.iter().map(|pool| pool.page_bytes * pool.total).sum();
    let fact = format!("transparent {mode}, reserved {}", console::bytes(reserved));
    if mode == "always" {
        return warn(
            "huge pages",
            fact,
            "khugepaged may stall any process while it moves pages",
            "sudo diapason tune apply trading-low-latency (sets madvise or never)",
        );
    }
    pass("huge pages", fact)
}

fn swap(host: &Host) -> Check {
    let used: u64 = host.swap.iter().map(|swap| swap.used_bytes).sum();
    let total: u64 = host.swap.iter().map(|swap| swap.bytes).sum();
    match (total, used) {
        (0, _) => pass("swap", "none".to_owned()),
        (_, 0) => pass("swap", format!("{}, unused", console::bytes(total))),
        _ => warn(
            "swap",
            format!("{} of {} used", console::bytes(used), console::bytes(total)),
            "a page that was swapped out costs milliseconds when it is needed",
            "add memory or lower vm.swappiness; `diapason tune plan trading-low-latency` shows how",
        ),
    }
}

fn kernel(host: &Host) -> Check {
    let release = known(host.kernel.release.as_deref());
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = numbers.next().zip(numbers.next());
    let fact = if host.kernel.realtime { format!("{release}, PREEMPT_RT") } else { release };
    match version {
        Some(version) if version >= KERNEL_FULL => pass("kernel", fact),
        _ => warn(
            "kernel",
            fact,
            "older than 6.1: io_uring lacks DEFER_TASKRUN and some knobs are absent",
            "upgrade to a 6.1 or newer kernel",
        ),
    }
}

fn clock(host: &Host) -> Check {
    let source = known(host.kernel.clocksource.as_deref());
    match source.as_str() {
        "hpet" | "acpi_pm" | "jiffies" => fail(
            "clock",
            source,
            "reading the time is a slow device access; every latency figure would be wrong",
            "fix the TSC (BIOS, hypervisor) and boot with clocksource=tsc",
        ),
        _ => pass("clock", source),
    }
}

fn virtualisation(host: &Host) -> Check {
    match host.kernel.virtualisation.as_deref() {
        None => pass("virtualisation", "none found".to_owned()),
        Some(kind) => warn(
            "virtualisation",
            kind.to_owned(),
            "the hypervisor may take the CPU away for milliseconds, and many knobs are its own",
            "measure on bare metal before trusting a tail latency",
        ),
    }
}

fn block(disk: &BlockDevice) -> Check {
    let name = format!("disk {}", disk.name);
    let kind = match disk.rotational {
        Some(true) => "rotating",
        Some(false) => "solid state",
        None => "unknown kind",
    };
    let scheduler = known(disk.scheduler.as_deref());
    let ahead = disk.read_ahead_kb.map_or(String::new(), |kib| format!(", read-ahead {kib} KiB"));
    let fact = format!("{}, {kind}, scheduler {scheduler}{ahead}", console::bytes(disk.bytes));
    if disk.rotational == Some(false) && scheduler == "bfq" {
        return warn(
            &name,
            fact,
            "bfq spends CPU on fairness that a solid-state disk does not need",
            "diapason tune plan training-throughput",
        );
    }
    pass(&name, fact)
}

fn nic(nic: &Nic) -> Check {
    let speed = nic.speed_mbit.map_or("unknown speed".to_owned(), |mbit| format!("{mbit} Mbit/s"));
    let fact = format!(
        "{}, {speed}, {} receive queues, {}",
        known(nic.driver.as_deref()),
        nic.rx_queues,
        known(nic.state.as_deref())
    );
    pass(&format!("nic {}", nic.name), fact)
}

fn io_uring() -> Check {
    match uring::probe() {
        Ok(()) => pass("io_uring", "a read was completed".to_owned()),
        Err(reason) => warn(
            "io_uring",
            reason.to_string(),
            "the loader reads by pread instead, which gives the same bytes and has one read under way, not eight",
            "allow io_uring (sysctl kernel.io_uring_disabled, the container's seccomp profile)",
        ),
    }
}

fn gpu(host: &Host) -> Check {
    if host.gpus.is_empty() {
        return pass("gpu", "none on the PCI bus; the CPU kernels need none".to_owned());
    }
    let list: Vec<String> = host
        .gpus
        .iter()
        .map(|gpu| {
            let model = gpu.model.clone().unwrap_or_else(|| format!("{} {}", gpu.vendor, gpu.device));
            format!("{model} at {}, driver {}", gpu.address, known(gpu.driver.as_deref()))
        })
        .collect();
    let fact = list.join("; ");
    if host.gpus.iter().all(|gpu| gpu.driver.is_none()) {
        return warn(
            "gpu",
            fact,
            "no driver is bound, so no kernel can run on it",
            "install the vendor's driver",
        );
    }
    pass("gpu", fact)
}

fn vulkan(host: &Host) -> Check {
    let drivers: Vec<&str> =
        host.vulkan.manifests.iter().map(|path| path.rsplit('/').next().unwrap_or(path)).collect();
    if drivers.is_empty() {
        return pass("vulkan", "no driver installed; the CPU kernels need none".to_owned());
    }
    let nodes = host.vulkan.render_nodes.len();
    pass("vulkan", format!("{}; {nodes} render nodes", drivers.join(", ")))
}

/// What the kernels for GPUs find: each kind is opened, as `predict --device` does.
#[cfg(feature = "gpu")]
fn devices(is_this_host: bool) -> Vec<Check> {
    use diapason_kernels::device::{Device, Kind};
    let kinds = Kind::ALL.iter().filter(|kind| is_this_host && **kind != Kind::Cpu);
    kinds
        .map(|&kind| match Device::open(kind) {
            Ok(device) => pass(kind.name(), device.name()),
            Err(error) => pass(kind.name(), format!("no device: {error}")),
        })
        .collect()
}

#[cfg(not(feature = "gpu"))]
fn devices(_: bool) -> Vec<Check> {
    let fact = "no kernels for GPUs in this build; the released package has them".to_owned();
    vec![pass("gpu kernels", fact)]
}

fn rivals(host: &Host) -> Check {
    if host.rivals.is_empty() {
        return pass("other tuners", "none running".to_owned());
    }
    let names: Vec<String> =
        host.rivals.iter().map(|rival| format!("{} (pid {})", rival.name, rival.pid)).collect();
    warn(
        "other tuners",
        names.join(", "),
        "they write the same knobs, and the last writer wins",
        "stop them before `diapason tune apply`, or leave those knobs out of the profile",
    )
}
