import math
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import CiphertextInvalidError, ConfigError, UpdateRejectedError
from federation.paillier.packing import Layout, half_range, pack, unpack_sum


def _layout(**changes):
    return Layout(**{"key_bits": 3072, "length": 5, "contributors": 3, "half_range": 1000, **changes})


def _slot_by_slot(values, layout):
    """The layout in plain integers, an oracle without numpy."""
    per, width = layout.slots - 1, 8 * layout.slot_bytes
    rows = [values[i : i + per] for i in range(0, len(values), per)]
    return [1 + sum((v + layout.half_range) << (width * (i + 1)) for i, v in enumerate(row)) for row in rows]


layouts = st.builds(
    lambda bits, length, contributors, half: Layout(
        key_bits=bits, length=length, contributors=contributors, half_range=half
    ),
    st.sampled_from([512, 2048, 3072]),
    st.integers(1, 300),
    st.integers(3, 40),
    st.integers(1, (1 << 64) // 81),
)


@given(st.data(), layouts)
def test_law_the_sum_of_packed_updates_unpacks_to_the_sum_of_updates(data, layout):
    edge = st.sampled_from([-layout.half_range, -1, 0, 1, layout.half_range])
    number = st.one_of(edge, st.integers(-layout.half_range, layout.half_range))
    pattern = data.draw(st.lists(number, min_size=1, max_size=12))
    updates = [
        np.array([pattern[(i * (site + 1)) % len(pattern)] for i in range(layout.length)], np.int64)
        for site in range(layout.contributors)
    ]
    packed = [pack(update, layout, site="a") for update in updates]
    assert packed[0] == _slot_by_slot(updates[0].tolist(), layout)
    sums = unpack_sum([sum(column) for column in zip(*packed, strict=True)], layout)
    assert sums.dtype == np.int64
    assert sums.tolist() == [sum(int(u[i]) for u in updates) for i in range(layout.length)]


@given(layouts)
def test_law_no_carry_at_either_end_and_the_sum_stays_below_n(layout):
    low, high = (np.full(layout.length, sign * layout.half_range, np.int64) for sign in (-1, 1))
    for extreme in (low, high):
        total = [layout.contributors * m for m in pack(extreme, layout, site="a")]
        assert unpack_sum(total, layout).tolist() == (layout.contributors * extreme).tolist()
        assert max(total) < 1 << (layout.key_bits - 3)
    assert layout.largest_sum < 1 << (8 * layout.slot_bytes)
    assert layout.slot_bytes == 1 or layout.largest_sum >= 1 << (8 * (layout.slot_bytes - 1))


@pytest.mark.parametrize("length", [1, 93, 94, 95, 96, 188, 189])
def test_lengths_around_a_full_ciphertext(length):
    layout = _layout(length=length, half_range=(1 << 24))
    assert (layout.slot_bytes, layout.slots, layout.values_per_plaintext) == (4, 95, 94)
    assert layout.count == math.ceil(length / 94)
    values = np.arange(length, dtype=np.int64) - length // 2
    total = [3 * m for m in pack(values, layout, site="a")]
    assert unpack_sum(total, layout).tolist() == (3 * values).tolist()


def test_contributors_up_to_the_whole_slot_and_one_more():
    # 2^8 sites at 24 bits and a sign fill a slot of 33 bits; K 2H = 2^64 - 2^8 is the last that fits eight bytes
    assert _layout(contributors=256, half_range=(1 << 23) - 1).slot_bytes == 4
    assert _layout(contributors=256, half_range=1 << 23).slot_bytes == 5
    assert _layout(contributors=256, half_range=(1 << 55) - 1).slot_bytes == 8
    with pytest.raises(ConfigError, match="2\\^64"):
        _layout(contributors=256, half_range=1 << 55)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"length": 0}, "length"),
        ({"length": -1}, "length"),
        ({"length": 1 << 40}, "length"),
        ({"length": 5.0}, "length"),
        ({"contributors": 2}, "contributors"),
        ({"contributors": 0}, "contributors"),
        ({"contributors": True}, "contributors"),
        ({"half_range": 0}, "half_range"),
        ({"half_range": 1.5}, "half_range"),
        ({"key_bits": 64}, "key_bits"),
        ({"key_bits": "3072"}, "key_bits"),
    ],
)
def test_an_invalid_layout_is_refused_with_its_field(change, says):
    with pytest.raises(ConfigError) as caught:
        _layout(**change)
    assert [mistake.split(":")[0] for mistake in caught.value.mistakes] == [says]


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        _layout(length=0, contributors=1, half_range=0)
    assert len(caught.value.mistakes) == 3


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([0, 0, 0, 0, np.nan]), "NaN or infinity"),
        (np.array([0, 0, -np.inf, 0, 0]), "NaN or infinity"),
        (np.array([0, 0, 0, 0, np.inf], np.float32), "NaN or infinity"),
        (np.zeros(5), "dtype float64"),
        (np.zeros(5, np.float16), "dtype float16"),
        (np.zeros(5, np.int32), "dtype int32"),
        (np.zeros(5, np.uint64), "dtype uint64"),
        (np.zeros(5, bool), "dtype bool"),
        (np.zeros(5, object), "dtype object"),
        (np.zeros(4, np.int64), "shape"),
        (np.zeros((5, 1), np.int64), "shape"),
        (np.int64(3), "numpy array"),
        ([0, 0, 0, 0, 0], "numpy array"),
        (None, "numpy array"),
        (np.array([0, 0, 0, 0, 1001]), "planned range"),
        (np.array([0, -1001, 0, 0, 0]), "planned range"),
        (np.full(5, np.iinfo(np.int64).min), "planned range"),
    ],
)
def test_an_update_of_another_kind_is_refused(values, says):
    with pytest.raises(UpdateRejectedError, match=says) as caught:
        pack(values, _layout(), site="hungary")
    assert caught.value.site == "hungary"
    assert "1001" not in str(caught.value)


def test_minus_zero_is_not_a_number_here_and_negative_numbers_are():
    values = np.array([-1000, -1, 0, 1, 1000], np.int64)
    total = [3 * m for m in pack(values, _layout(), site="a")]
    assert unpack_sum(total, _layout()).tolist() == [-3000, -3, 0, 3, 3000]


@pytest.mark.parametrize("strided", [np.arange(10, dtype=np.int64)[::2], np.arange(5, dtype=">i8")])
def test_memory_order_does_not_matter(strided):
    if strided.dtype.byteorder == ">":
        with pytest.raises(UpdateRejectedError):
            pack(strided, _layout(), site="a")
        return
    assert pack(strided, _layout(), site="a") == _slot_by_slot(strided.tolist(), _layout())


def _total(layout, value=7):
    return [layout.contributors * m for m in pack(np.full(layout.length, value, np.int64), layout, site="a")]


CHANGES = {
    "one more in a counter": (lambda t, w, s: [t[0] + 1, t[1]], "counter", 0),
    "one less in a counter": (lambda t, w, s: [t[0], t[1] - 1], "counter", 1),
    "nothing": (lambda t, w, s: [0, t[1]], "counter", 0),
    "one update alone": (lambda t, w, s: [t[0] // 3, t[1] // 3], "counter", 0),
    "one update twice": (lambda t, w, s: [t[0] // 3 * 2, t[1] // 3 * 2], "counter", 0),
    "one update too many": (lambda t, w, s: [t[0] // 3 * 4, t[1] // 3 * 4], "counter", 0),
    "one above the largest sum": (lambda t, w, s: [t[0] + (6000 - 3021 + 1 << w), t[1]], "out of range", 0),
    "an unused slot": (lambda t, w, s: [t[0], t[1] + (1 << (w * 2))], "unused slot", 1),
    "a bit above the last slot": (lambda t, w, s: [t[0], t[1] + (1 << (w * s))], "above the last slot", 1),
    "negative": (lambda t, w, s: [-1, t[1]], "above the last slot", 0),
    "one too few": (lambda t, w, s: t[:1], "1 plaintexts, 2 are planned", None),
    "one too many": (lambda t, w, s: [*t, 0], "3 plaintexts, 2 are planned", None),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_an_altered_sum_is_refused_with_its_position(kind):
    change, says, index = CHANGES[kind]
    layout = _layout(length=_layout().values_per_plaintext + 1)
    with pytest.raises(CiphertextInvalidError, match=says) as caught:
        unpack_sum(change(_total(layout), 8 * layout.slot_bytes, layout.slots), layout)
    assert caught.value.index == index


def test_the_largest_sum_itself_is_in_range():
    layout = _layout()
    altered = [_total(layout)[0] + (6000 - 3021 << 8 * layout.slot_bytes)]
    assert unpack_sum(altered, layout).tolist() == [3000, 21, 21, 21, 21]


@given(st.integers(1, 1 << 40), st.fractions(min_value=0, max_value=10**20))
def test_law_the_half_range_is_the_ceiling_of_twelve_deviations(clamp, sigma2):
    getcontext().prec = 120
    exact = 12 * (Decimal(sigma2.numerator) / Decimal(sigma2.denominator)).sqrt()
    extra = half_range(clamp=clamp, sigma2_local=sigma2) - clamp
    assert extra >= exact - Decimal(10) ** -60
    assert extra - 1 < exact


def test_half_range_of_whole_deviations_and_of_none():
    assert half_range(clamp=100, sigma2_local=0) == 100
    assert half_range(clamp=100, sigma2_local=25) == 160
    assert half_range(clamp=100, sigma2_local=Fraction(26)) == 162


@pytest.mark.parametrize(
    ("clamp", "sigma2"),
    [(0, 1), (-1, 1), (1.0, 1), (True, 1), (1, -1), (1, 1.0), (1, True), (1, float("nan")), (1, "1")],
)
def test_half_range_takes_integers_and_fractions_only(clamp, sigma2):
    with pytest.raises(ConfigError):
        half_range(clamp=clamp, sigma2_local=sigma2)
