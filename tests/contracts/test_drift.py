"""The committed contracts are those of the code."""

import yaml

from pictor.cli import contracts
from pictor.contracts.subjects import every_subject


def test_committed_contracts_agree_with_the_code() -> None:
    differing = [path.name for path, text in contracts.generated().items() if path.read_text(encoding="utf-8") != text]
    assert differing == []


def test_asyncapi_describes_every_subject_and_refers_to_schemas_that_exist() -> None:
    document = yaml.safe_load((contracts.FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
    addresses = {channel["address"].removesuffix(".{observatory}") for channel in document["channels"].values()}
    assert addresses == {subject.name for subject in every_subject()}
    for message in document["components"]["messages"].values():
        assert (contracts.FOLDER / message["payload"]["$ref"]).is_file()
