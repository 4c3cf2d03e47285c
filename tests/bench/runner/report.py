"""Medians, ratios to nginx, goals, and the markdown they are shown in."""
import statistics

BASE = "nginx"


def show(value):
    digits = 0 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def values(runs, key):
    return [r[key] for r in runs if key in r]


def ratio(results, name, key):
    """Median of the per-round ratios to nginx, which cancels slow drifts of the machine."""
    pairs = [(mine[key], base[key]) for mine, base in zip(results[name], results.get(BASE, []))
             if key in mine and base.get(key)]
    return statistics.median(m / b for m, b in pairs) if pairs else None


def figure_of(case, results, target):
    """The case's first column in the unit of its goal; None when it was not measured."""
    key = case.columns[0].key
    runs = results.get(target, [])
    if case.goal_is_ratio:
        return ratio(results, target, key) if runs else None
    found = values(runs, key)
    return statistics.median(found) if found else None


def case_table(name, case, results):
    head = ["target"]
    for column in case.columns:
        head.append(column.title)
        if column.better:
            head.append(f"x {BASE}")
    lines = [f"\n### {name}: {case.title}\n", "| " + " | ".join(head + ["errors"]) + " |", "|" + "---|" * (len(head) + 1)]
    for target, runs in results.items():
        row = [target]
        for column in case.columns:
            found = values(runs, column.key)
            spread = f" [{show(min(found))}-{show(max(found))}]" if len(found) > 1 else ""
            row.append(show(statistics.median(found)) + spread if found else "-")
            if column.better:
                times = ratio(results, target, column.key)
                row.append(f"{times:.2f}" if times is not None else "-")
        kinds = {r.get("failed") or r["error_kinds"] for r in runs} - {"none"}
        lines.append("| " + " | ".join(row + ["; ".join(sorted(kinds)) or "0"]) + " |")
    return "\n".join(lines)


def goals_table(cases, results):
    """Holdfast's figure of every case beside its goal and the byte forwarder, which is the floor."""
    lines = ["| case | what | Holdfast | goal | met | floor |", "|---|---|---|---|---|---|"]
    for name, runs in results.items():
        case = cases[name]
        ours, floor = figure_of(case, runs, "holdfast"), figure_of(case, runs, "splice")
        goal = f"<= {show(case.goal)}" + (" x nginx" if case.goal_is_ratio else "")
        met = "yes" if ours is not None and ours <= case.goal else "no"
        shown = [show(f) if f is not None else "-" for f in (ours, floor)]
        lines.append(f"| {name} | {case.title}: {case.columns[0].title} | {shown[0]} | {goal} | {met} | {shown[1]} |")
    return "\n".join(lines)


def counts_table(title, rows, targets):
    """rows: {case: {target: text}}"""
    lines = [f"\n### {title}\n", "| case | " + " | ".join(targets) + " |", "|" + "---|" * (len(targets) + 1)]
    for case, cells in rows.items():
        lines.append(f"| {case} | " + " | ".join(cells.get(t, "-") for t in targets) + " |")
    return "\n".join(lines)
