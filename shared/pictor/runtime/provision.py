"""Streams, durable consumers and timers: created and updated here and nowhere else."""

import asyncio
from dataclasses import dataclass
from itertools import chain
from typing import Any

import structlog
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, NotFoundError

from pictor.contracts.messages import MAX_MESSAGE_BYTES
from pictor.contracts.modules import Lane, Module
from pictor.contracts.parked import SweepDue
from pictor.contracts.subjects import (
    BUCKET_CONTROL,
    FRAME_INGESTED,
    MASTER_CREATED,
    STREAM_ADVISORIES,
    STREAM_EVENTS,
    STREAM_PARKED,
    STREAM_TIMERS,
    STREAM_WORK,
    SWEEP_DUE,
    WORK,
)
from pictor.runtime.delivery import MAX_DELIVER
from pictor.runtime.settings import Settings

log = structlog.get_logger()

DAY_S = 86_400.0
ACK_WAIT_S = 30.0
MAX_ACK_PENDING = 256
DUPLICATE_WINDOW_S = 600.0
UNLIMITED = -1
"""The broker never gives up an event: the listener counts, and parks what it cannot use."""

GONE = "is gone"

STREAM_FIELDS = (
    "subjects", "retention", "discard", "storage", "num_replicas", "max_bytes", "max_age", "max_msgs_per_subject",
    "max_msg_size", "duplicate_window",
)  # fmt: skip
CONSUMER_FIELDS = ("filter_subject", "ack_policy", "ack_wait", "max_deliver", "max_ack_pending", "deliver_policy")

SCHEDULE_SUBJECT = "pictor.timer.schedule.sweep"

CALIBRATION_INGESTED = "calibration-stacker-ingested"
CALIBRATION_MASTERS = "calibration-stacker-masters"
CALIBRATION_SWEEP = "calibration-stacker-sweep"
ADVISORY_READER = "advisory-reader"


@dataclass(frozen=True, slots=True)
class Durable:
    """One durable pull consumer."""

    stream: str
    name: str
    filter: str
    max_ack_pending: int = MAX_ACK_PENDING
    max_deliver: int = MAX_DELIVER

    @property
    def config(self) -> ConsumerConfig:
        """What the broker is told."""
        return ConsumerConfig(
            durable_name=self.name,
            filter_subject=None if self.filter == ">" else self.filter,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_deliver=self.max_deliver,
            max_ack_pending=self.max_ack_pending,
            deliver_policy=DeliverPolicy.ALL,
        )


def durables() -> tuple[Durable, ...]:
    """Every durable consumer of Pictor; nothing else may consume."""
    work = tuple(
        Durable(STREAM_WORK, f"{module}-{lane}", WORK[module][lane].name) for module in Module for lane in Lane
    )
    return (
        *work,
        Durable(STREAM_EVENTS, CALIBRATION_INGESTED, FRAME_INGESTED.pattern, max_deliver=UNLIMITED),
        Durable(STREAM_EVENTS, CALIBRATION_MASTERS, MASTER_CREATED.pattern, max_deliver=UNLIMITED),
        Durable(STREAM_TIMERS, CALIBRATION_SWEEP, SWEEP_DUE.name, max_ack_pending=1, max_deliver=3),
        Durable(STREAM_ADVISORIES, ADVISORY_READER, ">", max_deliver=UNLIMITED),
    )


def streams(settings: Settings) -> tuple[dict[str, Any], ...]:
    """Return the configuration of every stream, as the server's API takes it."""
    common = {"storage": "file", "num_replicas": settings.nats_replicas, "max_msg_size": MAX_MESSAGE_BYTES}
    bounded = {"max_bytes": 256 * 1024 * 1024, "discard": "old", "retention": "limits"}
    advisories = [
        f"$JS.EVENT.ADVISORY.CONSUMER.{kind}.{STREAM_WORK}.>" for kind in ("MAX_DELIVERIES", "MSG_TERMINATED")
    ]
    served = [subject.name for lanes in WORK.values() for subject in lanes.values()]
    return (
        {**common, "name": STREAM_WORK, "subjects": served, "retention": "workqueue", "discard": "new",
         "max_bytes": settings.nats_max_work_bytes, "duplicate_window": DUPLICATE_WINDOW_S},
        {**common, "name": STREAM_EVENTS, "subjects": ["pictor.event.>"], "retention": "limits", "discard": "old",
         "max_bytes": settings.nats_max_event_bytes, "max_age": 30 * DAY_S, "duplicate_window": DUPLICATE_WINDOW_S},
        {**common, **bounded, "name": STREAM_TIMERS, "subjects": ["pictor.timer.>"], "max_msgs_per_subject": 4,
         "allow_msg_schedules": True},
        {**common, **bounded, "name": STREAM_PARKED, "subjects": ["pictor.parked.>"], "max_age": 90 * DAY_S},
        {**common, **bounded, "name": STREAM_ADVISORIES, "subjects": advisories, "max_age": 7 * DAY_S},
    )  # fmt: skip


async def provision(js: JetStreamContext, settings: Settings) -> None:
    """Create or update everything on the bus; running it again changes nothing."""
    await asyncio.gather(_control_bucket(js, settings), *(_stream(js, wanted) for wanted in streams(settings)))
    await asyncio.gather(
        _sweep_timer(js, settings), *(js.add_consumer(durable.stream, durable.config) for durable in durables())
    )
    log.info("bus provisioned", streams=len(streams(settings)), consumers=len(durables()))


async def differences(js: JetStreamContext, settings: Settings) -> list[str]:
    """Say in sentences what on the bus is gone or not as the provisioner makes it."""
    found = list(
        chain.from_iterable(
            await asyncio.gather(
                *(_stream_differences(js, _stream_config(wanted)) for wanted in streams(settings)),
                *(_consumer_differences(js, durable) for durable in durables()),
            )
        )
    )
    try:
        await js.key_value(BUCKET_CONTROL)
    except NotFoundError:
        found.append(f"bucket {BUCKET_CONTROL} {GONE}")
    return found


async def _stream_differences(js: JetStreamContext, wanted: StreamConfig) -> list[str]:
    name = wanted.name or ""
    timed = SCHEDULE_SUBJECT if name == STREAM_TIMERS else None
    try:
        info = await js.stream_info(name, subjects_filter=timed)
    except NotFoundError:
        return [f"stream {name} {GONE}"]
    if timed and not info.state.subjects and wanted.allow_msg_schedules and info.config.allow_msg_schedules:
        return [f"the timer {SCHEDULE_SUBJECT} {GONE}"]
    return _unlike(f"stream {name}", wanted, info.config, STREAM_FIELDS)


async def _consumer_differences(js: JetStreamContext, durable: Durable) -> list[str]:
    try:
        info = await js.consumer_info(durable.stream, durable.name)
    except NotFoundError:
        return [f"consumer {durable.name} of {durable.stream} {GONE}"]
    return _unlike(f"consumer {durable.name}", durable.config, info.config, CONSUMER_FIELDS)


def _unlike(what: str, wanted: object, found: object, fields: tuple[str, ...]) -> list[str]:
    pairs = [(name, getattr(wanted, name), getattr(found, name)) for name in fields]
    return [f"{what} has {name} {is_!r} instead of {should!r}" for name, should, is_ in pairs if is_ != should]


async def _stream(js: JetStreamContext, wanted: dict[str, Any]) -> None:
    config = _stream_config(wanted)
    try:
        await js.stream_info(wanted["name"])
    except NotFoundError:
        await js.add_stream(config)
    else:
        await _update(js, config)


async def _update(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        await js.update_stream(config)
    except APIError:
        log.exception(
            "a stream cannot be changed into what it should be; let no worker run, delete it and run the setup again: "
            "orders are made anew from the database", stream=config.name,
        )  # fmt: skip


def _stream_config(wanted: dict[str, Any]) -> StreamConfig:
    return StreamConfig(
        name=wanted["name"],
        subjects=wanted["subjects"],
        retention=RetentionPolicy(wanted["retention"]),
        discard=DiscardPolicy(wanted["discard"]),
        storage=StorageType(wanted["storage"]),
        num_replicas=wanted["num_replicas"],
        max_bytes=wanted["max_bytes"],
        max_age=wanted.get("max_age", 0),
        max_msgs_per_subject=wanted.get("max_msgs_per_subject", -1),
        max_msg_size=wanted["max_msg_size"],
        duplicate_window=wanted.get("duplicate_window", 120.0),
        allow_msg_schedules=wanted.get("allow_msg_schedules"),
    )


async def _control_bucket(js: JetStreamContext, settings: Settings) -> None:
    config = KeyValueConfig(
        bucket=BUCKET_CONTROL, history=1, ttl=7 * DAY_S, replicas=settings.nats_replicas, max_bytes=16 * 1024 * 1024
    )
    try:
        await js.key_value(BUCKET_CONTROL)
    except NotFoundError:
        await js.create_key_value(config)


async def _sweep_timer(js: JetStreamContext, settings: Settings) -> None:
    headers = {
        "Nats-Schedule": f"@every {settings.sweep_seconds}s",
        "Nats-Schedule-Target": SWEEP_DUE.name,
    }
    try:
        await js.publish(SCHEDULE_SUBJECT, SweepDue().encode(), headers=headers)
    except BadRequestError as error:
        log.warning(
            "the server cannot schedule messages, so nothing is swept in time: use nats-server 2.12 or later",
            reason=str(error),
        )
