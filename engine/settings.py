"""Settings: one table of names, defaults and meanings; an unknown name stops the start."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from engine.access import checked_origin
from engine.errors import BadInput
from engine.events import EventType, own_types
from engine.mail_address import mail_address
from engine.schedule import Schedule, read_schedule
from engine.thresholds import read_thresholds


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    default: str
    meaning: str
    read: Callable[[str], Any] = str


def _switch(text: str) -> bool:
    words = {"on": True, "off": False}
    if text not in words:
        raise ValueError(text)
    return words[text]


def _positive_number(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def _amount(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _origins(text: str) -> tuple[str, ...]:
    try:
        return tuple(checked_origin(each) for each in text.split(",") if each.strip())
    except BadInput as error:
        raise ValueError(text) from error


def _public_url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[\w.:\[\]-]+(/[^?#\s]*)?", text, re.ASCII):
        raise ValueError(text)
    return text.rstrip("/")


def _smtp_url(text: str) -> str:
    if text and not re.fullmatch(r"smtp(s|\+starttls)?://([^@/\s]+@)?[\w.-]+(:[1-9]\d{0,4})?/?", text, re.ASCII):
        raise ValueError(text)
    return text


def _mail_from(text: str) -> str:
    if text and mail_address(parseaddr(text)[1]) is None:
        raise ValueError(text)
    return text


def _quiet_hours(text: str) -> tuple[str, str] | None:
    if text == "off":
        return None
    begins, ends = (time.fromisoformat(each).strftime("%H:%M") for each in text.split("-"))
    return begins, ends


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError(text)
    return text


def _folder_name(text: str) -> str:
    if "/" in text or text in (".", ".."):
        raise ValueError(text)
    return text


SETTINGS = (
    Setting("HAWKER_HOME", ".hawker", "Folder that holds the shop's state: stores, lake, bundles, experiments.", Path),
    Setting("HAWKER_SHOP", "default", "The shop that commands work on; its name is also a folder's.", _folder_name),
    Setting("HAWKER_POSTGRES_URL", "", "PostgreSQL to use for the ledger; empty starts an embedded one."),
    Setting("HAWKER_REDIS_URL", "", "Valkey or Redis for the live profiles; empty starts an embedded one."),
    Setting("HAWKER_STREAM_URL", "", "Valkey or Redis for the event stream; empty starts an embedded one."),
    Setting("HAWKER_MLFLOW_URL", "", "MLflow tracking server; empty keeps runs in a file below the home."),
    Setting("HAWKER_HOST", "127.0.0.1", "Address that the storefront and the marketing interface listen on."),
    Setting("HAWKER_PORT", "8000", "Port that the storefront listens on.", int),
    Setting("HAWKER_MARKETING_PORT", "8001", "Port of the marketing interface, on the same address.", int),
    Setting(
        "HAWKER_ORIGINS", "", "Origins whose pages may ask the storefront, by commas: https://shop.example.", _origins
    ),
    Setting("HAWKER_ZONE", "UTC", "The shop's time zone, such as Asia/Shanghai: its hours, days and birthdays.", _zone),
    Setting("HAWKER_WORKERS", "1", "Number of storefront processes.", int),
    Setting("HAWKER_EVENT_TYPES", "", "The shop's own event types: name:weight:half_life_days, by commas.", own_types),
    Setting(
        "HAWKER_GROUPS", "", "Thresholds of the ready-made groups that differ: name=value, by commas.", read_thresholds
    ),
    Setting("HAWKER_OLDEST_EVENT_DAYS", "730", "Older events come by import, not over HTTP.", _positive_number),
    Setting(
        "HAWKER_LAKE_RETENTION_DAYS", "30", "How long versions of the lake's tables stay readable.", _positive_number
    ),
    Setting("HAWKER_LEAST_FREE_MIB", "256", "Below this much free disk no events are taken.", int),
    Setting("HAWKER_WEBHOOK_PRIVATE", "off", "Whether webhooks may go to private addresses and by http.", _switch),
    Setting(
        "HAWKER_PARITY",
        "0.02",
        "How much more of the list price one group may pay than others in a campaign.",
        _share,
    ),
    Setting(
        "HAWKER_APPROVAL_BUDGET",
        "100000",
        "Campaigns of a larger budget, minor units, are approved by somebody else than who wrote them.",
        _amount,
    ),
    Setting(
        "HAWKER_GLOBAL_HOLDOUT", "0.05", "Part of all customers that no campaign talks to, to measure them all.", _share
    ),
    Setting("HAWKER_PUBLIC_URL", "", "Where customers reach the storefront, for links in messages.", _public_url),
    Setting(
        "HAWKER_SMTP_URL",
        "",
        "Mail server of campaigns: smtp://, smtp+starttls:// or smtps://, with user and password.",
        _smtp_url,
    ),
    Setting("HAWKER_MAIL_FROM", "", "Sender of campaigns' e-mail: Shop <news@shop.example>.", _mail_from),
    Setting(
        "HAWKER_MAIL_HOURS",
        "72",
        "A letter that is due for longer is given up while the mail server is away.",
        _positive_number,
    ),
    Setting(
        "HAWKER_QUIET_HOURS",
        "22:00-08:00",
        "Hours, where the customer lives, in which campaigns send nothing; off for none.",
        _quiet_hours,
    ),
    Setting(
        "HAWKER_MESSAGES_PER_DAY",
        "1",
        "Messages of campaigns that a customer gets a day and channel; 0: no bound.",
        _amount,
    ),
    Setting(
        "HAWKER_RETRAIN",
        "off",
        "When the shop is trained anew and published: off, 90m, 6h, 2d, 03:30 or mon,thu 03:30, in its zone.",
        read_schedule,
    ),
    Setting("HAWKER_RETRAIN_EVENTS", "0", "Train anew once so many events are new, too; 0: never for that.", _amount),
    Setting("HAWKER_RETRAIN_RECIPE", "default", "The recipe of these trainings: a shipped one's name, or a TOML file."),
    Setting("HAWKER_RETRAIN_MEMORY_MIB", "4096", "Memory that such a training may take; it is ended above it.", _whole),
    Setting("HAWKER_RETRAIN_HOURS", "6", "Time that such a training may take; it is ended after it.", _positive_number),
    Setting("HAWKER_KEEP_VERSIONS", "10", "Trained versions that are kept; a retraining drops older ones.", _whole),
    Setting("HAWKER_ACCESS_LOG", "on", "One line a request on stderr: on or off.", _switch),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force, by their names without the prefix, in lower case."""

    home: Path
    shop: str
    postgres_url: str
    redis_url: str
    stream_url: str
    mlflow_url: str
    host: str
    port: int
    marketing_port: int
    origins: tuple[str, ...]
    zone: str
    workers: int
    event_types: tuple[EventType, ...]
    groups: Mapping[str, float]
    oldest_event_days: float
    lake_retention_days: float
    least_free_mib: int
    webhook_private: bool
    parity: float
    approval_budget: int
    global_holdout: float
    public_url: str
    smtp_url: str
    mail_from: str
    mail_hours: float
    quiet_hours: tuple[str, str] | None
    messages_per_day: int
    retrain: Schedule | None
    retrain_events: int
    retrain_recipe: str
    retrain_memory_mib: int
    retrain_hours: float
    keep_versions: int
    access_log: bool


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from `environment`; names that begin with HAWKER_ and are not in the table are refused."""
    known = {setting.name: setting for setting in SETTINGS}
    for name in environment:
        if name.startswith("HAWKER_") and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise BadInput(f"unknown setting {name}; did you mean {nearest}?", code="unknown_setting", field=name)
    return Settings(**{name[len("HAWKER_") :].lower(): _value(setting, environment) for name, setting in known.items()})


def _value(setting: Setting, environment: Mapping[str, str]) -> Any:
    text = environment.get(setting.name) or setting.default  # set to nothing, as some launchers do, is not set
    try:
        return setting.read(text)
    except ValueError:
        raise BadInput(f"{setting.name}={text!r} is not a valid value; {setting.meaning}", field=setting.name) from None
