//! A value as it was some rows ago: a ring of the last `rows` values.

/// Place in the ring (head, padded like the other windows), then the ring.
pub(super) const fn state_len(rows: usize) -> usize {
    super::window::HEAD + rows
}

#[inline(always)]
pub(super) fn advance(state: &mut [f64], mut x: &[f64], mut out: &mut [f64]) {
    let (head, ring) = state.split_at_mut(super::window::HEAD);
    let mut place = head[0] as usize;
    while !x.is_empty() {
        let (now, later) = x.split_at(x.len().min(ring.len() - place));
        let (target, rest) = out.split_at_mut(now.len());
        let stretch = &mut ring[place..place + now.len()];
        target.copy_from_slice(stretch);
        stretch.copy_from_slice(now);
        place += now.len();
        if place == ring.len() {
            place = 0;
        }
        (x, out) = (later, rest);
    }
    head[0] = place as f64;
}
