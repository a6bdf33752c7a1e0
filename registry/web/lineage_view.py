"""Lineage as a page draws it: direct bases at the left, the repository, what derives from it at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.accounts.principal import Principal
from registry.catalogue.lineage import LineageNode, ancestors, descendants
from registry.catalogue.models import LineageEdge
from registry.licensing.decision import DecisionDuty
from registry.repositories.models import Repository
from registry.repositories.selectors import may

_SHOWN: Final = 3
_ROW: Final = 76  # height of one box with its gap, in the drawing's units
_BOX: Final = 56
_RELATION: Final = dict(LineageEdge.Relation.choices)


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One row of the table of origins; `repository` is None where it is not here or not for this viewer."""

    repository: Repository | None
    name: str
    relation: str
    source: str
    commit: str
    license_id: str
    via: str
    duties: tuple[DecisionDuty, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the drawing: place, two lines of text."""

    x: int
    y: int
    width: int
    name: str
    note: str

    @property
    def middle(self) -> int:
        """Height of the box's middle."""
        return self.y + _BOX // 2

    @property
    def baseline(self) -> tuple[int, int]:
        """Where the two lines of text stand."""
        return self.y + 24, self.y + 43

    @property
    def text_x(self) -> int:
        """Where both lines start."""
        return self.x + 14


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole drawing, 760 units wide."""

    height: int
    left: tuple[Box, ...]
    self: Box
    right: tuple[Box, ...]
    edges: tuple[str, ...]
    sentence: str
    shift: int
    arrows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineageView:
    """What the page shows of origins and descendants."""

    ancestors: tuple[Ancestor, ...]
    descendants: tuple[LineageEdge, ...]
    hidden_descendants: int
    drawing: Drawing | None


def lineage_view(
    principal: Principal, repository: Repository, license_name: str, duties: Sequence[DecisionDuty]
) -> LineageView:
    """Reads both directions; what the viewer may not know of keeps the name that a visible card already tells."""
    up = [_ancestor(principal, repository, node, duties) for node in ancestors(repository)]
    edges = descendants(repository)
    down = [edge for edge in edges if may(principal, edge.repository, "read")]
    drawing = _draw(repository, license_name, up, down) if up or down else None
    return LineageView(tuple(up), tuple(down), len(edges) - len(down), drawing)


def _ancestor(
    principal: Principal, repository: Repository, node: LineageNode, duties: Sequence[DecisionDuty]
) -> Ancestor:
    visible = node.repository is not None and may(principal, node.repository, "read")
    return Ancestor(
        repository=node.repository if visible else None,
        name=node.name,
        relation=_RELATION.get(node.relation, node.relation),
        source="recorded by a job" if node.source == LineageEdge.Source.CONFIRMED else "declared",
        commit=node.commit,
        license_id=(node.license_id or "") if visible else "",
        via="" if node.child == repository.full_name else node.child,
        duties=tuple(duty for duty in duties if visible and node.license_id and duty.license == node.license_id),
    )


def _draw(repository: Repository, license_name: str, up: Sequence[Ancestor], down: Sequence[LineageEdge]) -> Drawing:
    direct = [item for item in up if not item.via]
    left_texts = [
        (item.name, f"{item.relation.lower()}{', ' + item.license_id if item.license_id else ''}") for item in direct
    ]
    right_texts = [(edge.repository.full_name, edge.get_relation_display().split()[0].lower()) for edge in down]
    left_texts, right_texts = _limited(left_texts), _limited(right_texts)
    height = max(len(left_texts), len(right_texts), 1) * _ROW + 8
    left, right = _column(left_texts, 2, 230, height), _column(right_texts, 528, 230, height)
    own = _column([(repository.name, license_name)], 282, 196, height)[0]
    edges = [_edge(box.x + box.width, box.middle, own.x - 9, own.middle) for box in left]
    edges += [_edge(own.x + own.width, own.middle, box.x - 9, box.middle) for box in right]
    names = ", ".join(f"{item.relation.lower()} {item.name}" for item in direct) or "nothing on record"
    sentence = f"{repository.full_name}: {names}. {len(down)} derive from it. The table below says the same."
    # With one side empty, the rest moves to the middle.
    shift = 140 if not right else -140 if not left else 0
    arrows = [_arrow(own.x, own.middle)] * bool(left) + [_arrow(box.x, box.middle) for box in right]
    return Drawing(height, left, own, right, tuple(edges), sentence, shift, tuple(arrows))


def _arrow(x: int, y: int) -> str:
    return f"M{x - 9} {y - 5}l9 5-9 5z"


def _limited(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if len(texts) <= _SHOWN:
        return texts
    return [*texts[: _SHOWN - 1], (f"{len(texts) - _SHOWN + 1} more", "in the table below")]


def _column(texts: Sequence[tuple[str, str]], x: int, width: int, height: int) -> tuple[Box, ...]:
    top = (height - len(texts) * _ROW) // 2 + (_ROW - _BOX) // 2
    fit = (width - 24) // 7  # units a letter takes at the drawing's size
    return tuple(
        Box(x, top + index * _ROW, width, _cut(name, fit), _cut(note, fit + 2))
        for index, (name, note) in enumerate(texts)
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"…{text[-limit + 1 :]}"


def _edge(x1: int, y1: int, x2: int, y2: int) -> str:
    bend = (x2 - x1) // 2
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
