"""
Travelling salesman
===================

Find the shortest round trip through all cities. Here it is a trip through 14 capitals of Europe, as the crow flies.
"""

# %%
# The variable :math:`x_{ct}` is 1 if city :math:`c` is at position :math:`t`; :math:`d` is the distance. The tour
# starts at the first city, so that :math:`c` and :math:`t` run from 1 to :math:`n - 1`.
#
# .. math:: \min \sum_c d_{0c} x_{c1} + \sum_{t, c, e} d_{ce} x_{ct} x_{e,t+1} + \sum_c d_{c0} x_{c,n-1},
#    \quad \sum_t x_{ct} = 1, \quad \sum_c x_{ct} = 1
#
# The formulation is :doc:`travelling-salesman </reference/formulations/travelling-salesman>`.
import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.travelling_salesman import TravellingSalesman

# Longitude and latitude in degrees.
cities = {
    **{"Amsterdam": (4.9, 52.4), "Berlin": (13.4, 52.5), "Bern": (7.4, 46.9), "Budapest": (19.0, 47.5)},
    **{"Copenhagen": (12.6, 55.7), "Dublin": (-6.3, 53.3), "Lisbon": (-9.1, 38.7), "London": (-0.1, 51.5)},
    **{"Madrid": (-3.7, 40.4), "Oslo": (10.8, 59.9), "Paris": (2.4, 48.9), "Rome": (12.5, 41.9)},
    **{"Vienna": (16.4, 48.2), "Warsaw": (21.0, 52.2)},
}
names = list(cities)
places = np.array(list(cities.values()))
longitude, latitude = np.radians(places).T
cosine = np.sin(latitude) * np.sin(latitude[:, None])
cosine += np.cos(latitude) * np.cos(latitude[:, None]) * np.cos(longitude - longitude[:, None])
kilometres = 6371.0 * np.arccos(np.clip(cosine, -1.0, 1.0))
solution = qd.solve(TravellingSalesman(kilometres), seed=1)
tour = list(solution.best.value)
print(f"{solution.best.objective:,.0f} km:", ", ".join(names[city] for city in tour))


# %%
# Every city is visited once. Dynamic programming over all subsets of cities (Held and Karp 1962) finds no shorter tour.
# It keeps the length of the shortest way from the first city through a subset to each of its cities.
def shortest_tour(distances: np.ndarray) -> float:
    """Length of the shortest closed tour."""
    last = len(distances) - 1
    best = np.full((1 << last, last), np.inf)
    best[1 << np.arange(last), np.arange(last)] = distances[0, 1:]
    for subset in range(1 << last):
        for city in range(last):
            if not subset >> city & 1:
                way = (best[subset] + distances[1:, city + 1]).min()
                best[subset | 1 << city, city] = min(best[subset | 1 << city, city], way)
    return float((best[-1] + distances[1:, 0]).min())


assert sorted(tour) == list(range(len(cities)))
assert np.isclose(shortest_tour(kilometres), solution.best.objective)

# %%
figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
axes.plot(*places[[*tour, tour[0]]].T, "-", color="tab:blue", zorder=0)
axes.plot(*places.T, "o", color="tab:orange", markeredgecolor="black", markersize=8)
for name, place in cities.items():
    axes.annotate(name, place, (6, 5), textcoords="offset points")
axes.set_aspect(1 / np.cos(np.radians(50)))
axes.set_xlabel("longitude (degrees)")
axes.set_ylabel("latitude (degrees)")
axes.margins(0.08)
axes.set_title(f"{solution.best.objective:,.0f} km through {len(cities)} capitals")
plt.show()
