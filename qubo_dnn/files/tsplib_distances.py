"""Distances as defined by the TSPLIB (Reinelt, "TSPLIB 95", section 2), rounded to integers.

All functions return [n, n] float64 with a zero diagonal. They compute row by row, so that only the result has that
size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

PI = 3.141592
"""The value of the TSPLIB; a more precise one gives other lengths."""

EARTH = 6378.388
"""Radius of the earth in km."""


def euclidean(coordinates: Matrix) -> Matrix:
    """Return EUC_2D distances: nint of the distance, which is floor(d + 0.5).

    Args:
        coordinates: [n, 2].

    Example:
        >>> euclidean(np.array([[0.0, 0.0], [1.0, 1.0]])).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    return _symmetric(np.floor(np.sqrt(square) + 0.5) for square in _squares(coordinates))


def ceiling(coordinates: Matrix) -> Matrix:
    """Return CEIL_2D distances: the distance rounded up.

    Args:
        coordinates: [n, 2].

    Example:
        >>> ceiling(np.array([[0.0, 0.0], [1.0, 1.0]])).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    return _symmetric(np.ceil(np.sqrt(square)) for square in _squares(coordinates))


def pseudo_euclidean(coordinates: Matrix) -> Matrix:
    """Return ATT distances: sqrt(d^2 / 10) rounded to the nearest integer, plus one if that rounded down.

    Args:
        coordinates: [n, 2].

    Example:
        >>> pseudo_euclidean(np.array([[0.0, 0.0], [10.0, 0.0]])).tolist()
        [[0.0, 4.0], [4.0, 0.0]]
    """

    def rounded(square: Matrix) -> Matrix:
        exact = np.sqrt(square / 10.0)
        nearest = np.floor(exact + 0.5)
        raised: Matrix = nearest + (nearest < exact)
        return raised

    return _symmetric(rounded(square) for square in _squares(coordinates))


def geographical(coordinates: Matrix) -> Matrix:
    """Return GEO distances: kilometres on an ideal earth between latitudes and longitudes DDD.MM (degrees, minutes).

    Degrees are truncated, not rounded: the manual writes nint here, but the published optima (burma14: 3323) and the
    questions and answers of the TSPLIB use `(int)`.

    Args:
        coordinates: [n, 2] latitude and longitude.

    Example:
        >>> geographical(np.array([[38.24, 20.42], [39.57, 26.15]]))[0].tolist()  # the start of ulysses16
        [0.0, 509.0]
    """
    degrees = np.trunc(coordinates)
    latitude, longitude = (PI * (degrees + 5.0 * (coordinates - degrees) / 3.0) / 180.0).T

    def row(city: int) -> Matrix:
        q1 = np.cos(longitude[city] - longitude)
        q2 = np.cos(latitude[city] - latitude)
        q3 = np.cos(latitude[city] + latitude)
        angle = np.arccos(np.clip(0.5 * ((1.0 + q1) * q2 - (1.0 - q1) * q3), -1.0, 1.0))
        kilometres: Matrix = np.floor(EARTH * angle + 1.0)
        return kilometres

    return _symmetric(row(city) for city in range(len(coordinates)))


def explicit(weights: Matrix, cities: int, layout: str) -> Matrix:
    """Return the matrix of an EDGE_WEIGHT_SECTION; entries of the diagonal are ignored and become zero.

    Args:
        weights: `MATRICES[layout](cities)` numbers.
        cities: number of cities.
        layout: a key of `MATRICES`.

    Example:
        >>> explicit(np.array([1.0, 2.0, 3.0]), cities=3, layout="UPPER_ROW").tolist()
        [[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]]
    """
    if layout == "FULL_MATRIX":
        matrix = weights.reshape(cities, cities).copy()
    else:
        matrix = np.zeros((cities, cities))
        inner = 0 if "DIAG" in layout else 1
        upper = layout.startswith("UPPER")
        start = 0
        for city in range(cities):
            row = slice(city + inner, cities) if upper else slice(0, city + 1 - inner)
            length = len(range(*row.indices(cities)))
            matrix[city, row] = matrix[row, city] = weights[start : start + length]
            start += length
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _squares(coordinates: Matrix) -> Iterator[Matrix]:
    """Generate for every city the squared distances to all cities."""
    for city in coordinates:
        yield np.square(coordinates - city).sum(axis=1)


def _symmetric(rows: Iterator[Matrix]) -> Matrix:
    """Return the rows as a matrix with a zero diagonal."""
    first = next(rows)
    matrix = np.empty((len(first), len(first)))
    matrix[0] = first
    for city, row in enumerate(rows, start=1):
        matrix[city] = row
    np.fill_diagonal(matrix, 0.0)
    return matrix


DISTANCES: dict[str, Callable[[Matrix], Matrix]] = {
    "EUC_2D": euclidean,
    "CEIL_2D": ceiling,
    "GEO": geographical,
    "ATT": pseudo_euclidean,
}
"""EDGE_WEIGHT_TYPE -> function of the coordinates."""

MATRICES: dict[str, Callable[[int], int]] = {
    "FULL_MATRIX": lambda n: n * n,
    "UPPER_ROW": lambda n: n * (n - 1) // 2,
    "LOWER_ROW": lambda n: n * (n - 1) // 2,
    "UPPER_DIAG_ROW": lambda n: n * (n + 1) // 2,
    "LOWER_DIAG_ROW": lambda n: n * (n + 1) // 2,
}
"""EDGE_WEIGHT_FORMAT -> number of entries of the section for n cities."""
