"""A statistic's run: what the analyst refuses, what a site refuses, and plans that are equal everywhere."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statistic_world import N_SITES, StatisticWorld

from analytics.disclosure.recombine import recombine_statistic
from analytics.disclosure.release import send_statistic, statistic_cost
from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError, ReleaseRefusedError
from privacy_accounting.noise import SystemSource
from smpc.dealer.frames import INLINE_BYTES
from smpc.dealer.requests import encode_requests
from smpc.simulator import simulate

COLUMNS = {
    "a": {"type": "boolean"},
    "b": {"type": "boolean"},
    "x": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1},
}
ASKED = {"a": "a", "b": "b"}
DIGESTS = {
    "chi_square exact": "b2d882d6a2894e75aaf9615f793a99735780b6b03bc82bcfe7922fe2e428cae9",
    "chi_square private": "d6563f19fdfa03cfd92ac6de02d71f682c7e783b8a974301198ed25cd127b2a9",
    "kaplan_meier exact": "6cf1fc409731024eb9c66c93bf5c15e24dfabb8419afe8dbe7f2ae8f01fb55fe",
    "describe exact": "afbfe5950e3de50d61070860315b05cc1f9fc9bbc698f0e91d7ca09f32bd5da5",
    "describe private": "c5aad3f30092799702ed5304a532d69168e91af388a8d141d913dbac94b9d69b",
    "table_one exact": "2ec03c6d8a8882242ce4066fe57bb5efab2b76b2593444fbb9464ecd1c08a7a9",
    "glm exact": "7f11532969b67c6e001dfbdee5258ac379fbe9984770b8f2360b056152082618",
    "glm private": "f858a0283c3c4b5f01b4b270ceb4228713c2409d7e751a32fd8b3af597aa690a",
    "crosstab exact": "1a824cf6fc9c44554af5692d7eb250a75e18f806f36722fa9ed06d3c6aff0607",
    "t_test exact": "7596f8a0fd3f8ea575e71763d4c362d40a85db16d0a08067d78ce1b84552a4a4",
    "t_test private": "d224c3eff5cfd85076f2c7d8337629124f0bae0bd6c238feaee77cc3ba47d88d",
    "anova exact": "0ac346d281934d5446ee0c16f1e1dd1945a999b2bc2355e4bc81ee8ff5ae2aab",
    "mann_whitney exact": "00809003b8600be27928010f022955e0605a7d7c9e655613571433233802b033",
    "mann_whitney hidden exact": "3da9526701a93e279207f63341c10b3033ae1672d99e94a67d0bd7334591a1fd",
    "kruskal_wallis private": "ccd9537d3df6c29aed44751718cf6a9442bf5eff74565b2e2d4dbf5eb8f87d65",
    "quantile exact": "80fc85fbaf7c8983513f0eb5a5cd17b82e9215f9981799f8bca881c5e0d2c33f",
    "correlation exact": "1dae9e61f2c6b4ca6d59aeb4b61a1bf62bb584799e69960284864e87ac0c31f5",
    "ols exact": "0f7965d6808113cccc0e4b5b460d9cdf40cb40c8ee76e56e421b96e5114c4ac3",
    "ols robust exact": "19ce101d2f0cc59471a51ef56decbddcceccea47c684de99ed01bc881b25ea1c",
    "ridge exact": "793ed3c664c4e991d04c8e5884180245741b58ae9a347f7572c544af2fa161f7",
    "quality exact": "a174d5ae83d77a33226aac391588c3b45030cc1b3fe699902970fe77dbdad345",
    "quality private": "31bb885911f8825dc4a8fc265e4a2efe59455e5ec7812bd7bfd7a37d904501ba",
    "site_drift exact": "58beda897101d61a8e8b70e18fe4c539e35d54f266649d3b683a446de6f2ee05",
    "site_drift bit exact": "7346af9ef74a4b7b6d7b62f002f5fee29b39e7fe85fc392dfddc71f4fa7bb678",
    "lasso private": "166225f07ddf398df25f39c5ca95c59241cce08cd2bd3f4ec3c58d4c034f6987",
    "elastic_net exact": "7d343ba6e824fa7a778eb40b3225dded4356151263e0aa63e75cb96ae2378356",
    "ols private": "780755430b0c29765a7311bbb91197d1897bcaa2c2fcf44c3467f6f4ca918560",
    "t_test one sample exact": "db7b4ac946127de0876837e44f15e3fde78e85f4c4e4388ea045647319d748cf",
    "anova two-way private": "fa71db2fdf00ea61438282769fd9d6f81f7dd5d595294cec5cf0a4caf1b2d8d1",
    "incidence_rate exact": "b3fc437aa72fa946325081f95be090de02a1d56f8750cff337147cdf2010a3d5",
    "jarque_bera private": "69157c0b9bdeb1bb7e851bb47431e9b981408a546e556884c1f465a05ef550aa",
    "pca private": "29349b0f4367133fed9a1f5d324a698064aa61a92bed23be3520b2c800029e88",
}


@pytest.fixture(scope="module")
def world():
    place = np.arange(120)
    frame = pd.DataFrame({"a": place % 2 == 0, "b": place % 3 == 0, "x": place % 10})
    return StatisticWorld(frame, COLUMNS | {"x": COLUMNS["x"] | {"bins": [0, 3, 6, 9]}})


ARGUMENTS = {
    "chi_square exact": ("chi_square", ASKED),
    "chi_square private": ("chi_square", ASKED | {"epsilon": "0.5"}),
    "kaplan_meier exact": ("kaplan_meier", {"duration": "x", "event": "a", "by": "b"}),
    "describe exact": ("describe", {"columns": ["a", "b", "x"]}),
    "describe private": ("describe", {"columns": ["a", "b", "x"], "epsilon": "0.5"}),
    "table_one exact": ("table_one", {"columns": ["b", "x"], "groupby": "a"}),
    "glm exact": ("glm", {"outcome": "a", "covariates": ["b", "x"]}),
    "glm private": ("glm", {"formula": "x ~ a + b", "family": "poisson", "epsilon": "0.5"}),
    "crosstab exact": ("crosstab", ASKED | {"c": "x"}),
    "t_test exact": ("t_test", {"column": "x", "by": "a"}),
    "t_test private": ("t_test", {"column": "x", "by": "a", "epsilon": "0.5"}),
    "anova exact": ("anova", {"column": "x", "by": "b"}),
    "mann_whitney exact": ("mann_whitney", {"column": "x", "by": "a"}),
    "mann_whitney hidden exact": ("mann_whitney", {"column": "x", "by": "a", "reveal": "statistic"}),
    "kruskal_wallis private": ("kruskal_wallis", {"column": "x", "by": "b", "epsilon": "0.5"}),
    "quantile exact": ("quantile", {"column": "x", "by": "a"}),
    "correlation exact": ("correlation", {"columns": ["x", "a"]}),
    "ols exact": ("ols", {"formula": "x ~ a + b"}),
    "ols robust exact": ("ols", {"formula": "x ~ a + b", "cov_type": "HC1"}),
    "ridge exact": ("ridge", {"formula": "x ~ a + b", "alpha": 2}),
    "quality exact": ("quality", {"columns": ["a", "x"]}),
    "quality private": ("quality", {"columns": ["a", "x"], "epsilon": "0.5"}),
    "site_drift exact": ("site_drift", {"column": "x"}),
    "site_drift bit exact": ("site_drift", {"column": "x", "above": "0.1"}),
    "lasso private": ("lasso", {"formula": "x ~ a + b", "alpha": "0.5", "epsilon": "0.5"}),
    "elastic_net exact": ("elastic_net", {"formula": "x ~ a + b", "alpha": 1}),
    "ols private": ("ols", {"formula": "x ~ a + b", "epsilon": "0.5"}),
    "t_test one sample exact": ("t_test", {"column": "x", "popmean": "4.5"}),
    "anova two-way private": ("anova", {"column": "x", "by": ["a", "b"], "epsilon": "0.5"}),
    "incidence_rate exact": ("incidence_rate", {"duration": "x", "event": "a", "by": "b"}),
    "jarque_bera private": ("jarque_bera", {"column": "x", "epsilon": "0.5"}),
    "pca private": ("pca", {"columns": ["x", "a"], "epsilon": "0.5"}),
}


def asked(world):
    return {name: world.plan(statistic, **arguments) for name, (statistic, arguments) in ARGUMENTS.items()}


def summands(*opened):
    """Each site's bytes for an opening, the first site holding it all."""
    first = np.array(opened, dtype="<i8").tobytes()
    return [first, *[bytes(len(first))] * (N_SITES - 1)]


def refused(plan, answers):
    with pytest.raises(ReleaseRefusedError) as caught:
        recombine_statistic(plan, answers, cost={}, receipt={})
    return caught.value.rule


def test_a_flag_is_0_or_1(world):
    plan = world.plan("chi_square", **ASKED)
    assert recombine_statistic(plan, summands(20, 30, 40, 30, 1), cost={}, receipt={}).closed == ""
    assert [refused(plan, summands(20, 30, 40, 30, flag)) for flag in (2, -1, 1 << 40)] == ["shares"] * 3


def test_answers_are_complete_and_as_long_as_planned(world):
    plan = world.plan("chi_square", **ASKED)
    good = summands(20, 30, 40, 30, 1)
    wrong = [
        good[:2],
        [good[0][:-8], *good[1:]],
        [part[:-3] for part in good],
        [part + bytes(8) for part in good],
    ]
    assert [refused(plan, answers) for answers in wrong] == ["shares"] * 4


def test_a_site_refuses_counts_beyond_the_bounds_and_a_missing_exact_scan(world):
    plan = world.plan("chi_square", **ASKED)
    for scanned, rule in ((np.full(4, 1001), "clamp"), (np.full(3, 10), "clamp"), (None, "figures")):
        run = simulate(
            lambda session, scanned=scanned: send_statistic(session, plan, scanned, SystemSource()),
            N_SITES,
            prefetch=False,
            timeout_s=60,
        )
        with pytest.raises(ReleaseRefusedError) as caught:
            run.values()
        assert caught.value.rule == rule


def test_a_private_scan_that_was_late_is_zero_and_noise(world):
    plan = world.plan("chi_square", epsilon="1", **ASKED)
    answers = simulate(
        lambda session: send_statistic(session, plan, None, SystemSource()),
        N_SITES,
        prefetch=False,
        timeout_s=60,
    ).values()
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    assert np.abs(np.array(answer.observed)).max() < 8 * answer.noise_sd
    assert len({*answers}) == N_SITES


def run(plan, rows, cost, *, has_three_sites=False):
    def joint(session):
        session.prefetch(cost.requests)
        return send_statistic(session, plan, rows[session.rank], SystemSource())

    return simulate(joint, N_SITES, prefetch=False, has_three_sites=has_three_sites, timeout_s=60)


@pytest.mark.parametrize("has_three_sites", [False, True])
def test_a_run_takes_what_its_dry_run_says_and_three_sites_open_the_same(world, has_three_sites):
    for name, plan in asked(world).items():
        changed = replace(plan, context=replace(plan.context, has_three_sites=has_three_sites))
        cost, rows = statistic_cost(changed), world.scanned(plan)
        assert bool(cost.requests) == plan.has_products == ("exact" in name)
        done = run(changed, rows, cost, has_three_sites=has_three_sites and plan.has_products)
        answer = recombine_statistic(changed, done.values(), cost={}, receipt={})
        before = 1 + bool(
            cost.requests
        )  # the session's keys, and the material; of a long list a second frame
        before += not has_three_sites and len(encode_requests(cost.requests)) > INLINE_BYTES
        most = max(each.rounds for each in done.counters.values()) - before
        # a fit may be closed, or end, before the last step
        has_steps = {"glm exact", "ols robust exact"} & {name}
        assert most <= cost.rounds if has_steps else most == cost.rounds, (name, most, cost.rounds)
        if "exact" in name:
            assert answer.values() == world.ask(ARGUMENTS[name][0], **ARGUMENTS[name][1]).values()


def test_digests_of_plans_are_those_of_the_last_format(world):
    assert {name: plan.digest() for name, plan in asked(world).items()} == DIGESTS


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ({"statistic": "chi_square", "table": "patients"}, "must hold statistic, table and arguments"),
        ({"statistic": "chi", "table": "patients", "arguments": {}}, "must be one of .*chi_square"),
        ({"statistic": ["chi_square"], "table": "patients", "arguments": {}}, "must be one of"),
        ({"statistic": "chi_square", "table": "people", "arguments": {}}, "is not one of this consortium"),
        ({"statistic": "chi_square", "table": 7, "arguments": {}}, "is not one of this consortium"),
        ({"statistic": "chi_square", "table": "patients", "arguments": ["a"]}, "must be a mapping"),
    ],
)
def test_another_shape_of_question_is_refused(world, question, text):
    from analytics.plans.statistic_plan import make_statistic_plan

    with pytest.raises(InvalidRequestError, match=text):
        make_statistic_plan(question, mode="exact", epsilon=None, schema=world.schema, context=world.context)


def test_public_limits_are_checked_before_a_charge():
    frame = pd.DataFrame({"a": [True], "b": [False], "x": [1]})
    with pytest.raises(ReleaseRefusedError, match="3 sites, 2 of them"):
        StatisticWorld(frame, COLUMNS, colluding=2).plan("chi_square", **ASKED)
    with pytest.raises(PlanRejectedError, match="guessed from data"):
        StatisticWorld(frame, COLUMNS, guessed=["rows_max"]).plan("chi_square", **ASKED)
    with pytest.raises(OverflowRiskError):
        StatisticWorld(frame, COLUMNS, rows_max=2**40).plan("glm", outcome="a", covariates=["b"])
    with pytest.raises(InvalidRequestError, match="epsilon must be above 0"):
        StatisticWorld(frame, COLUMNS).plan("chi_square", epsilon="-1", **ASKED)
