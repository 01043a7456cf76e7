"""A scenario: the world, and the servers that show it. One YAML file."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, create_model, model_validator

from watcher.document.load import load_yaml, validate
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

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        there = {resource.id for resource in self.resources}
        for name in known():
            if unknown := sorted(set(self.section(name).resources_named()) - there):
                raise ValueError(f"{name} names unknown resources: {', '.join(unknown)}")
        if unknown := sorted(
            {name for resource in self.resources for name in resource.vendors} - set(known())
        ):
            raise ValueError(f"no such vendors: {', '.join(unknown)}; there are {', '.join(known())}")
        return self


def scenario(content: Any) -> Scenario:  # noqa: ANN401 - plain YAML
    """A scenario given as data.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return _model().model_validate(content)


def load_scenario(path: Path = ALL_VENDORS) -> Scenario:
    """Read a scenario file.

    Raises:
        ConfigurationError: every problem in it, with its position.
    """
    return validate(load_yaml(path), _model())


@lru_cache(maxsize=1)
def _model() -> type[Scenario]:
    sections: dict[str, Any] = {
        vendor.name: (vendor.settings, vendor.settings()) for vendor in known().values()
    }
    return create_model("FullScenario", __base__=Scenario, **sections)
