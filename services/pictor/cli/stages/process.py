"""From the options of `pictor process` to a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pictor.cli.calib_settings import read_settings
from pictor.cli.client import CommandError, guarded
from pictor.cli.processing.emission import BROADBAND_OF
from pictor.cli.stages.summary_rules import NAMED, load_rules
from pictor.imaging.compositing.filters import filter_of
from pictor.imaging.matching.policy import Policy, PolicyError, Switch, validate
from pictor.imaging.quality.rejection import RuleSet

_MOST_SHARE = 10


@dataclass(frozen=True, slots=True)
class Options:
    """The options as they were given."""

    folder: Path
    out: Path
    masters: Sequence[Path]
    rules: str
    settings: Sequence[str]
    indexes: Sequence[Path]
    solve: bool = True
    coadd: bool = True
    cosmics: bool = False
    contsub: bool = False
    require_masters: bool = False
    jobs: int = 2
    frame_seconds: float = 300.0
    overwrite: bool = False
    filters_as_named: bool = False
    prune: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    line_share: Sequence[str] = ()


def main(options: Options, *, dry_run: bool, json: bool) -> int:
    """Process a folder; the exit codes are those of `pictor.cli.processing.command.main`."""
    from pictor.cli.processing import command
    from pictor.cli.processing.run import Wish

    try:
        wish = Wish(
            options.folder, options.out, tuple(options.masters), _policy(options), _rules(options.rules),
            tuple(options.indexes) if options.solve else None, options.cosmics, options.require_masters,
            options.contsub, options.coadd, options.jobs, options.frame_seconds, options.overwrite,
            options.prune, tuple(options.include), tuple(options.exclude), _shares(options.line_share),
        )  # fmt: skip
    except CommandError as error:
        return guarded(error)
    return command.main(wish, dry_run=dry_run, json=json)


def _policy(options: Options) -> Policy:
    named = {"filters_as_named": str(Switch.YES)} if options.filters_as_named else {}
    try:
        return validate(read_settings(list(options.settings)) | named)
    except PolicyError as error:
        raise CommandError(str(error), 2) from error


def _rules(asked: str) -> RuleSet | None:
    """Read rules as `pictor summary` does; those of its own name are the grades."""
    return None if asked == NAMED[0] else load_rules(asked)


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """Read LINE=NUMBER, as SII=0.9.

    Raises
    ------
    CommandError
        If it is no line whose continuum can be subtracted, or no number.
    """
    found = {}
    for text in texts:
        name, _, share = text.partition("=")
        line = filter_of(name)
        try:
            number = float(share)
        except ValueError:
            number = -1.0
        if line not in BROADBAND_OF or not 0 <= number <= _MOST_SHARE:
            raise CommandError(
                f"--line-share is {', '.join(BROADBAND_OF)} and a number up to {_MOST_SHARE}, as SII=0.9: {text}",
                2,
            )
        found[line] = number
    return found
