"""What a person configures of TLS probes: endpoints, as addresses and names."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from watcher.collect.collector import SourceSettings
from watcher.document.fields import DurationField
from watcher.model.time import MINUTE, SECOND

_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")


class Target(BaseModel):
    """One endpoint: where to connect, and the name to ask for there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field(description="host:port; 443 where no port is given")
    server_name: str = Field(
        "", description="name in the handshake and on the certificate; default: the host"
    )

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
        """Where to connect."""
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        """Where to connect."""
        return split_address(self.address)[1]

    @property
    def name(self) -> str:
        """The name the certificate must fit, as it stands in certificates: in ASCII."""
        name = self.server_name or self.host
        return name if is_ip(name) else name.encode("idna").decode().removesuffix(".")


def _long_form(value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    return {"address": value} if isinstance(value, str) else value


class TlsSettings(SourceSettings):
    """A list of endpoints to shake hands with."""

    vendor: Literal["tls"] = "tls"
    targets: tuple[
        Annotated[Target, BeforeValidator(_long_form, json_schema_input_type=str | Target)], ...
    ] = Field((), description="host:port, or address and server_name")
    discover: bool = Field(default=False, description="also the names other sources know (not yet served)")
    every: DurationField = 5 * MINUTE
    timeout: DurationField = Field(10 * SECOND, description="of one handshake, connecting included")

    @model_validator(mode="after")
    def _something_to_probe(self) -> Self:
        if not self.targets and not self.discover:
            raise _problem("nothing to probe", "write targets: [www.example.com:443]")
        if len({(target.address, target.name) for target in self.targets}) < len(self.targets):
            raise _problem("a target stands twice", "list each address and server_name once")
        return self


def split_address(address: str) -> tuple[str, int]:
    """`www.example.com:443` or `[::1]:443` as host and port.

    Raises:
        PydanticCustomError: not such an address.
    """
    parts = _ADDRESS.fullmatch(address)
    port = int(parts["port"] or 443) if parts else 0
    if parts is None or not 0 < port < 65_536 or (parts["ipv6"] is not None and not is_ip(parts["ipv6"])):
        raise _problem(f"{address!r} is no address", "write host:port, as www.example.com:443 or [::1]:443")
    return parts["ipv6"] or parts["host"], port


def is_ip(name: str) -> bool:
    """Whether a name is an IP address, which certificates hold apart from names."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _check_name(name: str) -> None:
    try:
        ascii_name = name.encode("idna").decode()
    except UnicodeError:
        ascii_name = ""
    if not is_ip(name) and (not ascii_name or any(not (c.isalnum() or c in "-._") for c in ascii_name)):
        raise _problem(f"{name!r} is no host name", "write one such as www.example.com")


def _problem(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("watcher", "{what}", {"what": what, "hint": hint})
