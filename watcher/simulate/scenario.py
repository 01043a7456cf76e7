"""A scenario: the world, and the servers that show it. One YAML file."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import Field, create_model

from watcher.document.load import load_yaml, validate
from watcher.errors import ConfigurationError
from watcher.simulate.references import Mistake, of_world, twice, unknown
from watcher.simulate.sites import Site
from watcher.simulate.vendor import VendorSettings, known
from watcher.simulate.world import Section, World

SCENARIOS: Final = Path(__file__).parent / "scenarios"
FIRST_LIGHT: Final = SCENARIOS / "first_light.yaml"
"""One vendor and three things that go wrong."""
ALL_VENDORS: Final = SCENARIOS / "all_vendors.yaml"
"""The scenario of `watcher demo`, and of `watcher simulate` without a file."""


class Listener(Section):
    """One TLS server with a certificate made at start."""

    name: str = Field(min_length=1, description="server name that clients ask for")
    days_left: float = 90
    """Until the certificate expires, counted from the simulator's start; negative is expired."""
    presents: str = ""
    """Name in the certificate, where it is another."""
    trusted: bool = True
    """False: signed by an authority that the announced `ca_file` does not hold."""


class Scenario(World):
    """Everything `watcher simulate` serves. The full model has a section for each vendor besides."""

    tls: tuple[Listener, ...] = ()
    sites: tuple[Site, ...] = ()

    def section(self, vendor: str) -> VendorSettings:
        """What the scenario says of a vendor; defaults where it says nothing."""
        found = getattr(self, vendor)
        assert isinstance(found, VendorSettings)  # noqa: S101 - the full model is made so
        return found

    def mistakes(self) -> Iterator[Mistake]:
        """Names in it that lead nowhere, or to two things."""
        yield from of_world(self, known())
        yield from twice((("tls", place, "name"), one.name) for place, one in enumerate(self.tls))
        yield from twice((("sites", place, "name"), one.name) for place, one in enumerate(self.sites))
        ids = {resource.id for resource in self.resources}
        for name in known():
            named = (((name, *loc), id_) for loc, id_ in self.section(name).resources_named())
            yield from unknown("resource", named, ids)


def scenario(content: Any) -> Scenario:  # noqa: ANN401 - plain YAML
    """A scenario given as data.

    Raises:
        ValueError: it is none; pydantic's, or with every name that is wrong.
    """
    story = _model().model_validate(content)
    if mistakes := list(story.mistakes()):
        raise ValueError("\n".join(map(str, mistakes)))
    return story


def load_scenario(path: Path = ALL_VENDORS) -> Scenario:
    """Read a scenario file.

    Raises:
        ConfigurationError: every problem in it, with its position.
    """
    document = load_yaml(path)
    story = validate(document, _model())
    if mistakes := list(story.mistakes()):
        raise ConfigurationError(document.problem(one.loc, one.what, one.hint) for one in mistakes)
    return story


@lru_cache(maxsize=1)
def _model() -> type[Scenario]:
    sections: dict[str, Any] = {
        vendor.name: (vendor.settings, vendor.settings()) for vendor in known().values()
    }
    return create_model("FullScenario", __base__=Scenario, **sections)
