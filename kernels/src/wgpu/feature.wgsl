// The operations of features over one row of one symbol; the kernel of a plan is written after them, see feature/text.rs.
//
// WGSL lets a compiler assume that there is no NaN and no infinity, so "not known" is a number here, the least of the format;
// the host puts NaN in its place. Every function follows the one of that name in src/feature/op/.

struct Span {
    rows: u32,
    symbols: u32,
    first: u32,
    spare: u32,
}

@group(0) @binding(0) var<uniform> span: Span;
// [input][row][symbol]
@group(0) @binding(1) var<storage, read> columns: array<f32>;
// [output][row][symbol]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
// [number][symbol]
@group(0) @binding(3) var<storage, read_write> state: array<f32>;

const UNKNOWN: f32 = -3.4028234663852886e38;
const LARGEST: f32 = 3.4028e38;

var<private> symbol: u32;

fn held(number: u32) -> f32 {
    return state[number * span.symbols + symbol];
}

fn hold(number: u32, x: f32) {
    state[number * span.symbols + symbol] = x;
}

fn unknown(x: f32) -> bool {
    return x == UNKNOWN;
}

fn known(x: f32) -> f32 {
    return select(UNKNOWN, x, abs(x) < LARGEST);
}

fn plus(a: f32, b: f32) -> f32 {
    return select(known(a + b), UNKNOWN, unknown(a) || unknown(b));
}

fn minus(a: f32, b: f32) -> f32 {
    return select(known(a - b), UNKNOWN, unknown(a) || unknown(b));
}

fn times(a: f32, b: f32) -> f32 {
    return select(known(a * b), UNKNOWN, unknown(a) || unknown(b));
}

fn over(a: f32, b: f32) -> f32 {
    if (unknown(a) || unknown(b) || b == 0.0) {
        return UNKNOWN;
    }
    return known(a / b);
}

fn magnitude(a: f32) -> f32 {
    return select(abs(a), UNKNOWN, unknown(a));
}

fn root(a: f32) -> f32 {
    if (unknown(a) || a < 0.0) {
        return UNKNOWN;
    }
    return sqrt(a);
}

// WGSL's own logarithm is off by 2^-21 between one half and two, where log returns lie. Polynomial of the Cephes library.
fn ln(a: f32) -> f32 {
    if (unknown(a) || a <= 0.0) {
        return UNKNOWN;
    }
    var x = a;
    var power = 0.0;
    if (x < 1.17549435e-38) {
        x *= 8388608.0;
        power = -23.0;
    }
    let bits = bitcast<u32>(x);
    power += f32(i32(bits >> 23u) - 126);
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u);
    if (m < 0.70710678) {
        power -= 1.0;
        m = m + m - 1.0;
    } else {
        m = m - 1.0;
    }
    let z = m * m;
    var p = fma(0.070376836, m, -0.11514610);
    p = fma(p, m, 0.11676999);
    p = fma(p, m, -0.12420141);
    p = fma(p, m, 0.14249323);
    p = fma(p, m, -0.16668058);
    p = fma(p, m, 0.20000715);
    p = fma(p, m, -0.24999999);
    p = fma(p, m, 0.33333331);
    var rest = m * z * p;
    rest = fma(power, -2.1219444e-4, rest);
    rest = fma(-0.5, z, rest);
    return fma(power, 0.693359375, m + rest);
}

fn ln_1p(a: f32) -> f32 {
    if (unknown(a) || a <= -1.0) {
        return UNKNOWN;
    }
    let u = 1.0 + a;
    if (u == 1.0) {
        return a;
    }
    return ln(u) * (a / (u - 1.0));
}

fn clip(a: f32, low: f32, high: f32) -> f32 {
    return select(min(max(a, low), high), UNKNOWN, unknown(a));
}

fn true_range(high: f32, low: f32, before: f32) -> f32 {
    if (unknown(high) || unknown(low) || unknown(before)) {
        return UNKNOWN;
    }
    return known(max(max(high - low, abs(before - high)), abs(before - low)));
}

fn position(a: f32, low: f32, high: f32) -> f32 {
    let room = minus(high, low);
    if (unknown(a) || unknown(room)) {
        return UNKNOWN;
    }
    if (room > 0.0) {
        return over(minus(a, low), room);
    }
    return 0.5;
}

fn standardise(a: f32, mean: f32, variance: f32) -> f32 {
    let distance = minus(a, mean);
    if (unknown(distance) || unknown(variance)) {
        return UNKNOWN;
    }
    if (variance > 0.0) {
        return over(distance, sqrt(variance));
    }
    return 0.0;
}

fn quotient(a: f32, b: f32, otherwise: f32) -> f32 {
    if (b == 0.0 && !unknown(a)) {
        return otherwise;
    }
    return over(a, b);
}

fn lesser(a: f32, b: f32) -> f32 {
    return select(min(a, b), UNKNOWN, unknown(a) || unknown(b));
}

fn greater(a: f32, b: f32) -> f32 {
    return select(max(a, b), UNKNOWN, unknown(a) || unknown(b));
}

fn above(a: f32, b: f32) -> f32 {
    return select(select(0.0, 1.0, a > b), UNKNOWN, unknown(a) || unknown(b));
}

// Where b is known.
fn only_where(a: f32, b: f32) -> f32 {
    return select(a, UNKNOWN, unknown(b));
}

// b where sign * a is above zero, else zero.
fn part(sign: f32, a: f32, b: f32) -> f32 {
    if (unknown(a) || unknown(b)) {
        return UNKNOWN;
    }
    return select(0.0, b, sign * a > 0.0);
}

fn queue_change(nearer: f32, size: f32, before: f32) -> f32 {
    if (unknown(nearer) || unknown(size) || unknown(before)) {
        return UNKNOWN;
    }
    return known(select(size, 0.0, nearer < 0.0) - select(before, 0.0, nearer > 0.0));
}

fn lag(n: u32, count: ptr<function, u32>, base: u32, x: f32) -> f32 {
    let before = held(base + *count);
    hold(base + *count, x);
    *count = select(*count + 1u, 0u, *count + 1u == n);
    return before;
}

fn window_sum(n: u32, count: ptr<function, u32>, open: ptr<function, f32>, base: u32, x: f32) -> f32 {
    hold(base + *count, x);
    if (*count + 1u == n) {
        var sum = 0.0;
        for (var j = n; j > 0u; j--) {
            sum = plus(sum, held(base + j - 1u));
            hold(base + n + j - 1u, sum);
        }
        *count = 0u;
        *open = 0.0;
        return sum;
    }
    *open = plus(*open, x);
    *count += 1u;
    return plus(*open, held(base + n + *count));
}

fn window_mean(
    n: u32, inverse: f32, count: ptr<function, u32>, anchor: ptr<function, f32>, open: ptr<function, f32>, base: u32, x: f32,
) -> f32 {
    hold(base + *count, x);
    if (*count + 1u == n) {
        var sum = 0.0;
        for (var j = n; j > 0u; j--) {
            sum = plus(sum, minus(held(base + j - 1u), x));
            hold(base + n + j - 1u, sum);
        }
        *count = 0u;
        *anchor = x;
        *open = 0.0;
        return plus(x, times(sum, inverse));
    }
    *open = plus(*open, minus(x, *anchor));
    *count += 1u;
    return plus(*anchor, times(plus(*open, held(base + n + *count)), inverse));
}

fn spread(anchor: f32, total: f32, squares: f32, inverse: f32) -> vec2<f32> {
    if (unknown(anchor) || unknown(total) || unknown(squares)) {
        return vec2<f32>(UNKNOWN, UNKNOWN);
    }
    let shift = total * inverse;
    return vec2<f32>(known(anchor + shift), known(max((squares - total * shift) * inverse, 0.0)));
}

fn window_moments(
    n: u32, inverse: f32, count: ptr<function, u32>, anchor: ptr<function, f32>, open: ptr<function, f32>,
    open_squares: ptr<function, f32>, base: u32, x: f32,
) -> vec2<f32> {
    hold(base + *count, x);
    if (*count + 1u == n) {
        var sum = 0.0;
        var squares = 0.0;
        for (var j = n; j > 0u; j--) {
            let distance = minus(held(base + j - 1u), x);
            sum = plus(sum, distance);
            squares = plus(squares, times(distance, distance));
            hold(base + n + j - 1u, sum);
            hold(base + 2u * n + j - 1u, squares);
        }
        *count = 0u;
        *anchor = x;
        *open = 0.0;
        *open_squares = 0.0;
        return spread(x, sum, squares, inverse);
    }
    let distance = minus(x, *anchor);
    *open = plus(*open, distance);
    *open_squares = plus(*open_squares, times(distance, distance));
    *count += 1u;
    let total = plus(*open, held(base + n + *count));
    let squares = plus(*open_squares, held(base + 2u * n + *count));
    return spread(*anchor, total, squares, inverse);
}

// The greater of the two times `sign`.
fn pick(sign: f32, a: f32, b: f32) -> f32 {
    if (unknown(a) || unknown(b)) {
        return UNKNOWN;
    }
    return select(b, a, sign * a > sign * b);
}

fn extremum(sign: f32, n: u32, count: ptr<function, u32>, open: ptr<function, f32>, base: u32, x: f32) -> f32 {
    hold(base + *count, x);
    if (*count + 1u == n) {
        var tail = x;
        for (var j = n; j > 0u; j--) {
            tail = pick(sign, held(base + j - 1u), tail);
            hold(base + n + j - 1u, tail);
        }
        *count = 0u;
        return tail;
    }
    if (*count == 0u) {
        *open = x;
    }
    *open = pick(sign, *open, x);
    *count += 1u;
    return pick(sign, *open, held(base + n + *count));
}

fn smooth_(
    rows: f32, skip: f32, keep: f32, take: f32, seen: ptr<function, f32>, value: ptr<function, f32>, x: f32,
) -> f32 {
    if (unknown(x)) {
        return UNKNOWN;
    }
    if (*seen >= skip + rows) {
        let next = known(fma(keep, *value, take * x));
        *value = next;
        return next;
    }
    *seen += 1.0;
    if (*seen > skip) {
        *value = plus(*value, x);
    }
    if (*seen < skip + rows) {
        return UNKNOWN;
    }
    let mean = over(*value, rows);
    if (unknown(mean)) {
        *seen = 0.0;
        *value = 0.0;
    } else {
        *value = mean;
    }
    return mean;
}

fn index_of(gain: f32, loss: f32) -> f32 {
    let total = gain + loss;
    if (total > 0.0) {
        return 100.0 * (gain / total);
    }
    return 50.0;
}

fn rsi(
    rows: f32, inverse: f32, seen: ptr<function, f32>, before: ptr<function, f32>, gain: ptr<function, f32>,
    loss: ptr<function, f32>, x: f32,
) -> f32 {
    if (unknown(x)) {
        return UNKNOWN;
    }
    var change = 0.0;
    if (*seen > 0.0) {
        change = known(x - *before);
    }
    let risen = max(change, 0.0);
    let ordinary = *seen > rows;
    var up = *gain + risen;
    var down = *loss + (risen - change);
    if (ordinary) {
        up = (*gain * (rows - 1.0) + risen) * inverse;
        down = (*loss * (rows - 1.0) + (risen - change)) * inverse;
    }
    *before = x;
    if (unknown(change) || unknown(known(up + down))) {
        *seen = 1.0;
        *gain = 0.0;
        *loss = 0.0;
        return UNKNOWN;
    }
    if (!ordinary && *seen == rows) {
        up *= inverse;
        down *= inverse;
    }
    *gain = up;
    *loss = down;
    if (!ordinary) {
        *seen += 1.0;
        if (*seen <= rows) {
            return UNKNOWN;
        }
    }
    return index_of(up, down);
}

// Neumaier's sum: what is lost of `sum + x`.
fn lost_of(sum: f32, x: f32, next: f32) -> f32 {
    if (abs(sum) >= abs(x)) {
        return (sum - next) + x;
    }
    return (x - next) + sum;
}

fn accumulate(
    current: ptr<function, f32>, sum: ptr<function, f32>, lost: ptr<function, f32>, x: f32, mark: f32,
) -> f32 {
    if (unknown(x) || unknown(mark)) {
        return UNKNOWN;
    }
    if (mark != *current) {
        *sum = 0.0;
        *lost = 0.0;
        *current = mark;
    }
    let next = plus(*sum, x);
    if (unknown(next)) {
        *sum = UNKNOWN;
        return UNKNOWN;
    }
    *lost += lost_of(*sum, x, next);
    *sum = next;
    return known(next + *lost);
}

fn balance(
    before: ptr<function, f32>, sum: ptr<function, f32>, lost: ptr<function, f32>, x: f32, volume: f32,
) -> f32 {
    if (unknown(x) || unknown(volume)) {
        return UNKNOWN;
    }
    var flow = 0.0;
    if (unknown(*before) || x > *before) {
        flow = volume;
    } else if (x < *before) {
        flow = -volume;
    }
    *before = x;
    let next = known(*sum + flow);
    if (unknown(next)) {
        return UNKNOWN;
    }
    let rest = *lost + lost_of(*sum, flow, next);
    let total = known(next + rest);
    if (!unknown(total)) {
        *sum = next;
        *lost = rest;
    }
    return total;
}

fn tick(before: ptr<function, f32>, sign_of: ptr<function, f32>, x: f32) -> f32 {
    if (unknown(x)) {
        return UNKNOWN;
    }
    if (!unknown(*before)) {
        if (x > *before) {
            *sign_of = 1.0;
        } else if (x < *before) {
            *sign_of = -1.0;
        }
    }
    *before = x;
    return *sign_of;
}

fn adapt(before: ptr<function, f32>, average: ptr<function, f32>, x: f32, speed: f32) -> f32 {
    let origin = select(*average, *before, unknown(*average));
    var next = UNKNOWN;
    if (!unknown(x) && !unknown(speed) && !unknown(origin)) {
        next = known(fma(x - origin, speed, origin));
    }
    if (!unknown(x)) {
        *before = x;
    }
    if (!unknown(next)) {
        *average = next;
    }
    return next;
}

fn fill(limit: f32, last: ptr<function, f32>, missing: ptr<function, f32>, x: f32) -> f32 {
    if (!unknown(x)) {
        *last = x;
        *missing = 0.0;
        return x;
    }
    *missing += 1.0;
    if (*missing > limit) {
        *last = UNKNOWN;
        *missing = 0.0;
    }
    return *last;
}

fn directional(
    rows: f32, first: f32, keep: f32, seen: ptr<function, f32>, high_before: ptr<function, f32>,
    low_before: ptr<function, f32>, close_before: ptr<function, f32>, sums: ptr<function, vec3<f32>>, high: f32, low: f32,
    close: f32,
) -> vec3<f32> {
    let up = minus(high, *high_before);
    let down = minus(*low_before, low);
    let range = true_range(high, low, *close_before);
    *high_before = high;
    *low_before = low;
    *close_before = close;
    let hidden = vec3<f32>(UNKNOWN, UNKNOWN, UNKNOWN);
    if (unknown(up) || unknown(down) || unknown(range)) {
        return hidden;
    }
    let plus_of = select(0.0, up, up > down && up > 0.0);
    let minus_of = select(0.0, down, down > up && down > 0.0);
    let count = min(*seen + 1.0, rows);
    let kept = select(keep, 1.0, count < rows);
    let next = fma(vec3<f32>(kept), *sums, vec3<f32>(plus_of, minus_of, range));
    if (unknown(known(next.x + next.y + next.z))) {
        return hidden;
    }
    *seen = count;
    *sums = next;
    return select(next, hidden, count < first);
}
