//! Which read comes next, and what the ones before came to: decisions only, the kernel is elsewhere.
//!
//! ```text
//! spans -> parts of 1 MiB at most, each with an area of the arena -> requests of 256 KiB at most -> landed parts in order
//! ```
//!
//! Requests complete in any order and parts are given out in theirs. A part that the page cache had is there when it begins and
//! asks nothing. Once parts are found there and nothing is under way any more, the flight ends early: what the page cache holds
//! is read faster without a ring.

use std::collections::VecDeque;
use std::ops::Range;

use super::arena::Arena;
use crate::source::Span;

/// Requests under way at once: enough for a disk to sort and join them, and what fio is compared at.
pub const DEPTH: usize = 8;
/// Bytes of one request; past this size a larger one gains nothing on any device in the notes.
pub const SEGMENT_BYTES: usize = 256 << 10;
/// Bytes of a part: what the loader joins neighbours to.
const PART_BYTES: usize = 1 << 20;
/// Bytes of the arena: [`DEPTH`] segments under way, one being worked at, and room for two parts that begin and end anywhere. Twice
/// as many, so that what comes before an older one does not hold the queue up, were not faster beside fio.
pub const ARENA_BYTES: usize = (DEPTH + 2) * SEGMENT_BYTES;

/// Bytes that one request fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where it begins in the file.
    pub offset: u64,
    /// Where it goes in the arena.
    pub area: Range<usize>,
    /// The bytes of the area that are wanted; past the end of the file there are no more.
    pub needed: usize,
}

/// A part of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the span.
    pub span: usize,
    /// Where it begins in the span.
    pub from: usize,
    /// Its bytes.
    pub bytes: usize,
    /// Whether it is the last one of its span.
    pub is_last: bool,
}

impl Part {
    /// Whether it is all of its span.
    pub const fn is_whole(&self) -> bool {
        self.from == 0 && self.is_last
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// See whether the page cache has this part, then call [`Flight::begin`].
    Begin { part: Part, area: Range<usize> },
    /// Hand this to the kernel; its completion goes to [`Flight::complete`].
    Ask { tag: usize, request: Request },
    /// Give this part out, after its holes are filled, then call [`Flight::landed`].
    Land { part: Part, area: Range<usize>, holes: Vec<Request> },
    /// Wait for a completion.
    Wait,
    /// Nothing is under way; [`Flight::next_span`] says where to go on.
    End,
}

/// A part that has an area.
#[derive(Debug)]
struct Begun {
    part: Part,
    /// Its own bytes in the arena.
    area: Range<usize>,
    /// Requests that have not completed, asked or not.
    open: usize,
    holes: Vec<Request>,
}

/// Spans on their way.
#[derive(Debug)]
pub struct Flight<'a> {
    spans: &'a [Span],
    /// What offsets and lengths are multiples of.
    align: u64,
    arena: Arena,
    /// The part that begins next.
    next: (usize, usize),
    begun: VecDeque<Begun>,
    /// The number of the oldest part in `begun`, counted from the first one.
    oldest: usize,
    /// The area of the part that is beginning.
    beginning: Option<(Part, Range<usize>)>,
    /// Requests of the latest part that there was no room for, each with the number of its part.
    waiting: VecDeque<(usize, Request)>,
    asked: [Option<(usize, Request)>; DEPTH],
    /// Whether the latest part was not there.
    is_cold: bool,
    has_stopped: bool,
}

impl<'a> Flight<'a> {
    /// A flight over the spans from number `first` on, which was not there. Requests begin and end at multiples of `align`, which
    /// divides [`super::arena::STEP`] or is 1.
    pub fn new(spans: &'a [Span], first: usize, align: u64) -> Self {
        Self {
            spans,
            align,
            arena: Arena::new(ARENA_BYTES),
            next: (first, 0),
            begun: VecDeque::new(),
            oldest: 0,
            beginning: None,
            waiting: VecDeque::new(),
            asked: [const { None }; DEPTH],
            is_cold: true,
            has_stopped: false,
        }
    }

    /// The span that has not begun.
    pub const fn next_span(&self) -> usize {
        self.next.0
    }

    /// Nothing more is begun or given out; what is under way is waited for.
    pub fn stop(&mut self) {
        (self.has_stopped, self.beginning) = (true, None);
        self.waiting.clear();
    }

    fn under_way(&self) -> usize {
        self.asked.iter().flatten().count()
    }

    /// What is to be done next.
    pub fn step(&mut self) -> Step {
        let under_way = self.under_way();
        if let Some(tag) = self.asked.iter().position(Option::is_none) {
            if let Some((number, request)) = self.waiting.pop_front() {
                self.asked[tag] = Some((number, request.clone()));
                return Step::Ask { tag, request };
            }
            if !self.has_stopped
                && (self.is_cold || under_way > 0 || self.next.1 > 0)
                && let Some(part) = self.next_part()
                && let Some(area) = self.arena.take(self.rounded(part))
            {
                let from = area.start + self.skip(part);
                let own = from..from + part.bytes;
                self.next =
                    if part.is_last { (part.span + 1, 0) } else { (part.span, part.from + part.bytes) };
                self.beginning = Some((part, own.clone()));
                return Step::Begin { part, area: own };
            }
        }
        match self.begun.front_mut().filter(|begun| begun.open == 0 && !self.has_stopped) {
            Some(begun) => Step::Land {
                part: begun.part,
                area: begun.area.clone(),
                holes: std::mem::take(&mut begun.holes),
            },
            None if under_way > 0 => Step::Wait,
            None => Step::End,
        }
    }

    /// The part that began is in its area already, or it is to be asked for.
    pub fn begin(&mut self, is_there: bool) {
        let Some((part, area)) = self.beginning.take() else { return };
        self.is_cold = !is_there;
        let requests = if is_there { Vec::new() } else { self.requests(part, &area) };
        let number = self.oldest + self.begun.len();
        self.begun.push_back(Begun { part, area, open: requests.len(), holes: Vec::new() });
        self.waiting.extend(requests.into_iter().map(|request| (number, request)));
    }

    /// The request with this tag came to so many bytes, or to an error if `result` is negative.
    pub fn complete(&mut self, tag: usize, result: i32) {
        let Some((number, request)) = self.asked.get_mut(tag).and_then(Option::take) else { return };
        let Some(begun) = number.checked_sub(self.oldest).and_then(|at| self.begun.get_mut(at)) else {
            return;
        };
        begun.open -= 1;
        let got = usize::try_from(result).unwrap_or(0);
        if got < request.needed {
            begun.holes.push(Request {
                offset: request.offset + got as u64,
                area: request.area.start + got..request.area.start + request.needed,
                needed: request.needed - got,
            });
        }
    }

    /// The oldest part was given out.
    pub fn landed(&mut self) {
        if self.begun.pop_front().is_some() {
            self.oldest += 1;
            self.arena.give();
        }
    }

    fn next_part(&self) -> Option<Part> {
        let (span, from) = self.next;
        let rest = self.spans.get(span)?.bytes - from;
        let bytes = rest.min(PART_BYTES);
        Some(Part { span, from, bytes, is_last: bytes == rest })
    }

    /// Bytes between the multiple of `align` before the part and the part.
    fn skip(&self, part: Part) -> usize {
        let offset = self.spans[part.span].offset + part.from as u64;
        (offset % self.align) as usize
    }

    /// Bytes of the part, rounded outwards to the alignment.
    fn rounded(&self, part: Part) -> usize {
        (self.skip(part) + part.bytes).next_multiple_of(self.align as usize)
    }

    /// The requests that fill the part's area, rounded outwards to the alignment.
    fn requests(&self, part: Part, own: &Range<usize>) -> Vec<Request> {
        let skip = self.skip(part);
        let offset = self.spans[part.span].offset + part.from as u64 - skip as u64;
        let (start, needed) = (own.start - skip, skip + part.bytes);
        let bytes = self.rounded(part);
        (0..bytes)
            .step_by(SEGMENT_BYTES)
            .map(|from| {
                let end = bytes.min(from + SEGMENT_BYTES);
                Request {
                    offset: offset + from as u64,
                    area: start + from..start + end,
                    needed: needed.min(end) - from,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file whose bytes tell where they are.
    fn byte(offset: u64) -> u8 {
        (offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
    }

    /// What a kernel does to each request.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Whole,
        Short(usize),
        Fails,
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            4 => Just(Fate::Whole),
            1 => (0usize..SEGMENT_BYTES).prop_map(Fate::Short),
            1 => Just(Fate::Fails),
        ]
    }

    /// Flies over the spans of a file of `size` bytes and checks each part that lands. `choices` decide which completion comes
    /// first, what becomes of each request and which parts are there.
    fn fly(spans: &[Span], size: u64, align: u64, choices: &[(usize, Fate, bool)], stop_after: usize) {
        let mut memory = vec![0u8; ARENA_BYTES];
        let mut choices = choices.iter().cycle();
        let mut choose = || choices.next().copied().unwrap_or((0, Fate::Whole, false));
        let (mut first, mut landed) = (0, Vec::new());
        while first < spans.len() {
            let mut flight = Flight::new(spans, first, align);
            let mut kernel: Vec<(usize, Request)> = Vec::new();
            loop {
                match flight.step() {
                    Step::Begin { part, area } => {
                        let is_there = choose().2 && part.span > first;
                        if is_there {
                            let offset = spans[part.span].offset + part.from as u64;
                            area.clone().zip(offset..).for_each(|(at, place)| memory[at] = byte(place));
                        }
                        flight.begin(is_there);
                    }
                    Step::Ask { tag, request } => {
                        assert!(
                            [request.offset, request.area.start as u64, request.area.len() as u64]
                                .into_iter()
                                .all(|place| place.is_multiple_of(align))
                        );
                        assert!(request.area.len() <= SEGMENT_BYTES);
                        assert!(kernel.iter().all(|(other, _)| *other != tag));
                        kernel.push((tag, request));
                        assert!(kernel.len() <= DEPTH);
                    }
                    Step::Wait => {
                        let (which, fate, _) = choose();
                        let (tag, request) = kernel.swap_remove(which % kernel.len());
                        let inside = request.area.len().min((size - request.offset) as usize);
                        let result = match fate {
                            Fate::Whole => inside as i32,
                            Fate::Short(bytes) => bytes.min(inside) as i32,
                            Fate::Fails => -5,
                        };
                        let got = result.max(0) as usize;
                        let area = request.area.start..request.area.start + got;
                        area.zip(request.offset..).for_each(|(at, place)| memory[at] = byte(place));
                        flight.complete(tag, result);
                    }
                    Step::Land { part, area, holes } => {
                        for hole in holes {
                            assert_eq!(hole.area.len(), hole.needed);
                            hole.area.zip(hole.offset..).for_each(|(at, place)| memory[at] = byte(place));
                        }
                        let offset = spans[part.span].offset + part.from as u64;
                        assert!(area.len() == part.bytes);
                        assert!(area.zip(offset..).all(|(at, place)| memory[at] == byte(place)), "{part:?}");
                        landed.push(part);
                        if landed.len() == stop_after { flight.stop() } else { flight.landed() }
                    }
                    Step::End => break,
                }
            }
            assert!(kernel.is_empty());
            if landed.len() == stop_after {
                return;
            }
            assert!(flight.next_span() > first);
            first = flight.next_span();
        }
        // Every byte of every span once, in order.
        let mut parts = landed.iter();
        for (number, span) in spans.iter().enumerate() {
            let mut from = 0;
            loop {
                let part = parts.next().unwrap();
                assert_eq!((part.span, part.from), (number, from));
                from += part.bytes;
                if part.is_last {
                    break;
                }
            }
            assert_eq!(from, span.bytes);
        }
        assert!(parts.next().is_none());
    }

    #[test]
    fn small_and_odd_spans_land() {
        // Few bytes: this one also runs under Miri.
        let spans = [(5, 10), (0, 0), (4095, 2), (9000, 1000)].map(|(offset, bytes)| Span { offset, bytes });
        for align in [1, 512, 4096] {
            fly(&spans, 10_000, align, &[(1, Fate::Short(3), false), (0, Fate::Whole, true)], usize::MAX);
            fly(&spans, 10_000, align, &[(0, Fate::Fails, false)], 2);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]
        #[test]
        #[cfg_attr(miri, ignore = "megabytes, byte by byte")]
        fn every_span_lands_whole(
            places in proptest::collection::vec((0u64..3_000_000, 0usize..2_500_000), 1..12),
            small in any::<bool>(),
            align in prop_oneof![Just(1u64), Just(512), Just(4096)],
            choices in proptest::collection::vec((0usize..8, fate(), any::<bool>()), 1..40),
            stop_after in 1usize..40,
        ) {
            const SIZE: u64 = 3_000_001;
            let spans: Vec<Span> = places.into_iter().map(|(offset, bytes)| {
                let bytes = if small { bytes % 70_000 } else { bytes };
                Span { offset, bytes: bytes.min((SIZE - offset) as usize) }
            }).collect();
            fly(&spans, SIZE, align, &choices, stop_after);
        }
    }
}
