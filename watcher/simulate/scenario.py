"""A scenario: the world, and the servers that show it. One YAML file."""

from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from watcher.document.load import load_yaml, validate
from watcher.simulate.cdnvideo.settings import CdnvideoSettings
from watcher.simulate.world import World

FIRST_LIGHT: Final = Path(__file__).parent / "scenarios" / "first_light.yaml"
"""The scenario of `watcher demo`, and of `watcher simulate` without a file."""


class Listener(BaseModel):
    """One TLS server with a certificate made at start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="server name that clients ask for")
    days_left: float = 90
    """Until the certificate expires, counted from the simulator's start; negative is expired."""
    presents: str = ""
    """Name in the certificate, where it is another."""
    trusted: bool = True
    """False: signed by an authority that the announced `ca_file` does not hold."""


class Scenario(World):
    """Everything `watcher simulate` serves."""

    cdnvideo: CdnvideoSettings = CdnvideoSettings()
    tls: tuple[Listener, ...] = ()

    @model_validator(mode="after")
    def _accounts_agree(self) -> Self:
        known = {resource.id for resource in self.resources}
        named = {name for account in self.cdnvideo.accounts for name in account.resources}
        if unknown := sorted(named - known):
            raise ValueError(f"accounts name unknown resources: {', '.join(unknown)}")
        return self


def load_scenario(path: Path = FIRST_LIGHT) -> Scenario:
    """Read a scenario file.

    Raises:
        ConfigurationError: every problem in it, with its position.
    """
    return validate(load_yaml(path), Scenario)
