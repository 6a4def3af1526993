"""Pictures as features, and a class, a mask or the picture itself as the outcome.

Layer:       federation.training.encodings.picture_features, above features. Pure numpy.
Shapes:      pictures float32 ``(n, channels, *size)`` in [0, 1], channels of all features behind each other; the outcome
             ``(n,)``, or a mask uint8 ``(n, *size)``, or pictures.
Guarantees:  nothing is learned from data: sizes and windows are the schema's.
Source:      docs/guarantees.md P13, P20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema.reading import read_picture
from federation.training.encodings.features import INTERCEPT, Cases, Encoding, Feature, encode_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from analytics.schema import Table
    from analytics.schema.pictures import Picture

PICTURE, MASK = "picture", "mask"


class Learner(Protocol):
    """What is asked of a model: what it learns from, and which outcomes it can learn."""

    @property
    def name(self) -> str:
        """In tasks."""
        ...

    @property
    def takes_pictures(self) -> bool:
        """Whether its features are pictures."""
        ...

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """Say why it cannot learn an outcome; None where it can."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureEncoding(Encoding):
    """Pictures and outcome of one model.

    Attributes:
        pictures: the features, in the task's order, all of one size.
        made: the mask or picture that is the outcome; None for a class.
    """

    pictures: tuple[Picture, ...]
    made: Picture | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all channels; the last one, as for columns, is the intercept's."""
        channels = (f"{each.name}.{channel}" for each in self.pictures for channel in each.channels)
        return (*channels, INTERCEPT)

    @property
    def n_channels(self) -> int:
        """Channels of all features."""
        return len(self.labels) - 1

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return self.pictures[0].size

    @property
    def n_outputs(self) -> int:
        """Classes, or channels of the picture that is made."""
        return len(self.outcome.classes) or len(self.pictures[0].channels)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that a case needs: the outcome, where it is one."""
        return () if self.made is not None else (self.outcome.name,)

    @property
    def picture_names(self) -> tuple[str, ...]:
        """Pictures that a case needs."""
        names = [each.name for each in self.pictures]
        return (
            (*names, self.made.name)
            if self.made is not None and self.made.name not in names
            else tuple(names)
        )

    def picture_cases(self, rows: npt.NDArray[np.int64], arrays: Sequence[npt.NDArray[Any]]) -> Cases:
        """Encode rows and their pictures.

        Args:
            rows: unit first and, for a class, its place last.
            arrays: of ``picture_names``.
        """
        _, starts = np.unique(rows[:, 0], return_index=True)
        matrix: Any = np.concatenate(arrays[: len(self.pictures)], axis=1)
        target: Any = rows[:, -1].astype(np.float64)
        if self.made is not None:
            target = matrix if self.made in self.pictures else arrays[-1]
        return Cases(matrix=matrix, target=target, starts=starts)

    def no_cases(self) -> Cases:
        """Return no case, of the right shapes."""
        shapes = [each.shape for each in self.pictures]
        arrays: list[npt.NDArray[Any]] = [np.zeros((0, *shape), np.float32) for shape in shapes]
        if self.made is not None and self.made.is_mask:
            arrays.append(np.zeros((0, *self.made.shape), np.uint8))
        return self.picture_cases(np.zeros((0, 1 + len(self.columns)), np.int64), arrays)


def encode(
    table: Table, features: Sequence[str], target: str, model: Learner
) -> tuple[Encoding | None, list[str]]:
    """Derive the encoding of a table's columns or pictures, whichever the features are.

    Args:
        table: of the schema.
        features: names.
        target: name.
        model: to be trained.

    Returns:
        The encoding, or None, and every mistake.
    """
    named = [name for name in features if name in table.pictures]
    if not named and not model.takes_pictures:
        if target in table.pictures:
            return None, [f"target: {target} is a picture, and {model.name} learns from columns"]
        return encode_table(table, features, target, model.outcome_mistake)
    if not model.takes_pictures:
        return None, [f"features: {', '.join(named)}: {model.name} learns from columns, not from pictures"]
    return _pictures(table, features, target, model.outcome_mistake)


def encoding_of(document: Mapping[str, Any], outcome: Feature) -> Encoding:
    """Read the encoding of a saved model.

    Raises:
        KeyError, TypeError, ValueError: the document is not a saved model.
    """
    features = tuple(Feature.from_dict(fields) for fields in document["features"])
    if "pictures" not in document:
        return Encoding(features=features, outcome=outcome)
    pictures = {str(name): read_picture(str(name), fields) for name, fields in document["pictures"].items()}
    inputs = tuple(pictures[feature.name] for feature in features)
    return PictureEncoding(
        features=features, outcome=outcome, pictures=inputs, made=pictures.get(outcome.name)
    )


def pictures_to_dict(encoding: Encoding) -> dict[str, Any]:
    """Return what a saved model says of its pictures; nothing where it has none."""
    if not isinstance(encoding, PictureEncoding):
        return {}
    known = {each.name: each for each in (*encoding.pictures, *filter(None, [encoding.made]))}
    return {"pictures": {name: picture.to_dict() for name, picture in known.items()}}


def pictures_of(encoding: Encoding) -> PictureEncoding:
    """Return the encoding of a model that learns from pictures.

    Raises:
        InvalidRequestError: it learns from columns.
    """
    if not isinstance(encoding, PictureEncoding):
        raise InvalidRequestError(parameter="features", reason="must be pictures of the table")
    return encoding


def _pictures(
    table: Table, features: Sequence[str], target: str, mistake_of: Callable[[Feature], str | None]
) -> tuple[Encoding | None, list[str]]:
    found = [f"table: {table.open_guess}"] if table.open_guess else []
    found += [
        f"features: {name} is not a picture of {table.name}"
        for name in features
        if name not in table.pictures or table.pictures[name].is_mask
    ]
    pictures = tuple(table.pictures[name] for name in features if name in table.pictures)
    if len({each.size for each in pictures}) > 1:
        found.append("features: pictures of one model have one size")
    made = table.pictures.get(target)
    outcome = None if made is None else _made(made)
    if made is None:
        column, mistakes = encode_table(table, [], target)
        found += mistakes
        outcome = None if column is None else column.outcome
    elif pictures and made.size != pictures[0].size:
        found.append(f"target: {target} has another size than the features")
    if outcome is not None and (mistake := mistake_of(outcome)) is not None:
        found.append(f"target: {outcome.name} {mistake}")
    if found or outcome is None:
        return None, found
    inputs = tuple(Feature(name=each.name, kind=PICTURE) for each in pictures)
    return PictureEncoding(features=inputs, outcome=outcome, pictures=pictures, made=made), found


def _made(picture: Picture) -> Feature:
    return Feature(name=picture.name, kind=MASK if picture.is_mask else PICTURE, domain=picture.classes)
