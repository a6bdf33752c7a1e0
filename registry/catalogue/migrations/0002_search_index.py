"""Trigram indexes for substring search: FTS5 on SQLite, kept by triggers; GIN on PostgreSQL, where pg_trgm exists."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, migrations, transaction

_SQLITE = (
    """CREATE VIRTUAL TABLE catalogue_search USING fts5(
        search_text, content='catalogue_repositoryprofile', content_rowid='repository_id', tokenize='trigram')""",
    """CREATE TRIGGER catalogue_search_insert AFTER INSERT ON catalogue_repositoryprofile BEGIN
        INSERT INTO catalogue_search(rowid, search_text) VALUES (new.repository_id, new.search_text); END""",
    """CREATE TRIGGER catalogue_search_delete AFTER DELETE ON catalogue_repositoryprofile BEGIN
        INSERT INTO catalogue_search(catalogue_search, rowid, search_text)
        VALUES ('delete', old.repository_id, old.search_text); END""",
    """CREATE TRIGGER catalogue_search_update AFTER UPDATE OF search_text ON catalogue_repositoryprofile
        WHEN old.search_text IS NOT new.search_text BEGIN
        INSERT INTO catalogue_search(catalogue_search, rowid, search_text)
        VALUES ('delete', old.repository_id, old.search_text);
        INSERT INTO catalogue_search(rowid, search_text) VALUES (new.repository_id, new.search_text); END""",
    "INSERT INTO catalogue_search(catalogue_search) VALUES ('rebuild')",
)
_SQLITE_BACK = (
    "DROP TRIGGER catalogue_search_insert",
    "DROP TRIGGER catalogue_search_delete",
    "DROP TRIGGER catalogue_search_update",
    "DROP TABLE catalogue_search",
)
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX profile_search_trigram ON catalogue_repositoryprofile USING gin (search_text gin_trgm_ops)",
)


def create(apps: Any, schema_editor: Any) -> None:
    """Creates what the database can do; without pg_trgm PostgreSQL scans, which answers the same, only slower."""
    connection = schema_editor.connection
    if connection.vendor == "sqlite":
        for statement in _SQLITE:
            schema_editor.execute(statement)
    elif connection.vendor == "postgresql":
        try:
            with transaction.atomic(using=connection.alias):
                for statement in _POSTGRESQL:
                    schema_editor.execute(statement)
        except DatabaseError:  # the extension is not installed, or may not be created by this role
            return


def drop(apps: Any, schema_editor: Any) -> None:
    """Removes what `create` made."""
    if schema_editor.connection.vendor == "sqlite":
        for statement in _SQLITE_BACK:
            schema_editor.execute(statement)
    else:
        schema_editor.execute("DROP INDEX IF EXISTS profile_search_trigram")


class Migration(migrations.Migration):
    dependencies = [("catalogue", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
