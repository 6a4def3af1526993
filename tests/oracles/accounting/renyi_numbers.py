"""Rényi divergences to 30 digits with mpmath: sums and integrals over the densities themselves, no closed forms of ours.

Run in the oracles' environment; writes renyi_numbers.json beside itself. "exact" is the divergence of the two output
distributions; "bound" is the cited theorem's formula evaluated to 30 digits, where the accountant charges a bound.
"""

import json
import pathlib

import mpmath as mp

mp.mp.dps = 40
ORDERS = ["1.005", "1.1", "1.5", "2", "2.5", "3", "4.4", "7", "10.9", "16", "33", "64"]
ROWS = []


def put(kind, relation, event, order, value):
    ROWS.append(
        {"kind": kind, "relation": relation, "event": event, "order": order, "value": mp.nstr(value, 30)}
    )


def log_moment_cost(moment, a):
    return mp.log(moment) / (a - 1)


def integral(f, points):
    return mp.quad(f, points, maxdegree=12)


def gaussian():
    for z in ("0.3", "1.1", "8", "5000"):
        for order in [*ORDERS, "1048576"]:
            a, s = mp.mpf(order), mp.mpf(z)
            event = {"mechanism": "gaussian", "noise_multiplier": z}
            for relation, shift in (("add_or_remove_one", 1), ("replace_special", 1), ("replace_one", 2)):
                put("exact", relation, event, order, a * shift**2 / (2 * s**2))


def gaussian_by_integration():
    """The closed form above is checked by its own integral once."""
    a, s = mp.mpf("2.5"), mp.mpf("1.1")
    density = lambda x, m: mp.npdf(x, m, s)  # noqa: E731
    moment = integral(lambda x: density(x, 1) ** a * density(x, 0) ** (1 - a), [-20, -5, 0, 5, 25])
    assert abs(log_moment_cost(moment, a) - a / (2 * s**2)) < mp.mpf(10) ** -25


def laplace():
    for b in ("0.5", "2", "100"):
        for order in ORDERS:
            a, scale = mp.mpf(order), mp.mpf(b)
            f = lambda x, a=a, scale=scale: mp.exp((-a * abs(x - 1) - (1 - a) * abs(x)) / scale) / (2 * scale)  # noqa: E731
            # outside [0, 1] both densities are exponentials
            left = mp.exp(-a / scale) * scale / (2 * scale)
            right = mp.exp(a / scale) * mp.exp(-1 / scale) * scale / (2 * scale)
            moment = left + right + integral(f, [0, mp.mpf(1) / 2, 1])
            put("exact", "add_or_remove_one", {"mechanism": "laplace", "scale_over_l1_sensitivity": b}, order,
                log_moment_cost(moment, a))  # fmt: skip


def discrete_laplace():
    for decay, shift in (("0.5", 1), ("1.5", 3), ("0.05", 2)):
        for order in ORDERS:
            a, d = mp.mpf(order), mp.mpf(decay)
            top = mp.tanh(d / 2)
            inside = mp.fsum(mp.exp(-d * (a * abs(x - shift) + (1 - a) * abs(x))) for x in range(shift + 1))
            below = mp.exp(-d * a * shift) * mp.exp(-d) / (1 - mp.exp(-d))
            above = mp.exp(d * a * shift) * mp.exp(-d * (shift + 1)) / (1 - mp.exp(-d))
            event = {"mechanism": "discrete_laplace", "a": decay, "sensitivity": shift}
            put(
                "exact", "add_or_remove_one", event, order, log_moment_cost(top * (inside + below + above), a)
            )


def pure():
    for text in ("0.01", "0.5", "3"):
        for order in ORDERS:
            a, e = mp.mpf(order), mp.mpf(text)
            p = mp.exp(e) / (1 + mp.exp(e))
            moment = p**a * (1 - p) ** (1 - a) + (1 - p) ** a * p ** (1 - a)
            put(
                "exact",
                "replace_one",
                {"mechanism": "pure", "epsilon": text},
                order,
                log_moment_cost(moment, a),
            )


def randomized_response():
    for text, k in (("0.5", 2), ("0.8", 10), ("0.01", 4)):
        p = mp.mpf(text)
        own, other = 1 - p + p / k, p / k
        for order in ORDERS:
            a = mp.mpf(order)
            event = {"mechanism": "randomized_response", "p": text, "k": k}
            swap = own**a * other ** (1 - a) + other**a * own ** (1 - a) + (k - 2) * other
            put("exact", "replace_one", event, order, log_moment_cost(swap, a))
            u = mp.mpf(1) / k
            one = own**a * u ** (1 - a) + (k - 1) * other**a * u ** (1 - a)
            two = u**a * own ** (1 - a) + (k - 1) * u**a * other ** (1 - a)
            put("exact", "replace_special", event, order, log_moment_cost(max(one, two), a))


def zcdp():
    for order in ORDERS:
        put("bound", "replace_one", {"mechanism": "zcdp", "rho": "0.3", "xi": "0.1"}, order,
            mp.mpf("0.1") + mp.mpf("0.3") * mp.mpf(order))  # fmt: skip


def poisson_gaussian():
    cases = [
        ("0.01", "1.1"),
        ("0.05", "0.8"),
        ("0.2", "1.0"),
        ("0.001", "0.6"),
        ("0.00001", "2"),
        ("0.5", "5"),
        ("0.01", "30"),
    ]
    for rate, z in cases:
        q, s = mp.mpf(rate), mp.mpf(z)
        for order in ORDERS:
            a = mp.mpf(order)
            top = a / s

            def excess(x, a=a, q=q, s=s):
                ratio = 1 + q * mp.expm1(x / s - 1 / (2 * s**2))
                return (ratio**a - 1 - a * (ratio - 1)) * mp.npdf(x)

            points = sorted(
                {
                    mp.mpf(-25),
                    mp.mpf(-6),
                    mp.mpf(-2),
                    mp.mpf(0),
                    1 / (2 * s),
                    top / 2,
                    top,
                    top + 4,
                    top + 9,
                    top + 25,
                }
            )
            value = mp.log1p(integral(excess, points)) / (a - 1)
            event = {"mechanism": "poisson_gaussian", "sampling_rate": rate, "noise_multiplier": z}
            put("exact", "add_or_remove_one", event, order, value)


def poisson_gaussian_at_the_edge():
    """Little noise and tiny rates: the moment is made far from where the likelihood ratio is 1, and may be 1e-50."""
    for rate in ("0.000000000000000000000000000001", "0.000000000001", "0.001", "0.5"):
        for z in ("0.05", "0.15", "0.22"):
            q, s = mp.mpf(rate), mp.mpf(z)
            for order in ("1.005", "1.5", "1.9", "2.5", "5.3", "10.9"):
                a = mp.mpf(order)

                def excess(x, a=a, q=q, s=s):
                    ratio = 1 + q * mp.expm1(x / s - 1 / (2 * s**2))
                    return (ratio**a - 1 - a * (ratio - 1)) * mp.npdf(x)

                even = s * mp.log(1 / q - 1) + 1 / (2 * s)
                marks = [
                    0,
                    1 / s,
                    2 / s,
                    2 / s - 4,
                    2 / s + 4,
                    a / s,
                    a / s - 4,
                    a / s + 4,
                    even - 1,
                    even,
                    even + 1,
                ]
                points = sorted(
                    {mp.mpf(-20), a / s + 20, *(mp.mpf(each) for each in marks if -20 < each < a / s + 20)}
                )
                with mp.workdps(70):
                    value = mp.log1p(mp.quad(excess, points, maxdegree=9)) / (a - 1)
                event = {"mechanism": "poisson_gaussian", "sampling_rate": rate, "noise_multiplier": z}
                put("exact", "add_or_remove_one", event, order, value)


def divergence(p, q, a):
    return log_moment_cost(mp.fsum(x**a * y ** (1 - a) for x, y in zip(p, q, strict=True) if x > 0), a)


def discrete_gaussian_mass(sigma2, reach):
    mass = [mp.exp(-(mp.mpf(x) ** 2) / (2 * mp.mpf(sigma2))) for x in range(-reach, reach + 1)]
    total = mp.fsum(mass)
    return [each / total for each in mass]


def convolve(p, q):
    n = len(p) + len(q) - 1
    return [
        mp.fsum(p[i] * q[k - i] for i in range(max(0, k - len(q) + 1), min(len(p), k + 1))) for k in range(n)
    ]


def discrete_gaussians():
    for sigma2, shift in (("0.25", 1), ("1", 1), ("9", 2)):
        mass = discrete_gaussian_mass(sigma2, 60)
        for order in ("1.1", "2", "4.4", "16"):
            p, q = [mp.mpf(0)] * shift + mass, mass + [mp.mpf(0)] * shift
            inside = slice(shift, len(mass))
            value = divergence(p[inside], q[inside], mp.mpf(order))
            event = {"mechanism": "discrete_gaussian", "sigma2": sigma2, "l2_sensitivity": str(shift)}
            put("below", "add_or_remove_one", event, order, value)
    for sigma2, honest in (("1", 2), ("1", 3), ("2.25", 3)):
        mass = discrete_gaussian_mass(sigma2, 30)
        total = mass
        for _ in range(honest - 1):
            total = convolve(total, mass)
        for order in ("1.5", "2", "8"):
            value = divergence(total[:-1], total[1:], mp.mpf(order))
            event = {"mechanism": "distributed_discrete_gaussian", "parties": honest + 1, "colluding": 1, "sigma2_local": sigma2,
                     "l1": "1", "l2": "1", "dim": 1}  # fmt: skip
            put("below", "add_or_remove_one", event, order, value)


def skellams():
    for variance in ("4", "25", "1000"):
        v = mp.mpf(variance)
        reach = int(12 * mp.sqrt(v)) + 30
        mass = [mp.exp(-v) * mp.besseli(abs(x), v) for x in range(-reach, reach + 1)]
        for order in ("1.5", "2", "5", "16"):
            value = max(
                divergence(mass[:-1], mass[1:], mp.mpf(order)), divergence(mass[1:], mass[:-1], mp.mpf(order))
            )
            event = {"mechanism": "skellam", "variance": variance, "l1": "1", "l2": "1"}
            put("below", "add_or_remove_one", event, order, value)


if __name__ == "__main__":
    gaussian_by_integration()
    for part in (
        gaussian,
        laplace,
        discrete_laplace,
        pure,
        randomized_response,
        zcdp,
        poisson_gaussian,
        poisson_gaussian_at_the_edge,
        discrete_gaussians,
        skellams,
    ):
        part()
        print(part.__name__, len(ROWS), flush=True)
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(
        json.dumps({"mpmath": mp.__version__ if hasattr(mp, "__version__") else "", "rows": ROWS}, indent=0)
        + "\n"
    )
