"""How does a model run where its machine code cannot? Layer by layer in Python's integers, to the bit.

Of these functions `firmnet export-mpy --arch python` puts those that a model needs into its module. They read and write
activations as flat arrays in the order in which they are stored. A place is a sum of one entry of each of some axes: see
sums(). Constants of 8 bits lie in flash as c + 128. Scales are m / 2^(32 + s), with `half` and `more` to round by.
"""

from array import array


def sums(axes):
    """Every sum of one entry of each of these, the last fastest; None where an entry is None."""
    if not axes:
        yield 0
        return
    inner = axes[-1]
    for at in sums(axes[:-1]):
        if at is None:
            for _ in inner:
                yield None
        else:
            for i in inner:
                yield None if i is None else at + i


def each(axes):
    return axes[0] if len(axes) == 1 else sums(axes)


def held(y, lo, hi):
    return lo if y < lo else hi if y > hi else y


def int32(v):
    """The lower 32 bits of v, as they count in int32."""
    return (v + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def isqrt(n):
    """The largest number whose square is not above n."""
    root, bit = 0, 1
    while bit * bit <= n:
        bit <<= 1
    while bit:
        if (root + bit) * (root + bit) <= n:
            root += bit
        bit >>= 1
    return root


def reciprocal_root(square):
    """1 / the root of 1 to 2^62 - 1, as (root / 2^30 / 2^h, h)."""
    h = 0
    while h < 31 and square >> 2 * h:
        h += 1
    v = square << 32 - 2 * h if h <= 16 else square >> 2 * h - 32
    root = 2289969188 - (1308569161 * v >> 32)
    for _ in range(3):
        root = root * (0x30000000 - (v * (root * root >> 32) >> 32)) >> 29
    return root, h


def logarithm(n):
    """To the base 2, in units of 2^-16."""
    whole = 0
    while n >> whole + 1:
        whole += 1
    log, m = whole << 16, n << 31 - whole
    for bit in range(15, -1, -1):
        m = m * m >> 31
        if m >> 32:
            log += 1 << bit
            m >>= 1
    return log


# ---- what is moved ----


def take(x, y, axes, fill=0):
    n = 0
    for at in each(axes):
        y[n] = fill if at is None else x[at]
        n += 1


def put(x, y, axes):
    n = 0
    for at in each(axes):
        y[at] = x[n]
        n += 1


def rows_of(x, y, table, code, n, rows):
    """Of a table of `rows` of n bytes each: one for every value."""
    at = 0
    for i in range(len(x)):
        row = held(x[i], 0, rows - 1) * n
        for v in array(code, bytes(table[row : row + n])):
            y[at] = v
            at += 1


# ---- value by value ----


def tabled(x, y, table):
    for i in range(len(x)):
        y[i] = table[x[i] + 128] - 128


def between(x, y, entries, shift):
    low = (1 << shift) - 1
    for i in range(len(x)):
        at = x[i] + 32768
        e = entries[at >> shift]
        e += (entries[(at >> shift) + 1] - e) * (at & low) >> shift
        y[i] = held(e >> 7, -32768, 32767)


def scaled(x, y, zero, m, half, more, s, lo, hi):
    for i in range(len(x)):
        y[i] = held(((x[i] - zero) * m + half >> 32) + more >> s, lo, hi)


def inside(x, y, first, last, yes):
    for i in range(len(x)):
        y[i] = (first <= x[i] <= last) == yes


def sloped(x, y, zero, positive, slopes, axes, rounding, shift, lo, hi):
    i = 0
    for channel in each(axes):
        v = x[i] - zero
        y[i] = held(v * (positive if v >= 0 else slopes[channel]) + rounding >> shift, lo, hi)
        i += 1


# ---- of two activations, the second by its places ----


def added(a, b, y, axes, ma, mb, drop, bias, shift, lo, hi):
    i = 0
    for j in each(axes):
        y[i] = held((a[i] * ma >> drop) + (b[j] * mb >> drop) + bias >> shift, lo, hi)
        i += 1


def multiplied(a, b, y, axes, za, zb, m, half, more, s, lo, hi):
    i = 0
    for j in each(axes):
        y[i] = held(((a[i] - za) * (b[j] - zb) * m + half >> 32) + more >> s, lo, hi)
        i += 1


def larger(a, b, y, axes, smaller):
    i = 0
    for j in each(axes):
        v, w = a[i], b[j]
        y[i] = v if (v < w) == smaller else w
        i += 1


def divided(a, b, y, axes, za, reciprocals, rounding, shift):
    i = 0
    for j in each(axes):
        y[i] = held((a[i] - za) * reciprocals[b[j] + 128] + rounding >> shift, -128, 127)
        i += 1


def wide_divided(a, b, y, axes, za, zb, m, doublings, half, more, s, zero, lo, hi):
    i = 0
    for j in each(axes):
        v, by = a[i] - za, b[j] - zb
        if by:
            inverse = 0x7FFFFFFF // by if by > 0 else -(0x7FFFFFFF // -by)
            v = held((v * m >> 16) << doublings, -0x80000000, 0x7FFFFFFF)
            v = (v * inverse + half >> 32) + more >> s
        else:
            v = hi if v > 0 else lo if v < 0 else zero
        y[i] = held(v, lo, hi)
        i += 1


# ---- sums of products ----


def channels(window, y, at, w, bias, m, half, more, s, lo, hi, first, count):
    """`count` outputs from y[at] on, each the sum of a window's products with a row of weights."""
    j, less = first * len(window), sum(window) << 7
    for c in range(first, first + count):
        acc = bias[c] - less
        for v in window:
            acc += v * w[j]
            j += 1
        acc = (acc * m[c] + half >> 32) + more >> s
        y[at] = lo if acc < lo else hi if acc > hi else acc
        at += 1


def linear(x, y, k, w, bias, m, half, more, s, lo, hi):
    n = len(bias)
    for row in range(len(x) // k):
        channels(list(x[row * k : row * k + k]), y, row * n, w, bias, m, half, more, s, lo, hi, 0, n)


def conv2d(x, y, h, wide, deep, oh, ow, window, groups, zero, w, bias, m, half, more, s, lo, hi):
    kh, kw, sh, sw, dh, dw, top, left = window
    some, count = deep // groups, len(bias) // groups
    nothing, at = [zero] * some, 0
    for oy in range(oh):
        rows = [
            row * wide if 0 <= row < h else None for row in range(oy * sh - top, oy * sh - top + kh * dh, dh)
        ]
        for ox in range(ow):
            columns = range(ox * sw - left, ox * sw - left + kw * dw, dw)
            taps = [
                None if row is None or not 0 <= column < wide else (row + column) * deep
                for row in rows
                for column in columns
            ]
            for g in range(groups):
                skipped = g * some
                if some == 1:
                    seen = [zero if i is None else x[i + skipped] for i in taps]
                else:
                    seen = []
                    for i in taps:
                        seen.extend(nothing if i is None else x[i + skipped : i + skipped + some])
                channels(seen, y, at, w, bias, m, half, more, s, lo, hi, g * count, count)
                at += count


def conv_transpose2d(x, y, h, wide, deep, oh, ow, window, groups, zero, w, bias, m, half, more, s, lo, hi):
    kh, kw, sh, sw, dh, dw, top, left = window
    some, count = deep // groups, len(bias) // groups
    at = 0
    for oy in range(top, top + oh):
        for ox in range(left, left + ow):
            met = []
            for ky in range(kh):
                row = oy - ky * dh
                if row % sh or not 0 <= row < h * sh:
                    continue
                for kx in range(kw):
                    column = ox - kx * dw
                    if not column % sw and 0 <= column < wide * sw:
                        met.append(((row // sh * wide + column // sw) * deep, (ky * kw + kx) * some))
            for c in range(len(bias)):
                acc, filters, skipped = bias[c], c * kh * kw * some, c // count * some
                for i, j in met:
                    i += skipped
                    j += filters
                    for _ in range(some):
                        acc += (x[i] - zero) * (w[j] - 128)
                        i += 1
                        j += 1
                y[at] = held((acc * m[c] + half >> 32) + more >> s, lo, hi)
                at += 1


def matmul(a, b, y, a_axes, b_axes, y_axes, a_ends, b_ends, y_ends, za, zb, m, half, more, s, lo, hi):
    """Stacks of matrices: where each begins, by the sums of axes; then the places of its rows and columns."""
    starts = [sums(axes) for axes in (a_axes, b_axes, y_axes)]
    for i, j, at in zip(*starts):
        for row, to in zip(a_ends[0], y_ends[0]):
            line = [a[i + row + k] - za for k in a_ends[1]]
            for column, place in zip(b_ends[1], y_ends[1]):
                acc, below, n = 0, j + column, 0
                for k in b_ends[0]:
                    acc += line[n] * (b[below + k] - zb)
                    n += 1
                y[at + to + place] = held((acc * m + half >> 32) + more >> s, lo, hi)


def attention(q, k, v, y, starts, lines, entries, bias, out, ahead, zq, zk, m, half, more, s, least, most, *rest):
    """Where each head begins, by the sums of axes; then the places of lines and entries of q, k, v, bias and y."""
    weigh, table, dropped, factor, bits, below, offset, lo, hi = rest
    for i, j, n, b, at in zip(*[sums(axes) for axes in starts]):
        seen = ahead
        for row, beside, to in zip(lines[0], lines[3], lines[4]):
            seen += 1
            query = [q[i + row + e] - zq for e in entries[0]]
            scores = []
            for key, by in zip(lines[1][:seen], entries[3]):
                added = bias[b + beside + by] if bias else 0
                if added == out:
                    scores.append(None)
                    continue
                acc, e = 0, 0
                for place in entries[1]:
                    acc += query[e] * (k[j + key + place] - zk)
                    e += 1
                scores.append(held((acc * m + half >> 32) + more >> s, least, most) + added)
            top = max([score for score in scores if score is not None])
            weights = [0 if score is None else weigh(table, top - score) for score in scores]
            total, up = sum(weights), 32
            while total >> 32 - up:
                up -= 1
            by = ((1 << 63) - 1) // (total << up) * factor >> 16
            down = 15 + bits - up + below
            added = offset << down >> 16
            for column, place in zip(entries[2], entries[4]):
                acc = sum([w * v[n + line + column] for w, line in zip(weights, lines[2])])
                y[at + to + place] = held(((acc >> dropped) * by >> 32 - below) + added >> down, lo, hi)


def weighed(table, distance):
    return (table[distance & 255] >> min(distance >> 8, 31)) + 1 >> 1


def finely_weighed(table, distance):
    powers, drop = table
    i = distance >> 8 & 255
    power = powers[i] - ((powers[i] - powers[i + 1]) * (distance & 255) >> 8)
    return (power >> min((distance >> 16) + drop, 31)) + 1 >> 1


# ---- windows and neighbours ----


def averaged(x, y, wide, deep, rows, columns, zero, m, half, more, s, lo, hi):
    """Of rows start to end; of their sums each by the multiplier of both numbers behind these."""
    at = 0
    for i in range(0, len(rows), 3):
        for j in range(0, len(columns), 3):
            by = m[rows[i + 2] + columns[j + 2]]
            for c in range(deep):
                acc = 0
                for row in range(rows[i], rows[i + 1]):
                    for column in range(columns[j], columns[j + 1]):
                        acc += x[(row * wide + column) * deep + c] - zero
                y[at] = held((acc * by + half >> 32) + more >> s, lo, hi)
                at += 1


def delay_line(x, kept, oldest, y, ring, after, blocks, places, values, come, first, step, taps):
    """Places that come take the oldest ones' in each of `blocks` rings; `taps` of the last ones are read."""
    if ring is not kept:
        for i in range(len(kept)):
            ring[i] = kept[i]
    begin = (oldest[0] & 0xFFFF) % places
    end = (begin + come) % places
    for block in range(blocks):
        base = block * places
        for i in range(come):
            to, at = (base + (begin + i) % places) * values, (block * come + i) * values
            for v in range(values):
                ring[to + v] = x[at + v]
        for i in range(taps):
            at, to = (base + (end + first + i * step) % places) * values, (block * taps + i) * values
            for v in range(values):
                y[to + v] = ring[at + v]
    after[0] = end


def running_mean(
    x, kept, sums, oldest, y, ring, totals, after, starts, across, told, m, half, more, s, lo, hi
):
    """Of places that come `told[0]` at a time: values begin at `starts` in each, and are added up `across`."""
    come, step, own, places, worst = told
    at = (oldest[0] & 0xFFFF) % places
    if ring is not kept:
        for i in range(len(kept)):
            ring[i] = kept[i]
    for v in range(len(starts)):
        change = 0
        for place in range(come):
            now = own
            for far in across:
                now += x[starts[v] + place * step + far]
            slot = (at + place) % places * len(starts) + v
            change += now - ring[slot]
            ring[slot] = now
        totals[v] = held(sums[v] + change, -0x80000000, 0x7FFFFFFF)
        y[v] = held((held(totals[v], -worst, worst) * m + half >> 32) + more >> s, lo, hi)
    after[0] = (at + come) % places


def largest(x, y, wide, deep, rows, columns, steps):
    at = 0
    for row, down in rows:
        for column, right in columns:
            for c in range(deep):
                first = (row * wide + column) * deep + c
                y[at] = max(
                    [
                        x[first + (i * steps[0] * wide + j * steps[1]) * deep]
                        for i in range(down)
                        for j in range(right)
                    ]
                )
                at += 1


def interpolated(x, y, wide, deep, rows, columns, bits, more_bits, zero, m, half, more, s, lo, hi):
    """Of two rows and two columns, with the share of the second in 2^-bits."""
    at = 0
    for i in range(0, len(rows), 3):
        for j in range(0, len(columns), 3):
            for c in range(deep):
                a, b = [
                    line(
                        x,
                        rows[i + k] * wide,
                        columns[j],
                        columns[j + 1],
                        columns[j + 2],
                        deep,
                        c,
                        bits,
                        more_bits,
                        zero,
                    )
                    for k in (0, 1)
                ]
                f = rows[i + 2]
                acc = a + ((b - a) * f >> bits) if more_bits else a * ((1 << bits) - f) + b * f
                y[at] = held((acc * m + half >> 32) + more >> s, lo, hi)
                at += 1


def line(x, row, first, second, share, deep, c, bits, more_bits, zero):
    a, b = x[(row + first) * deep + c] - zero, x[(row + second) * deep + c] - zero
    if more_bits:
        return (a << more_bits) + ((b - a) * share >> bits - more_bits)
    return a * ((1 << bits) - share) + b * share


# ---- groups of values: where each begins, and its places from there ----


def most_at(x, y, outer, inner):
    n = 0
    for at in each(outer):
        best = None
        for place, i in enumerate(inner):
            if best is None or x[at + i] > best:
                best, y[n] = x[at + i], place
        n += 1


def in_order(x, y, outer, inner, y_outer, y_inner, descending, places):
    """The first of a group's values in order, or their places; of equals the first first."""
    for at, to in zip(each(outer), each(y_outer)):
        found = [(-x[at + i] if descending else x[at + i], n) for n, i in enumerate(inner)]
        found.sort()
        for k, i in enumerate(y_inner):
            y[to + i] = found[k][1] if places else -found[k][0] if descending else found[k][0]


def reduced(x, y, outer, inner, kind, n, zero, fraction, dropped, m, half, more, s, lo, hi):
    k = 0
    for at in each(outer):
        acc = total = 0
        for i in each(inner):
            v = x[at + i] - zero
            acc += abs(v) if kind == "l1" else v * v
            total += v
        if kind in ("var", "std"):
            acc = n * acc - total * total
        if kind in ("l2", "std"):
            acc = isqrt(acc << 2 * fraction)
        acc = acc + (1 << dropped >> 1) >> dropped
        y[k] = held((acc * m + half >> 32) + more >> s, lo, hi)
        k += 1


def normalized(x, y, outer, inner, zero, least):
    for at in each(outer):
        squares = sum([(x[at + i] - zero) * (x[at + i] - zero) for i in each(inner)])
        by = (1 << 38) // max(isqrt(squares << 16), least)
        for i in each(inner):
            y[at + i] = held((x[at + i] - zero) * by + 0x400000 >> 23, -128, 127)


def wide_normalized(x, y, outer, inner, zero, least, drop, lo, hi):
    for at in each(outer):
        squares = sum([(x[at + i] - zero) * (x[at + i] - zero) for i in each(inner)])
        by, h = reciprocal_root(max(squares << 16, least))
        for i in each(inner):
            y[at + i] = held((x[at + i] - zero) * by + (1 << drop + h - 1) >> drop + h, lo, hi)


def softmax(x, y, outer, inner, exponential, table, whole, zero, hi):
    for at in each(outer):
        top = max([x[at + i] for i in inner])
        e = [exponential(table, top - x[at + i]) for i in inner]
        total, k = sum(e), 0
        for i in inner:
            y[at + i] = min(hi, (whole * e[k] + total // 2) // total + zero)
            k += 1


def log_softmax(x, y, outer, inner, exponential, table, bits, by_log, by_distance, offset, shift, lo, hi):
    for at in each(outer):
        top = max([x[at + i] for i in inner])
        total = sum([exponential(table, top - x[at + i]) for i in inner])
        logs = offset - (logarithm(total) - (bits << 16)) * by_log
        for i in inner:
            y[at + i] = held(logs - (top - x[at + i]) * by_distance >> shift, lo, hi)


def looked_up(table, distance):
    return table[distance]


def product_of_two(tables, distance):
    coarse, fine, drop = tables
    return coarse[distance >> 8] * fine[distance & 255] + (1 << drop - 1) >> drop


def layer_norm(x, y, outer, inner, gain_outer, gain_inner, n, options, m, offset, shift, lo, hi):
    centred, zero, finer, eps, least, beside, fraction, wide = options
    for at, gain in zip(each(outer), each(gain_outer)):
        total = squares = 0
        for i in each(inner):
            v = x[at + i]
            total += v
            squares += v * v
        if centred:
            spread = n * squares - total * total
        else:
            spread = n * (squares - 2 * zero * total + n * zero * zero)
            total = n * zero
        spread = max((spread << 2 * finer) + eps, least)
        if beside:
            spread = (isqrt(spread) + beside) * (isqrt(spread) + beside)
        root, h = reciprocal_root(spread)
        drop = 30 - fraction - finer + h
        half = 1 << drop - 1
        factor, middle = int32(n * root + half >> drop), int32(total * root + half >> drop)
        for i, g in zip(each(inner), each(gain_inner)):
            if wide:
                normal = int32((n * x[at + i] - total) * root + half >> drop)
            else:
                normal = int32(x[at + i] * factor - middle)
            y[at + i] = held((normal * m[gain + g] >> 32) + offset[gain + g] >> shift, lo, hi)


# ---- real numbers at the edge, as the bits of float32: what a board's own arithmetic rounds to does not matter ----


# ---- recurrent layers ----


def logistic(entries, fine):
    i = fine >> 15
    return entries[i] + ((entries[i + 1] - entries[i]) * (fine & 32767) >> 15)


def to_sigmoid(entries, fine):
    above = logistic(entries, min(abs(fine), 0xFFFFFF)) + 64 >> 7
    return 32768 - above if fine < 0 else above


def to_tanh(entries, fine):
    above = logistic(entries, 2 * min(abs(fine), 0x7FFFFF)) - 0x200000 + 32 >> 6
    return -above if fine < 0 else above


def settled(v, shift):
    """A state, rounded by so many bits."""
    return held(v + (1 << shift >> 1) >> shift, -32768, 32767)


def begun(first, at, n):
    """n values of a state as it begins: as they are, or of another scale."""
    values = first[0][at : at + n]
    if len(first) == 1:
        return list(values)
    zero, m, half, more, s = first[1:]
    return [held(((v - zero) * m + half >> 32) + more >> s, -32768, 32767) for v in values]


def dots(x, w, m):
    """Of each row of weights: its products with x, times the row's multiplier."""
    n, less = len(x), sum(x) << 7
    found = []
    for row in range(len(m)):
        acc, j = -less, row * n
        for v in x:
            acc += v * w[j]
            j += 1
        found.append(acc * m[row])
    return found


def recurrent(x, y, cell, firsts, kind, sizes, wx, wh, mx, mh, offsets, shift, bits, entries, projection):
    """`kind`: 0 tanh, 1 relu, 2 GRU, 3 LSTM; `bits`: of the scales of hidden state and cell."""
    sequences, steps, n_in, units, width, reverse, every = sizes
    bits, cell_bits = bits

    def fine(v):
        return held(v >> shift, -0x7FFFFFFF, 0x7FFFFFFF)

    for sequence in range(sequences):
        h = begun(firsts[0], sequence * width, width)
        c = begun(firsts[1], sequence * units, units) if kind == 3 else None
        for step in range(steps):
            step = steps - 1 - step if reverse else step
            at = (sequence * steps + step) * n_in
            a, b = dots(list(x[at : at + n_in]), wx, mx), dots(h, wh, mh)
            old, h = h, []
            for j in range(units):
                if kind < 2:
                    v = fine(a[j] + b[j] + offsets[j])
                    h.append(held(v + 16 >> 5, 0, 32767) if kind else settled(to_tanh(entries, v), 15 - bits))
                    continue
                i, f = j, units + j
                g, o = units + f, 2 * units + f
                first, second = (to_sigmoid(entries, fine(a[r] + b[r] + offsets[r])) for r in (i, f))
                if kind == 2:
                    inside = first * fine(b[g] + offsets[o]) + 16384 >> 15
                    new = (32768 - second) * to_tanh(entries, fine(a[g] + offsets[g]) + inside)
                    h.append(settled(new + second * (old[j] << 15 - bits), 30 - bits))
                else:
                    new = first * to_tanh(entries, fine(a[g] + b[g] + offsets[g]))
                    c[j] = settled(second * (c[j] << 15 - cell_bits) + new, 30 - cell_bits)
                    third = to_sigmoid(entries, fine(a[o] + b[o] + offsets[o]))
                    out = third * to_tanh(entries, c[j] << 20 - cell_bits)
                    h.append(settled(out, 15 if projection else 30 - bits))
            if projection:
                w, m, half, more, s = projection
                h = [held((v + half >> 32) + more >> s, -32768, 32767) for v in dots(h, w, m)]
            if every:
                at = (sequence * steps + step) * width
                y[at : at + width] = array("h", h)
        if not every:
            y[sequence * width : (sequence + 1) * width] = array("h", h)
        if kind == 3:
            cell[sequence * units : (sequence + 1) * units] = array("h", c)


def rounded(m, e):
    """m · 2^e, rounded to the nearest that float32 holds, to even of two as near: (m, e) with |m| <= 2^24."""
    n = abs(m)
    drop = max(-149 - e, 0)
    while n >> drop > 0xFFFFFF:
        drop += 1
    if not drop:
        return m, e
    kept, rest, middle = n >> drop, n & (1 << drop) - 1, 1 << drop - 1
    if rest > middle or (rest == middle and kept & 1):
        kept += 1
    return (-kept if m < 0 else kept), e + drop


def opened(bits):
    """What 32 bits of a finite float32 stand for: (m, e), m · 2^e."""
    e = bits >> 23 & 0xFF
    m = bits & 0x7FFFFF | (0x800000 if e else 0)
    return (-m if bits >> 31 else m), (e or 1) - 150


def closed(m, e):
    """The 32 bits of a number that float32 holds."""
    sign, m = (0x80000000, -m) if m < 0 else (0, m)
    if not m:
        return sign
    while m < 0x800000 and e > -149:
        m <<= 1
        e -= 1
    if m >= 0x1000000:
        m >>= 1
        e += 1
    if e + 150 > 254:
        return sign | 0x7F800000
    return sign | (m + (e + 149 << 23) if m >= 0x800000 else m)


def quantized(bits, reciprocal, zero, lo, hi):
    """A finite float32 as the integer that stands for it."""
    m, e = opened(bits)
    by, scale = opened(reciprocal)
    m, e = rounded(m * by, e + scale)
    if not m or e < -100:
        m, e = 0, -1
    if e > 40:
        return hi if m > 0 else lo
    offset = 2 * zero + 1  # halves
    if e > -1:
        m, e = m << e + 1, -1
    m, e = rounded(m + (offset << -1 - e), e)
    return held(m << e if e >= 0 else m >> -e, lo, hi)


def dequantized(steps, scale):
    """The bits of scale · steps in float32."""
    m, e = rounded(steps, 0)
    by, more = opened(scale)
    return closed(*rounded(m * by, e + more))
