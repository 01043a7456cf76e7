"""Summaries show no braces, and resources are placed by their labels and by the inventory."""

from watcher.engine.places import Places
from watcher.engine.wording import summary
from watcher.model.incident import Evidence
from watcher.model.inventory import Item, ItemKind
from watcher.model.labels import LabelSet, label_set
from watcher.model.rule import Rule
from watcher.model.time import MINUTE


def rule(text: str) -> Rule:
    return Rule("r", "threshold", {}, ("resource",), params=None, summary=text)  # type: ignore[arg-type]


def shop() -> LabelSet:
    return label_set({"source": "cdn", "vendor": "test", "resource": "shop"})


def test_a_figure_that_the_verdict_does_not_have_is_said_to_be_unknown() -> None:
    said = summary(rule("{subject}: {seen}, usually {expected}: {text}"), shop(), Evidence(0, MINUTE), {})

    assert said == "resource shop: unknown, usually unknown: unknown"


def test_a_resource_belongs_where_the_inventory_says() -> None:
    places = Places()
    places.learn(
        "cdn",
        [
            Item(ItemKind.DISTRIBUTION, "d1", {"origins": "o1"}),
            Item(ItemKind.DOMAIN, "shop", {"distribution": "d1", "account": "acme"}),
        ],
    )

    assert list(places.groups(shop())) == [("origin", "o1"), ("account", "acme")]


def test_a_resource_with_two_origins_belongs_to_neither() -> None:
    places = Places()
    places.learn("cdn", [Item(ItemKind.DOMAIN, "shop", {"origins": "o1,o2"})])

    assert list(places.groups(shop())) == []


def test_its_own_labels_count_before_all_else() -> None:
    places = Places()
    places.learn("cdn", [Item(ItemKind.DOMAIN, "shop", {"account": "acme"})])
    key = label_set({"source": "cdn", "resource": "shop", "account": "zoo"})

    assert list(places.groups(key)) == [("account", "zoo")]
