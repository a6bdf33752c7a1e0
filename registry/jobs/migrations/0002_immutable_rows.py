"""The database refuses to change a job that has ended, and to change an event at all.

Foreign keys of an ended job may still become NULL, because what they point at can be deleted; deleting a person deletes
their jobs, so DELETE stays possible.
"""

from django.db import migrations

TERMINAL = "('succeeded', 'stopped_with_output', 'cancelled', 'failed')"
FROZEN = (
    "id", "kind", "task", "spec", "spec_digest", "resolved", "requested_by_id", "environment", "purpose",
    "decision_ids", "estimate", "state", "stop_mode", "failure_code", "failure_message", "attempt", "max_attempts",
    "fencing_token", "lease_expires_at", "rung_at", "phase", "progress", "hub_events", "log_bytes", "log_tail", "peak_memory_bytes",
    "wall_seconds", "metrics", "output_commit", "queue", "created_at", "started_at", "finished_at",
)
DETACHABLE = ("base_id", "dataset_id", "output_id", "organization_id", "token_id", "worker_id")


def _changed(differs: str) -> str:
    """Returns the condition "something that must not change did", with the dialect's null-safe comparison."""
    frozen = [f'NEW."{name}" {differs} OLD."{name}"' for name in FROZEN]
    moved = [f'(NEW."{name}" {differs} OLD."{name}" AND NEW."{name}" IS NOT NULL)' for name in DETACHABLE]
    return " OR ".join(frozen + moved)


SQLITE = (
    f"""CREATE TRIGGER job_ended_is_final BEFORE UPDATE ON jobs_job
        WHEN OLD.state IN {TERMINAL} AND ({_changed("IS NOT")})
        BEGIN SELECT RAISE(ABORT, 'a job that has ended does not change'); END""",
    """CREATE TRIGGER job_event_is_final BEFORE UPDATE ON jobs_jobevent
        BEGIN SELECT RAISE(ABORT, 'job events are only ever added'); END""",
)
SQLITE_DROP = ("DROP TRIGGER job_ended_is_final", "DROP TRIGGER job_event_is_final")

POSTGRESQL = (
    """CREATE FUNCTION job_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation'; END $$""",
    f"""CREATE TRIGGER job_ended_is_final BEFORE UPDATE ON jobs_job FOR EACH ROW
        WHEN (OLD.state IN {TERMINAL} AND ({_changed("IS DISTINCT FROM")}))
        EXECUTE FUNCTION job_refuse_change('a job that has ended does not change')""",
    """CREATE TRIGGER job_event_is_final BEFORE UPDATE ON jobs_jobevent FOR EACH ROW
        EXECUTE FUNCTION job_refuse_change('job events are only ever added')""",
)
POSTGRESQL_DROP = (
    "DROP TRIGGER job_ended_is_final ON jobs_job",
    "DROP TRIGGER job_event_is_final ON jobs_jobevent",
    "DROP FUNCTION job_refuse_change()",
)


def _run(schema_editor, sqlite, postgresql):
    for statement in sqlite if schema_editor.connection.vendor == "sqlite" else postgresql:
        schema_editor.execute(statement, params=None)  # as written: PL/pgSQL has a % of its own


def install(apps, schema_editor):
    """Creates the triggers in the database's own dialect."""
    _run(schema_editor, SQLITE, POSTGRESQL)


def remove(apps, schema_editor):
    """Drops them."""
    _run(schema_editor, SQLITE_DROP, POSTGRESQL_DROP)


class Migration(migrations.Migration):
    """Installs the triggers."""

    dependencies = [("jobs", "0001_initial")]
    operations = [migrations.RunPython(install, remove)]
