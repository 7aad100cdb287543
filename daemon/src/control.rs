//! The daemon's socket: apply, verify, rollback and status for whoever may ask.
//!
//! One thread, one loop, one closed list of events: callers, devices that come and go, writes to held knobs, signals,
//! time. Everything from outside has a limit: connections, bytes of a message, time without a word, time to take an
//! answer, devices at a time. While nothing happens the loop wakes only to tell the service manager that it lives; held
//! knobs are compared in passing. An operation holds the loop until it has ended, which
//! is the order that transactions need; callers wait in the kernel's queue meanwhile.

mod listen;
mod message;
mod peer;
mod service;

pub use listen::Listener;
pub use service::{Service, Surroundings};

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::{ClockId, clock_gettime};
use sd_notify::NotifyState;

use message::{Call, Reply};
use peer::Peer;

use crate::uevent::{Heard, Source};

/// Callers at a time; more are turned away, so that nobody exhausts descriptors.
const CONNECTIONS_MAX: usize = 16;

/// Longer than any call: the longest parameter is a profile's name.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// How long a caller may take to say a whole message before its place is given to others.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a caller may take to accept an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How many times the usual patience of the service manager one operation may take before the daemon is called stuck: a
/// quarter of an hour beside the unit's minute, for swapping off 100 GB.
const OPERATION_BEATS: u32 = 15;

/// The group that may apply and roll back, beside root.
pub const GROUP: &str = "diapason";

/// Why the daemon cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The socket cannot be made.
    #[error("cannot {verb} the socket {path}: {source}; its folder must exist and be writable")]
    Socket {
        /// What was tried.
        verb: &'static str,
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The kernel refused something that every loop needs.
    #[error("cannot {verb}: {errno}")]
    Loop {
        /// What was tried.
        verb: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
}

/// What can happen.
enum Event {
    /// Somebody connects.
    Connect(UnixStream),
    /// A caller has sent bytes, or has gone.
    Ready(usize),
    /// The kernel has told of devices.
    Devices(Vec<Heard>),
    /// Somebody else has written to the files of held knobs.
    Touched,
    /// Time passed: the service manager wants a sign of life, silent callers are dismissed, held knobs compared.
    Tick,
    /// The daemon is told to end.
    Stop,
}

/// A caller.
struct Connection {
    stream: UnixStream,
    peer: Peer,
    received: Vec<u8>,
    heard: Instant,
    gone: bool,
}

/// The socket and its callers.
pub struct Control {
    listener: Listener,
    signals: SignalFd,
    source: Option<Source>,
    connections: Vec<Connection>,
    service: Service,
    /// How often held knobs are compared, and when they last were.
    interval: Duration,
    compared: Duration,
}

impl Control {
    /// A loop over `listener` and `source`, which compares held knobs every `interval`. The signals TERM and INT, which the caller's only thread must not have handled
    /// otherwise, end it.
    ///
    /// # Errors
    /// When the kernel has no signal descriptor.
    pub fn new(
        listener: Listener,
        source: Option<Source>,
        interval: Duration,
        service: Service,
    ) -> Result<Self, ControlError> {
        let failed = |verb| move |errno| ControlError::Loop { verb, errno };
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGINT);
        signals.thread_block().map_err(failed("block signals"))?;
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let signals = signals.map_err(failed("receive signals"))?;
        listener.socket().set_nonblocking(true).map_err(|error| ControlError::Loop {
            verb: "listen",
            errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        })?;
        let compared = elapsed();
        Ok(Self { listener, signals, source, connections: Vec::new(), service, interval, compared })
    }

    /// Serves until a signal ends it. What was applied stays applied: the journal outlives the daemon.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub fn run(mut self) -> Result<(), ControlError> {
        tell(&[NotifyState::Ready, NotifyState::Status(&self.service.summary())]);
        loop {
            // Nobody waits any more, neither for an answer nor for the start.
            self.service.look_around();
            for event in self.wait()? {
                match event {
                    Event::Connect(stream) => self.admit(stream),
                    Event::Ready(at) => self.hear(at),
                    Event::Devices(heard) => self.gather(heard),
                    Event::Touched => patiently(&mut self.service, Service::touched),
                    Event::Tick => {
                        tell(&[NotifyState::Watchdog]);
                        let silent = |connection: &&mut Connection| connection.heard.elapsed() >= SILENCE_MAX;
                        self.connections
                            .iter_mut()
                            .filter(silent)
                            .for_each(|connection| connection.gone = true);
                        self.look_after();
                    }
                    Event::Stop => {
                        tell(&[NotifyState::Stopping]);
                        return Ok(());
                    }
                }
            }
            self.connections.retain(|connection| !connection.gone);
        }
    }

    /// The next events. Those of callers come first, so that their places hold.
    fn wait(&mut self) -> Result<Vec<Event>, ControlError> {
        let failed = |verb| move |errno| ControlError::Loop { verb, errno };
        let timeout = PollTimeout::try_from(self.patience()).unwrap_or(PollTimeout::MAX);
        let interest = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut descriptors = vec![interest(self.signals.as_fd()), interest(self.listener.as_fd())];
        descriptors.extend(self.connections.iter().map(|connection| interest(connection.stream.as_fd())));
        let callers = descriptors.len();
        // Where there is none, the signals stand in: they are looked at first anyway.
        let source = self.source.as_ref().map_or_else(|| self.signals.as_fd(), |source| source.as_fd());
        let watch = self.service.watch().map_or_else(|| self.signals.as_fd(), |watch| watch.as_fd());
        descriptors.extend([interest(source), interest(watch)]);
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed("wait")(errno)),
        }
        let ready: Vec<bool> = descriptors.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let mut events = Vec::new();
        if ready[0] && self.signals.read_signal().map_err(failed("receive a signal"))?.is_some() {
            return Ok(vec![Event::Stop]);
        }
        events.extend((0..self.connections.len()).filter(|at| ready[at + 2]).map(Event::Ready));
        if ready[1]
            && let Ok((stream, _)) = self.listener.socket().accept()
        {
            events.push(Event::Connect(stream));
        }
        if let Some(source) = self.source.as_ref().filter(|_| ready[callers]) {
            events.push(Event::Devices(source.hear()));
        }
        if self.service.watch().is_some() && ready[callers + 1] {
            events.push(Event::Touched);
        }
        events.push(Event::Tick);
        Ok(events)
    }

    /// How long nothing may happen: until the service manager wants a sign of life, or devices are due.
    fn patience(&mut self) -> Duration {
        let beat = beat().min(self.interval);
        let due = self.service.gathering().due().map(|due| due.saturating_duration_since(Instant::now()));
        // A wait in whole milliseconds that ends early would be followed by another one of zero.
        due.map_or(beat, |due| beat.min(due + Duration::from_millis(1)))
    }

    fn gather(&mut self, heard: Vec<Heard>) {
        let now = Instant::now();
        for heard in heard {
            match heard {
                Heard::Event(event) => self.service.gathering().take(event, now),
                Heard::Lost => self.service.gathering().lose(now),
            }
        }
    }

    /// What is due: devices that came, and a look at every held knob. The look rides on a wake-up that happens anyway, so it
    /// comes up to half a beat early.
    fn look_after(&mut self) {
        if let Some(batch) = self.service.gathering().ripe(Instant::now()) {
            patiently(&mut self.service, |service| service.meet(&batch));
            // A CPU or an interface that came back may have been reset.
            self.compared = Duration::ZERO;
        }
        if elapsed() + beat().min(self.interval) / 2 >= self.compared + self.interval {
            patiently(&mut self.service, Service::compare);
            self.compared = elapsed();
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        // Whoever has just gone makes room; no event for another caller is still due.
        self.connections.retain(|connection| !connection.gone);
        // A caller whose identity cannot be learned, or who is one too many, is dismissed by closing.
        let Some(peer) = Peer::of(&stream) else { return };
        let timeouts =
            stream.set_write_timeout(Some(ANSWER_MAX)).and_then(|()| stream.set_nonblocking(false));
        if self.connections.len() < CONNECTIONS_MAX && timeouts.is_ok() {
            let received = Vec::new();
            self.connections.push(Connection { stream, peer, received, heard: Instant::now(), gone: false });
        }
    }

    /// Takes what a caller has sent and answers every whole message.
    fn hear(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        let mut chunk = [0; 4096];
        // Poll said that this does not block.
        let bytes = connection.stream.read(&mut chunk).unwrap_or(0);
        connection.received.extend_from_slice(&chunk[..bytes]);
        let mut keep = bytes > 0;
        while let Some(end) = connection.received.iter().position(|byte| *byte == 0).filter(|_| keep) {
            let message: Vec<u8> = connection.received.drain(..=end).collect();
            keep = match Call::parse(&message[..end]) {
                Ok(call) => {
                    let reply = answer(&mut self.service, &call, &connection.peer);
                    call.oneway || connection.stream.write_all(&reply.encode()).is_ok()
                }
                // Varlink has no answer to what is no call; the connection is closed.
                Err(_) => false,
            };
            connection.heard = Instant::now();
        }
        connection.gone = !keep || connection.received.len() > MESSAGE_BYTES_MAX;
    }
}

/// One answer.
fn answer(service: &mut Service, call: &Call, peer: &Peer) -> Reply {
    if !service.is_operation(call) {
        return service.answer(call, peer);
    }
    patiently(service, |service| {
        let reply = service.answer(call, peer);
        tell(&[NotifyState::Status(&service.summary())]);
        reply
    })
}

/// Does something that may take long, with more patience of the service manager meanwhile.
fn patiently<T>(service: &mut Service, work: impl FnOnce(&mut Service) -> T) -> T {
    let watchdog = sd_notify::watchdog_enabled();
    let microseconds = |duration: Duration| u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    if let Some(usual) = watchdog {
        tell(&[NotifyState::WatchdogUsec(microseconds(usual.saturating_mul(OPERATION_BEATS)))]);
    }
    let done = work(service);
    if let Some(usual) = watchdog {
        tell(&[NotifyState::Watchdog, NotifyState::WatchdogUsec(microseconds(usual))]);
    }
    done
}

/// How often the loop wakes while nothing happens.
fn beat() -> Duration {
    sd_notify::watchdog_enabled().map_or(SILENCE_MAX, |watchdog| watchdog / 2).min(SILENCE_MAX)
}

/// Time since the machine started, with the time that it slept: what a resume has reset is looked at soon after it.
fn elapsed() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// Tells the service manager, if there is one. That it does not listen changes nothing about the work.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// What the fuzzer and its test do with any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn examine(bytes: &[u8]) {
    for message in bytes.split(|byte| *byte == 0) {
        if let Ok(call) = Call::parse(message) {
            let _ = (call.split(), call.text("profile"), call.text("interface"));
        }
    }
}
