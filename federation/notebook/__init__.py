"""Questions and trainings in notebooks: the cell magic ``%%crossward``, and progress below a running cell.

Modules, lowest first: cell (the options of a cell, and what it does) · progress (a line below the cell) · extension (what
``%load_ext crossward.notebook`` sets).

IPython is an extra, ``crossward[notebook]``, and is imported only where it already runs.
"""
