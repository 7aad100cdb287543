"""The made-up market once more, from its documentation: market.py SEED ROWS WEEKENDS_CLOSED(0|1)

Python's floats are IEEE 754 doubles and math.sqrt rounds correctly, so every bit must agree. Writes little-endian
rows of timestamp (i64), open, high, low, close, volume (f64) to standard output.
"""

import math
import struct
import sys

seed, rows, closed = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1"
MASK = 2**64 - 1
SIGMA, A, B, LAG_1, LAG_5, PULL = 0.0006, 0.08, 0.90, -0.20, 0.14, 2e-6
W = SIGMA * SIGMA * (1.0 - A - B)


def mix(value):
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


price, close_ticks, variance, shock, returns = 100.0, 10000.0, SIGMA * SIGMA, 0.0, [0.0] * 5
for bar in range(rows):
    word = lambda number: mix(mix(mix(seed) ^ bar) ^ number)
    uniform = lambda number: (word(number) >> 11) / 2.0**53
    total = sum((word(number) >> shift) & 0xFFFF for number in range(3) for shift in (0, 16, 32, 48))
    normal = (total - 12.0 * 65535.0 / 2.0) / 65536.0
    variance = W + A * (shock * shock) + B * variance
    sigma = math.sqrt(variance)
    shock = sigma * normal
    pull = PULL * (price / 100.0 - 1.0)
    foreseen = LAG_1 * returns[0] + LAG_5 * returns[4]
    drawn = min(max(foreseen + shock - pull, -0.05), 0.05)
    price *= 1.0 + drawn
    returns = [drawn] + returns[:4]
    open_, close = close_ticks, max(float(math.floor(price * 100.0 + 0.5)), 1.0)
    upper, lower = uniform(3), uniform(4)
    high = max(open_, close) + math.floor(upper * upper * sigma * price * 100.0)
    low = max(min(open_, close) - math.floor(lower * lower * sigma * price * 100.0), 1.0)
    volume = float(math.floor((20.0 + 80.0 * uniform(5)) * (0.5 + abs(shock) / SIGMA)))
    close_ticks = close
    minute = bar // 7200 * 10080 + bar % 7200 if closed else bar
    time = 946857600_000000000 + minute * 60_000000000
    sys.stdout.buffer.write(struct.pack("<q5d", time, open_ / 100, high / 100, low / 100, close / 100, volume))
