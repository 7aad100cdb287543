//! Profiles as written, and every way to write one wrongly.

use super::*;
use crate::profile::{Ask, Disks};

fn said(text: &str) -> String {
    parse("test", "test.toml", text).unwrap_err().to_string()
}

const GOOD: &str =
    "summary = \"A test\"\n[knob.\"vm.swappiness\"]\nvalue = 10\nreason = \"r\"\nsource = \"s\"\n";
const SAID: &str = "reason = \"r\"\nsource = \"s\"\n";

#[test]
fn a_profile_reads_as_written() {
    let text = format!(
        "{GOOD}[knob.\"net.ipv4.tcp_rmem\"]\nvalue = [4_096, 131072, 16777216]\n{SAID}optional = true\n\
         [[knob.\"block.scheduler\"]]\none_of = [\"none\", \"mq-deadline\"]\ndisks = \"nvme\"\n{SAID}\
         [[knob.\"block.scheduler\"]]\nvalue = \"mq-deadline\"\non = [\"sd*\"]\ndriver = \"sd\"\n{SAID}\
         [knob.\"vm.max_map_count\"]\nat_least = 0x100000\n{SAID}\
         [knob.\"net.core.rmem_max\"]\nat_least = \"1% memory\"\n{SAID}\
         [when.big]\nmemory = \">=64GiB\"\nnuma_nodes = 2\n\
         [when.big.knob.\"vm.stat_interval\"]\nvalue = 10\n{SAID}\
         [knob.\"kernel.numa_balancing\"]\nvalue = 0\nwhen = [\"!big\"]\n{SAID}\
         [environment.OMP_NUM_THREADS]\nvalue = 1\nreason = \"one thread a process\"\n\
         [[fits]]\nwhen = \"big\"\nscore = -5\nreason = \"r\"\n"
    );
    let profile = parse("test", "test.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let asks: Vec<_> = profile.entries.iter().map(|entry| (entry.knob.as_str(), entry.ask.words())).collect();
    let expected = [
        ("vm.swappiness", "10"),
        ("net.ipv4.tcp_rmem", "4096 131072 16777216"),
        ("block.scheduler", "one of none | mq-deadline"),
        ("block.scheduler", "mq-deadline"),
        ("vm.max_map_count", "at least 1048576"),
        ("net.core.rmem_max", "at least 1% memory"),
        ("vm.stat_interval", "10"),
        ("kernel.numa_balancing", "0"),
    ];
    assert_eq!(asks, expected.map(|(knob, text)| (knob, text.to_owned())));
    assert_eq!(profile.entries[0].place.to_string(), "test.toml:2:7");
    assert_eq!(profile.entries[2].disks, Some(Disks::Nvme));
    assert_eq!(profile.entries[2].ask, Ask::OneOf(vec!["none".into(), "mq-deadline".into()]));
    assert_eq!(profile.entries[3].driver, ["sd"]);
    let when = |at: usize| {
        let when = &profile.entries[at].when;
        when.iter().map(|one| (one.name.as_str(), one.wanted)).collect::<Vec<_>>()
    };
    assert_eq!((when(0), when(6), when(7)), (vec![], vec![("big", true)], vec![("big", false)]));
    assert_eq!(profile.fits[0].score, -5);
    assert_eq!(profile.variables[0].value, "1");
}

#[test]
fn every_error_names_its_place_and_a_remedy() {
    let knob = |name: &str, rest: &str| format!("summary = \"s\"\n[knob.\"{name}\"]\n{rest}\n{SAID}");
    let when = |rest: &str| format!("summary = \"s\"\n[when.x]\n{rest}\n");
    let cases = [
        (
            knob("vm.swapiness", "value = 1"),
            "test.toml:2:7: unknown knob \"vm.swapiness\"; did you mean \"vm.swappiness\"?",
        ),
        (
            knob("vm.swappiness", "value = 201"),
            "test.toml:3:9: vm.swappiness: 201 is out of range; give 0 to 200",
        ),
        (
            knob("vm.swappiness", "valu = 1"),
            "test.toml:3:1: unknown key \"valu\"; did you mean \"value\"?; known are value, at_least, at_most, \
             one_of, reason, source, optional, on, disks, driver, when",
        ),
        (knob("vm.swappiness", "value = true"), "test.toml:3:9: value is a truth value; give 0 or 1"),
        (
            knob("vm.swappiness", "value = 1\nat_most = 2"),
            "test.toml:4:11: vm.swappiness has value and at_most; keep one of them",
        ),
        (
            knob("vm.swappiness", "on = \"sd*\"\nvalue = 1"),
            "test.toml:3:6: vm.swappiness cannot be limited by on; remove the line",
        ),
        (
            knob("cpu.governor", "driver = \"sd*\"\nvalue = \"performance\""),
            "test.toml:3:10: cpu.governor cannot be limited by driver; remove the line",
        ),
        (
            knob("hugepages.enabled", "at_least = \"always\""),
            "test.toml:3:12: hugepages.enabled is not one number, so at_least means nothing; use `value`",
        ),
        (
            knob("vm.swappiness", "value = \"16MiB\""),
            "test.toml:3:9: vm.swappiness: \"16MiB\" is not a whole number",
        ),
        (knob("vm.swappiness", "one_of = []"), "test.toml:3:10: one_of is empty; say it in a few words"),
        (
            knob("hugepages.enabled", "one_of = [\"always\", \"nevr\"]"),
            "test.toml:3:21: hugepages.enabled: \"nevr\" is none of always, madvise, never; did you mean \"never\"?",
        ),
        (
            knob("vm.swappiness", "value = 1\nwhen = \"gest\""),
            "test.toml:4:8: there is no condition \"gest\"; define it as `[when.gest]`",
        ),
        (
            "summary = \"s\"\n[knob.\"vm.swappiness\"]\nvalue = 1\nsource = \"s\"\n".to_owned(),
            "test.toml:2:7: vm.swappiness has no reason; add `reason = ...`",
        ),
        ("[knob]\n".to_owned(), "test.toml:1:1: the profile has no summary; add `summary = ...`"),
        (
            "summary = \"s\"\n[environment.\"A B\"]\nvalue = 1\nreason = \"r\"\n".to_owned(),
            "test.toml:2:14: \"A B\" is no name of a variable; use letters, digits and `_`",
        ),
        ("summary = \"s\"\nsummary = \"t\"\n".to_owned(), "test.toml:2:1: this is not TOML: duplicate key"),
        (
            when(""),
            "test.toml:2:7: when.x asks nothing, so it always holds; give it a fact such as `numa_nodes = \">=2\"`",
        ),
        (
            when("kernal = \">=6\""),
            "test.toml:3:1: unknown key \"kernal\"; did you mean \"kernel\"?; known are cpu_vendor, cpu_model, \
             cpu_flag, frequency_driver, smt, cpus, cores, isolated_cpus, numa_nodes, memory, kernel, realtime, \
             virtualisation, clocksource, dmi_vendor, dmi_product, chassis, battery, gpu, gpu_driver, disk, \
             nic_driver, nic_speed_mbit, knob, environment",
        ),
        (
            when("kernel = \"new\""),
            "test.toml:3:10: kernel is \"new\"; give a range of versions such as \">=5.14, <6.6\"",
        ),
        (
            when("memory = 64"),
            "test.toml:3:10: memory is a whole number; give a range of bytes such as \">=64GiB\"",
        ),
        (when("battery = \"yes\""), "test.toml:3:11: battery is \"yes\"; give true or false"),
        (
            "summary = \"s\"\n[[fits]]\nscore = 0\nreason = \"r\"\n".to_owned(),
            "test.toml:3:9: score is a whole number; give points from -100 to 100, but not 0",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(said(&text), message, "{text}");
    }
}

#[test]
fn an_error_shows_its_line() {
    let error = parse("test", "test.toml", &GOOD.replace("10", "900")).unwrap_err();
    assert_eq!(
        error.with_excerpt(),
        "test.toml:3:9: vm.swappiness: 900 is out of range; give 0 to 200\n  3 | value = 900\n    |         ^^^"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", cut in 0..GOOD.len()) {
        let parsed = |text: &str| parse("test", "test.toml", text).map_err(|error| error.with_excerpt());
        let _ = parsed(&text);
        let _ = parsed(&GOOD[..cut]);
        let _ = parsed(&format!("{}{text}{}", &GOOD[..cut], &GOOD[cut..]));
    }
}
