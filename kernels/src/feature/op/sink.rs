//! Where a step of several operations leaves a result: in a lane, or nowhere when nobody reads it.

use crate::feature::value::Value;

/// The place of one result.
pub(crate) trait Sink<V> {
    /// Takes the result of a row.
    fn put(&mut self, row: usize, value: V);
}

impl<V: Value> Sink<V> for &mut [V] {
    #[inline(always)]
    fn put(&mut self, row: usize, value: V) {
        self[row] = value;
    }
}

/// Nobody reads it.
pub(crate) struct Nowhere;

impl<V> Sink<V> for Nowhere {
    #[inline(always)]
    fn put(&mut self, _: usize, _: V) {}
}
