"""The command line: thin doors into the rooms, each opened only when its verb is called."""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from engine.errors import BadInput, HawkerError, NotAllowed, StoreUnavailable, UnknownThing
from engine.settings import Settings
from engine.storage.home import Home
from hawker_campaigns import campaign
from hawker_keys import keys
from hawker_lists import recommend, similar
from hawker_models import models, retrain
from hawker_offers import offer
from hawker_placements import placement
from hawker_segments import segment
from hawker_users import user
from terminal import AsJson, answer, err, fail, here, out, progress

app = typer.Typer(
    help="Recommendations and targeted marketing for shops.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(campaign, name="campaign")
app.add_typer(keys, name="keys")
app.add_typer(models, name="models")
app.add_typer(offer, name="offer")
app.add_typer(placement, name="placement")
app.add_typer(segment, name="segment")
app.add_typer(user, name="user")


@app.command()
def demo(
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Stop before serving.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import The Complete Journey, train, publish, show what households would see, then serve."""
    from experiments.demo import run_demo

    settings, home = here()
    with progress() as say:
        shown = run_demo(home, settings, say=say)
    answer(shown.as_json(), as_json, shown.text)
    # --json is for programs that wait for the object: a server would keep them waiting.
    if not no_serve and not as_json:
        _serve(settings, home)


@app.command("import")
def import_(
    source: Annotated[
        str, typer.Argument(help="A preset (complete-journey, online-retail, segment, taobao) or a file.")
    ],
    path: Annotated[Path | None, typer.Argument(help="The preset's file, where it needs one.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="TOML that says which column is what.")] = None,
    guess: Annotated[bool, typer.Option("--guess", help="Write a mapping to correct, import nothing.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where to write the guess; default FILE.toml.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a shop's history into the lake; bad rows go to a quarantine file."""
    if guess:
        from engine.storage.imports.guess import write_guess

        written = write_guess(path or Path(source), out)
        answer({"mapping": str(written)}, as_json, f"{written}: look it over, then import with --mapping {written}")
        return
    from engine.storage.imports.past import record_in_ledger
    from engine.storage.imports.presets import PRESETS
    from engine.storage.imports.run import ImportRequest, run_import

    settings, home = here()
    if source in PRESETS:
        request = ImportRequest(preset=source, path=path, mapping=mapping)
    else:
        request = ImportRequest(path=Path(source), mapping=mapping)
    with progress() as say:
        report = run_import(
            home,
            request,
            now=datetime.now(UTC),
            progress=lambda stage, done, total: say(
                f"{stage} {done:,}" if total is None else f"{stage} {done:,}/{total:,}"
            ),
            record_past_campaigns=lambda past: record_in_ledger(settings, past),
        )
    answer(report.as_json(), as_json, report.sentence())


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a TOML file.")] = "default",
    until: Annotated[str | None, typer.Option(help="Use nothing later than this time.")] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Try what the recipe's [sweep] table spans instead.")] = False,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials of a sweep; default: the recipe's.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Minutes after which no further trial begins.")] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="The best recipe's file; default NAME-best.toml.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train what the placements need, to be published with `hawker publish`; or write a prediction into the lake."""
    from engine.storage.batch import read_moment
    from training.train_command import Wish, run_recipe

    settings, home = here()
    wish = Wish(None if until is None else read_moment(until), sweep, trials, timeout, out_file)
    with progress() as say:
        made = run_recipe(home, settings, recipe, wish, say=say)
    answer(made.as_json(), as_json, made.table())


app.command()(retrain)


@app.command()
def evaluate(version: Annotated[int | None, typer.Argument()] = None, as_json: AsJson = False) -> None:
    """Show what a trained version measured (default: the newest) beside its baselines."""
    from training.report import evaluation_of, evaluation_table

    _, home = here()
    found = evaluation_of(home, version)
    answer(found, as_json, evaluation_table(found["scores"], found.get("due", {})))


@app.command()
def publish(
    version: Annotated[int | None, typer.Argument(help="A trained version; default: the newest.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Publish although a gate of quality failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a trained version at the gates, then let the storefront serve it."""
    from training.publish import publish as publish_version
    from training.report import gates_table, published_json
    from training.tracking import Tracker

    settings, home = here()
    show = (lambda gates: None) if as_json else (lambda gates: out.print(gates_table(gates)))
    done = publish_version(home, version, now=time.time(), registry=Tracker(home, settings), force=force, show=show)
    answer(published_json(done), as_json, f"version {done.version} is served {done.warning}".strip())


@app.command()
def rollback(as_json: AsJson = False) -> None:
    """Serve the version that was served before."""
    from training.publish import rollback as roll_back
    from training.report import published_json
    from training.tracking import Tracker

    settings, home = here()
    done = roll_back(home, now=time.time(), registry=Tracker(home, settings))
    answer(published_json(done), as_json, f"version {done.version} is served again {done.warning}".strip())


@app.command()
def serve() -> None:
    """Answer storefronts over HTTP with the published bundle."""
    _serve(*here())


app.command()(recommend)
app.command()(similar)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark.")],
    quick: Annotated[bool, typer.Option("--quick", help="A small version, under a minute.")] = False,
    data: Annotated[Path, typer.Option(help="Folder of the public data sets.")] = Path("../shared/data"),
    as_json: AsJson = False,
) -> None:
    """Measure, hold the figures against what is asked, exit 1 when something asked is not met."""
    from experiments.bench import BENCHES, run_bench
    from experiments.bench_record import record_bench

    with progress():
        result = run_bench(name, quick=quick, data=data)
    answer(result.as_json(), as_json, result.text())
    if BENCHES[name].is_recorded:
        err.print(f"run {record_bench(*here(), result, quick=quick)} in MLflow", markup=False, highlight=False)
    raise typer.Exit(result.exit_code)


@app.command()
def doctor(
    about: Annotated[str, typer.Argument(help="Nothing for the installation; events for what the shop sends.")] = "",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Fill the live store anew from the lake.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look whether the home, the stores and the served bundle are in order, or what the shop's events lack."""
    settings, home = here()
    if rebuild:
        from engine.storage.rebuild_command import rebuild_live

        with progress() as say:
            done = rebuild_live(settings, home, say=lambda what, number: say(f"{what} {number:,}"))
        answer(done, as_json, ", ".join(f"{number:,} {what}" for what, number in done.items()))
        return
    if about == "events":
        from engine.storage.clock import now
        from engine.storage.event_health import examine_events
        from engine.storage.lake import Lake

        health = examine_events(Lake(home), now(home))
        answer(health.as_json(), as_json, health.text())
        raise typer.Exit(0 if all(each.ok for each in health.findings) else 1)
    if about:
        raise BadInput(f"doctor looks at the installation, or at events, not at {about!r}", field="about")
    from engine.storage.checkup import examine
    from training.report import examine_registry
    from training.tracking import Tracker

    findings = [*examine(settings), examine_registry(home, Tracker(home, settings))]
    lines = [f"{'ok ' if each.ok else 'NOT'} {each.name}: {each.sentence}" for each in findings]
    rows = [{"name": each.name, "ok": each.ok, "sentence": each.sentence} for each in findings]
    answer({"findings": rows}, as_json, "\n".join(lines))
    raise typer.Exit(0 if all(each.ok for each in findings) else 1)


def main() -> NoReturn:
    """Run a command; a refusal is one line on stderr: exit code 2 for wrong use, 1 for the rest."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that stores are left in order
    try:
        app(standalone_mode=True)
    except HawkerError as problem:
        fail(problem, 2 if isinstance(problem, BadInput | UnknownThing) else 1)
    except ModuleNotFoundError as problem:
        fail(NotAllowed(f"{problem.name} is not installed here; use the image or the extra that this needs"), 1)
    except OSError as problem:  # a full disk, a folder that may not be written to
        where = f"{problem.filename}: " if problem.filename else ""
        fail(StoreUnavailable(f"{where}{problem.strerror or problem}"), 1)
    sys.exit(0)


def _serve(settings: Settings, home: Home) -> None:
    from serving import supervisor

    def tell(address: supervisor.Address) -> None:
        runs = settings.mlflow_url or f"mlflow ui --backend-store-uri sqlite:///{home.mlflow / 'mlflow.db'}"
        marketing = f"\nmarketing  {address.marketing}" if address.marketing else ""
        where = f"API   {address.api}\ndocs  {address.docs}{marketing}\nMLflow UI: {runs}"
        err.print(where, markup=False, highlight=False, soft_wrap=True)

    supervisor.serve(settings, on_ready=tell)


if __name__ == "__main__":
    main()
