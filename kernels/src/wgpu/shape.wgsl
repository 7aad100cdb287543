// What changes from one dispatch to the next; the shape itself is compiled in.
struct Place {
    // Windows in flight.
    rows: u32,
    // Steps that the dispatch covers.
    steps: u32,
    // The first step, counted from the start of the chunk.
    step: u32,
    // The first row of the outputs.
    row: u32,
}
