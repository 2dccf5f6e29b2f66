"""How few trials a search needs, on tables of real measurements: ours with and without a prior, and others.

``python -m bench.search [--table T] [--descriptor D] [--prior P] [--slo-ms 50] [--noise 0 0.05] [--seeds 20]
[--methods NAME …] [--models NAME …] [--max-trials 100] [--jobs 2] [--json OUT]``. Resumable: runs are kept as they
come. The tables are read where they are, by default in ``../shared/data``; the descriptor is by default the one that
lies beside the table under its name (as in ``bench/tables``), else the shipped one whose columns the table has. Without
``--prior`` the table's other families are the prior of each model; with another table all of it, but for the judged
family. Every method starts from the same configuration with the same seeds; SMAC and mlos-core, which take a second or
so a trial, get ``--slow-seeds`` of them. Without ``--json`` the summary goes to
``bench/results/search.json``; ``--json`` writes every run as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import result
from bench.search_asks import proposal_times
from bench.search_figures import figures_of, summaries
from bench.search_jobs import kept, measured
from bench.search_peers import ENVIRONMENT, PEERS
from bench.search_print import learned_from, print_figures
from bench.search_runs import FEWEST
from bench.search_setting import METHODS, OURS, Job, Setting
from tuner.errors import UserError
from tuner.replay.descriptor import Descriptor, read_descriptor_file
from tuner.replay.sheet import Sheet, read_sheet_file
from tuner.spec.mistake import nearest

__all__ = ["DESCRIPTORS", "main", "shipped"]

DATA = result.ROOT.parent / "shared" / "data"
DEFAULT_TABLE = DATA / "rapp_v100" / "rapp_v100_dev.csv"
DESCRIPTORS = result.ROOT / "bench" / "descriptors"
DEFAULT = "rapp_v100"
"""The shipped descriptor of the default table."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, sum up, write; 1 where a goal is missed, 2 for a mistake in what was asked."""
    given = _parser().parse_args(argv)
    asked = [option.replace(str(Path.home()), "~") for option in (sys.argv[1:] if argv is None else argv)]
    command = ["python", "-m", "bench.search", *asked]
    try:
        return _measure(given, command)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.search", description=__doc__)
    parser.add_argument("--table", type=Path, default=DEFAULT_TABLE)
    parser.add_argument("--descriptor", type=Path)
    parser.add_argument("--prior", type=Path, help="another table, or exported experience (.jsonl)")
    parser.add_argument("--slo-ms", type=float, help="another bound than the descriptor's")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05], help="0.05 is 5 %%")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--slow-seeds", type=int, default=1, help="seeds of smac and mlos")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--models", nargs="+", help="these only")
    parser.add_argument("--max-trials", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write figures and every run here")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--fresh", action="store_true", help="measure everything again")
    again.add_argument("--kept", action="store_true", help="measure nothing: sum up what was measured before")
    return parser


def _measure(given: argparse.Namespace, command: list[str]) -> int:
    if given.seeds < 1 or given.max_trials < 1 or given.jobs < 1 or not all(0 <= noise <= 1 for noise in given.noise):
        raise UserError.of("seeds, trials and jobs are 1 or more, noise is from 0 to 1", "correct the options")
    descriptor = (given.descriptor or shipped(read_sheet_file(given.table))).resolve()
    setting = Setting(given.table, descriptor, given.prior, given.slo_ms, given.max_trials)
    models = _models(setting, given.models)
    methods = given.methods if given.kept else _methods(given.methods)
    wanted = [
        Job(model, method, noise, tuple(range(min(given.slow_seeds, given.seeds) if method in PEERS else given.seeds)))
        for noise in dict.fromkeys(given.noise)
        for method in methods
        for model in models
    ]
    if OURS[0] in methods and not given.kept:
        sys.stderr.write(learned_from(setting, models))
    rows = kept(setting, wanted) if given.kept else measured(setting, wanted, given.jobs, fresh=given.fresh)
    if not rows:
        raise UserError.of("nothing of this was measured before", "leave --kept out")
    kind = descriptor.stem if descriptor.parent == DESCRIPTORS else ""
    figures = figures_of(rows, given.max_trials, goals=kind)
    if given.json is None and kind == DEFAULT:
        figures += proposal_times()
    name = "search" if kind == DEFAULT else f"search-{descriptor.stem}"
    groups, runs = summaries(rows, given.max_trials), [row.run() for row in rows]
    result.write(name, figures, runs, command, groups=groups, out=given.json)
    print_figures(rows, figures, given.max_trials)
    return 0 if all(figure.met is not False for figure in figures) else 1


def shipped(sheet: Sheet) -> Path:
    """The descriptor beside the table, else the shipped one whose columns it has. UserError where there is none."""
    beside = Path(sheet.file).with_suffix(".yaml")
    if beside.is_file():
        return beside
    for file in sorted(DESCRIPTORS.glob("*.yaml")):
        if _covers(read_descriptor_file(file), set(sheet.names)):
            return file
    fix = "write one (docs/replay.md) and name it with --descriptor"
    raise UserError.of("no shipped descriptor has these columns", fix, file=sheet.file)


def _covers(descriptor: Descriptor, names: set[str]) -> bool:
    varied = [parameter.column for parameter in descriptor.parameters.values()]
    columns = [*varied, *(metric.column for metric in descriptor.metrics.values())]
    every = all(any(column.name in names for column in choice) for choice in columns)
    return every and names.issuperset(descriptor.service.column)


def _models(setting: Setting, asked: Sequence[str] | None) -> list[str]:
    table = setting.read()
    for name in asked or ():
        if name not in table.services:
            near = nearest(name, table.services)
            fix = f"did you mean {near}?" if near else f"it has {', '.join(list(table.services)[:40])}"
            raise UserError.of(f"the table has no model {name}", fix, file=str(setting.table))
    if asked:
        return list(dict.fromkeys(asked))
    chosen = [name for name, cells in table.services.items() if len(cells) >= FEWEST]
    if left := len(table.services) - len(chosen):
        sys.stderr.write(f"left out, of fewer than {FEWEST} configurations: {left} models\n")
    return chosen or list(table.services)


def _methods(asked: Sequence[str]) -> list[str]:
    """Those that can be run here; the others are named."""
    chosen = [method for method in dict.fromkeys(asked) if method not in PEERS or ENVIRONMENT.installed]
    left = [method for method in asked if method not in chosen]
    if left:
        sys.stderr.write(
            f"left out, as not installed: {', '.join(left)} (python -m bench.search_peers installs them)\n"
        )
    if not chosen:
        raise UserError.of("no method is left to run", "install the peers, or name another method")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
