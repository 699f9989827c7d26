"""Where things usually are, by type: which receptacles to search first.

Each object type has its usual receptacle types, the likeliest first. The table was written by hand
with the placement counts of the published games (train and valid_seen together) in view, so it is a
prior that a player new to the benchmark does not have: say so where the oracle's turns are quoted.
`_DECAY` and `_ELSEWHERE` were not tuned. This module knows nothing about a particular house.
"""

from __future__ import annotations

from functools import lru_cache

DOORED = frozenset({"cabinet", "drawer", "fridge", "microwave", "safe"})
"""Receptacle types that are usually found closed."""

_DECAY = 0.6
_ELSEWHERE = 0.01

_FRESH = "fridge countertop diningtable sinkbasin garbagecan microwave sidetable"
_DISH = "countertop cabinet diningtable fridge sinkbasin microwave shelf sidetable"
_CUTLERY = "countertop diningtable drawer sinkbasin sidetable"
_COOKWARE = "stoveburner countertop diningtable cabinet fridge sinkbasin"
_CONDIMENT = "countertop cabinet diningtable drawer shelf sidetable"
_BOTTLE = "countertop cabinet diningtable garbagecan shelf sidetable toilet drawer"
_SMALL = "drawer sidetable desk dresser shelf diningtable coffeetable sofa armchair countertop bed"
_WRITING = "desk drawer sidetable shelf dresser diningtable garbagecan coffeetable countertop"
_ORNAMENT = "shelf coffeetable countertop diningtable sidetable dresser tvstand desk cabinet safe"
_BATH = "countertop toilet cabinet drawer bathtubbasin sinkbasin shelf garbagecan sidetable cart"

_USUAL: dict[str, str] = {
    **dict.fromkeys(("apple", "egg", "potato", "tomato", "lettuce"), _FRESH),
    "bread": "countertop diningtable fridge sidetable",
    **dict.fromkeys(("bowl", "cup", "glassbottle", "plate"), _DISH),
    "mug": "countertop coffeemachine diningtable cabinet fridge desk sinkbasin microwave shelf",
    **dict.fromkeys(("butterknife", "fork", "knife", "spatula", "spoon"), _CUTLERY),
    "ladle": "countertop diningtable drawer cabinet sinkbasin",
    **dict.fromkeys(("kettle", "pan", "pot"), _COOKWARE),
    **dict.fromkeys(("peppershaker", "saltshaker"), _CONDIMENT),
    **dict.fromkeys(("soapbottle", "spraybottle", "winebottle"), _BOTTLE),
    "dishsponge": "countertop sinkbasin diningtable drawer cabinet garbagecan shelf",
    "papertowelroll": "countertop diningtable garbagecan shelf toilet",
    **dict.fromkeys(("cellphone", "creditcard", "keychain", "watch"), _SMALL),
    "cd": "desk drawer dresser sidetable shelf garbagecan diningtable cabinet safe",
    **dict.fromkeys(("pen", "pencil"), _WRITING),
    "alarmclock": "desk sidetable shelf dresser diningtable countertop",
    "book": "bed desk sidetable dresser diningtable shelf coffeetable sofa drawer",
    "laptop": "bed desk sofa coffeetable diningtable dresser armchair sidetable",
    "pillow": "bed sofa armchair ottoman",
    "remotecontrol": "sofa coffeetable sidetable tvstand armchair dresser diningtable drawer",
    "newspaper": "sofa coffeetable diningtable sidetable armchair dresser shelf drawer",
    "box": "sofa coffeetable diningtable desk sidetable shelf dresser cabinet",
    **dict.fromkeys(("statue", "vase"), _ORNAMENT),
    "tissuebox": "coffeetable shelf countertop diningtable sidetable desk toilet drawer",
    **dict.fromkeys(("basketball", "baseballbat", "tennisracket"), "bed desk dresser"),
    "teddybear": "bed sofa",
    "wateringcan": "coffeetable shelf sidetable",
    "desklamp": "sidetable desk dresser shelf coffeetable",
    "floorlamp": "sidetable desk dresser coffeetable",
    "cloth": "bathtubbasin countertop cabinet drawer shelf sinkbasin toilet cart",
    "candle": "countertop toilet drawer cabinet shelf sidetable coffeetable diningtable",
    "soapbar": _BATH,
    "toiletpaper": "toilet toiletpaperhanger countertop cabinet drawer garbagecan shelf",
    "towel": "towelholder countertop",
    "handtowel": "handtowelholder countertop",
    "plunger": "cabinet cart",
}


@lru_cache(maxsize=4096)
def plausibility(object_type: str, receptacle_type: str) -> float:
    """How plausible it is, in (0, 1], to find an object type at a receptacle type.

    Not a probability: 1 for the usual place, less for each further place, little for any other.
    An unknown object type is as plausible everywhere.
    """
    usual = _USUAL.get(object_type)
    if usual is None:
        return 1.0
    places = usual.split()
    if receptacle_type not in places:
        return _ELSEWHERE
    return float(_DECAY ** places.index(receptacle_type))
