"""The pictures of bench/RESULTS.md, for light and for dark pages, drawn from what was measured."""
import os

from . import measure  # noqa: F401  (says where theme.py is)

CREATOR = "bench/compare"


def color_of(name, theme):
    system = name.split()[0]
    return {"Candor": theme["line"], "Redis": theme["bad"], "etcd": theme["FRESH"]}[system]


def style_of(name, seen):
    """Lines of one system differ by how they are dashed."""
    system = name.split()[0]
    seen[system] = seen.get(system, 0) + 1
    return ["-", "--", ":"][(seen[system] - 1) % 3]


def below(axes, columns=3):
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=columns, fontsize=8)


def callers(curves, op, theme, plt):
    figure, axes = plt.subplots(figsize=(9, 3.8))
    seen = {}
    for name, points in curves[op].items():
        there = [(x, y) for x, y in points if y]
        axes.plot(*zip(*there), color=color_of(name, theme), linestyle=style_of(name, seen), marker="o", markersize=3, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("operations in flight")
    axes.set_ylabel(f"{op.upper()}s a second")
    axes.grid(color=theme["faint"], linewidth=0.6)
    below(axes)
    return figure


def load(curves, op, theme, plt):
    """p50, p99 and p99.9 beside each other: what an operation takes that was due at a fixed rate."""
    figure, all_axes = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True)
    for column, (axes, title) in enumerate(zip(all_axes, ("p50", "p99", "p99.9")), start=1):
        seen = {}
        for name, points in curves.get(op, {}).items():
            axes.plot([p[0] for p in points], [p[column] / 1000 for p in points], color=color_of(name, theme),
                      linestyle=style_of(name, seen), marker="o", markersize=3, label=name)
        axes.set_title(title, fontsize=10, color=theme["ink"])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(f"{op.upper()}s a second that are offered")
        axes.grid(color=theme["faint"], linewidth=0.6)
    all_axes[0].set_ylabel("ms from when it was due")
    below(all_axes[1])
    return figure


def keys(curves, theme, plt):
    """What an operation costs the server, and how much room a key takes."""
    figure, (cost, room) = plt.subplots(1, 2, figsize=(11, 3.8))
    for name, points in curves.items():
        numbers = [p["keys"] for p in points]
        for op, style in (("get", "-"), ("put", "--")):
            cost.plot(numbers, [p[op]["server_us"] for p in points], color=color_of(name, theme), linestyle=style, marker="o",
                      markersize=3, label=f"{name} {op.upper()}")
        for what, style in (("disk_bytes", "-"), ("anonymous_bytes", "--")):
            room.plot(numbers, [p[what] / p["keys"] for p in points], color=color_of(name, theme), linestyle=style, marker="o",
                      markersize=3, label=f"{name} {'on disk' if what == 'disk_bytes' else 'memory of its own'}")
    for axes, text in ((cost, "server's processor time, us an operation"), (room, "bytes a key")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("keys")
        axes.set_ylabel(text)
        axes.grid(color=theme["faint"], linewidth=0.6)
        below(axes)
    return figure


def outage(lines, texts, theme, plt):
    figure, all_axes = plt.subplots(len(lines), 1, figsize=(9, 1.2 + 1.5 * len(lines)), sharex=True, squeeze=False)
    for (axes,), (name, line) in zip(all_axes, lines.items()):
        times = [i * line["slice_ms"] / 1000 for i in range(len(line["done"]))]
        width = line["slice_ms"] / 1000
        axes.bar(times, [n / width for n in line["done"]], width=width, align="edge", color=color_of(name, theme),
                 label="acknowledged")
        axes.bar(times, [-n / width for n in line["failed"]], width=width, align="edge", color=theme["grid"], label="failed")
        for mark, text in zip(("fault", "mend"), texts):
            axes.axvline(line["marks_s"][mark], color=theme["ink"], linestyle=(0, (4, 3)), linewidth=1)
            axes.annotate(text, (line["marks_s"][mark], 1.0), xycoords=("data", "axes fraction"), fontsize=9, va="bottom")
        axes.set_ylabel(f"{name}\nwrites a second", fontsize=9)
    all_axes[-1][0].set_xlabel("seconds")
    return figure


def pictures(results):
    """name -> what draws it, of what was measured."""
    curves = results["curves"]
    for op in curves.get("callers", {}):
        yield f"callers-{op}", lambda theme, plt, op=op: callers(curves["callers"], op, theme, plt)
    for op in curves.get("load", {}):
        yield f"load-{op}", lambda theme, plt, op=op: load(curves["load"], op, theme, plt)
    if curves.get("keys"):
        yield "keys", lambda theme, plt: keys(curves["keys"], theme, plt)
    for kind, texts in (("failover", ("kill -9", "it is started again")), ("partition", ("it is stopped", "it goes on"))):
        if curves.get(kind):
            yield kind, lambda theme, plt, kind=kind, texts=texts: outage(curves[kind], texts, theme, plt)


def draw(results, folder):
    """The names of the pictures that were drawn; None: there is nothing to draw with."""
    try:
        import theme as look
    except ImportError:
        return None
    os.makedirs(folder, exist_ok=True)
    names = []
    for name, picture in pictures(results):
        names.append(name)
        for mode, theme in look.THEMES.items():
            look.use(theme)
            look.save(picture(theme, look.plt), folder, name, mode, CREATOR)
    return names
