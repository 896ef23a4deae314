"""The comparison as pictures: the counts over time, and what each policy costs and misses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from benchmarks.quality.comparison import KEDA, KNATIVE, ORACLE, OURS, Compared

_COLOURS = {OURS: "#0b6e4f", KEDA: "#c8553d", KNATIVE: "#4062bb", ORACLE: "#8d99ae"}


def courses(all_compared: Sequence[Compared], file: Path) -> None:
    """Draw a row a trace: how many replicas each policy asked for."""
    figure, rows = plt.subplots(len(all_compared), 1, figsize=(10, 2.0 * len(all_compared)), squeeze=False)
    for axes, each in zip(rows[:, 0], all_compared, strict=True):
        for name, colour in _COLOURS.items():
            course = [*each.courses[name], (each.trace.duration_s, each.courses[name][-1][1])]
            times, counts = [at for at, _ in course], [count for _, count in course]
            axes.step(times, counts, where="post", color=colour, label=name, linewidth=0.9)
        axes.set_title(f"{each.trace.work.name} / {each.trace.name}", fontsize=9, loc="left")
        axes.set_ylabel("replicas", fontsize=8)
        axes.tick_params(labelsize=7)
    rows[0, 0].legend(fontsize=7, ncols=4, loc="upper right")
    rows[-1, 0].set_xlabel("seconds", fontsize=8)
    _write(figure, file)


def costs(all_compared: Sequence[Compared], file: Path) -> None:
    """Draw what each policy costs, in multiples of the bound, above what it misses."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(10, 5.5), sharex=True)
    width = 0.8 / len(_COLOURS)
    for number, (name, colour) in enumerate(_COLOURS.items()):
        places = [index + (number - (len(_COLOURS) - 1) / 2) * width for index in range(len(all_compared))]
        cost = [each.figures[name].replica_seconds / each.bound for each in all_compared]
        upper.bar(places, cost, width, color=colour, label=name)
        lower.bar(places, [100 * each.figures[name].share for each in all_compared], width, color=colour)
    upper.set_ylabel("replica-seconds / bound", fontsize=8)
    upper.set_yscale("log")
    upper.set_yticks([1, 1.3, 2, 4, 8, 16, 32], ["1", "1.3", "2", "4", "8", "16", "32"])
    upper.legend(fontsize=8, ncols=4)
    lower.set_ylabel("% over the SLO", fontsize=8)
    lower.set_xticks(range(len(all_compared)), [each.trace.name for each in all_compared], fontsize=8)
    _write(figure, file)


def _write(figure: plt.Figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(file, dpi=80)
    plt.close(figure)
