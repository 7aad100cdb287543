// The operations of features, each as kernels/src/feature/op has it: the same operations in the same order, none fused but those
// that are there, so that a symbol has the bits of its own stream. What has no exact definition (logarithms, arctangent, sine and
// cosine) is this library's, within two units in the last place.
//
// A state is some numbers that a thread keeps in registers, and an array in global memory in which neighbouring symbols lie
// side by side.
//
// Compiled in: WIDE (1: f64, 0: f32).

#if WIDE
typedef double number;
#define FMA fma
#define ROOT sqrt
#define MAGNITUDE fabs
#define LN log
#define LN_1P log1p
#define ATAN atan
#else
typedef float number;
#define FMA fmaf
#define ROOT sqrtf
#define MAGNITUDE fabsf
#define LN logf
#define LN_1P log1pf
#define ATAN atanf
#endif

#define HERE __device__ __forceinline__

HERE number of_bits(const unsigned long long bits) {
#if WIDE
    return __longlong_as_double((long long)bits);
#else
    return __int_as_float((int)bits);
#endif
}

#if WIDE
#define NOT_KNOWN of_bits(0x7ff8000000000000ull)
#define INFINITE of_bits(0x7ff0000000000000ull)
#else
#define NOT_KNOWN of_bits(0x7fc00000ull)
#define INFINITE of_bits(0x7f800000ull)
#endif
#define ZERO ((number)0.0)
#define ONE ((number)1.0)
#define ROUNDING ((number)(sizeof(number) == 8 ? 1e-14 : 4.76837158203125e-7))

HERE bool unknown(const number x) { return x != x; }
HERE number known(const number x) { return x * ZERO + x; }
HERE number shown(const number x) { return unknown(x) ? NOT_KNOWN : x; }

struct Array {
    number *const first;
    const long long stride;
    HERE number &operator[](const int place) const { return first[place * stride]; }
};

HERE number true_range(const number high, const number low, const number before) {
    const number whole = high - low, up = MAGNITUDE(before - high), down = MAGNITUDE(before - low);
    const number larger = up < whole ? whole : up;
    const number range = down < larger ? larger : down;
    return unknown(high) || unknown(low) || unknown(before) ? NOT_KNOWN : range;
}

HERE number clip(const number a, const number low, const number high) {
    const number raised = a < low ? low : a;
    return high < raised ? high : raised;
}

HERE number position(const number a, const number low, const number high) {
    const number room = high - low, place = (a - low) / room, half = (number)0.5 + a * ZERO;
    return ZERO < room || unknown(room) ? place : half;
}

HERE number standardise(const number a, const number mean, const number variance) {
    const number distance = a - mean, score = distance / ROOT(variance), nothing = MAGNITUDE(distance * ZERO);
    return ZERO < variance || unknown(variance) ? score : nothing;
}

HERE number quotient(const number a, const number b, const number otherwise) {
    return b < ZERO || ZERO < b || unknown(b) || unknown(a) ? a / b : otherwise;
}

HERE number lesser(const number a, const number b) { return a < b || unknown(a) ? a : b; }
HERE number greater(const number a, const number b) { return b < a || unknown(a) ? a : b; }
HERE number above(const number a, const number b) { return unknown(a) || unknown(b) ? NOT_KNOWN : b < a ? ONE : ZERO; }

HERE void split(const number change, const number amount, number &risen, number &fallen) {
    const bool gap = unknown(change) || unknown(amount);
    risen = gap ? NOT_KNOWN : known(ZERO < change ? amount : ZERO);
    fallen = gap ? NOT_KNOWN : known(change < ZERO ? amount : ZERO);
}

HERE number departure(const number a, const number b) {
    const number distance = a - b, bound = MAGNITUDE(a) * ROUNDING + MAGNITUDE(b) * ROUNDING;
    return bound < MAGNITUDE(distance) || unknown(distance) ? distance : ZERO;
}

HERE number queue_change(const number nearer, const number size, const number before) {
    const number arrived = nearer < ZERO ? ZERO : size, gone = ZERO < nearer ? ZERO : before;
    return unknown(nearer) || unknown(size) || unknown(before) ? NOT_KNOWN : arrived - gone;
}

HERE void phase(const double period, const double offset, const number time, number &sine, number &cosine) {
    double rest = fmod((double)time + offset, period);
    rest = rest < 0.0 ? rest + period : rest;
    const double angle = rest / period * 6.283185307179586;
    const double s = sin(angle), c = cos(angle);
    sine = (number)(s * 0.0 + s);
    cosine = (number)(c * 0.0 + c);
}

HERE number epoch(const double period, const double offset, const number time) {
    const double at = (double)time + offset, whole = trunc(at / period);
    return (number)(fmod(at, period) < 0.0 ? whole - 1.0 : whole);
}

HERE number lag(const int rows, int &place, const Array ring, const number x) {
    const number out = ring[place];
    ring[place] = x;
    place = place + 1 < rows ? place + 1 : 0;
    return out;
}

HERE number window_sum(const int n, int &filled, number &open, const Array array, const number x) {
    const Array suffix = {array.first + n * array.stride, array.stride};
    array[filled] = x;
    if (filled == n - 1) {
        number total = ZERO;
        for (int at = n - 1; at >= 0; at--) {
            total = total + (array[at] - ZERO);
            suffix[at] = total;
        }
        filled = 0;
        open = ZERO;
        return known(total);
    }
    open = open + x;
    filled++;
    return known(open + suffix[filled]);
}

HERE number window_mean(
    const int n, const number inverse, int &filled, number &anchor, number &open, const Array array, const number x) {
    const Array suffix = {array.first + n * array.stride, array.stride};
    array[filled] = x;
    if (filled == n - 1) {
        anchor = x;
        number total = ZERO;
        for (int at = n - 1; at >= 0; at--) {
            total = total + (array[at] - anchor);
            suffix[at] = total;
        }
        filled = 0;
        open = ZERO;
        return known(anchor + total * inverse);
    }
    open = open + (x - anchor);
    filled++;
    return known(anchor + (open + suffix[filled]) * inverse);
}

HERE void spread(
    const number anchor, const number total, const number squares, const number inverse, number &mean, number &variance) {
    const number shift = total * inverse;
    number spread = (squares - total * shift) * inverse;
    spread = spread < ZERO ? ZERO : spread;
    mean = known(anchor + shift);
    variance = known(spread);
}

HERE void window_moments(
    const int n, const number inverse, int &filled, number &anchor, number &open, number &open_squares, const Array array,
    const number x, number &mean, number &variance) {
    const Array suffix = {array.first + n * array.stride, array.stride};
    const Array suffix_squares = {array.first + 2 * n * array.stride, array.stride};
    array[filled] = x;
    if (filled == n - 1) {
        anchor = x;
        number total = ZERO, squares = ZERO;
        for (int at = n - 1; at >= 0; at--) {
            const number distance = array[at] - anchor;
            total = total + distance;
            squares = squares + distance * distance;
            suffix[at] = total;
            suffix_squares[at] = squares;
        }
        filled = 0;
        open = open_squares = ZERO;
        spread(anchor, total, squares, inverse, mean, variance);
        return;
    }
    const number distance = x - anchor;
    open = open + distance;
    open_squares = open_squares + distance * distance;
    filled++;
    spread(anchor, open + suffix[filled], open_squares + suffix_squares[filled], inverse, mean, variance);
}

// `sign` is 1 for the greatest and -1 for the least: a sign changes no order.
HERE number pick(const number sign, const number a, const number b) {
    return sign * b < sign * a || unknown(a) ? a : b;
}

HERE number extremum(const number sign, const int n, int &filled, number &open, const Array array, const number x) {
    const Array suffix = {array.first + n * array.stride, array.stride};
    array[filled] = x;
    if (filled == n - 1) {
        number tail = x;
        for (int at = n - 1; at >= 0; at--) {
            tail = pick(sign, array[at], tail);
            suffix[at] = tail;
        }
        filled = 0;
        return tail;
    }
    open = filled == 0 ? x : open;
    open = pick(sign, open, x);
    filled++;
    return pick(sign, open, suffix[filled]);
}

HERE number smooth(
    const number rows, const number skip, const number keep, const number take, number &seen, number &value, const number x) {
    const number seeded = skip + rows;
    if (seen < seeded) {
        const number count = seen + ONE, sum = skip < count ? value + x : value;
        const number mean = known(sum / rows);
        const bool pending = count < seeded;
        if (!unknown(x)) {
            seen = pending ? count : unknown(mean) ? ZERO : count;
            value = pending ? sum : unknown(mean) ? ZERO : mean;
        }
        return pending ? NOT_KNOWN : mean;
    }
    const number next = FMA(keep, value, take * x);
    value = unknown(x) ? value : next;
    return next;
}

HERE number strength(const number gain, const number loss) {
    const number total = gain + loss, share = (number)100.0 * (gain / total);
    return ZERO < total ? share : (number)50.0;
}

HERE number rsi(
    const number rows, const number inverse, number &seen, number &before, number &gain, number &loss, const number x) {
    const number change_now = x - before;
    if (seen == rows + ONE && MAGNITUDE(change_now) < INFINITE) {
        const number risen = (change_now + MAGNITUDE(change_now)) * (number)0.5;
        gain = (gain * (rows - ONE) + risen) * inverse;
        loss = (loss * (rows - ONE) + (risen - change_now)) * inverse;
        before = x;
        return strength(gain, loss);
    }
    if (unknown(x)) return x;
    const number change = seen == ZERO ? ZERO : change_now;
    const number risen = (change + MAGNITUDE(change)) * (number)0.5;
    gain = gain + risen;
    loss = loss + (risen - change);
    before = x;
    if (!(MAGNITUDE(gain + loss) < INFINITE) || seen > rows) {
        seen = ONE;
        gain = loss = ZERO;
        return NOT_KNOWN;
    }
    const bool pending = seen < rows;
    seen = seen + ONE;
    if (pending) return NOT_KNOWN;
    gain = gain * inverse;
    loss = loss * inverse;
    return strength(gain, loss);
}

HERE number accumulate(number &current, number &sum, number &lost, const number x, const number mark) {
    if (unknown(x) || unknown(mark)) return NOT_KNOWN;
    if (mark != current) {
        sum = lost = ZERO;
    }
    const number next = sum + x;
    lost = lost + (MAGNITUDE(sum) >= MAGNITUDE(x) ? (sum - next) + x : (x - next) + sum);
    sum = next;
    current = mark;
    return known(next + lost);
}

HERE void trend(
    const int n, const number inverse, const number half, const number scale, int &filled, number &anchor, number &open,
    number &open_aged, const Array array, const number x, number &mean, number &slope) {
    const Array suffix = {array.first + n * array.stride, array.stride};
    const Array suffix_aged = {array.first + 2 * n * array.stride, array.stride};
    array[filled] = x;
    number sum = ZERO, aged = ZERO;
    if (filled == n - 1) {
        anchor = x;
        number age = ZERO;
        for (int at = n - 1; at >= 0; at--) {
            const number distance = array[at] - anchor;
            sum = sum + distance;
            aged = aged + age * distance;
            suffix[at] = sum;
            suffix_aged[at] = aged;
            age = age + ONE;
        }
        filled = 0;
        open = open_aged = ZERO;
    } else {
        open_aged = open_aged + open;
        open = open + (x - anchor);
        filled++;
        sum = open + suffix[filled];
        aged = open_aged + (suffix_aged[filled] + (number)filled * suffix[filled]);
    }
    mean = known(anchor + sum * inverse);
    slope = known((half * sum - aged) * scale);
}

HERE number covariance(
    const int n, const number inverse, int &filled, number &anchor_a, number &anchor_b, number &open_a, number &open_b,
    number &open_ab, const Array array, const number a, const number b) {
    const long long stride = array.stride;
    const Array values_b = {array.first + n * stride, stride}, suffix_a = {array.first + 2 * n * stride, stride};
    const Array suffix_b = {array.first + 3 * n * stride, stride}, suffix_ab = {array.first + 4 * n * stride, stride};
    array[filled] = a;
    values_b[filled] = b;
    number sum_a = ZERO, sum_b = ZERO, sum_ab = ZERO;
    if (filled == n - 1) {
        anchor_a = a;
        anchor_b = b;
        for (int at = n - 1; at >= 0; at--) {
            const number from_a = array[at] - anchor_a, from_b = values_b[at] - anchor_b;
            sum_a = sum_a + from_a;
            sum_b = sum_b + from_b;
            sum_ab = sum_ab + from_a * from_b;
            suffix_a[at] = sum_a;
            suffix_b[at] = sum_b;
            suffix_ab[at] = sum_ab;
        }
        filled = 0;
        open_a = open_b = open_ab = ZERO;
    } else {
        const number from_a = a - anchor_a, from_b = b - anchor_b;
        open_a = open_a + from_a;
        open_b = open_b + from_b;
        open_ab = open_ab + from_a * from_b;
        filled++;
        sum_a = open_a + suffix_a[filled];
        sum_b = open_b + suffix_b[filled];
        sum_ab = open_ab + suffix_ab[filled];
    }
    return known((sum_ab - sum_a * (sum_b * inverse)) * inverse);
}

HERE void higher_moments(
    const int n, const number inverse, int &filled, number &anchor, number &open_1, number &open_2, number &open_3,
    number &open_4, const Array array, const number x, number &skew, number &tails) {
    const Array suffixes = {array.first + n * array.stride, array.stride};
    array[filled] = x;
    number sums[4] = {ZERO, ZERO, ZERO, ZERO};
    if (filled == n - 1) {
        anchor = x;
        for (int at = n - 1; at >= 0; at--) {
            const number distance = array[at] - anchor, square = distance * distance;
            sums[0] = sums[0] + distance;
            sums[1] = sums[1] + square;
            sums[2] = sums[2] + square * distance;
            sums[3] = sums[3] + square * square;
#pragma unroll
            for (int power = 0; power < 4; power++) {
                suffixes[4 * at + power] = sums[power];
            }
        }
#pragma unroll
        for (int power = 0; power < 4; power++) {
            sums[power] = sums[power] + ZERO;
        }
        filled = 0;
        open_1 = open_2 = open_3 = open_4 = ZERO;
    } else {
        const number distance = x - anchor, square = distance * distance;
        open_1 = open_1 + distance;
        open_2 = open_2 + square;
        open_3 = open_3 + square * distance;
        open_4 = open_4 + square * square;
        filled++;
        sums[0] = open_1 + suffixes[4 * filled];
        sums[1] = open_2 + suffixes[4 * filled + 1];
        sums[2] = open_3 + suffixes[4 * filled + 2];
        sums[3] = open_4 + suffixes[4 * filled + 3];
    }
    const number first = sums[0] * inverse, second = sums[1] * inverse, third = sums[2] * inverse, fourth = sums[3] * inverse;
    const number two = (number)2.0, three = (number)3.0, four = (number)4.0, six = (number)6.0, square = first * first;
    skew = known(third - three * first * second + two * first * square);
    tails = known(fourth - four * first * third + six * square * second - three * square * square);
}

// Looks at its whole window, a ring, from the oldest row to the newest.
HERE number deviation(
    const int n, const number inverse, int &place, const Array ring, const number x, const number centre) {
    ring[place] = x;
    place = place + 1 < n ? place + 1 : 0;
    number sum = ZERO;
    for (int row = 0, at = place; row < n; row++) {
        sum = sum + MAGNITUDE(ring[at] - centre);
        at = at + 1 < n ? at + 1 : 0;
    }
    return known(sum * inverse);
}

// From the newest row to the oldest.
HERE number age(const number sign, const bool oldest, const int n, int &place, const Array ring, const number x) {
    ring[place] = x;
    number best = x, rows = ZERO, here = ZERO;
    for (int row = 1, at = place; row < n; row++) {
        at = at > 0 ? at - 1 : n - 1;
        here = here + ONE;
        const number older = ring[at];
        const bool newer_wins = oldest ? sign * older < sign * best || unknown(best)
                                       : !(sign * best < sign * older || unknown(older));
        rows = newer_wins ? rows : here;
        best = newer_wins ? best : older;
    }
    place = place + 1 < n ? place + 1 : 0;
    return unknown(best) ? best : rows;
}

HERE number moved_down(const number now, const number after, const number old, const number fresh) {
    const number at_least = fresh < now ? now : fresh;
    return now < old ? now : after < at_least ? after : at_least;
}

HERE number moved_up(const number now, const number before, const number old, const number fresh) {
    const number at_most = now < fresh ? now : fresh;
    return old < now ? now : at_most < before ? before : at_most;
}

// Takes the oldest row out of the sorted window, which follows the ring, and puts `x` in. The newest value, infinite for a gap.
HERE number sort_in(const int n, int &place, const Array ring, const number x) {
    const Array sorted = {ring.first + n * ring.stride, ring.stride};
    const number fresh = unknown(x) ? INFINITE : x, old = ring[place];
    ring[place] = fresh;
    place = place + 1 == n ? 0 : place + 1;
    number before = -INFINITE, now = sorted[0];
    for (int at = 0; at < n; at++) {
        const number after = at + 1 < n ? sorted[at + 1] : INFINITE;
        sorted[at] = fresh < old ? moved_up(now, before, old, fresh) : moved_down(now, after, old, fresh);
        before = now;
        now = after;
    }
    return fresh;
}

HERE number seen_whole(const int n, const Array ring, const number found) {
    return unknown(known(ring[2 * n - 1])) ? NOT_KNOWN : known(found);
}

HERE number quantile(
    const int n, const int lower, const int upper, const number part, int &place, const Array ring, const number x) {
    sort_in(n, place, ring, x);
    const number low = ring[n + lower];
    return seen_whole(n, ring, low + (ring[n + upper] - low) * part);
}

HERE number rank(const int n, int &place, const Array ring, const number x) {
    const number newest = sort_in(n, place, ring, x);
    number less = ZERO, not_above = ZERO;
    for (int at = n; at < 2 * n; at++) {
        less = less + (ring[at] < newest ? ONE : ZERO);
        not_above = not_above + (newest < ring[at] ? ZERO : ONE);
    }
    return seen_whole(n, ring, (less + not_above + ONE) * (number)0.5 / (number)n);
}

HERE number nearest(const int n, const int count, const number median, const Array ring) {
    number least = INFINITE;
    for (int first = 0; first + count <= n; first++) {
        const number below = median - ring[n + first], over = ring[n + first + count - 1] - median;
        const number reach = over < below ? below : over;
        least = reach < least ? reach : least;
    }
    return least;
}

HERE number median_deviation(
    const int n, const int lower, const int upper, const number part, int &place, const Array ring, const number x) {
    sort_in(n, place, ring, x);
    const number low = ring[n + lower], median = low + (ring[n + upper] - low) * part;
    const number from = nearest(n, (n + 1) / 2, median, ring), to = nearest(n, n / 2 + 1, median, ring);
    return seen_whole(n, ring, from + (to - from) * (number)0.5);
}

HERE void directional(
    const number rows, const number first, const number keep_full, number &seen, number &high_before, number &low_before,
    number &close_before, number &a, number &b, number &c, const number high, const number low, const number close,
    number &plus, number &minus, number &range) {
    const number up = high - high_before, down = low_before - low, gap = up * ZERO + down * ZERO;
    const number more = (down < up && ZERO < up ? up : ZERO) + gap;
    const number fewer = (up < down && ZERO < down ? down : ZERO) + gap;
    const number wide = true_range(high, low, close_before);
    high_before = high;
    low_before = low;
    close_before = close;
    const number count = seen < rows ? seen + ONE : seen, keep = count < rows ? ONE : keep_full;
    const number next_a = FMA(keep, a, more), next_b = FMA(keep, b, fewer), next_c = FMA(keep, c, wide);
    const bool lost = unknown(known(next_a + next_b + next_c)), hidden = lost || count < first;
    plus = hidden ? NOT_KNOWN : next_a;
    minus = hidden ? NOT_KNOWN : next_b;
    range = hidden ? NOT_KNOWN : next_c;
    if (!lost) {
        seen = count;
        a = next_a;
        b = next_b;
        c = next_c;
    }
}

HERE number adapt(number &before, number &average, const number x, const number speed) {
    const number from = unknown(average) ? before : average;
    const number next = known(FMA(x - from, speed, from));
    before = unknown(x) ? before : x;
    average = unknown(next) ? average : next;
    return next;
}

HERE number balance(number &before, number &sum, number &lost, const number x, const number volume) {
    const bool gap = unknown(x) || unknown(volume);
    const number same_or_up = before < x || unknown(before) ? volume : ZERO;
    const number flow = x < before ? ZERO - volume : same_or_up;
    const number next = sum + flow;
    const number rest = MAGNITUDE(sum) < MAGNITUDE(flow) ? (flow - next) + sum : (sum - next) + flow;
    const number lost_now = lost + rest, total = next + lost_now;
    const bool left_out = gap || unknown(known(total));
    before = gap ? before : x;
    sum = left_out ? sum : next;
    lost = left_out ? lost : lost_now;
    return left_out ? NOT_KNOWN : total;
}

HERE number tick(number &before, number &sign, const number x) {
    const number risen = before < x ? ONE : sign;
    sign = x < before ? -ONE : risen;
    before = unknown(x) ? before : x;
    return unknown(x) ? x : sign;
}

HERE number since(number &last, const number event, const number time) {
    if ((event < ZERO || ZERO < event) && !unknown(time)) {
        last = time;
    }
    return unknown(event) ? event : known((time - last) / (number)1e9);
}

HERE number fill(const number limit, number &last, number &missing, const number x) {
    const number more = missing + ONE;
    const bool gap = unknown(x), old = limit < more;
    last = gap ? old ? NOT_KNOWN : last : x;
    missing = gap ? old ? ZERO : more : ZERO;
    return last;
}
