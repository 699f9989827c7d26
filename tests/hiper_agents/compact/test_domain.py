"""Domains are found by environment and by name."""

from __future__ import annotations

import pytest

from hiper_agents.compact.domain import DOMAINS, DomainError, domain_of, make_domain


def test_every_version_of_an_environment_is_read_alike() -> None:
    assert domain_of("HiPER-ALFWorld-v0") == domain_of("HiPER-ALFWorld-v3") == "alfworld"
    assert domain_of("HiPER-ALFWorldLong-v0") == "alfworld_long"
    assert domain_of("HiPER-WebShop-v0") == "webshop"
    with pytest.raises(DomainError, match=r"cannot read 'CartPole-v1'; it reads HiPER-ALFWorld-v0"):
        domain_of("CartPole-v1")


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_is_made_again_from_its_vocabulary(name: str) -> None:
    domain = make_domain(name)
    again = make_domain(name, domain.vocabulary)
    assert again.name == name
    assert (again.vocabulary, again.sizes) == (domain.vocabulary, domain.sizes)


def test_unknown_domains_and_foreign_vocabularies_are_refused() -> None:
    with pytest.raises(DomainError, match="unknown domain 'chess'; known: alfworld, alfworld_long"):
        make_domain("chess")
    for name, vocabulary in (("alfworld", "mug"), ("alfworld_long", [1]), ("webshop", ["mug"])):
        with pytest.raises(DomainError, match="vocabulary"):
            make_domain(name, vocabulary)


def test_a_task_of_another_benchmark_is_refused() -> None:
    info = {"task": "buy me a red shirt", "admissible_actions": ()}
    with pytest.raises(DomainError, match="reads ALFWorld's task sentences, not 'buy me"):
        make_domain("alfworld").remember(info, "")
