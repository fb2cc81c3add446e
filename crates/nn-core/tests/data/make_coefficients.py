"""The coefficients in src/real/{single,double,normal}.rs: minimax polynomials by the exchange algorithm of Remez, and a
rational function by weighted least squares whose weights grow where the error is large.

The largest weighted error is printed with exact coefficients and with those rounded to the format.
Needs mpmath and numpy: `pip install mpmath numpy && python make_coefficients.py`.
"""

import numpy
from mpmath import cos, erf, erfc, erfinv, expm1, ln, log, log1p, lu_solve, matrix, mp, mpf, pi, sqrt

mp.dps = 40
GRID = 600


def minimax(f, powers, xs, weight):
    """Coefficients of the powers that minimise max |weight * (f - polynomial)| over the points xs; and that maximum."""
    n = len(powers)
    at = [(len(xs) - 1) * (1 - cos(pi * k / n)) / 2 for k in range(n + 1)]
    at = sorted({int(a) for a in at})
    for _ in range(60):
        a = matrix(n + 1, n + 1)
        b = matrix(n + 1, 1)
        for row, i in enumerate(at):
            for column, p in enumerate(powers):
                a[row, column] = xs[i] ** p
            a[row, n] = (-1) ** row / weight[i]
            b[row] = f[i]
        solution = lu_solve(a, b)
        c = list(solution[:n])
        error = [w * (y - sum(k * x**p for k, p in zip(c, powers))) for x, y, w in zip(xs, f, weight)]
        # One extremum for each run of equal sign, then the n + 1 neighbours that hold the largest.
        peaks = []
        for i, e in enumerate(error):
            if peaks and (e > 0) == (error[peaks[-1]] > 0):
                if abs(e) > abs(error[peaks[-1]]):
                    peaks[-1] = i
            else:
                peaks.append(i)
        while len(peaks) > n + 1:
            peaks.pop(0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1)
        if len(peaks) < n + 1 or peaks == at:
            break
        at = peaks
    return c, max(abs(e) for e in error)


def fit(name, f, degree, low, high, dtype, weight=lambda x: mpf(1)):
    low, high = mpf(low), mpf(high)
    # Denser at the ends, and never at 0, where the functions are limits.
    xs = [low + (high - low) * (1 - cos(pi * (k + mpf(1) / 3) / GRID)) / 2 for k in range(GRID)]
    ws, ys = [weight(x) for x in xs], [f(x) for x in xs]
    c, exact = minimax(ys, range(degree + 1), xs, ws)
    c = [dtype(str(mp.nstr(k, 30))) for k in c]
    rounded = max(
        abs(w * (y - sum(mpf(float(k)) * x**p for p, k in enumerate(c)))) for x, y, w in zip(xs, ys, ws)
    )
    print(f"{name} {dtype.__name__}: degree {degree}, 2^{float(log(exact, 2)):.1f}, rounded 2^{float(log(rounded, 2)):.1f}")
    for k in c:
        print(f"    {k!s},")


def fit_rational(name, f, degree, high, dtype):
    """Numerator and denominator of the same degree, of which the denominator begins with 1, on [0, high]."""
    x = numpy.array([(1 - numpy.cos(numpy.pi * (k + 0.5) / GRID)) / 2 for k in range(GRID)])
    y = numpy.array([float(f(mpf(t) * high)) for t in x])
    powers = x[:, None] ** numpy.arange(degree + 1)
    weight, below, best = numpy.ones(GRID), numpy.ones(GRID), None
    for _ in range(300):
        row = numpy.sqrt(weight) / (y * below)
        a = numpy.hstack([powers, -y[:, None] * powers[:, 1:]]) * row[:, None]
        c = numpy.linalg.lstsq(a, y * row, rcond=None)[0]
        above, below = powers @ c[: degree + 1], 1 + powers[:, 1:] @ c[degree + 1 :]
        error = abs(above / below / y - 1)
        if best is None or error.max() < best[0]:
            best = (error.max(), c)
        weight *= numpy.sqrt(error / error.max() + 1e-3)
        weight /= weight.mean()
    exact, c = best
    c = numpy.concatenate([c[: degree + 1], [1.0], c[degree + 1 :]]) / high ** numpy.tile(numpy.arange(degree + 1), 2)
    print(f"{name} {dtype.__name__}: degrees {degree} and {degree}, relative 2^{numpy.log2(exact):.1f}")
    for k in c.astype(dtype):
        print(f"    {k!s},")


def exp_tail(r):
    """(e^r - 1 - r) / r^2"""
    return (expm1(r) - r) / r**2


def ln_tail(f):
    """(ln(1 + f) - f + f^2/2) / f^3"""
    return (log1p(f) - f + f**2 / 2) / f**3


def ln_ratio(z):
    """(ln((1 + s)/(1 - s)) - 2s) / s^3 where z = s^2"""
    s = sqrt(z)
    return (log1p(s) - log1p(-s) - 2 * s) / s**3


def erf_ratio(z):
    """erf(x)/x - 1 where z = x^2"""
    x = sqrt(z)
    return erf(x) / x - 1


def minus_ln_erfc(t):
    """-ln erfc(t + 2)"""
    return -ln(erfc(t + 2))


def weight(t):
    return erfc(t + 2)


def normal_quantile_ratio(w):
    """z/q where the standard normal distribution function at z is 1/2 + q, and 1 - 4q^2 = e^-w"""
    q = sqrt(-expm1(-w)) / 2
    return sqrt(mpf(2)) * erfinv(2 * q) / q


if __name__ == "__main__":
    half = ln(2) / 2 * mpf("1.0001")
    f32, f64 = numpy.float32, numpy.float64
    low, high = sqrt(mpf(1) / 2) - 1, sqrt(2) - 1
    s2 = (high / (2 + high)) ** 2
    fit("EXP", exp_tail, 5, -half, half, f32)
    fit("EXP", exp_tail, 10, -half, half, f64)
    fit("EXP_SHORT", exp_tail, 4, -half, half, f32)
    fit("EXP_SHORT", exp_tail, 9, -half, half, f64)
    fit("LN", ln_tail, 8, low, high, f32)
    fit("LN", ln_ratio, 6, 0, s2, f64)
    fit("ERF_SMALL", erf_ratio, 6, 0, 1, f32)
    fit("ERF_SMALL", erf_ratio, 11, 0, 1, f64)
    fit("ERF_LARGE", minus_ln_erfc, 6, -1, 2, f32, weight)
    fit("ERF_LARGE", minus_ln_erfc, 17, -1, 4, f64, weight)
    fit_rational("NORMAL", normal_quantile_ratio, 5, float(31 * ln(2) + mpf("0.01")), f32)
