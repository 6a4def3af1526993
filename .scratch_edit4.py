p='analytics/statistics/location/t_test.py'
s=open(p).read()
s=s.replace('''        REVEAL,
    )''','''        Parameter(name="popmean", meaning="of one sample: the mean that is tested", default=None),
        Parameter(name="paired", meaning="of pairs: the second column of the same rows", default=None),
        REVEAL,
    )''')
s=s.replace('import pandas as pd\n\n    ','')
s=s.replace('''UNDEFINED: Final = "undefined"
''','').replace('''_ALTERNATIVES: Final = ("two-sided", "less", "greater")
''','').replace('_LEVEL: Final = 0.95\n','')
s=s.replace('from analytics.pictures import Estimates\n','')
s=s.replace('from analytics.statistics.distributions import student_quantile, student_tail\n','from analytics.statistics.figure_table import alternative_of\n')
s=s.replace('from analytics.statistics.base import BOTH, Answer\n','from analytics.statistics.base import BOTH\n')
s=s.replace('''from analytics.statistics.noise_law import simulation
''','''from analytics.statistics.location.one_mean import NAME, SUMMARY, OneMean, PairedMeans
from analytics.statistics.location.t_test_answer import UNDEFINED, TTestAnswer, share_farther, tail
from analytics.statistics.noise_law import simulation
''')
s=s.rstrip()+'''


def _check_of_groups_alone(arguments: Arguments) -> None:
    """Refuse what only two groups can have.

    Raises:
        InvalidRequestError: one of them is set.
    """
    if arguments.flag("equal_var"):
        raise InvalidRequestError(parameter="equal_var", reason="is for two groups alone")
    for name in ("groups", "reveal"):
        if arguments.is_given(name) and arguments.text_or_none(name) != REVEAL.default:
            raise InvalidRequestError(parameter=name, reason="is for two groups alone")


def _one_mean(
    table: Table, arguments: Arguments, mode: Mode, limits: Limits, alternative: str
) -> OneMean | PairedMeans:
    """The test of one sample, or of pairs."""
    column = arguments.number_column("column", table)
    if arguments.is_given("popmean"):
        (popmean,) = arguments.one_or_more_numbers("popmean")[:1]
        own = {"popmean": popmean, "alternative": alternative}
        return OneMean.bind_cells(table, mode, limits, column, (), **own)
    second = arguments.number_column("paired", table)
    if second.name == column.name:
        raise InvalidRequestError(parameter="paired", reason="must be another column")
    if mode == "private":
        own = {"popmean": Fraction(0), "alternative": alternative, "second": second}
        return OneMean.bind_cells(table, mode, limits, column, (), **own)
    check_one_row_a_unit(table, NAME)
    pair = (column, second)
    bound = PairedMeans(
        table=table, mode=mode, limits=limits, modelled=pair, pair=pair, alternative=alternative
    )
    bound.check_size("paired")
    return bound
'''
s=s.replace('from typing import TYPE_CHECKING, ClassVar','from fractions import Fraction\nfrom typing import TYPE_CHECKING, ClassVar').replace('from analytics.statistics.arguments import Arguments, Parameter\n','from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit\n')
open(p,'w').write(s)
