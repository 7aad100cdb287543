//! Kernel parameters below /proc/sys that are one value in one file.
//!
//! A table and nothing else, hence its length: one row a parameter, in the order of application. The reasons are
//! ours, the facts are from `Documentation/admin-guide/sysctl` and `Documentation/networking/ip-sysctl` of the
//! kernel unless a row names another source. Parameters that come in pairs of which one is in force are in
//! `dirty`.

use super::attribute::Attribute;
use super::identity::Identity::NetNamespace;
use super::spec::Class::Irreversible;
use super::spec::Risk::{High, Low, Medium};
use super::{Form, Knob, Spec};

const VM: &str = "kernel Documentation/admin-guide/sysctl/vm.rst";
const KERNEL: &str = "kernel Documentation/admin-guide/sysctl/kernel.rst";
const FS: &str = "kernel Documentation/admin-guide/sysctl/fs.rst";
const NET: &str = "kernel Documentation/admin-guide/sysctl/net.rst";
const IP: &str = "kernel Documentation/networking/ip-sysctl.rst";
const MAX: i64 = i32::MAX as i64;
/// Three sizes of a socket buffer: smallest, default, largest.
const TRIPLE: Form = Form::Integers { count: 3, min: 1, max: MAX };

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::sysctl(
        Spec::new("vm.swappiness", Form::integer(0, 200))
            .why("how readily the kernel swaps program pages rather than drop file pages")
            .risk(Low, "0 makes the kernel kill programs sooner when memory runs out")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.dirty_writeback_centisecs", Form::integer(0, 360_000))
            .why("how often dirty pages are looked for, in hundredths of a second")
            .risk(Medium, "more data is lost in a power cut; 0 switches periodic write-back off")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.dirty_expire_centisecs", Form::integer(0, 360_000))
            .why("the age at which a dirty page must be written, in hundredths of a second")
            .risk(Medium, "more data is lost in a power cut")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.stat_interval", Form::integer(1, 3_600))
            .why("how often each CPU folds its memory counters, in seconds; each time interrupts it")
            .risk(Low, "memory figures are older")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.compaction_proactiveness", Form::integer(0, 100))
            .why("how hard memory is compacted in the background; compaction stalls whoever runs")
            .risk(Low, "huge pages become rarer in a long run")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.compact_unevictable_allowed", Form::flag())
            .why("whether compaction may move locked pages, which stalls the program that locked them")
            .risk(Low, "huge pages become rarer")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.min_free_kbytes", Form::integer(1_024, 16_777_216))
            .why("memory kept free for allocations that must not wait, such as receive buffers, in KiB")
            .risk(Medium, "too much of it makes the kernel kill programs")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.watermark_boost_factor", Form::integer(0, 300_000))
            .why("how much is reclaimed in advance after fragmentation, in hundredths of a per cent")
            .risk(Low, "huge pages become rarer")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.watermark_scale_factor", Form::integer(1, 3_000))
            .why("how early background reclaim starts, in ten-thousandths of memory")
            .risk(Low, "memory is kept free that programs could use")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.zone_reclaim_mode", Form::integer(0, 7))
            .why("whether a NUMA node reclaims its own memory before it takes another node's")
            .risk(Medium, "reclaim on the allocation path stalls the program")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.overcommit_memory", Form::integer(0, 2))
            .why("whether address space may be promised beyond memory")
            .risk(Medium, "2 makes programs that reserve much (CUDA) fail; 1 makes none fail until pages are touched")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.overcommit_ratio", Form::integer(0, 1_000))
            .why("the share of memory that counts when overcommit_memory is 2, in per cent")
            .risk(Medium, "only meaningful with overcommit_memory 2")
            .from(VM)
            .disturbs(&["vm.overcommit_kbytes"]),
    ),
    &Attribute::sysctl(
        Spec::new("vm.max_map_count", Form::integer(65_530, MAX))
            .why("how many memory mappings a process may have")
            .risk(Low, "kernel memory for each mapping")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.vfs_cache_pressure", Form::integer(0, 1_000))
            .why("how readily file names and inodes are dropped from memory, 100 is even")
            .risk(Medium, "0 never drops them and runs out of memory")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.page-cluster", Form::integer(0, 8))
            .why("how many pages are read at once from swap, as a power of two")
            .risk(Low, "0 reads one page at a time, right for zram and flash")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.laptop_mode", Form::integer(0, 3_600))
            .why("gathers disk writes to let a disk sleep, in seconds")
            .risk(Low, "gusts of writes")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.numa_stat", Form::flag())
            .why("counts NUMA hits on each allocation")
            .risk(Low, "numastat shows nothing when off")
            .from(VM),
    ),
    &Attribute::sysctl(
        Spec::new("vm.drop_caches", Form::integer(1, 4))
            .why("drops the page cache once")
            .risk(High, "the cache cannot be put back; it is an action, no setting")
            .from(VM).class(Irreversible),
    ),
    &Attribute::sysctl(
        Spec::new("vm.compact_memory", Form::integer(1, 1))
            .why("compacts all memory once")
            .risk(High, "it is an action, no setting")
            .from(VM).class(Irreversible),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_autogroup_enabled", Form::flag())
            .why("groups tasks by session so that a build does not starve a desktop")
            .risk(Low, "a nice value then counts inside its session only")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.timer_migration", Form::flag())
            .why("whether an idle CPU's timers may move to a busy one; 0 keeps timers off other CPUs")
            .risk(Medium, "1 is better where cores are handed out dynamically")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_rt_period_us", Form::integer(1_000, 10_000_000))
            .why("the period of real-time throttling in microseconds")
            .risk(Medium, "only meaningful with sched_rt_runtime_us")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_rt_runtime_us", Form::integer(-1, 10_000_000))
            .why("how much of each period real-time tasks may use, in microseconds; -1 is all of it")
            .risk(High, "with -1 a spinning real-time task starves the kernel's own threads")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.numa_balancing", Form::integer(0, 3))
            .why("moves pages to the node that uses them, by unmapping and faulting")
            .risk(Low, "programs that are not pinned lose locality; needs CAP_SYS_ADMIN")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_schedstats", Form::flag())
            .why("scheduler statistics on each switch")
            .risk(Low, "latencytop and perf sched see less when off")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.watchdog_cpumask", Form::Cpus)
            .why("the CPUs that the detectors watch; each of them has a timer for it")
            .risk(Medium, "hangs on the other CPUs are not reported")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.watchdog_thresh", Form::integer(0, 60))
            .why("how often the detectors look, in seconds")
            .risk(Medium, "0 switches them off")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.hung_task_timeout_secs", Form::integer(0, MAX))
            .why("after how long a stuck task is reported, in seconds; each look walks all tasks")
            .risk(Low, "0 never reports")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.hung_task_check_interval_secs", Form::integer(0, MAX))
            .why("how often stuck tasks are looked for, in seconds; 0 is once in hung_task_timeout_secs")
            .risk(Low, "a stuck task is reported later")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.hung_task_check_count", Form::integer(1, MAX))
            .why("how many tasks one look for stuck ones may visit")
            .risk(Low, "stuck tasks beyond the number are not reported")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.perf_cpu_time_max_percent", Form::integer(0, 100))
            .why("how much time sampling may take, in per cent; adapting it costs an interrupt")
            .risk(Low, "0 removes the limit")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.perf_event_paranoid", Form::integer(-1, 4))
            .why("who may count performance events")
            .risk(Medium, "-1 lets every user look into the kernel")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.pid_max", Form::integer(301, 4_194_304))
            .why("the largest process number")
            .risk(Low, "old 32-bit programs expect 32768")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.threads-max", Form::integer(1, MAX))
            .why("how many threads the machine may have")
            .risk(Low, "memory for each thread")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.modules_disabled", Form::integer(1, 1))
            .why("forbids loading modules until the next boot")
            .risk(High, "cannot be switched back")
            .from(KERNEL).class(Irreversible),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.kexec_load_disabled", Form::integer(1, 1))
            .why("forbids loading a new kernel until the next boot")
            .risk(High, "cannot be switched back")
            .from(KERNEL).class(Irreversible),
    ),
    &Attribute::sysctl(
        Spec::new("fs.aio-max-nr", Form::integer(1, MAX))
            .why("how many asynchronous requests the machine may have in flight")
            .risk(Low, "kernel memory for each")
            .from(FS),
    ),
    &Attribute::sysctl(
        Spec::new("fs.file-max", Form::integer(8_192, i64::MAX))
            .why("how many files the machine may have open")
            .risk(Low, "kernel memory for each")
            .from(FS),
    ),
    &Attribute::sysctl(
        Spec::new("fs.nr_open", Form::integer(1_024, 1_073_741_816))
            .why("how many files a process may be allowed to open")
            .risk(Low, "programs that close every descriptor start slowly")
            .from(FS),
    ),
    &Attribute::sysctl(
        Spec::new("fs.inotify.max_user_watches", Form::integer(8_192, MAX))
            .why("how many files a user may watch")
            .risk(Low, "about a KiB of kernel memory for each")
            .from(FS),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.somaxconn", Form::integer(1, MAX))
            .why("the longest queue of connections that nobody accepted yet")
            .risk(Low, "a longer queue hides an overloaded server")
            .from(NET).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.netdev_max_backlog", Form::integer(1, 10_000_000))
            .why("packets that wait for a CPU before they are dropped")
            .risk(Low, "more waiting instead of loss")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.netdev_budget", Form::integer(1, 100_000))
            .why("packets that one round of receiving may take")
            .risk(Low, "others wait longer for the CPU")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.netdev_budget_usecs", Form::integer(1, 1_000_000))
            .why("the time that one round of receiving may take, in microseconds")
            .risk(Low, "others wait longer for the CPU")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.dev_weight", Form::integer(1, 10_000))
            .why("packets that one device may take in a round")
            .risk(Low, "others wait longer for the CPU")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.busy_read", Form::integer(0, 1_000))
            .why("how long a read polls the network card before it sleeps, in microseconds")
            .risk(Medium, "the CPU works while it waits")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.busy_poll", Form::integer(0, 1_000))
            .why("how long poll and select poll the network card before they sleep, in microseconds")
            .risk(Medium, "the CPU works while it waits")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.rmem_max", Form::integer(2_304, MAX))
            .why("the largest receive buffer that a program may ask for, in bytes")
            .risk(Low, "kernel memory for each socket")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.wmem_max", Form::integer(4_608, MAX))
            .why("the largest send buffer that a program may ask for, in bytes")
            .risk(Low, "kernel memory for each socket")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.rmem_default", Form::integer(2_304, MAX))
            .why("the usual receive buffer, in bytes")
            .risk(Low, "kernel memory for each socket")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.wmem_default", Form::integer(4_608, MAX))
            .why("the usual send buffer, in bytes")
            .risk(Low, "kernel memory for each socket")
            .from(NET),
    ),
    &Attribute::sysctl(
        Spec::new("net.core.optmem_max", Form::integer(1_024, MAX))
            .why("the largest ancillary buffer of a socket, in bytes")
            .risk(Low, "kernel memory for each socket")
            .from(NET).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_rmem", TRIPLE)
            .why("receive buffer of a TCP socket: least, initial, most, in bytes")
            .risk(Low, "memory for each connection")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_wmem", TRIPLE)
            .why("send buffer of a TCP socket: least, initial, most, in bytes")
            .risk(Low, "memory for each connection")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.udp_rmem_min", Form::integer(1, MAX))
            .why("receive buffer that a UDP socket keeps under memory pressure, in bytes")
            .risk(Low, "memory for each socket")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.udp_wmem_min", Form::integer(1, MAX))
            .why("send buffer that a UDP socket keeps under memory pressure, in bytes")
            .risk(Low, "memory for each socket")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_fastopen", Form::integer(0, 0x7fff))
            .why("data in the first packet of a connection: 1 as client, 2 as server, 3 both")
            .risk(Low, "some middle boxes drop such packets")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_slow_start_after_idle", Form::flag())
            .why("whether a connection starts slowly again after a pause")
            .risk(Low, "a burst into a path that changed meanwhile")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_notsent_lowat", Form::integer(0, 4_294_967_295))
            .why("unsent bytes above which a socket is not writable; small keeps data fresh")
            .risk(Low, "too small costs throughput")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_autocorking", Form::flag())
            .why("whether small writes wait to be joined")
            .risk(Low, "more, smaller packets when off")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_low_latency", Form::flag())
            .why("prefers latency over throughput in old kernels")
            .risk(Low, "without effect since Linux 4.14")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_timestamps", Form::integer(0, 2))
            .why("time stamps in each segment, 12 bytes, used to measure the path")
            .risk(Low, "off disables protection against wrapped sequence numbers")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_sack", Form::flag())
            .why("selective acknowledgements")
            .risk(Low, "off makes recovery from loss slow")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_window_scaling", Form::flag())
            .why("windows above 64 KiB")
            .risk(Low, "off makes long paths slow")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_moderate_rcvbuf", Form::flag())
            .why("grows the receive buffer as needed")
            .risk(Low, "off makes the initial size final")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_mtu_probing", Form::integer(0, 2))
            .why("finds the largest packet of a path that reports nothing")
            .risk(Low, "probe packets")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_no_metrics_save", Form::flag())
            .why("forgets what a closed connection learned of its path")
            .risk(Low, "each connection learns anew")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_max_syn_backlog", Form::integer(1, MAX))
            .why("half-open connections that are remembered")
            .risk(Low, "memory under a flood")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_tw_reuse", Form::integer(0, 2))
            .why("whether a closed connection's port may be used at once")
            .risk(Low, "needs time stamps on both sides")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_fin_timeout", Form::integer(1, 3_600))
            .why("how long a half-closed connection is kept, in seconds")
            .risk(Low, "late segments meet a closed port")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_keepalive_time", Form::integer(1, 32_767))
            .why("after which silence a connection is probed, in seconds")
            .risk(Low, "probe packets")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_keepalive_intvl", Form::integer(1, 32_767))
            .why("the time between probes, in seconds")
            .risk(Low, "probe packets")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_keepalive_probes", Form::integer(1, 127))
            .why("unanswered probes after which a connection is given up")
            .risk(Low, "a short outage ends connections")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_limit_output_bytes", Form::integer(4_096, MAX))
            .why("bytes of one connection that may wait below TCP")
            .risk(Low, "others on the same card wait longer")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.ip_local_port_range", Form::Integers { count: 2, min: 1, max: 65_535 })
            .why("ports that outgoing connections use")
            .risk(Low, "may collide with a server's own port")
            .from(IP).of(NetNamespace),
    ),
    &Attribute::sysctl(
        Spec::new("net.ipv4.tcp_congestion_control", Form::Word)
            .why("how a connection finds its speed: cubic fills queues, bbr models the path")
            .risk(Low, "bbr is unfair to others in shallow buffers; only what is loaded already is offered, so that no module is left behind")
            .from(IP)
            .of(NetNamespace),
    )
    .offered_in("/proc/sys/net/ipv4/tcp_available_congestion_control"),
];
