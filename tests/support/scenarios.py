"""A calibration scenario played through a pocket installation, and what became of it in the words of its truth."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from pictor.contracts.modules import Module, Service
from pictor.imaging.simulator.scenario_truth import FrameTruth, GroupState, GroupTruth, Truth
from pictor.runtime.stacking.triggers import sweep
from pictor.state import policies
from tests.support.pocket import Pocket

REASONS = {
    "temperature-unsettled": "set point",
    "saturated": "pixels saturated",
    "flat-too-faint": "signal-to-noise",
    "one-value": "one value fills",
    "level-outlier": "among its group: level",
    "is-master": "itself a master",
    "too-quiet": "it is a stack, not one exposure",
}
"""Words that tell each class of reason in the sentence stored with a frame."""

NEITHER = [Module.HEADER_UPDATE, Module.PREVIEW, Module.QUALITY, Module.ASTROMETRY, Module.QUALITY_HEADERS]
PATIENCE = 10
"""Looks at an undecided camera mode before it is swept."""

WAITING = {"accumulate": GroupState.ACCUMULATING, "defer": GroupState.DEFERRED}


@dataclass
class Played:
    """An observatory of its own in which a scenario is played; files and the frames they became."""

    pocket: Pocket
    folder: Path
    truth: Truth
    observatory_id: UUID
    tokens: dict[str, str]
    frames: dict[str, UUID] = field(default_factory=dict)

    async def play(self, wave: int) -> None:
        """Upload the frames of a wave with the tokens of their rigs and wait until all is worked off."""
        for frame in self.truth.wave(wave):
            body = (self.folder / frame.file).read_bytes()
            about = {"Authorization": f"Bearer {self.tokens[frame.rig]}"}
            about["X-Frame-Metadata"] = json.dumps({"name": frame.file})
            answer = await self.pocket.send(body, headers=about)
            assert answer.status_code == 201, answer.text
            self.frames[frame.file] = UUID(answer.json()["frame_id"])
        await self.settled()

    async def settled(self, *, within_s: float = 120.0) -> None:
        """Wait until no job is open and every group was decided about; what no trigger told of, the sweep catches."""
        runtime, end = self.pocket.worker(Service.CALIBRATION_STACKER), time.monotonic() + within_s
        waited = 0
        while (left := await self._left())["jobs"] or left["modes"]:
            assert time.monotonic() < end, f"still open or undecided: {dict(left)}"
            waited = 0 if left["jobs"] else waited + 1
            if waited > PATIENCE:
                await sweep(runtime)
            await asyncio.sleep(0.1)

    async def _left(self) -> Any:
        """Count open jobs and undecided camera modes at one moment: a decision and the job it orders come together."""
        rows = await self._rows(
            """
            SELECT (SELECT count(*) FROM job WHERE observatory_id = $1 AND state IN ('pending', 'running')) AS jobs,
                (SELECT count(*) FROM calibration_mode WHERE observatory_id = $1
                    AND (decided_at IS NULL OR decided_at < changed_at)) AS modes
            """,
            self.observatory_id,
        )
        return rows[0]

    async def why_not(self, frame: FrameTruth) -> list[str] | None:
        """Return the sentences that keep a frame out of stacks; None while nobody judged it."""
        found: list[str] | None = await self._value("SELECT not_stacked FROM frame WHERE id = $1", self._id(frame))
        return found

    async def masters_with(self, frame: FrameTruth) -> list[str]:
        """Return the states of all masters a frame is in."""
        rows = await self._rows(
            "SELECT m.state FROM master m JOIN master_component c ON c.master_id = m.id WHERE c.frame_id = $1",
            self._id(frame),
        )
        return [row["state"] for row in rows]

    async def state_of(self, group: GroupTruth) -> GroupState:
        """Return the state of the newest stack of a group, or why there is none."""
        masters = await self._masters_of(group)
        if masters:
            return GroupState(masters[-1]["state"])
        notes = await self._rows(
            """
            SELECT decision FROM calibration_note WHERE observatory_id = $1 AND facts->>'frame_type' = $2
                AND (facts->>'exposure_s')::float IS NOT DISTINCT FROM $3 AND facts->>'filter' IS NOT DISTINCT FROM $4
                AND (facts->'mode'->>'gain_setting')::float = $5 AND (facts->'mode'->>'offset_setting')::float = $6
                AND abs((facts->>'temp_c')::float - $7) < 1
            """,
            self.observatory_id, group.frame_type, group.exposure_s if group.frame_type == "dark" else None,
            group.filter, group.gain_setting, group.offset_setting, group.temp_c,
        )  # fmt: skip
        found = [WAITING[row["decision"]] for row in notes if row["decision"] in WAITING]
        return found[0] if found else GroupState.ABSENT

    async def active_of(self, group: GroupTruth) -> list[set[str]]:
        """Return the files each master in use of a group was made of."""
        found = await self._masters_of(group)
        return [set(self._files(row["frames"])) for row in found if row["state"] == "active"]

    async def _masters_of(self, group: GroupTruth) -> list[Any]:
        """Return the masters of which most frames are of a group, the oldest first."""
        rows = await self._rows(
            """
            SELECT m.state, array_agg(c.frame_id) AS frames FROM master m
            JOIN master_component c ON c.master_id = m.id WHERE m.observatory_id = $1
            GROUP BY m.id ORDER BY m.created_at
            """,
            self.observatory_id,
        )
        whole = {one.file for one in self.truth.frames if one.group == group.name}
        return [row for row in rows if len(whole & set(self._files(row["frames"]))) * 2 > len(row["frames"])]

    def _files(self, frames: list[UUID]) -> list[str]:
        names = {frame: file for file, frame in self.frames.items()}
        return [names[frame] for frame in frames]

    def _id(self, frame: FrameTruth) -> UUID:
        return self.frames[frame.file]

    async def _rows(self, query: str, *values: Any) -> list[Any]:
        return list(await self.pocket.runtime.pool.fetch(query, *values))

    async def _value(self, query: str, *values: Any) -> Any:
        return await self.pocket.runtime.pool.fetchval(query, *values)


async def founded(pocket: Pocket, folder: Path, truth: Truth) -> Played:
    """Found an observatory with the settings of a scenario and a token for each of its rigs."""
    place = {"slug": str(truth.scenario), "name": f"Scenario {truth.scenario}"}
    observatory_id = UUID((await _made(pocket, "/observatories", place))["id"])
    modules = {"modules": {str(module): False for module in NEITHER}}
    answer = await pocket.client.put(f"/api/v1/observatories/{observatory_id}/processing-settings", json=modules)
    assert answer.is_success, answer.text
    async with pocket.runtime.pool.acquire() as db:
        await policies.save(db, observatory_id, dict(truth.settings), changed_by="test")
    tokens = {}
    for rig in sorted({frame.rig for frame in truth.frames}):
        facts = {"name": rig, "observatory_id": str(observatory_id), "read_noise_e": 2.8}
        bound = (await _made(pocket, "/rigs", facts))["id"]
        wanted = {"name": f"{truth.scenario} {rig}", "observatory_id": str(observatory_id), "rig_id": bound}
        tokens[rig] = (await _made(pocket, "/tokens", wanted))["token"]
    return Played(pocket, folder, truth, observatory_id, tokens)


async def _made(pocket: Pocket, address: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await pocket.post(address, json=body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found
