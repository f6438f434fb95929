-- SPDX-License-Identifier: Apache-2.0
-- What the daemon calls. intake_daemon may execute these functions and do nothing else: it cannot
-- read a report back, change one or delete one.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

CREATE OR REPLACE FUNCTION intake.schema_version() RETURNS int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT max(version) FROM intake.migration
$$;
COMMENT ON FUNCTION intake.schema_version IS 'Number of the newest migration applied.';

DO $$
BEGIN
	IF to_regtype('intake.receipt') IS NULL THEN
		CREATE TYPE intake.receipt AS (
			place int,
			outcome text,
			id uuid,
			received_at timestamptz,
			report_id text,
			revision int,
			is_test boolean,
			sha256 bytea,
			taxonomy text,
			category text,
			primary_area text,
			action_areas text,
			warnings text
		);
	END IF;
END
$$;
COMMENT ON TYPE intake.receipt IS
	'What is known of one submission: its place in the call from 1, what became of it (stored, duplicate, conflict, superseded) and, where there is one, the receipt of the stored report. Areas are separated by spaces.';

CREATE OR REPLACE FUNCTION intake.receipt_of(place int, outcome text, report_uuid uuid)
RETURNS intake.receipt
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	receipt intake.receipt;
BEGIN
	SELECT receipt_of.place, receipt_of.outcome, r.id, r.received_at, r.report_id, r.revision,
		r.is_test, r.sha256, r.taxonomy, r.category, r.primary_area,
		array_to_string(r.action_areas, ' '), r.warnings
	INTO STRICT receipt
	FROM intake.report AS r WHERE r.id = report_uuid;
	RETURN receipt;
END
$$;
COMMENT ON FUNCTION intake.receipt_of IS 'The receipt of a stored report.';

-- One report whose key was taken. The key's row is locked, so that different revisions that arrive
-- together end as if they had been sent one after the other.
CREATE OR REPLACE FUNCTION intake.store_again(submitted intake.report, place int)
RETURNS intake.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	newest intake.report_key;
	same_id uuid;
	same_digest bytea;
	same_payload bytea;
BEGIN
	SELECT * INTO STRICT newest FROM intake.report_key AS k
	WHERE k.report_id = submitted.report_id AND k.partner_id = submitted.partner_id
		AND k.is_test = submitted.is_test
	FOR NO KEY UPDATE;

	IF submitted.revision > newest.revision THEN
		INSERT INTO intake.superseded_key (report_id, partner_id, is_test, revision, id)
		VALUES (newest.report_id, newest.partner_id, newest.is_test, newest.revision, newest.id);
		UPDATE intake.report_key AS k SET revision = submitted.revision, id = submitted.id
		WHERE k.report_id = newest.report_id AND k.partner_id = newest.partner_id
			AND k.is_test = newest.is_test;
		INSERT INTO intake.report SELECT submitted.*;
		RETURN NULL;
	END IF;

	IF submitted.revision = newest.revision THEN
		same_id := newest.id;
	ELSE
		SELECT k.id INTO same_id FROM intake.superseded_key AS k
		WHERE k.report_id = submitted.report_id AND k.partner_id = submitted.partner_id
			AND k.is_test = submitted.is_test AND k.revision = submitted.revision;
		IF same_id IS NULL THEN
			RETURN ROW(place, 'superseded', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
				NULL, NULL, NULL)::intake.receipt;
		END IF;
	END IF;

	IF same_id = submitted.id THEN
		-- This very submission was committed, and the news of it lost with the connection.
		RETURN ROW(place, 'stored', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
			NULL)::intake.receipt;
	END IF;
	SELECT r.sha256, r.payload INTO STRICT same_digest, same_payload
	FROM intake.report AS r WHERE r.id = same_id;
	IF same_digest = submitted.sha256
		OR convert_from(same_payload, 'UTF8')::jsonb
			= convert_from(submitted.payload, 'UTF8')::jsonb THEN
		RETURN intake.receipt_of(place, 'duplicate', same_id);
	END IF;
	RETURN intake.receipt_of(place, 'conflict', same_id);
END
$$;
COMMENT ON FUNCTION intake.store_again IS
	'Judges a submission whose key exists: NULL when it is a newer revision, which is stored now but for its indicators; else a repeat, a conflict, superseded, or stored by an earlier sending.';

-- A batch in one transaction. Keys are inserted in the order of the key, and only then are the keys
-- that were there locked, in the same order: two batches cannot wait for each other in a circle.
-- What was there before is looked up by later statements, whose snapshots see rows committed
-- meanwhile (READ COMMITTED). Usually every key is new, and the answer is empty: all stored.
CREATE OR REPLACE FUNCTION intake.store(reports intake.report[], indicators intake.indicator[])
RETURNS SETOF intake.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	added_ids uuid[];
	place int;
	answer intake.receipt;
BEGIN
	-- The daemon looked when it connected; a setting may have changed since.
	IF 'off' IN (current_setting('fsync'), current_setting('full_page_writes'),
			current_setting('synchronous_commit'))
		AND current_setting('intaked.allow_unsafe_durability', true) IS DISTINCT FROM 'on' THEN
		RAISE EXCEPTION 'fsync, full_page_writes or synchronous_commit is off'
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;

	WITH added AS (
		INSERT INTO intake.report_key (report_id, partner_id, is_test, revision, id)
			SELECT s.report_id, s.partner_id, s.is_test, s.revision, s.id
			FROM unnest(reports) WITH ORDINALITY AS s
			ORDER BY s.report_id COLLATE "C", s.partner_id, s.is_test, s.ordinality
		ON CONFLICT DO NOTHING RETURNING id)
	SELECT coalesce(array_agg(id), '{}') INTO added_ids FROM added;

	IF cardinality(added_ids) = cardinality(reports) THEN
		INSERT INTO intake.report SELECT s.* FROM unnest(reports) AS s;
		INSERT INTO intake.indicator SELECT s.* FROM unnest(indicators) AS s;
		RETURN;
	END IF;

	INSERT INTO intake.report SELECT s.* FROM unnest(reports) AS s WHERE s.id = ANY (added_ids);

	FOR place IN
		SELECT s.ordinality FROM unnest(reports) WITH ORDINALITY AS s
		WHERE s.id <> ALL (added_ids)
		ORDER BY s.report_id COLLATE "C", s.partner_id, s.is_test, s.ordinality
	LOOP
		answer := intake.store_again(reports[place], place);
		IF answer IS NULL THEN
			added_ids := array_append(added_ids, reports[place].id);
		ELSE
			RETURN NEXT answer;
		END IF;
	END LOOP;
	INSERT INTO intake.indicator
		SELECT s.* FROM unnest(indicators) AS s
		WHERE s.report IN (SELECT unnest(added_ids));
END
$$;
COMMENT ON FUNCTION intake.store IS
	'Stores a batch in one transaction. Returns a row for each report that was not simply stored.';

CREATE OR REPLACE FUNCTION intake.find(partner_ids int[], tests boolean[], report_ids text[],
	revisions int[], digests bytea[]) RETURNS SETOF intake.receipt
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted record;
	found_id uuid;
BEGIN
	FOR wanted IN
		SELECT w.ordinality::int AS place, w.partner_id, w.is_test, w.report_id, w.revision, w.digest
		FROM unnest(partner_ids, tests, report_ids, revisions, digests) WITH ORDINALITY
			AS w(partner_id, is_test, report_id, revision, digest)
		ORDER BY w.ordinality
	LOOP
		SELECT k.id INTO found_id FROM (
			SELECT k.id, k.revision FROM intake.report_key AS k
			WHERE k.report_id = wanted.report_id AND k.partner_id = wanted.partner_id
				AND k.is_test = wanted.is_test
			UNION ALL
			SELECT k.id, k.revision FROM intake.superseded_key AS k
			WHERE k.report_id = wanted.report_id AND k.partner_id = wanted.partner_id
				AND k.is_test = wanted.is_test AND k.revision = wanted.revision) AS k
		WHERE wanted.revision IS NULL OR k.revision = wanted.revision;
		IF found_id IS NOT NULL AND (wanted.digest IS NULL OR EXISTS (
			SELECT FROM intake.report AS r
			WHERE r.id = found_id AND r.sha256 = wanted.digest)) THEN
			RETURN NEXT intake.receipt_of(wanted.place, 'duplicate', found_id);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION intake.find IS
	'Receipts by key: of the newest revision where none is named, and only with the given digest where one is.';

CREATE OR REPLACE FUNCTION intake.note_refusals(refusals intake.refusal[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO intake.refusal SELECT r.* FROM unnest(refusals) AS r;
END
$$;
COMMENT ON FUNCTION intake.note_refusals IS 'Keeps what was refused, without its content.';

GRANT EXECUTE ON FUNCTION intake.schema_version, intake.store, intake.find, intake.note_refusals
	TO intake_daemon;
GRANT EXECUTE ON FUNCTION intake.schema_version TO intake_operator;

INSERT INTO intake.migration (version, name) VALUES (5, '0005_store')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
