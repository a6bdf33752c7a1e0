"""The triggers that raise epochs in the transaction of the change itself, whoever makes it.

They are derived from `WATCHES` and put in place after every `migrate`, because SQLite forgets a table's triggers when a
migration remakes the table. A trigger's name ends in a digest of its text, so an altered one is exchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from registry.epochs.models import Epoch
from registry.epochs.snapshots import GLOBAL, LICENSES, LINEAGE

_VERBS = {"I": "INSERT", "U": "UPDATE", "D": "DELETE"}
_ROWS = {"I": ("NEW",), "U": ("NEW", "OLD"), "D": ("OLD",)}


@dataclass(frozen=True, slots=True)
class Watch:
    """Which changes of a table raise which scope.

    Attributes:
        scope: the scope, or what precedes `key`.
        key: SQL that ends the scope, with `{row}` for the changed row; a null raises nothing.
        verbs: some of `I` (insert), `U` (update), `D` (delete). Only what exists is remembered, so an insert counts
            only where it changes what is known of something else.
        exempt: columns whose change alone raises nothing.
        when: further conditions by verb, with `{differs}` for the database's null-safe inequality.
    """

    table: str
    scope: str
    key: str = ""
    verbs: str = "IUD"
    exempt: frozenset[str] = frozenset()
    when: tuple[tuple[str, str], ...] = ()


_MARK = -1  # the slot, which no trigger uses, whose row says that the triggers are in place
_USER, _REPOSITORY = "user:", "repository:"
_OFFERED_BY = "(SELECT repository_id FROM licensing_offer WHERE id = {row}.offer_id)"
WATCHES = (
    # Who somebody is, and what they hold.
    Watch("accounts_accesstoken", _USER, "{row}.user_id", "UD", frozenset({"last_used_at"})),
    Watch("accounts_user", _USER, "{row}.id", "UD", frozenset({"last_login"})),
    Watch("accounts_membership", _USER, "{row}.user_id"),
    Watch("accounts_namespace", _USER, "{row}.user_id"),
    Watch("licensing_acceptance", _USER, "{row}.user_id"),
    Watch("licensing_accessrequest", _USER, "{row}.user_id"),
    # What a repository is, and what it offers to whom.
    Watch("repositories_repository", _REPOSITORY, "{row}.id", "UD"),
    Watch("repositories_ref", _REPOSITORY, "{row}.repository_id"),
    Watch("catalogue_repositoryprofile", _REPOSITORY, "{row}.repository_id"),
    Watch("catalogue_lineageedge", _REPOSITORY, "{row}.repository_id"),
    Watch("licensing_offer", _REPOSITORY, "{row}.repository_id"),
    Watch("licensing_entitlement", _REPOSITORY, _OFFERED_BY),
    # What reaches a repository from the models above it: edges, their licenses, their names.
    Watch("catalogue_lineageedge", LINEAGE),
    Watch(
        "catalogue_repositoryprofile",
        LINEAGE,
        when=(
            ("I", "NEW.license_id IS NOT NULL"),
            ("U", "OLD.license_id {differs} NEW.license_id"),
            ("D", "OLD.license_id IS NOT NULL"),
        ),
    ),
    Watch(
        "repositories_repository",
        LINEAGE,
        verbs="U",
        when=(("U", "OLD.full_name {differs} NEW.full_name OR OLD.type {differs} NEW.type"),),
    ),
    # Terms and texts.
    Watch("licensing_license", LICENSES),
    Watch("licensing_licensetext", LICENSES),
    # What anything may depend on. A user's sign-up changes nothing that is known of others.
    Watch("accounts_organization", GLOBAL, verbs="UD"),
    Watch("accounts_namespace", GLOBAL, when=(("I", "NEW.organization_id IS NOT NULL"),)),
)

_BUMP_POSTGRESQL = """
CREATE OR REPLACE FUNCTION epoch_raise(wanted text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE free_slot integer := 0;
BEGIN
  IF wanted IS NULL THEN RETURN; END IF;
  -- A slot belongs to one transaction until it ends, so no two transactions ever lock the same row here.
  WHILE NOT pg_try_advisory_xact_lock(1164984435, free_slot) LOOP free_slot := free_slot + 1; END LOOP;
  INSERT INTO epochs_epoch (scope, slot, value) VALUES (wanted, free_slot, 1)
  ON CONFLICT (scope, slot) DO UPDATE SET value = epochs_epoch.value + 1;
END $$
"""
# Two statements, because a trigger's own conflict clause yields to that of the statement that fires it.
_BUMP_SQLITE = (
    "INSERT INTO epochs_epoch (scope, slot, value) SELECT {scope}, 0, 0 WHERE {scope} IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM epochs_epoch WHERE scope = {scope} AND slot = 0); "
    "UPDATE epochs_epoch SET value = value + 1 WHERE scope = {scope} AND slot = 0;"
)


@dataclass(frozen=True, slots=True)
class _Trigger:
    name: str
    table: str
    statements: tuple[str, ...]


def triggers_install(connection: BaseDatabaseWrapper) -> bool:
    """Makes the triggers of a database those that `WATCHES` asks for; returns whether any were missing.

    While a trigger was missing, changes went unseen, so everything that is remembered anywhere is made stale then.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        wanted = _wanted(connection, tables)
        there = _there(connection)
        for name in there.keys() - wanted.keys():
            cursor.execute(_drop(connection, name, there[name]))
        missing = [trigger for name, trigger in wanted.items() if name not in there]
        if missing and connection.vendor == "postgresql":
            cursor.execute(_BUMP_POSTGRESQL)
        for trigger in missing:
            for statement in trigger.statements:
                cursor.execute(statement)
        if missing or (wanted and not _is_marked(connection)):
            _raise_global(connection)
    return bool(missing)


def _wanted(connection: BaseDatabaseWrapper, tables: set[str]) -> dict[str, _Trigger]:
    if Epoch._meta.db_table not in tables:  # noqa: SLF001 (Django's own name for it)
        return {}
    made = [
        _trigger(connection, watch, verb, number)
        for number, watch in enumerate(WATCHES)
        if watch.table in tables
        for verb in watch.verbs
    ]
    return {trigger.name: trigger for trigger in made}


def _trigger(connection: BaseDatabaseWrapper, watch: Watch, verb: str, number: int) -> _Trigger:
    event = f"AFTER {_VERBS[verb]}{_columns_of(connection, watch) if verb == 'U' else ''} ON {watch.table}"
    differs = "IS NOT" if connection.vendor == "sqlite" else "IS DISTINCT FROM"
    condition = dict(watch.when).get(verb, "").replace("{differs}", differs)
    event += " FOR EACH ROW" + (f" WHEN ({condition})" if condition else "")
    scopes = list(dict.fromkeys(_scope(watch, row) for row in _ROWS[verb]))
    if connection.vendor == "sqlite":
        body = " ".join(_BUMP_SQLITE.replace("{scope}", scope) for scope in scopes)
    else:
        body = " ".join(f"PERFORM epoch_raise({scope});" for scope in scopes)
    digest = hashlib.sha256(f"{event}{body}{_BUMP_POSTGRESQL}".encode()).hexdigest()[:8]
    name = f"epoch_{watch.table}_{number}_{verb.lower()}_{digest}"
    if connection.vendor == "sqlite":
        return _Trigger(name, watch.table, (f"CREATE TRIGGER {name} {event} BEGIN {body} END",))
    function = (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
    )
    return _Trigger(name, watch.table, (function, f"CREATE TRIGGER {name} {event} EXECUTE FUNCTION {name}()"))


def _columns_of(connection: BaseDatabaseWrapper, watch: Watch) -> str:
    """Returns ` OF …` with all columns but the exempt ones; a full `save()` names them all and counts as a change."""
    if not watch.exempt:
        return ""
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, watch.table)
    return " OF " + ", ".join(f'"{column.name}"' for column in described if column.name not in watch.exempt)


def _scope(watch: Watch, row: str) -> str:
    if not watch.key:
        return f"'{watch.scope}'"
    return f"('{watch.scope}' || {watch.key.replace('{row}', row)})"


def _there(connection: BaseDatabaseWrapper) -> Mapping[str, str]:
    """Returns the tables of the triggers that are there, by name."""
    if connection.vendor == "sqlite":
        query = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: Iterable[tuple[str, str]] = cursor.fetchall()
    return {name: table for name, table in rows if name.startswith("epoch_")}


def _drop(connection: BaseDatabaseWrapper, name: str, table: str) -> str:
    if connection.vendor == "sqlite":
        return f'DROP TRIGGER "{name}"'
    return f'DROP TRIGGER "{name}" ON {table}; DROP FUNCTION "{name}"()'


def _is_marked(connection: BaseDatabaseWrapper) -> bool:
    return Epoch.objects.using(connection.alias).filter(scope=GLOBAL, slot=_MARK).exists()


def _raise_global(connection: BaseDatabaseWrapper) -> None:
    epochs = Epoch.objects.using(connection.alias)
    row, _ = epochs.get_or_create(scope=GLOBAL, slot=_MARK)
    epochs.filter(pk=row.pk).update(value=row.value + 1)
