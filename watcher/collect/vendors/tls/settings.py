"""What a person configures of TLS probes: endpoints, as addresses and names."""

import re
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from watcher.collect.collector import SourceSettings
from watcher.collect.fields import problem
from watcher.collect.hosts import ascii_name, is_ip
from watcher.collect.probing import ProbeTimeout
from watcher.document.fields import DurationField
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration

LEAST_RENEWAL: Final[Duration] = HOUR
MOST_RENEWAL: Final[Duration] = 400 * DAY
_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")


def _renewal(before: Duration | None) -> Duration | None:
    if before is not None and not LEAST_RENEWAL <= before <= MOST_RENEWAL:
        raise problem("out of bounds", "write 1h to 400d")
    return before


Renewal: TypeAlias = Annotated[DurationField | None, AfterValidator(_renewal)]
"""How long before its end a certificate is renewed, where that is known."""


class Target(BaseModel):
    """One endpoint: where to connect, and the name to ask for there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field(description="host:port; 443 where no port is given")
    server_name: str = Field(
        "", description="name in the handshake and on the certificate; default: the host"
    )
    renews_at: Renewal = Field(None, description="how long before its end it is renewed, as 30d")

    @field_validator("address")
    @classmethod
    def _host_and_port(cls, address: str) -> str:
        host, port = split_address(address)
        _check_name(host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @field_validator("server_name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        if name:
            _check_name(name)
        return name

    @property
    def host(self) -> str:
        """Where to connect: a name, or an address."""
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        """Where to connect."""
        return split_address(self.address)[1]

    @property
    def name(self) -> str:
        """The name the certificate must fit, as it stands in certificates: in ASCII."""
        name = self.server_name or self.host
        return name if is_ip(name) else ascii_name(name)


def _long_form(value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    return {"address": value} if isinstance(value, str) else value


class TlsSettings(SourceSettings):
    """A list of endpoints to shake hands with."""

    vendor: Literal["tls"] = "tls"
    targets: tuple[
        Annotated[Target, BeforeValidator(_long_form, json_schema_input_type=str | Target)], ...
    ] = Field((), description="host:port, or address and server_name")
    discover: bool = Field(default=False, description="also the domains that other sources know")
    renews_at: Renewal = Field(
        None, description="how long before their end certificates are renewed; learned where not given"
    )
    every: DurationField = 5 * MINUTE
    timeout: ProbeTimeout = Field(10 * SECOND, description="of one look-up, and of one address, at most 45s")

    @model_validator(mode="after")
    def _something_to_probe(self) -> Self:
        if not self.targets and not self.discover:
            raise problem("nothing to probe", "write targets: [www.example.com:443]")
        if len({(target.address, target.name) for target in self.targets}) < len(self.targets):
            raise problem("a target stands twice", "list each address and server_name once")
        return self


def split_address(address: str) -> tuple[str, int]:
    """`www.example.com:443` or `[::1]:443` as host and port.

    Raises:
        PydanticCustomError: no such address.
    """
    parts = _ADDRESS.fullmatch(address)
    port = int(parts["port"] or 443) if parts else 0
    if parts is None or not 0 < port < 65_536 or (parts["ipv6"] is not None and not is_ip(parts["ipv6"])):
        raise problem(f"{address!r} is no address", "write host:port, as www.example.com:443 or [::1]:443")
    return parts["ipv6"] or parts["host"], port


def _check_name(name: str) -> None:
    if is_ip(name):
        return
    try:
        ascii_name(name)
    except ValueError as error:
        raise problem(str(error), "write one such as www.example.com") from error
