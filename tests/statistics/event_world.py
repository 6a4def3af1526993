"""People with coded rows at three sites, and their counts by pandas alone."""

import numpy as np
import pandas as pd
from statistic_world import N_SITES, StatisticWorld

DRUGS = [f"d{place}" for place in range(6)]
EVENTS = [f"e{place}" for place in range(8)]
COLUMNS = {
    "patient": {"type": "identifier"},
    "drug": {"type": "categorical", "domain": [*DRUGS, "never"], "nullable": True},
    "event": {"type": "categorical", "domain": EVENTS, "nullable": True},
    "day": {"type": "numeric", "lower": 0, "upper": 2000, "resolution": 1, "nullable": True},
}
TABLE = {"privacy_unit": "patient", "max_rows_per_unit": 40, "exact_dimensions": ["drug", "event", "day"]}


def reports(n_people=900, seed=3, n_rows=6):
    """Rows of a drug, an event or both; d0 goes with e0, and d5 and e7 are rare."""
    generator = np.random.default_rng(seed)
    rows = []
    for person in range(n_people):
        day = int(generator.integers(0, 1000))
        for _ in range(int(generator.integers(1, n_rows))):
            drug = DRUGS[min(5, int(generator.geometric(0.35)) - 1)] if generator.random() < 0.8 else None
            event = EVENTS[min(7, int(generator.geometric(0.3)) - 1)] if generator.random() < 0.8 else None
            if drug == "d2" and generator.random() < 0.5:
                event = "e3"
            day += int(generator.integers(0, 60))
            rows.append((f"p{person}", drug, event, day if generator.random() < 0.97 else None))
    return pd.DataFrame(rows, columns=["patient", "drug", "event", "day"])


def event_world(frame=None, parts=None, **fields):
    """The people dealt to three sites, each person at one."""
    frame = reports() if frame is None else frame
    if parts is None:
        number = frame.patient.str[1:].astype(int)
        parts = [frame[number % N_SITES == place] for place in range(N_SITES)]
    return StatisticWorld(frame, COLUMNS, parts=parts, **(TABLE | {"rows_max": 6000} | fields))


def tables(frame):
    """The four cells of people of each pair, by sets of people."""
    everybody = set(frame.patient)
    drugs = {each: set(frame.patient[frame.drug == each]) for each in COLUMNS["drug"]["domain"]}
    events = {each: set(frame.patient[frame.event == each]) for each in EVENTS}
    return {
        (f"drug={drug}", f"event={event}"): (
            len(takers & having),
            len(takers - having),
            len(having - takers),
            len(everybody - takers - having),
        )
        for drug, takers in drugs.items()
        for event, having in events.items()
    }
