//! Polling before a virtual CPU sleeps: in the guest the governor `haltpoll`, on the host KVM.

use super::attribute::Attribute;
use super::spec::Risk::{Low, Medium};
use super::{Form, Knob, Spec};

const GUEST: &str = "kernel Documentation/virt/guest-halt-polling.rst";
const HOST: &str = "kernel Documentation/virt/kvm/halt-polling.rst";
const U32: i64 = u32::MAX as i64;

const fn guest(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(GUEST).since(5, 4)
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        guest("haltpoll.guest_halt_poll_ns", Form::integer(0, U32))
            .why("how long an idle virtual CPU polls before it gives itself back to the host, in nanoseconds")
            .risk(Medium, "the host's CPU works while the guest waits"),
        "/sys/module/haltpoll/parameters/guest_halt_poll_ns",
    ),
    &Attribute::file(
        guest("haltpoll.guest_halt_poll_allow_shrink", Form::Choice(&["Y", "N"]))
            .why("whether the time of polling falls when nothing comes of it")
            .risk(Low, "N polls as long as it ever did"),
        "/sys/module/haltpoll/parameters/guest_halt_poll_allow_shrink",
    ),
    &Attribute::file(
        guest("haltpoll.guest_halt_poll_grow", Form::integer(0, 1_000))
            .why("by which factor the time of polling grows")
            .risk(Low, "0 does not grow it"),
        "/sys/module/haltpoll/parameters/guest_halt_poll_grow",
    ),
    &Attribute::file(
        guest("haltpoll.guest_halt_poll_grow_start", Form::integer(0, U32))
            .why("the time of polling to begin with, in nanoseconds")
            .risk(Low, "a large number polls at every short sleep"),
        "/sys/module/haltpoll/parameters/guest_halt_poll_grow_start",
    ),
    &Attribute::file(
        guest("haltpoll.guest_halt_poll_shrink", Form::integer(0, 1_000))
            .why("by which divisor the time of polling falls; 0 stops polling at once")
            .risk(Low, "small numbers poll longer in vain"),
        "/sys/module/haltpoll/parameters/guest_halt_poll_shrink",
    ),
    &Attribute::file(
        Spec::new("kvm.halt_poll_ns", Form::integer(0, U32))
            .why("how long the host polls for an idle virtual CPU before it sleeps, in nanoseconds")
            .risk(Medium, "the host's CPU works while the guest waits; counts for guests started from now on")
            .from(HOST),
        "/sys/module/kvm/parameters/halt_poll_ns",
    ),
    &Attribute::file(
        Spec::new("kvm.halt_poll_ns_grow", Form::integer(0, 1_000))
            .why("by which factor the host's time of polling grows")
            .risk(Low, "0 does not grow it")
            .from(HOST),
        "/sys/module/kvm/parameters/halt_poll_ns_grow",
    ),
    &Attribute::file(
        Spec::new("kvm.halt_poll_ns_shrink", Form::integer(0, 1_000))
            .why("by which divisor the host's time of polling falls; 0 stops polling at once")
            .risk(Low, "small numbers poll longer in vain")
            .from(HOST),
        "/sys/module/kvm/parameters/halt_poll_ns_shrink",
    ),
];
