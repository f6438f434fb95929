-- SPDX-License-Identifier: Apache-2.0
-- Roles, schemas and the record of migrations. Run by a role that may create roles and owns the
-- database, and safe to run again, like every file here, in their order and while no daemon runs, since
-- later ones replace what earlier ones define: psql -v ON_ERROR_STOP=1 -f FILE does what intakectl db
-- migrate does, but for the digests, without which that would apply them again.
BEGIN;
SET LOCAL client_min_messages = warning;
-- As in every file: where others may create functions in public, theirs would be taken for PostgreSQL's
-- own, here with the rights of a superuser, and for ever in what is parsed now.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
	role record;
BEGIN
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE EXCEPTION 'the database must be encoded in UTF8, not %',
			current_setting('server_encoding');
	END IF;
	FOR role IN
		SELECT * FROM (VALUES
			('intake_owner', 'intaked: owns tables and functions, applies migrations'),
			('intake_daemon', 'intaked: may call the intake functions and nothing else'),
			('intake_operator', 'intaked: partners, keys, retention and erasure'),
			('intake_view', 'intaked: owns the views of the analysis schema'),
			('intake_analyst', 'intaked: reads the analysis schema')) AS r(name, purpose)
	LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role.name) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', role.name);
			EXECUTE format('COMMENT ON ROLE %I IS %L', role.name, role.purpose);
		END IF;
	END LOOP;
	-- The migrations that follow run as intake_owner.
	IF NOT pg_has_role(current_user, 'intake_owner', 'USAGE') THEN
		EXECUTE format('GRANT intake_owner TO %I', current_user);
	END IF;
	EXECUTE format('GRANT CREATE ON DATABASE %I TO intake_owner', current_database());
END
$$;
-- For an index that takes up what is new after the commit, see 0004_record.sql. Part of PostgreSQL.
CREATE EXTENSION IF NOT EXISTS btree_gin SCHEMA public;
-- Views change owner to intake_view, which asks for membership.
GRANT intake_view TO intake_owner;

SET LOCAL ROLE intake_owner;
CREATE SCHEMA IF NOT EXISTS intake;
CREATE SCHEMA IF NOT EXISTS analysis;
COMMENT ON SCHEMA intake IS
	'The record: written by the daemon through functions, changed by nobody but its owner.';
COMMENT ON SCHEMA analysis IS
	'Views and functions for analysts. Names and columns change by addition only.';
GRANT USAGE ON SCHEMA intake TO intake_daemon, intake_operator, intake_view;
GRANT USAGE ON SCHEMA analysis TO intake_analyst;
GRANT USAGE, CREATE ON SCHEMA analysis TO intake_view;
-- A new function is callable by nobody until it says by whom.
ALTER DEFAULT PRIVILEGES IN SCHEMA intake REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE TABLE IF NOT EXISTS intake.migration (
	version int PRIMARY KEY,
	name text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE intake.migration
	ADD COLUMN IF NOT EXISTS sha256 bytea CHECK (octet_length(sha256) = 32);
COMMENT ON TABLE intake.migration IS 'Which numbered files of sql/ this database has had.';
COMMENT ON COLUMN intake.migration.version IS 'Number of the file.';
COMMENT ON COLUMN intake.migration.name IS 'Name of the file.';
COMMENT ON COLUMN intake.migration.applied_at IS 'When it was applied first.';
COMMENT ON COLUMN intake.migration.sha256 IS 'SHA-256 of the file as intakectl db migrate applied it last; NULL: it was applied by other means since.';
GRANT SELECT ON intake.migration TO intake_operator;

INSERT INTO intake.migration (version, name) VALUES (1, '0001_roles')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
