"""Whether two rules share some of their calls, as far as their lists tell."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from .models import MatchCondition, Way

__all__ = ["overlap"]

# What a rule is about; all else narrows it down. Rules that share none of these are not compared:
# a call may well match both, and their authors know.
ABOUT = (
    *("tool_name_patterns", "tool_categories", "arg_path_patterns", "destination_domains"),
    *("secret_types", "finding_types", "finding_ids", "content_patterns"),
)
GLOBS = frozenset(
    {"tool_name_patterns", "destination_domains", "finding_ids", "environments", "servers"}
)
SETS = ("tool_categories", "secret_types", "finding_types", "finding_tags")
TEXTS = ("arg_path_patterns", "content_patterns")
LISTS = (*GLOBS, *SETS, *TEXTS)
GROUPS = ("any", "all", "not_")


def overlap(one: MatchCondition, other: MatchCondition) -> bool:
    """Whether some call fulfils both, for all that their lists say.

    False where that cannot be told: groups, methods, hints, expressions that only look alike.
    """
    if any(getattr(side, name) for side in (one, other) for name in GROUPS):
        return False
    if one.methods != other.methods or one.tool_hints != other.tool_hints:
        return False
    ways = {side.direction or Way.REQUEST for side in (one, other)} - {Way.ANY}
    if len(ways) > 1 or len({one.sends, other.sends} - {None}) > 1:
        return False
    if any(other.labels.get(key, value) != value for key, value in one.labels.items()):
        return False
    shared = [name for name in LISTS if getattr(one, name) and getattr(other, name)]
    return any(name in ABOUT for name in shared) and all(
        _meet(name, getattr(one, name), getattr(other, name)) for name in shared
    )


def _meet(name: str, ours: Sequence[str], theirs: Sequence[str]) -> bool:
    if not set(ours).isdisjoint(theirs):
        return True
    if name not in GLOBS:
        return False
    # What is taken away may be all that they share.
    if any(glob.startswith("!") for glob in (*ours, *theirs)):
        return False
    return any(_globs_meet(a.lower(), b.lower()) for a in ours for b in theirs)


@functools.lru_cache(1 << 14)
def _globs_meet(a: str, b: str) -> bool:
    """Whether some text matches both globs of `*` and `?`."""
    if "[" in a or "[" in b:
        return False
    # Places in `b` that can be reached by a text that `a` matches up to here.
    places = _starred({0}, b)
    for letter in a:
        if letter == "*":
            places = set(range(min(places), len(b) + 1)) if places else places
        else:
            places = _starred(_next(places, b, letter), b)
    return len(b) in places


def _next(places: Iterable[int], glob: str, letter: str) -> set[int]:
    after = set()
    for place in places:
        if place < len(glob):
            if glob[place] == "*":
                after.add(place)
            elif letter == "?" or glob[place] in ("?", letter):
                after.add(place + 1)
    return after


def _starred(places: Iterable[int], glob: str) -> set[int]:
    """The places, and those behind stars, which also match nothing."""
    reached = set()
    for start in places:
        place = start
        reached.add(place)
        while place < len(glob) and glob[place] == "*":
            place += 1
            reached.add(place)
    return reached
