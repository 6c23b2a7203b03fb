"""How the pictures of documents look, on light and on dark pages: of docs/pictures/draw.py and of bench/compare."""
import os

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

THEMES = {
    "light": {"ink": "#1f2328", "faint": "#d0d7de", "grid": "#8c959f", "FRESH": "#57ab5a", "STALE": "#e3a008",
              "SYNCING": "#539bf5", "EXPIRED": "#c94f4f", "line": "#0550ae", "other": "#8250df", "bad": "#cf222e"},
    "dark": {"ink": "#e6edf3", "faint": "#3d444d", "grid": "#7d8590", "FRESH": "#3f8f46", "STALE": "#b98a10",
             "SYNCING": "#3b7fd0", "EXPIRED": "#a63d3d", "line": "#79c0ff", "other": "#d2a8ff", "bad": "#ff7b72"},
}


def use(theme):
    plt.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "candor", "font.family": "sans-serif", "font.size": 10,
        "text.color": theme["ink"], "axes.labelcolor": theme["ink"], "axes.edgecolor": theme["grid"],
        "xtick.color": theme["ink"], "ytick.color": theme["ink"], "axes.spines.top": False,
        "axes.spines.right": False, "legend.frameon": False, "legend.labelcolor": theme["ink"]})


def save(figure, folder, name, mode, creator):
    figure.savefig(os.path.join(folder, f"{name}-{mode}.svg"), transparent=True, bbox_inches="tight",
                   metadata={"Date": None, "Creator": creator})
    plt.close(figure)
