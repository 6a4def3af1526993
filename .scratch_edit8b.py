p='analytics/statistics/row_sums.py'
s=open(p).read()
s=s.replace('''    def start(self) -> int:''','''    def check_relations(self, position: str) -> None:
        """Refuse a relation guard that no run could hold.

        Raises:
            InvalidRequestError: too many figures.
            OverflowRiskError: too many rows.
        """
        self._relations.check_size(position)

    def start(self) -> int:''',1)
open(p,'w').write(s)
