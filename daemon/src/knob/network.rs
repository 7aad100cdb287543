//! Kernel parameters below /proc/sys/net beyond those that every profile uses: pacing, retransmission, start and end of
//! connections, joining of packets, and the tables of several interfaces on one network.
//!
//! A table and nothing else: one row a parameter. The reasons are ours, the facts from
//! `Documentation/networking/ip-sysctl.rst` and `Documentation/admin-guide/sysctl/net.rst` of the kernel.

use super::attribute::Attribute;
use super::identity::Identity::NetNamespace;
use super::spec::Risk::{self, High, Low, Medium};
use super::{Form, Knob, Spec};

const NET: &str = "kernel Documentation/admin-guide/sysctl/net.rst";
const IP: &str = "kernel Documentation/networking/ip-sysctl.rst";
const MAX: i64 = i32::MAX as i64;
/// Three limits in pages: below the first nothing is held back, above the last nothing is taken.
const PAGES: Form = Form::Integers { count: 3, min: 1, max: MAX };

/// A parameter of the whole machine.
const fn machine(
    name: &'static str,
    form: Form,
    why: &'static str,
    risk: Risk,
    caution: &'static str,
) -> Attribute {
    Attribute::sysctl(Spec::new(name, form).why(why).risk(risk, caution).from(NET))
}

/// A parameter of each network namespace.
const fn space(
    name: &'static str,
    form: Form,
    why: &'static str,
    risk: Risk,
    caution: &'static str,
) -> Attribute {
    Attribute::sysctl(Spec::new(name, form).why(why).risk(risk, caution).from(IP).of(NetNamespace))
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &machine(
        "net.core.default_qdisc",
        Form::Choice(&["cake", "codel", "fq", "fq_codel", "fq_pie", "pfifo", "pfifo_fast", "pie", "sfq"]),
        "the queueing discipline that an interface gets when it comes up: fq paces, fq_codel keeps queues short",
        Low,
        "interfaces that are up keep theirs; naming one that is not loaded loads its module, which stays",
    ),
    &machine(
        "net.core.dev_weight_rx_bias",
        Form::integer(1, 1_000),
        "by what dev_weight is multiplied for receiving",
        Low,
        "others wait longer for the CPU",
    ),
    &machine(
        "net.core.dev_weight_tx_bias",
        Form::integer(1, 1_000),
        "by what dev_weight is multiplied for sending",
        Low,
        "others wait longer for the CPU",
    ),
    &machine(
        "net.core.gro_normal_batch",
        Form::integer(1, 1_024),
        "how many received packets are handed up together when they are not joined",
        Low,
        "more of them wait for the last",
    ),
    &machine(
        "net.core.high_order_alloc_disable",
        Form::flag(),
        "whether socket buffers come only in single pages, which never waits for memory to be put together",
        Low,
        "1 costs throughput",
    ),
    &machine(
        "net.core.max_skb_frags",
        Form::integer(17, 45),
        "how many pieces of memory a packet may be made of",
        Low,
        "drivers may not expect more than 17",
    ),
    &machine(
        "net.core.netdev_tstamp_prequeue",
        Form::flag(),
        "whether a packet gets its time stamp before it waits for another CPU (RPS) or after",
        Low,
        "0 spreads the work and hides the waiting from the stamp",
    ),
    &machine(
        "net.core.skb_defer_max",
        Form::integer(0, 1_024),
        "how many packet buffers may wait to be freed on the CPU that allocated them",
        Low,
        "0 frees them at once, with a lock of another CPU",
    ),
    &machine(
        "net.core.tstamp_allow_data",
        Form::flag(),
        "whether programs without privileges get the packet back with its time stamp",
        Low,
        "0 makes them ask without the packet",
    ),
    &machine(
        "net.core.bpf_jit_enable",
        Form::integer(0, 2),
        "whether packet filters are compiled to machine code; 2 logs the code as well",
        Medium,
        "0 makes every filter slow, those of seccomp too; kernels built with it always on refuse 0",
    ),
    &space(
        "net.core.txrehash",
        Form::flag(),
        "whether a connection looks for another path when it has to send again",
        Low,
        "a path that was chosen by hand is left",
    ),
    &space(
        "net.ipv4.conf.all.arp_announce",
        Form::integer(0, 2),
        "which address an ARP question names: 2 the one of the interface, for several interfaces on one network",
        Low,
        "the larger of `all` and the interface's own value counts",
    ),
    &space(
        "net.ipv4.conf.all.arp_ignore",
        Form::integer(0, 8),
        "which ARP questions are answered: 1 only those for an address of that interface",
        Low,
        "the larger of `all` and the interface's own value counts",
    ),
    &space(
        "net.ipv4.conf.all.rp_filter",
        Form::integer(0, 2),
        "whether packets are dropped that would not be answered on the same interface: 1 strictly, 2 loosely",
        Medium,
        "0 lets forged addresses in; 1 drops multicast feeds that arrive on another path",
    ),
    &space(
        "net.ipv4.igmp_max_memberships",
        Form::integer(1, MAX),
        "how many multicast groups a socket may join",
        Low,
        "memory for each",
    ),
    &space(
        "net.ipv4.igmp_max_msf",
        Form::integer(1, MAX),
        "how many sources a socket may name for a multicast group",
        Low,
        "memory for each",
    ),
    &space(
        "net.ipv4.ip_early_demux",
        Form::flag(),
        "whether the socket of a packet is looked up before its route, which spares the route",
        Low,
        "1 costs a lookup for packets that are only forwarded",
    ),
    &space(
        "net.ipv4.tcp_early_demux",
        Form::flag(),
        "the same for TCP alone",
        Low,
        "1 costs a lookup for forwarded packets",
    ),
    &space(
        "net.ipv4.udp_early_demux",
        Form::flag(),
        "the same for UDP alone",
        Low,
        "1 costs a lookup for packets of sockets that are not connected",
    ),
    &space(
        "net.ipv4.tcp_mem",
        PAGES,
        "pages of memory for all TCP sockets: no pressure below the first, pressure above the second, the third never passed",
        Medium,
        "too little drops connections, too much takes memory from programs",
    ),
    &space(
        "net.ipv4.udp_mem",
        PAGES,
        "the same for all UDP sockets",
        Medium,
        "too little drops packets, too much takes memory from programs",
    ),
    &space(
        "net.ipv4.tcp_pacing_ss_ratio",
        Form::integer(0, 1_000),
        "how fast a connection that starts may send, in per cent of its measured rate",
        Low,
        "a burst into a shallow buffer",
    ),
    &space(
        "net.ipv4.tcp_pacing_ca_ratio",
        Form::integer(0, 1_000),
        "how fast a connection that runs may send, in per cent of its measured rate",
        Low,
        "a burst into a shallow buffer",
    ),
    &space(
        "net.ipv4.tcp_min_tso_segs",
        Form::integer(1, 65_535),
        "the fewest packets of a paced burst that the interface cuts up",
        Low,
        "2 lets small bursts go sooner, at the price of more of them",
    ),
    &space(
        "net.ipv4.tcp_tso_win_divisor",
        Form::integer(0, 65_535),
        "what part of the window one burst may take: a third for 3; 0 waits for no part",
        Low,
        "larger bursts for small numbers",
    ),
    &space(
        "net.ipv4.tcp_tso_rtt_log",
        Form::integer(0, 31),
        "how much larger bursts may be on short paths, as a power of two of the round trip in microseconds; 0 not at all",
        Low,
        "bursts inside a machine room grow",
    ),
    &space(
        "net.ipv4.tcp_comp_sack_delay_ns",
        Form::integer(0, 1_000_000_000),
        "how long an acknowledgement may wait to be joined with others, in nanoseconds",
        Low,
        "0 acknowledges each loss at once, with more packets",
    ),
    &space(
        "net.ipv4.tcp_comp_sack_slack_ns",
        Form::integer(0, 1_000_000_000),
        "by how much that wait may be longer to share a timer, in nanoseconds",
        Low,
        "more timers for 0",
    ),
    &space(
        "net.ipv4.tcp_comp_sack_nr",
        Form::integer(0, 255),
        "how many acknowledgements may be joined",
        Low,
        "0 joins none",
    ),
    &space(
        "net.ipv4.tcp_early_retrans",
        Form::integer(0, 4),
        "whether the last packets of a pause are sent again before their timer (3 and 4) or not (0)",
        Low,
        "0 makes a loss at the end of a message cost 200 ms and more",
    ),
    &space(
        "net.ipv4.tcp_recovery",
        Form::integer(0, 7),
        "how losses are told from reordering: 1 by time (RACK)",
        Low,
        "0 is the way before Linux 4.4",
    ),
    &space(
        "net.ipv4.tcp_reordering",
        Form::integer(1, 300),
        "how far a packet may be out of order at first and not count as lost",
        Low,
        "a real loss is noticed later",
    ),
    &space(
        "net.ipv4.tcp_frto",
        Form::integer(0, 2),
        "whether a needless timeout is recognised and taken back",
        Low,
        "0 slows down after each delay",
    ),
    &space(
        "net.ipv4.tcp_thin_linear_timeouts",
        Form::flag(),
        "whether a connection of few packets tries again at even times rather than ever more rarely",
        Low,
        "more packets into a path that is down",
    ),
    &space(
        "net.ipv4.tcp_ecn",
        Form::integer(0, 5),
        "whether the network may mark packets instead of dropping them: 1 asks for it, 2 agrees to it",
        Low,
        "old middle boxes drop such connections; values above 2 are of Linux 6.18",
    ),
    &space(
        "net.ipv4.tcp_rto_min_us",
        Form::integer(1_000, 1_000_000),
        "the shortest wait before a packet is sent again, in microseconds",
        Medium,
        "below the delay of acknowledgements of the other end, everything is sent twice",
    ),
    &space(
        "net.ipv4.tcp_rto_max_ms",
        Form::integer(1_000, 120_000),
        "the longest wait before a packet is sent again, in milliseconds",
        Low,
        "more packets into a path that is down",
    ),
    &space(
        "net.ipv4.tcp_retries2",
        Form::integer(1, 255),
        "how often a packet is sent again before the connection is given up",
        Medium,
        "few make a short outage end connections",
    ),
    &space(
        "net.ipv4.tcp_syn_retries",
        Form::integer(1, 127),
        "how often the first packet of a connection is sent again",
        Low,
        "few make a busy server look dead",
    ),
    &space(
        "net.ipv4.tcp_synack_retries",
        Form::integer(0, 255),
        "how often the answer to the first packet is sent again",
        Low,
        "few drop clients with loss",
    ),
    &space(
        "net.ipv4.tcp_syncookies",
        Form::integer(0, 2),
        "whether a flooded server answers without remembering",
        High,
        "0 leaves the server open to floods; 2 always answers so, without options of TCP",
    ),
    &space(
        "net.ipv4.tcp_max_tw_buckets",
        Form::integer(0, MAX),
        "closed connections that are remembered for a while",
        Low,
        "too few let late packets into new connections",
    ),
    &space(
        "net.ipv4.tcp_max_orphans",
        Form::integer(0, MAX),
        "connections without a program that are remembered until they end",
        Low,
        "up to 64 KiB for each",
    ),
    &space(
        "net.ipv4.tcp_abort_on_overflow",
        Form::flag(),
        "whether a server that cannot keep up refuses connections rather than let them try again",
        Medium,
        "clients see refusals during a burst",
    ),
    &space(
        "net.ipv4.tcp_base_mss",
        Form::integer(88, 65_535),
        "from which size the largest packet of a silent path is looked for",
        Low,
        "only with tcp_mtu_probing",
    ),
    &space(
        "net.ipv4.tcp_shrink_window",
        Form::flag(),
        "whether a window may be taken back when memory is short",
        Low,
        "1 goes against what the other end expects",
    ),
];
