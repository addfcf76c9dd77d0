"""Tracking: every stored bundle version as an MLflow run and a registered model. The only file that imports mlflow.

The rule that keeps MLflow from ever losing a training run: the version folder is the truth, MLflow a
record made from it. A version counts as recorded when the registry has a model version whose tags
are its number and its manifest's SHA-256. `Tracker.repair` records every version that is not, and
sets the aliases to what the `current` pointer says; training, publish, rollback and `hawker doctor`
call it. So a crash or an unreachable server is made good by the next of them, from the folder alone.

Everything happens under one lock a home, so a run without its registered version was cut short:
it is marked FAILED and the version is recorded anew.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from engine.bundle import Bundle
from engine.errors import BundleUnusable, StoreUnavailable
from engine.settings import Settings
from engine.storage.flock import wait_for_lock
from engine.storage.home import Home
from engine.storage.releases import version_folder, versions
from training import run_record
from training.evidence import Evidence, digest_of, read_evidence
from training.quiet import quiet
from training.run_record import CHALLENGER, CHAMPION, Recorded, RegisteredVersion, Repaired

_PATIENCE = 300.0  # seconds; another process records a bundle in one or two, creating the store takes ten
_VERSION_TAG, _DIGEST_TAG = "bundle_version", "manifest_sha256"

#: Set before the import, unless the user did: no telemetry, and an unreachable server fails within seconds.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


class Tracker:
    """A shop's record in MLflow. Every method raises StoreUnavailable when MLflow does not do its part.

    `on_step` is told what comes next.
    """

    def __init__(self, home: Home, settings: Settings, *, on_step: Callable[[str], None] = lambda step: None) -> None:
        self._home = home
        self._on_step = on_step
        self._file = None if settings.mlflow_url else home.mlflow.absolute() / "mlflow.db"
        self.uri = settings.mlflow_url or f"sqlite:///{self._file}"
        #: The registered model and the experiment; a home may hold several shops.
        self.name = "hawker" if home.shop == "default" else f"hawker-{home.shop}"

    def record(self, version: int) -> Recorded:
        """Make sure that a stored version is recorded, and say where."""
        with self.opened() as client:
            known = self._registered(client)
            return self._find(known, version) or self._record(client, version)

    def repair(self) -> Repaired:
        """Record what is not recorded yet, and let `champion` be what the pointer says.

        `challenger` is the newest version trained after the champion; a broken folder is left out.
        """
        with self.opened() as client:
            known = self._registered(client)
            recorded, unusable = [], []
            for version in versions(self._home):
                try:
                    if self._find(known, version) is None:
                        recorded.append(self._record(client, version))
                except BundleUnusable:
                    unusable.append(version)
            wanted = run_record.wanted_aliases(self._home, set(unusable))
            is_changed = self._set_aliases(client, wanted)
            return Repaired(tuple(recorded), tuple(unusable), wanted, is_changed or bool(recorded))

    def models(self) -> tuple[RegisteredVersion, ...]:
        """All recorded versions, newest first."""
        with self.opened() as client:
            return tuple(
                RegisteredVersion(
                    bundle_version=_number(each),
                    model_version=int(each.version),
                    run_id=each.run_id,
                    as_of=int(each.tags["as_of"]),
                    metrics=dict(client.get_run(each.run_id).data.metrics),
                    aliases=tuple(each.aliases),
                )
                for each in reversed(self._registered(client))
            )

    def aliases(self) -> dict[str, int]:
        """Alias -> bundle version."""
        with self.opened() as client:
            return {alias: _number(each) for each in self._registered(client) for alias in each.aliases}

    def _set_aliases(self, client: Any, wanted: Mapping[str, int]) -> bool:
        """Whether anything had to change. Champion first: killed in between, the one that matters is right."""
        known = self._registered(client)
        before = {alias: int(each.version) for each in known for alias in each.aliases}
        after = {
            alias: found.model_version for alias, version in wanted.items() if (found := self._find(known, version))
        }
        for alias in (CHAMPION, CHALLENGER):
            self._on_step(alias)
            if alias in after and before.get(alias) != after[alias]:
                client.set_registered_model_alias(self.name, alias, str(after[alias]))
            elif alias in before and alias not in after:
                client.delete_registered_model_alias(self.name, alias)
        return any(before.get(alias) != after.get(alias) for alias in (CHAMPION, CHALLENGER))

    def _find(self, known: list[Any], version: int) -> Recorded | None:
        digest = digest_of(version_folder(self._home, version))
        for each in reversed(known):
            if (each.tags.get(_VERSION_TAG), each.tags.get(_DIGEST_TAG)) == (str(version), digest):
                return Recorded(version, int(each.version), each.run_id)
        return None

    def _registered(self, client: Any) -> list[Any]:
        """The model versions that are bundles, oldest first, with their aliases."""
        found: list[Any] = []
        token: str | None = None
        while token is None or token:
            page = client.search_model_versions(f"name = '{self.name}'", max_results=1000, page_token=token)
            found += [each for each in page if _VERSION_TAG in each.tags]
            token = page.token or ""
        by_version: dict[str, list[str]] = {}
        if found:
            for alias, version in client.get_registered_model(self.name).aliases.items():
                by_version.setdefault(str(version), []).append(alias)
        for each in found:
            each.aliases = sorted(by_version.get(str(each.version), []))
        return sorted(found, key=lambda each: int(each.version))

    def _record(self, client: Any, version: int) -> Recorded:
        folder = version_folder(self._home, version)
        Bundle.load(folder)  # what MLflow copies must be whole
        found = read_evidence(folder)
        experiment = self.experiment(client, self.name)
        self._fail_unfinished(client, experiment, found)
        tags = {_VERSION_TAG: str(version), _DIGEST_TAG: found.digest, "as_of": str(found.as_of)}
        data = {f"data.{table}": str(number) for table, number in found.data_versions.items()}
        name = f"{found.recipe.get('name', 'bundle')} {version}"
        run_id = str(client.create_run(experiment, tags={**tags, **data}, run_name=name).info.run_id)
        self._on_step("figures")
        _log_figures(client, run_id, found)
        self._on_step("model")
        model_id = _log_bundle(run_id, folder, tags)
        self._on_step("register")
        registered = self._register(client, run_id, model_id, tags)
        self._on_step("finish")
        client.set_terminated(run_id, "FINISHED")
        return Recorded(version, int(registered.version), run_id)

    def _register(self, client: Any, run_id: str, model_id: str, tags: Mapping[str, str]) -> Any:
        if not client.search_registered_models(f"name = '{self.name}'"):
            client.create_registered_model(self.name, description="Hawker's bundles: what the storefront serves.")
        # With its tags in the same call: a version that appears is complete.
        return client.create_model_version(
            self.name, f"models:/{model_id}", run_id=run_id, tags=dict(tags), model_id=model_id
        )

    def experiment(self, client: Any, name: str) -> str:
        """The id of the experiment of this name, made where there is none."""
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = (self._home.mlflow.absolute() / "artifacts" / name).as_uri() if self._file else None
        return str(client.create_experiment(name, artifact_location=place))

    def _fail_unfinished(self, client: Any, experiment: str, found: Evidence) -> None:
        wanted = f"tags.{_DIGEST_TAG} = '{found.digest}' and attributes.status != 'FAILED'"
        for run in client.search_runs([experiment], wanted):
            client.set_terminated(run.info.run_id, "FAILED")

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """A client, alone at work in this home; whatever MLflow raises becomes StoreUnavailable."""
        try:
            mlflow = _import_mlflow()
            with self._alone(), quiet():
                if self._file is not None and not self._file.exists():
                    _create_store(mlflow, self._file)
                mlflow.set_tracking_uri(self.uri)
                mlflow.set_registry_uri(self.uri)
                yield mlflow.MlflowClient(self.uri, self.uri)
        except Exception as problem:
            theirs = type(problem).__module__.startswith(("mlflow.", "sqlalchemy.", "sqlite3", "alembic.", "urllib3."))
            if not theirs and not isinstance(problem, (ImportError, OSError)):
                raise
            lines = str(problem).splitlines()
            # SQLAlchemy puts advice for programmers first.
            first = next((line for line in lines if line and not line.startswith("(raised as")), type(problem).__name__)
            told = re.sub("//[^/@ ]*@", "//", f"MLflow at {self.uri} failed: {first}")  # without a password
            raise StoreUnavailable(told, code="mlflow_unavailable") from problem

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._home.mlflow.mkdir(parents=True, exist_ok=True)
        lock = wait_for_lock(self._home.mlflow / ".lock", seconds=_PATIENCE, doing="recording in MLflow")
        try:
            yield
        finally:
            os.close(lock)


def _number(registered: Any) -> int:
    return int(registered.tags[_VERSION_TAG])


def _log_figures(client: Any, run_id: str, found: Evidence) -> None:
    from mlflow.entities import Metric, Param

    moment = int(time.time() * 1000)
    texts = [Param(name, text[:6000]) for name, text in run_record.params(found)]
    values = [Metric(name, value, moment, step) for name, value, step in run_record.metrics(found)]
    for start in range(0, len(texts), 100):
        client.log_batch(run_id, params=texts[start : start + 100])
    for start in range(0, len(values), 1000):
        client.log_batch(run_id, metrics=values[start : start + 1000])
    with tempfile.TemporaryDirectory() as scratch:
        run_record.write_artifacts(found, Path(scratch))
        client.log_artifacts(run_id, scratch)


def log_model(
    run_id: str,
    name: str,
    data: Path,
    *,
    loader: str,
    code: Sequence[Path],
    packages: Sequence[str],
    signature: Mapping[str, Any],
    tags: Mapping[str, str],
) -> str:
    """Data inside a pyfunc model, with the code that answers from it; return the logged model's id.

    Called while the store is open. `loader` is a module of `code`, `packages` are what it imports, at our versions.
    """
    import mlflow
    from mlflow.models import ModelSignature

    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name=name,
            loader_module=loader,
            data_path=str(data),
            code_paths=[str(path) for path in code],
            pip_requirements=[f"{package}=={installed(package)}" for package in packages],
            signature=ModelSignature.from_dict(signature),
            tags=dict(tags),
        )
    return str(logged.model_id)


def _log_bundle(run_id: str, folder: Path, tags: Mapping[str, str]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        return log_model(
            run_id,
            "bundle",
            folder,
            loader=run_record.LOADER,
            code=run_record.copy_code(Path(scratch)),
            packages=("numpy", "pandas", "faiss-cpu"),
            signature=run_record.SIGNATURE,
            tags=tags,
        )


def _create_store(mlflow: Any, file: Path) -> None:
    """MLflow's tables, under another name until they are complete: a killed migration could not be resumed."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    fresh = file.with_name("creating.db")
    fresh.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{fresh}", (file.parent / "artifacts").as_uri())
    store.engine.dispose()
    fresh.rename(file)


def _import_mlflow() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    return mlflow
