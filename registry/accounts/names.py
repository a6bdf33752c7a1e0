"""Which names users and organizations may have. Pure: no database, no Django.

Two rules. Everybody's names obey the client's (hub-api 0.1, "Client-side name rule") and never hide a route of this
hub. The sign-up form is stricter, so that names people choose are easy to read and cannot pose as the house.
"""

from __future__ import annotations

import re

from registry.accounts.errors import NameInvalidError

_CLIENT_RULE = re.compile(r"[A-Za-z0-9_\-.]{1,96}")
_SIGN_UP_LENGTH = 40
_SIGN_UP_RULE = re.compile(r"[A-Za-z0-9](?:[-_.]?[A-Za-z0-9]){1,39}")

# First path segments of our pages and APIs, and of the routes that clients know: a namespace of that name would be
# unreachable, or would hide the route.
_ROUTE_WORDS = """
    .well-known about accounts admin api apps ask-access avatars blob blog chat checkpoints collections commits
    dashboard datasets decisions discussions docs enterprise entitlements events explore favicon.ico files health
    help home jobs join kernels licenses login logout me metrics models new notifications oauth objects offers
    orders organizations papers password posts pricing privacy products profile purchases raw receipts refs
    requests resolve robots.txt search security settings sign-in sign-up signup sitemap.xml spaces static status
    storage tags tasks terms tf-hub tokens torch-hub tree uploads usage users v1 v2 webhooks well-known whoami
    whoami-v2 xet
"""
ROUTES = frozenset(_ROUTE_WORDS.split())
# Names by which a stranger could speak for the house; operators may still give them.
_HOUSE_WORDS = """
    administrator anonymous everyone huggingface moderator nobody null official owner root staff support system
    undefined weighbridge
"""
_HOUSE = frozenset(_HOUSE_WORDS.split())


def is_client_name(name: str) -> bool:
    """True if clients accept the name as one half of `namespace/name` (hub-api 0.1).

    ASCII only: the client's rule also takes other scripts, but names travel in headers and paths of ours.
    """
    return (
        _CLIENT_RULE.fullmatch(name) is not None
        and name[0] not in "-."
        and name[-1] not in "-."
        and "--" not in name
        and ".." not in name
        and not name.lower().endswith(".git")
    )


def check_namespace_name(name: str, *, enforce_rules: bool = True) -> str:
    """Returns the name if a user or organization may have it.

    Args:
        name: the name as it will be shown.
        enforce_rules: also apply what the sign-up form asks; operators' own names may go without.

    Raises:
        NameInvalidError: with a message that names the rule.
    """
    if not is_client_name(name):
        raise NameInvalidError(
            f"`{name[:100]}` cannot be a name: use 1 to 96 letters, digits, `-`, `_` or `.`, not starting or ending "
            "with `-` or `.`, without `--` or `..`, and not ending in `.git`",
            field="name",
            value=name[:100],
        )
    if name.lower() in ROUTES:
        raise NameInvalidError(f"`{name}` is an address of this hub: choose another name", field="name", value=name)
    if enforce_rules:
        _check_sign_up_rules(name)
    return name


def _check_sign_up_rules(name: str) -> None:
    if name.lower() in _HOUSE:
        raise NameInvalidError(f"`{name}` is reserved: choose another name", field="name", value=name)
    if not _SIGN_UP_RULE.fullmatch(name) or len(name) > _SIGN_UP_LENGTH:
        raise NameInvalidError(
            f"`{name}` cannot be chosen: use 2 to 40 letters and digits, with single `-`, `_` or `.` between them",
            field="name",
            value=name,
        )
    if name.isdigit():
        raise NameInvalidError(f"`{name}` cannot be chosen: a name needs a letter", field="name", value=name)
