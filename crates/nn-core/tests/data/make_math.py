"""Writes math_f64.txt: the elementary functions at chosen points, to a hundredth of a unit in the last place.

Each line holds x and f(x) as the 16 hexadecimal digits of their bits, and what the exact value exceeds that f(x)
by, in hundredths of an ULP. Needs mpmath: `pip install mpmath && python make_math.py > math_f64.txt`.
An argument N takes N points per function at random (for a closer look than the committed 200).
"""

import math
import random
import struct
import sys

from mpmath import erf, exp, expm1, ln, log1p, mp, mpf, tanh

mp.dps = 60
TINY = 5e-324


def bits(x):
    return struct.pack(">d", x).hex()


def ulp(y):
    return math.ulp(y) if math.isfinite(y) else 0.0


def signed(low, high):
    """Random points with magnitudes spread evenly over the powers of two, and both signs."""
    return lambda r: r.choice([-1, 1]) * 2 ** r.uniform(math.log2(low), math.log2(high))


def even(low, high):
    return lambda r: r.uniform(low, high)


def sigmoid(x):
    return 1 / (1 + exp(-x))


# function, generators of points, edges
FUNCTIONS = {
    "exp": (exp, [even(-745.2, 709.8), even(-1, 1), signed(1e-20, 1), even(-745, -708)], [709.782712893384, -745.13, -708.4]),
    "ln": (ln, [lambda r: 2 ** r.uniform(-1074, 1024), even(0.5, 2), lambda r: 1 + signed(1e-16, 0.1)(r)],
           [TINY, 1e-310, 0.7071067811865475, 0.7071067811865476, 1.4142135623730951, 1.7976931348623157e308]),
    "ln_1p": (log1p, [lambda r: 2 ** r.uniform(-60, 1024), even(-1, 1), signed(1e-20, 0.9), even(0, 10)],
              [TINY, -TINY, -0.9999999999999999, -0.2928932188134524, 0.41421356237309515, 1.7976931348623157e308]),
    "exp_m1": (expm1, [even(-40, 709.8), even(-1, 1), signed(1e-20, 1), even(-3, 3)], [TINY, -TINY, 709.782712893384, 0.34657359027997264]),
    "tanh": (tanh, [even(-22, 22), even(-1, 1), signed(1e-20, 20)], [TINY, -TINY, 700.0, 0.17328679513998632]),
    "sigmoid": (sigmoid, [even(-745, 40), even(-2, 2), signed(1e-20, 40)], [-745.0, -709.0, TINY]),
    "erf": (erf, [even(-6, 6), even(-1.2, 1.2), signed(1e-20, 6)], [TINY, -TINY, 1.0, 0.9999999999999999, 1.0000000000000002, 30.0]),
}


def line(name, x):
    exact = FUNCTIONS[name][0](mpf(x))
    y = float(exact)
    off = (exact - mpf(y)) / mpf(ulp(y)) if ulp(y) else 0
    return f"{bits(x)} {bits(y)} {int(mp.nint(100 * off))}"


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    r = random.Random(1)
    for name, (_, generators, edges) in FUNCTIONS.items():
        print(name)
        points = edges + [generators[i % len(generators)](r) for i in range(count - len(edges))]
        for x in points:
            print(line(name, x))


main()
