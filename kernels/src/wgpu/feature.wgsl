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

// Four roundings.
const ROUNDING: f32 = 4.76837158203125e-7;
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

fn departure(a: f32, b: f32) -> f32 {
    let distance = minus(a, b);
    if (unknown(distance)) {
        return UNKNOWN;
    }
    return select(0.0, distance, abs(distance) > abs(a) * ROUNDING + abs(b) * ROUNDING);
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

// Polynomial of the Cephes library; WGSL's own may be off by 4096 units in the last place.
fn arctangent(a: f32) -> f32 {
    if (unknown(a)) {
        return UNKNOWN;
    }
    var x = abs(a);
    var y = 0.0;
    if (x > 2.4142136) {
        y = 1.5707963;
        x = -1.0 / x;
    } else if (x > 0.41421357) {
        y = 0.78539816;
        x = (x - 1.0) / (x + 1.0);
    }
    let z = x * x;
    let p = fma(fma(fma(0.080537445, z, -0.13877686), z, 0.19977711), z, -0.33332949);
    y += fma(p * z, x, x);
    return select(y, -y, a < 0.0);
}

fn trend(
    n: u32, inverse: f32, half: f32, scale: f32, count: ptr<function, u32>, anchor: ptr<function, f32>,
    open: ptr<function, f32>, open_aged: ptr<function, f32>, base: u32, x: f32,
) -> vec2<f32> {
    hold(base + *count, x);
    var sum = 0.0;
    var aged = 0.0;
    if (*count + 1u == n) {
        *anchor = x;
        var age_of = 0.0;
        for (var j = n; j > 0u; j--) {
            let distance = minus(held(base + j - 1u), x);
            sum = plus(sum, distance);
            aged = plus(aged, times(age_of, distance));
            hold(base + n + j - 1u, sum);
            hold(base + 2u * n + j - 1u, aged);
            age_of += 1.0;
        }
        *count = 0u;
        *open = 0.0;
        *open_aged = 0.0;
    } else {
        *open_aged = plus(*open_aged, *open);
        *open = plus(*open, minus(x, *anchor));
        *count += 1u;
        let suffix = held(base + n + *count);
        sum = plus(*open, suffix);
        aged = plus(*open_aged, plus(held(base + 2u * n + *count), times(f32(*count), suffix)));
    }
    return vec2<f32>(plus(*anchor, times(sum, inverse)), times(minus(times(half, sum), aged), scale));
}

fn covariance(
    n: u32, inverse: f32, count: ptr<function, u32>, anchor_a: ptr<function, f32>, anchor_b: ptr<function, f32>,
    open_a: ptr<function, f32>, open_b: ptr<function, f32>, open_ab: ptr<function, f32>, base: u32, a: f32, b: f32,
) -> f32 {
    hold(base + *count, a);
    hold(base + n + *count, b);
    var sums = vec3<f32>(0.0, 0.0, 0.0);
    if (*count + 1u == n) {
        *anchor_a = a;
        *anchor_b = b;
        for (var j = n; j > 0u; j--) {
            let at = j - 1u;
            let from_a = minus(held(base + at), a);
            let from_b = minus(held(base + n + at), b);
            sums = vec3<f32>(plus(sums.x, from_a), plus(sums.y, from_b), plus(sums.z, times(from_a, from_b)));
            hold(base + 2u * n + at, sums.x);
            hold(base + 3u * n + at, sums.y);
            hold(base + 4u * n + at, sums.z);
        }
        *count = 0u;
        *open_a = 0.0;
        *open_b = 0.0;
        *open_ab = 0.0;
    } else {
        let from_a = minus(a, *anchor_a);
        let from_b = minus(b, *anchor_b);
        *open_a = plus(*open_a, from_a);
        *open_b = plus(*open_b, from_b);
        *open_ab = plus(*open_ab, times(from_a, from_b));
        *count += 1u;
        sums.x = plus(*open_a, held(base + 2u * n + *count));
        sums.y = plus(*open_b, held(base + 3u * n + *count));
        sums.z = plus(*open_ab, held(base + 4u * n + *count));
    }
    return times(minus(sums.z, times(sums.x, times(sums.y, inverse))), inverse);
}

// The first four powers of a distance.
fn powers_of(distance: f32) -> vec4<f32> {
    let square = times(distance, distance);
    return vec4<f32>(distance, square, times(square, distance), times(square, square));
}

fn plus_each(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(plus(a.x, b.x), plus(a.y, b.y), plus(a.z, b.z), plus(a.w, b.w));
}

fn higher_moments(
    n: u32, inverse: f32, count: ptr<function, u32>, anchor: ptr<function, f32>, open: ptr<function, vec4<f32>>,
    base: u32, x: f32,
) -> vec2<f32> {
    hold(base + *count, x);
    var sums = vec4<f32>(0.0, 0.0, 0.0, 0.0);
    if (*count + 1u == n) {
        *anchor = x;
        for (var j = n; j > 0u; j--) {
            sums = plus_each(sums, powers_of(minus(held(base + j - 1u), x)));
            for (var power = 0u; power < 4u; power++) {
                hold(base + n + 4u * (j - 1u) + power, sums[power]);
            }
        }
        *count = 0u;
        *open = vec4<f32>(0.0, 0.0, 0.0, 0.0);
    } else {
        *open = plus_each(*open, powers_of(minus(x, *anchor)));
        *count += 1u;
        let at = base + n + 4u * *count;
        sums = plus_each(*open, vec4<f32>(held(at), held(at + 1u), held(at + 2u), held(at + 3u)));
    }
    if (unknown(sums.x) || unknown(sums.y) || unknown(sums.z) || unknown(sums.w)) {
        return vec2<f32>(UNKNOWN, UNKNOWN);
    }
    let m = sums * inverse;
    let square = m.x * m.x;
    let skew = m.z - 3.0 * m.x * m.y + 2.0 * m.x * square;
    let tails = m.w - 4.0 * m.x * m.z + 6.0 * square * m.y - 3.0 * square * square;
    return vec2<f32>(known(skew), known(tails));
}

// Looks at its whole window, a ring, from the oldest row to the newest.
fn deviation(n: u32, inverse: f32, place: ptr<function, u32>, base: u32, x: f32, centre: f32) -> f32 {
    hold(base + *place, x);
    *place = select(*place + 1u, 0u, *place + 1u == n);
    var sum = 0.0;
    var at = *place;
    for (var row = 0u; row < n; row++) {
        sum = plus(sum, magnitude(minus(held(base + at), centre)));
        at = select(at + 1u, 0u, at + 1u == n);
    }
    return times(sum, inverse);
}

// From the newest row to the oldest.
fn age(sign_of: f32, oldest: bool, n: u32, place: ptr<function, u32>, base: u32, x: f32) -> f32 {
    hold(base + *place, x);
    var best = x;
    var rows = 0.0;
    var gap = unknown(x);
    var at = *place;
    for (var row = 1u; row < n; row++) {
        at = select(at, n, at == 0u) - 1u;
        let older = held(base + at);
        gap = gap || unknown(older);
        let beats = sign_of * older > sign_of * best || (oldest && older == best);
        if (beats) {
            best = older;
            rows = f32(row);
        }
    }
    *place = select(*place + 1u, 0u, *place + 1u == n);
    return select(rows, UNKNOWN, gap);
}

// What a gap is kept as in a sorted window, so that it sorts last.
const GAP: f32 = 3.4028234663852886e38;

fn moved_down(now: f32, after: f32, old: f32, fresh: f32) -> f32 {
    return select(min(after, max(now, fresh)), now, now < old);
}

fn moved_up(now: f32, before: f32, old: f32, fresh: f32) -> f32 {
    return select(max(before, min(now, fresh)), now, old < now);
}

// Takes the oldest row out of the sorted window, which follows the ring, and puts `x` in. The newest value, GAP for a gap.
fn sort_in(n: u32, place: ptr<function, u32>, base: u32, x: f32) -> f32 {
    let fresh = select(x, GAP, unknown(x));
    let old = held(base + *place);
    hold(base + *place, fresh);
    *place = select(*place + 1u, 0u, *place + 1u == n);
    var before = UNKNOWN;
    var now = held(base + n);
    for (var at = 0u; at < n; at++) {
        var after = GAP;
        if (at + 1u < n) {
            after = held(base + n + at + 1u);
        }
        hold(base + n + at, select(moved_down(now, after, old, fresh), moved_up(now, before, old, fresh), fresh < old));
        before = now;
        now = after;
    }
    return fresh;
}

fn has_gap(n: u32, base: u32) -> bool {
    return held(base + 2u * n - 1u) == GAP;
}

fn between(n: u32, lower: u32, upper: u32, share: f32, base: u32) -> f32 {
    let low = held(base + n + lower);
    return low + (held(base + n + upper) - low) * share;
}

fn quantile(n: u32, lower: u32, upper: u32, share: f32, place: ptr<function, u32>, base: u32, x: f32) -> f32 {
    let newest = sort_in(n, place, base, x);
    if (has_gap(n, base)) {
        return UNKNOWN;
    }
    return known(between(n, lower, upper, share, base));
}

fn rank(n: u32, place: ptr<function, u32>, base: u32, x: f32) -> f32 {
    let newest = sort_in(n, place, base, x);
    if (has_gap(n, base)) {
        return UNKNOWN;
    }
    var twice = 1.0;
    for (var at = 0u; at < n; at++) {
        let value = held(base + n + at);
        twice += select(0.0, 1.0, value < newest) + select(1.0, 0.0, newest < value);
    }
    return twice * 0.5 / f32(n);
}

fn nearest(n: u32, number: u32, median: f32, base: u32) -> f32 {
    var least = GAP;
    for (var first = 0u; first + number <= n; first++) {
        let reach = max(median - held(base + n + first), held(base + n + first + number - 1u) - median);
        least = min(least, reach);
    }
    return least;
}

fn median_deviation(
    n: u32, lower: u32, upper: u32, share: f32, place: ptr<function, u32>, base: u32, x: f32,
) -> f32 {
    let newest = sort_in(n, place, base, x);
    if (has_gap(n, base)) {
        return UNKNOWN;
    }
    let median = between(n, lower, upper, share, base);
    let low = nearest(n, (n + 1u) / 2u, median, base);
    let high = nearest(n, n / 2u + 1u, median, base);
    return known(low + (high - low) * 0.5);
}
