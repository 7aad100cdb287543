//! A value as it was some rows ago: a ring of the last `rows` values.

/// Place in the ring (head, padded like the other windows), then the ring.
pub(super) const fn state_len(rows: usize) -> usize {
    super::window::HEAD + rows
}

#[inline(always)]
pub(super) fn advance(state: &mut [f64], x: &[f64], out: &mut [f64]) {
    let (head, ring) = state.split_at_mut(super::window::HEAD);
    let mut place = head[0] as usize;
    for (x, out) in x.iter().zip(out) {
        *out = std::mem::replace(&mut ring[place], *x);
        place += 1;
        if place == ring.len() {
            place = 0;
        }
    }
    head[0] = place as f64;
}
