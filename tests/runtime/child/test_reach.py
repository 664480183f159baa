"""What the children of an installation may use follows from its settings."""

from pathlib import Path

from pictor.runtime.hosting import pixel_children
from pictor.runtime.reach import reach_of
from pictor.runtime.settings import Settings


def test_children_read_frames_and_star_catalogues_and_write_to_scratch_alone(tmp_path: Path) -> None:
    stars, tiles = tmp_path / "stars", tmp_path / "tiles"
    tiles.mkdir()
    reach = reach_of(Settings(data_dir=tmp_path / "data", index_dir=stars, astap_database=tiles))
    assert reach is not None
    assert reach.writable == (str(tmp_path / "data" / "scratch"),)
    assert set(reach.readable) == {str(tmp_path / "data" / "cache"), str(stars), str(tiles)}
    assert stars.is_dir(), "indexes installed later must be found without a restart"


def test_the_enclosure_can_be_turned_off(tmp_path: Path) -> None:
    assert reach_of(Settings(data_dir=tmp_path, child_enclosed=False)) is None


async def test_the_children_of_a_service_are_enclosed_and_warm(tmp_path: Path) -> None:
    async with pixel_children(Settings(data_dir=tmp_path / "data"), (), 1) as pool:
        assert pool.level is not None
        assert pool.level.whole
