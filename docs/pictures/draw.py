"""Draws the pictures of the documents, each for light and for dark pages, from the recorded runs, from states.dot, and from who
includes whom."""
import json
import os
import subprocess
import sys

from theme import THEMES, plt, save as save_to, use
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    with open(os.path.join(HERE, name)) as f:
        return json.load(f)


def save(figure, name, mode):
    save_to(figure, HERE, name, mode, "docs/pictures/draw.py")


def spans(samples, key):
    """[(begin, end, value)]: how long each value of `key` was answered."""
    out = []
    for s in samples:
        if out and out[-1][2] == key(s):
            out[-1][1] = s["t"]
        else:
            if out:
                out[-1][1] = s["t"]
            out.append([s["t"], s["t"], key(s)])
    return out


def mark(axes, run, theme, height):
    for name, text in (("cut", "the network is cut"), ("heal", "and heals")):
        axes.axvline(run["marks"][name], color=theme["grid"], linestyle=(0, (4, 3)), linewidth=1)
        axes.text(run["marks"][name] + 0.04, height, text, fontsize=9, va="bottom")


# ---- A partition, node by node --------------------------------------------------------------------------

def archived(write, run):
    """Whether this acknowledged write was discarded when its node came back."""
    return any(a["from"]["epoch"] == write["epoch"] and a["from"]["seq"] <= write["seq"] <= a["to"]["seq"]
               for a in run["archives"])


def draw_writes(axes, run, rows, theme):
    for write in run["writes"]:
        height = 0.25 if write["level"] == "LOCAL" else 0.4
        if not write["ok"]:
            row = rows[run["nodes"][0 if write["level"] == "LOCAL" else -1]]
            axes.plot(write["t"], row + height, marker="x", color=theme["grid"], markersize=4)
            continue
        color = theme["bad"] if archived(write, run) else theme["ink"]
        fill = color if write["level"] == "MAJORITY" else "none"
        axes.plot(write["t"], rows[write["node"]] + height, marker="o", markersize=4, color=color, markerfacecolor=fill,
                  linestyle="")


def partition(theme, mode):
    run = load("partition.json")
    use(theme)
    figure, axes = plt.subplots(figsize=(9, 3.6))
    rows = {node: len(run["nodes"]) - 1 - i for i, node in enumerate(run["nodes"])}
    for node, row in rows.items():
        mine = [s for s in run["samples"] if s["node"] == node]
        for begin, end, (state, primary, epoch) in spans(mine, lambda s: (s["state"], s["primary"], s["epoch"])):
            axes.barh(row, end - begin, left=begin, height=0.3, color=theme[state])
            if primary:
                axes.barh(row, end - begin, left=begin, height=0.07, color=theme["ink"])
            if end - begin > 0.9:
                axes.text(begin + 0.05, row - 0.3, f"epoch {epoch}" + (", primary" if primary else ""), fontsize=8)
    draw_writes(axes, run, rows, theme)
    mark(axes, run, theme, len(rows) - 0.42)
    axes.set_yticks(list(rows.values()), [f"node {n}" for n in rows])
    axes.set_ylim(-0.5, len(rows) - 0.1)
    axes.set_xlabel("seconds")
    legend(axes, theme)
    save(figure, "partition", mode)


def legend(axes, theme):
    dot = {"linestyle": "", "marker": "o", "markersize": 5}
    handles = [Patch(color=theme[s], label=s) for s in ("FRESH", "STALE", "SYNCING")]
    handles += [Line2D([], [], color=theme["ink"], linewidth=2.5, label="is primary"),
                Line2D([], [], color=theme["ink"], markerfacecolor="none", label="LOCAL write", **dot),
                Line2D([], [], color=theme["ink"], label="MAJORITY write", **dot),
                Line2D([], [], color=theme["bad"], markerfacecolor="none", label="LOCAL, archived later", **dot),
                Line2D([], [], color=theme["grid"], linestyle="", marker="x", markersize=4, label="not acknowledged")]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=4, fontsize=9)


# ---- Age and bound of a replica that is cut off -----------------------------------------------------------

def cut_off(theme, mode):
    run = load("cut-off.json")
    use(theme)
    figure, axes = plt.subplots(figsize=(9, 3.6))
    times = [s["t"] for s in run["samples"]]
    for key, color, text, style in (("bound_ms", "other", "staleness_bound_ms: at most this old, proven",
                                     {"linewidth": 5, "alpha": 0.55}),
                                    ("age_ms", "ink", "heartbeat_age_ms: the primary was heard so long ago",
                                     {"linewidth": 1.2})):
        axes.plot(times, [None if s[key] is None else s[key] / 1000 for s in run["samples"]], color=theme[color],
                  label=text, **style)
    for key in ("stale_after", "reject_after"):
        axes.axhline(run[key + "_ms"] / 1000, color=theme["grid"], linewidth=1)
        axes.text(times[-1], run[key + "_ms"] / 1000 + 0.06, key, fontsize=9, ha="right")
    for begin, end, state in spans(run["samples"], lambda s: s["state"]):
        axes.barh(-0.45, end - begin, left=begin, height=0.45, color=theme[state])
        if end - begin > 0.5:
            axes.text((begin + end) / 2, -0.47, state, fontsize=9, ha="center", va="center")
    mark(axes, run, theme, 6.3)
    axes.set_ylim(-0.8, 6.9)
    axes.set_yticks(range(7))
    axes.set_xlabel("seconds")
    axes.set_ylabel("seconds")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=2, fontsize=9)
    save(figure, "cut-off", mode)


# ---- Which disks hold a write -------------------------------------------------------------------------------

def disks(theme, mode):
    levels = {"LOCAL": (1, "the primary's disk: a failover may roll it back,\ninto an archive that is listed"),
              "MAJORITY": (2, "a majority of the voters' disks:\nsurvives any failover that is not forced"),
              "ALL": (3, "every voter's disk; waits while one of them\nis away, and then says that it may not survive")}
    use(theme)
    figure, axes = plt.subplots(figsize=(9, 2.6))
    for row, (level, (count, text)) in enumerate(reversed(levels.items())):
        for i, node in enumerate(("primary", "voter", "voter", "reader")):
            held = i < count
            axes.add_patch(plt.Rectangle((i * 1.15, row - 0.3), 1, 0.6, linewidth=1.2, edgecolor=theme["grid"],
                                         facecolor=theme["FRESH"] if held else "none"))
            axes.text(i * 1.15 + 0.5, row, "on disk" if held else "soon", fontsize=9, ha="center", va="center",
                      color=theme["ink"] if held else theme["grid"])
            if row == len(levels) - 1:
                axes.text(i * 1.15 + 0.5, row + 0.42, node, fontsize=9, ha="center")
        axes.text(-0.15, row, level, ha="right", va="center", fontweight="bold")
        axes.text(4.75, row, text, va="center", fontsize=9)
    axes.set_xlim(-1.2, 8.4)
    axes.set_ylim(-0.5, len(levels) - 0.2)
    axes.axis("off")
    save(figure, "disks", mode)


# ---- The states of a node -------------------------------------------------------------------------------------

def draw_graph(source, name, theme, mode):
    for color, value in theme.items():
        source = source.replace(f"${color}", value)
    with open(os.path.join(HERE, f"{name}-{mode}.svg"), "w") as out:
        subprocess.run(["dot", "-Tsvg"], input=source, text=True, stdout=out, check=True)


def states(theme, mode):
    with open(os.path.join(HERE, "states.dot")) as f:
        draw_graph(f.read(), "states", theme, mode)


# ---- Who includes whom ------------------------------------------------------------------------------------------

def module_graph(theme, mode):
    source = subprocess.run([sys.executable, "-B", os.path.join(HERE, "../../tests/modules.py"), "--dot"],
                            capture_output=True, text=True, check=True).stdout
    draw_graph(source, "modules", theme, mode)


if __name__ == "__main__":
    for mode_name, colors in THEMES.items():
        for draw in (partition, cut_off, disks, states, module_graph):
            draw(colors, mode_name)
