-- SPDX-License-Identifier: Apache-2.0
-- Keeping and forgetting: legal holds, how long reports are kept, erasure, and the bytes that leave
-- the database.
--
-- An erased revision leaves intake.report altogether, and what proves that it was there goes to
-- intake.erased_report: so no view or function that reads reports can show it, every payload casts to
-- jsonb and hashes to its digest, and nobody pays for erasures that have not happened.
--
-- Whatever erases locks in this order: the table of holds, so that a hold whose command has returned
-- holds; the keys of the reports in the order of the key, as intake.store() does; housekeeping. It
-- waits for no lock that somebody takes who waits for one of these.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

-- ---- what is left, and the log

CREATE TABLE IF NOT EXISTS intake.erasure (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind text NOT NULL CHECK (kind IN ('report', 'person', 'retention', 'search')),
	asked_by text NOT NULL CHECK (length(asked_by) BETWEEN 1 AND 200),
	done_by name NOT NULL DEFAULT session_user,
	reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
	reports bigint NOT NULL DEFAULT 0,
	revisions bigint NOT NULL DEFAULT 0,
	indicators bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE intake.erasure IS
	'The log of erasures, of runs of the retention and of searches for a person, for ever. Whom a search was for it does not say.';
COMMENT ON COLUMN intake.erasure.id IS 'Rises with time.';
COMMENT ON COLUMN intake.erasure.began_at IS 'When.';
COMMENT ON COLUMN intake.erasure.kind IS 'report, person, retention, or search: for a person, whether or not an erasure followed.';
COMMENT ON COLUMN intake.erasure.asked_by IS 'On whose request.';
COMMENT ON COLUMN intake.erasure.done_by IS 'The database user who did it.';
COMMENT ON COLUMN intake.erasure.reason IS 'Why.';
COMMENT ON COLUMN intake.erasure.reports IS 'Of how many reports something was erased.';
COMMENT ON COLUMN intake.erasure.revisions IS 'How many revisions were erased, or found.';
COMMENT ON COLUMN intake.erasure.indicators IS 'How many indicators went with them.';

CREATE TABLE IF NOT EXISTS intake.erased_report (
	report uuid PRIMARY KEY,
	erasure bigint NOT NULL,
	erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	received_at timestamptz NOT NULL,
	detected_at timestamptz NOT NULL,
	started_at timestamptz,
	reported_at timestamptz,
	contained_at timestamptz,
	ended_at timestamptz,
	recovered_at timestamptz,
	retracted_at timestamptz,
	partner_id int NOT NULL,
	revision int NOT NULL,
	is_test boolean NOT NULL,
	is_closed boolean NOT NULL,
	report_id text NOT NULL,
	taxonomy text NOT NULL,
	category text NOT NULL,
	primary_area text NOT NULL,
	action_areas text[] NOT NULL,
	warnings text,
	sha256 bytea NOT NULL
);
COMMENT ON TABLE intake.erased_report IS
	'What is left of an erased revision, one row each, for ever: key, digest, times, receipt.';
COMMENT ON COLUMN intake.erased_report.report IS 'Which revision; its row of intake.report is gone.';
COMMENT ON COLUMN intake.erased_report.erasure IS 'By which entry of intake.erasure.';
COMMENT ON COLUMN intake.erased_report.erased_at IS 'When.';
COMMENT ON COLUMN intake.erased_report.received_at IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.detected_at IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.started_at IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.reported_at IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.contained_at IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.ended_at IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.recovered_at IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.retracted_at IS 'When its partner had taken it back; the reason for that is erased too.';
COMMENT ON COLUMN intake.erased_report.partner_id IS 'Who sent it.';
COMMENT ON COLUMN intake.erased_report.revision IS 'As it was.';
COMMENT ON COLUMN intake.erased_report.is_test IS 'Sent while the partner was in test mode.';
COMMENT ON COLUMN intake.erased_report.is_closed IS 'The whole report was erased: where the newest revision says so, no other is taken.';
COMMENT ON COLUMN intake.erased_report.report_id IS 'The reporter''s own id.';
COMMENT ON COLUMN intake.erased_report.taxonomy IS 'As in the receipt.';
COMMENT ON COLUMN intake.erased_report.category IS 'As in the receipt.';
COMMENT ON COLUMN intake.erased_report.primary_area IS 'As in the receipt.';
COMMENT ON COLUMN intake.erased_report.action_areas IS 'As in the receipt.';
COMMENT ON COLUMN intake.erased_report.warnings IS 'As in the receipt, which names no values.';
COMMENT ON COLUMN intake.erased_report.sha256 IS 'SHA-256 of the bytes that were erased.';
CREATE INDEX IF NOT EXISTS erased_report_erasure ON intake.erased_report (erasure);

-- ---- the answers to partners

DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_attribute AS a
		WHERE a.attrelid = 'intake.receipt'::regclass AND a.attname = 'erased_at') THEN
		ALTER TYPE intake.receipt ADD ATTRIBUTE erased_at timestamptz;
	END IF;
END
$$;
COMMENT ON TYPE intake.receipt IS
	'What is known of one submission: its place in the call from 1, what became of it (stored, duplicate, conflict, superseded, erased, retracted, not found) and, where there is one, the receipt of the stored report, with its retraction if that revision was taken back, and when it was erased. Areas are separated by spaces.';

CREATE OR REPLACE FUNCTION intake.receipt_of(place int, outcome text, report_uuid uuid)
RETURNS intake.receipt
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	receipt intake.receipt;
BEGIN
	SELECT receipt_of.place, receipt_of.outcome, r.id, r.received_at, r.report_id, r.revision,
		r.is_test, r.sha256, r.taxonomy, r.category, r.primary_area,
		array_to_string(r.action_areas, ' '), r.warnings, t.retracted_at, t.reason, NULL
	INTO receipt
	FROM intake.report AS r LEFT JOIN intake.retraction AS t ON t.report = r.id
	WHERE r.id = report_uuid;
	IF NOT FOUND THEN
		SELECT receipt_of.place, receipt_of.outcome, e.report, e.received_at, e.report_id,
			e.revision, e.is_test, e.sha256, e.taxonomy, e.category, e.primary_area,
			array_to_string(e.action_areas, ' '), e.warnings, NULL, NULL, e.erased_at
		INTO STRICT receipt
		FROM intake.erased_report AS e WHERE e.report = report_uuid;
	END IF;
	RETURN receipt;
END
$$;
COMMENT ON FUNCTION intake.receipt_of IS 'The receipt of a report that is stored, or was and is erased.';

CREATE OR REPLACE FUNCTION intake.store_again(submitted intake.report, place int)
RETURNS intake.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	newest intake.report_key;
	same_id uuid;
	same_digest bytea;
	same_payload bytea;
	is_closed boolean;
BEGIN
	SELECT * INTO STRICT newest FROM intake.report_key AS k
	WHERE k.report_id = submitted.report_id AND k.partner_id = submitted.partner_id
		AND k.is_test = submitted.is_test
	FOR NO KEY UPDATE;
	is_closed := EXISTS (SELECT FROM intake.erased_report AS e
		WHERE e.report = newest.id AND e.is_closed);

	IF submitted.revision > newest.revision AND NOT is_closed THEN
		INSERT INTO intake.superseded_key (report_id, partner_id, is_test, revision, id)
		VALUES (newest.report_id, newest.partner_id, newest.is_test, newest.revision, newest.id);
		UPDATE intake.report_key AS k SET revision = submitted.revision, id = submitted.id
		WHERE k.report_id = newest.report_id AND k.partner_id = newest.partner_id
			AND k.is_test = newest.is_test;
		INSERT INTO intake.report SELECT submitted.*;
		-- One that was taken back or erased does not count any more.
		INSERT INTO intake.change (report, sign)
			SELECT newest.id, -1
			WHERE NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = newest.id)
				AND EXISTS (SELECT FROM intake.report AS r WHERE r.id = newest.id);
		RETURN NULL;
	END IF;

	IF submitted.revision = newest.revision THEN
		same_id := newest.id;
	ELSE
		SELECT k.id INTO same_id FROM intake.superseded_key AS k
		WHERE k.report_id = submitted.report_id AND k.partner_id = submitted.partner_id
			AND k.is_test = submitted.is_test AND k.revision = submitted.revision;
		IF same_id IS NULL THEN
			RETURN intake.outcome_only(place,
				CASE WHEN is_closed THEN 'erased' ELSE 'superseded' END);
		END IF;
	END IF;

	IF same_id = submitted.id THEN
		-- This very submission was committed, and the news of it lost with the connection.
		RETURN intake.outcome_only(place, 'stored');
	END IF;
	SELECT r.sha256, r.payload INTO same_digest, same_payload
	FROM intake.report AS r WHERE r.id = same_id;
	IF NOT FOUND THEN
		-- Of what is erased the digest alone tells a repeat.
		IF EXISTS (SELECT FROM intake.erased_report AS e
			WHERE e.report = same_id AND e.sha256 = submitted.sha256) THEN
			RETURN intake.receipt_of(place, 'duplicate', same_id);
		END IF;
		RETURN intake.outcome_only(place, 'erased');
	END IF;
	IF same_digest = submitted.sha256
		OR convert_from(same_payload, 'UTF8')::jsonb
			= convert_from(submitted.payload, 'UTF8')::jsonb THEN
		RETURN intake.receipt_of(place, 'duplicate', same_id);
	END IF;
	RETURN intake.receipt_of(place, 'conflict', same_id);
END
$$;
COMMENT ON FUNCTION intake.store_again IS
	'Judges a submission whose key exists: NULL when it is a newer revision, which is stored now but for its indicators; else a repeat, a conflict, superseded, erased, or stored by an earlier sending.';

-- A transaction that writes nothing waits for no standby when it commits. A primary that its standby
-- has left behind would tell what it has, which may be lost, and that it has not what the promoted
-- one has. With a message in the log, which nobody reads, the commit waits, and behind all that was
-- read. Where no standby is waited for, nothing is written.
CREATE OR REPLACE FUNCTION intake.wait_for_standby_at_commit() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF current_setting('synchronous_standby_names') <> '' THEN
		PERFORM pg_logical_emit_message(true, 'intaked', '');
	END IF;
END
$$;
COMMENT ON FUNCTION intake.wait_for_standby_at_commit IS
	'Makes the commit of a transaction that only reads wait for a synchronous standby, if there is to be one.';

CREATE OR REPLACE FUNCTION intake.registry()
RETURNS TABLE (id int, name text, organisations text, may_relay boolean, is_live boolean,
	is_suspended boolean, keys text, revoked_keys text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM intake.wait_for_standby_at_commit();
	RETURN QUERY
	SELECT p.id, p.name, array_to_string(p.organisations, ' '), p.may_relay, p.is_live,
		p.is_suspended,
		coalesce(string_agg(encode(k.spki_sha256, 'hex'), ' ' ORDER BY k.spki_sha256)
			FILTER (WHERE k.revoked_at IS NULL), ''),
		coalesce(string_agg(encode(k.spki_sha256, 'hex'), ' ' ORDER BY k.spki_sha256)
			FILTER (WHERE k.revoked_at IS NOT NULL), '')
	FROM intake.partner AS p LEFT JOIN intake.partner_key AS k ON k.partner_id = p.id
	GROUP BY p.id
	ORDER BY p.name;
END
$$;

CREATE OR REPLACE FUNCTION intake.find(partner_ids int[], tests boolean[], report_ids text[],
	revisions int[], digests bytea[]) RETURNS SETOF intake.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted record;
	found_id uuid;
BEGIN
	PERFORM intake.wait_for_standby_at_commit();
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
		IF found_id IS NOT NULL AND (wanted.digest IS NULL
			OR EXISTS (SELECT FROM intake.report AS r
				WHERE r.id = found_id AND r.sha256 = wanted.digest)
			OR EXISTS (SELECT FROM intake.erased_report AS e
				WHERE e.report = found_id AND e.sha256 = wanted.digest)) THEN
			RETURN NEXT intake.receipt_of(wanted.place, 'duplicate', found_id);
		END IF;
	END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION intake.retract(retraction_id uuid, retracted_at timestamptz,
	partner_id int, is_test boolean, report_id text, revision int, reason text)
RETURNS intake.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	newest intake.report_key;
	retracted_id uuid;
	stored intake.retraction;
BEGIN
	-- As in store(): a setting may have changed since the daemon looked.
	IF 'off' IN (current_setting('fsync'), current_setting('full_page_writes'),
			current_setting('synchronous_commit'))
		AND current_setting('intaked.allow_unsafe_durability', true) IS DISTINCT FROM 'on' THEN
		RAISE EXCEPTION 'fsync, full_page_writes or synchronous_commit is off'
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;

	SELECT * INTO newest FROM intake.report_key AS k
	WHERE k.report_id = retract.report_id AND k.partner_id = retract.partner_id
		AND k.is_test = retract.is_test
	FOR NO KEY UPDATE;
	IF NOT FOUND OR retract.revision > newest.revision THEN
		PERFORM intake.wait_for_standby_at_commit();
		RETURN intake.outcome_only(1, 'not found');
	END IF;

	IF retract.revision = newest.revision THEN
		retracted_id := newest.id;
	ELSE
		SELECT k.id INTO retracted_id FROM intake.superseded_key AS k
		WHERE k.report_id = retract.report_id AND k.partner_id = retract.partner_id
			AND k.is_test = retract.is_test AND k.revision = retract.revision;
	END IF;
	IF EXISTS (SELECT FROM intake.erased_report AS e WHERE e.report = retracted_id) THEN
		RETURN intake.outcome_only(1, 'erased');
	END IF;
	IF retract.revision = newest.revision THEN
		INSERT INTO intake.retraction (report, id, retracted_at, reason)
		VALUES (retracted_id, retract.retraction_id, retract.retracted_at, retract.reason)
		ON CONFLICT DO NOTHING;
	END IF;

	SELECT * INTO stored FROM intake.retraction AS t WHERE t.report = retracted_id;
	IF NOT FOUND THEN
		RETURN intake.outcome_only(1, 'superseded');
	END IF;
	RETURN intake.receipt_of(1, CASE WHEN stored.id = retract.retraction_id THEN 'retracted'
		WHEN stored.reason = retract.reason THEN 'duplicate' ELSE 'conflict' END, retracted_id);
END
$$;
COMMENT ON FUNCTION intake.retract IS
	'Takes a report''s newest revision back: retracted (now, or by an earlier sending of this very request), duplicate (for the same reason before), conflict (for another reason), superseded (it is not the newest), erased or not found.';

-- ---- legal holds

CREATE TABLE IF NOT EXISTS intake.legal_hold (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	report_id text COLLATE "C",
	partner_id int REFERENCES intake.partner,
	category text REFERENCES intake.category,
	received_from timestamptz,
	received_before timestamptz,
	reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
	placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	placed_by name NOT NULL DEFAULT session_user,
	ends_at timestamptz,
	removed_at timestamptz,
	removed_by name,
	CONSTRAINT legal_hold_is_on_something CHECK (
		num_nonnulls(report_id, partner_id, category, received_from, received_before) > 0)
);
COMMENT ON TABLE intake.legal_hold IS
	'What may not be erased: reports of which a revision meets every condition that a row has. Rows stay when a hold is over.';
COMMENT ON COLUMN intake.legal_hold.id IS 'Rises with time.';
COMMENT ON COLUMN intake.legal_hold.report_id IS 'The reporter''s own id; NULL: any.';
COMMENT ON COLUMN intake.legal_hold.partner_id IS 'Who sent it; NULL: any.';
COMMENT ON COLUMN intake.legal_hold.category IS 'A class of it, primary or further; NULL: any.';
COMMENT ON COLUMN intake.legal_hold.received_from IS 'Received then or later; NULL: any time.';
COMMENT ON COLUMN intake.legal_hold.received_before IS 'Received before; NULL: any time.';
COMMENT ON COLUMN intake.legal_hold.reason IS 'Why.';
COMMENT ON COLUMN intake.legal_hold.placed_at IS 'Since when.';
COMMENT ON COLUMN intake.legal_hold.placed_by IS 'The database user who placed it.';
COMMENT ON COLUMN intake.legal_hold.ends_at IS 'When it ends by itself; NULL: when it is removed.';
COMMENT ON COLUMN intake.legal_hold.removed_at IS 'When it was removed.';
COMMENT ON COLUMN intake.legal_hold.removed_by IS 'The database user who removed it.';

CREATE OR REPLACE FUNCTION intake.hold_add(report_id text, partner_name text, category text,
	received_from timestamptz, received_before timestamptz, ends_at timestamptz, reason text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	new_id bigint;
BEGIN
	INSERT INTO intake.legal_hold AS h
		(report_id, partner_id, category, received_from, received_before, ends_at, reason)
	VALUES (hold_add.report_id,
		CASE WHEN partner_name IS NOT NULL THEN intake.partner_id(partner_name) END,
		hold_add.category, hold_add.received_from, hold_add.received_before, hold_add.ends_at,
		hold_add.reason)
	RETURNING h.id INTO new_id;
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.hold_add IS
	'Places a legal hold. It waits for erasures that are under way; once it has returned and is committed, nothing that it is on is erased.';

CREATE OR REPLACE FUNCTION intake.hold_remove(hold bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE intake.legal_hold AS h SET removed_at = clock_timestamp(), removed_by = session_user
	WHERE h.id = hold AND h.removed_at IS NULL;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no hold % that is in force', hold
			USING ERRCODE = 'no_data_found';
	END IF;
END
$$;
COMMENT ON FUNCTION intake.hold_remove IS 'Ends a legal hold; its row stays.';

CREATE OR REPLACE FUNCTION intake.holds()
RETURNS TABLE (id bigint, is_in_force boolean, report_id text, partner text, category text,
	received_from timestamptz, received_before timestamptz, placed_at timestamptz, placed_by text,
	ends_at timestamptz, removed_at timestamptz, removed_by text, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY
	SELECT h.id, h.removed_at IS NULL AND (h.ends_at IS NULL OR h.ends_at > now()), h.report_id,
		p.name, h.category, h.received_from, h.received_before, h.placed_at, h.placed_by::text,
		h.ends_at, h.removed_at, h.removed_by::text, h.reason
	FROM intake.legal_hold AS h LEFT JOIN intake.partner AS p ON p.id = h.partner_id
	ORDER BY h.id;
END
$$;
COMMENT ON FUNCTION intake.holds IS 'Every legal hold, those that are over included, for operators.';

DROP FUNCTION IF EXISTS intake.hold_on(text, int, boolean);
CREATE OR REPLACE FUNCTION intake.hold_on(report_id text, partner_id int, is_test boolean,
	only_hold bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- Mostly there is none.
	IF NOT EXISTS (SELECT FROM intake.legal_hold AS h
		WHERE h.removed_at IS NULL AND (h.ends_at IS NULL OR h.ends_at > now())) THEN
		RETURN NULL;
	END IF;
	RETURN (
		SELECT min(h.id)
		FROM (
			SELECT k.id FROM intake.report_key AS k
			WHERE k.report_id = hold_on.report_id AND k.partner_id = hold_on.partner_id
				AND k.is_test = hold_on.is_test
			UNION ALL
			SELECT k.id FROM intake.superseded_key AS k
			WHERE k.report_id = hold_on.report_id AND k.partner_id = hold_on.partner_id
				AND k.is_test = hold_on.is_test) AS k
			JOIN intake.report AS r ON r.id = k.id
			JOIN intake.legal_hold AS h ON h.removed_at IS NULL
				AND (h.ends_at IS NULL OR h.ends_at > now())
				AND (only_hold IS NULL OR h.id = only_hold)
				AND (h.report_id IS NULL OR h.report_id = r.report_id)
				AND (h.partner_id IS NULL OR h.partner_id = r.partner_id)
				AND (h.category IS NULL OR h.category = r.category
					OR h.category = ANY (r.additional_categories))
				AND (h.received_from IS NULL OR r.received_at >= h.received_from)
				AND (h.received_before IS NULL OR r.received_at < h.received_before));
END
$$;
COMMENT ON FUNCTION intake.hold_on IS 'The first hold that a revision of the report is under, of all or of one; NULL: none.';

CREATE OR REPLACE FUNCTION intake.hold_reports(hold bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (
		SELECT count(*) FROM intake.legal_hold AS h
			JOIN intake.report_key AS k ON k.report_id = h.report_id
				AND k.partner_id = h.partner_id
		WHERE h.id = hold_reports.hold
			AND intake.hold_on(k.report_id, k.partner_id, k.is_test, h.id) IS NOT NULL);
END
$$;
COMMENT ON FUNCTION intake.hold_reports IS
	'On how many reports a hold is now that names a partner''s report: of the live ones and of the tests.';

-- ---- erasure

-- Hosts of a report without reading them all; see intake.indicator's index of the same kind.
CREATE INDEX IF NOT EXISTS host_report ON intake.host
	USING brin (report) WITH (pages_per_range = 16, autosummarize = on);

-- What is erased leaves room, and new rows come to lie where old ones did. An index of block ranges
-- widens a range for them and never narrows one: in the end each would seem to hold everything. So
-- the ranges that lose rows are noted, and made anew when nobody can see these rows any more.
CREATE TABLE IF NOT EXISTS intake.emptied_range (
	of_table regclass NOT NULL,
	first_block bigint NOT NULL,
	noted_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (of_table, first_block)
);
COMMENT ON TABLE intake.emptied_range IS
	'Ranges of 16 blocks that rows were erased from, until intake.retention_tidy() takes them.';
COMMENT ON COLUMN intake.emptied_range.of_table IS 'intake.indicator or intake.host.';
COMMENT ON COLUMN intake.emptied_range.first_block IS 'The range''s first.';
COMMENT ON COLUMN intake.emptied_range.noted_at IS 'When rows were erased from it last.';

CREATE OR REPLACE FUNCTION intake.retention_tidy(max_ranges int) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	range record;
	tidied int := 0;
BEGIN
	-- Whoever maintains these tables now has precedence.
	LOCK TABLE intake.indicator, intake.host IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
	FOR range IN
		WITH taken AS (
			DELETE FROM intake.emptied_range AS e WHERE e.ctid = ANY (ARRAY(
				SELECT n.ctid FROM intake.emptied_range AS n
				WHERE n.noted_at < now() - interval '1 hour' LIMIT max_ranges))
			RETURNING e.of_table, e.first_block)
		SELECT i.indexrelid::regclass AS index, t.first_block
		FROM taken AS t
			JOIN pg_index AS i ON i.indrelid = t.of_table
			JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
			JOIN pg_am AS a ON a.oid = c.relam AND a.amname = 'brin'
	LOOP
		PERFORM brin_desummarize_range(range.index, range.first_block);
		PERFORM brin_summarize_range(range.index, range.first_block);
		tidied := tidied + 1;
	END LOOP;
	RETURN tidied;
EXCEPTION WHEN lock_not_available THEN
	RETURN 0;
END
$$;
COMMENT ON FUNCTION intake.retention_tidy IS
	'Narrows the indexes of what earlier erasures have emptied, up to so many ranges; returns how many, 0 when there are none or somebody else maintains these tables.';

CREATE OR REPLACE FUNCTION intake.block_of(place tid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN ((place::text)::point)[0]::bigint;
COMMENT ON FUNCTION intake.block_of IS 'The block that a row lies in.';
CREATE OR REPLACE FUNCTION intake.note_emptied(of_table regclass, blocks bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO intake.emptied_range AS e (of_table, first_block)
		SELECT DISTINCT note_emptied.of_table, b.block / 16 * 16 FROM unnest(blocks) AS b(block)
		ORDER BY 2
	ON CONFLICT ON CONSTRAINT emptied_range_pkey DO UPDATE SET noted_at = excluded.noted_at;
END
$$;
COMMENT ON FUNCTION intake.note_emptied IS 'Notes ranges that rows were erased from.';

-- Indexes know in which blocks ids lie. Ids that are close in time are asked for by their range:
-- once each would read the whole index for each, once for all would read whatever lies between.
CREATE OR REPLACE FUNCTION intake.remove_parts(reports uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off AS $$
DECLARE
	hour_ms CONSTANT bigint := 3600000;
	part record;
	blocks bigint[];
	indicators bigint := 0;
BEGIN
	FOR part IN
		WITH timed AS (
			SELECT r.id, ('x' || left(replace(r.id::text, '-', ''), 12))::bit(48)::bigint AS at
			FROM unnest(reports) AS r(id)),
		stepped AS (
			SELECT t.id, (t.at - lag(t.at, 1, t.at) OVER (ORDER BY t.id) > hour_ms)::int AS step
			FROM timed AS t),
		numbered AS (
			SELECT s.id, sum(s.step) OVER (ORDER BY s.id) AS number FROM stepped AS s)
		SELECT array_agg(n.id ORDER BY n.id) AS ids FROM numbered AS n GROUP BY n.number
	LOOP
		WITH gone AS (
			DELETE FROM intake.indicator AS i
			WHERE i.report BETWEEN part.ids[1] AND part.ids[cardinality(part.ids)]
				AND i.report IN (SELECT unnest(part.ids))
			RETURNING i.ctid)
		SELECT coalesce(array_agg(intake.block_of(g.ctid)), '{}') INTO blocks FROM gone AS g;
		indicators := indicators + cardinality(blocks);
		PERFORM intake.note_emptied('intake.indicator'::regclass, blocks);
		WITH gone AS (
			DELETE FROM intake.host AS h
			WHERE h.report BETWEEN part.ids[1] AND part.ids[cardinality(part.ids)]
				AND h.report IN (SELECT unnest(part.ids))
			RETURNING h.ctid)
		SELECT coalesce(array_agg(intake.block_of(g.ctid)), '{}') INTO blocks FROM gone AS g;
		PERFORM intake.note_emptied('intake.host'::regclass, blocks);
	END LOOP;
	RETURN indicators;
END
$$;
COMMENT ON FUNCTION intake.remove_parts IS 'Removes the indicators of revisions, and returns how many.';

CREATE OR REPLACE FUNCTION intake.remove_revisions(doomed uuid[], current_ones uuid[],
	erasure_id bigint, closes boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
	changes intake.change[];
BEGIN
	-- Housekeeping takes nothing meanwhile: a change is folded once, and sums are changed by one.
	LOCK TABLE intake.turn IN EXCLUSIVE MODE;
	WITH gone AS (
		DELETE FROM intake.change AS c WHERE c.report = ANY (doomed) RETURNING c.report, c.sign)
	SELECT coalesce(array_agg(g::intake.change), '{}') INTO changes FROM gone AS g;
	PERFORM intake.fold(changes
		|| ARRAY(SELECT ROW(c.id, -1)::intake.change FROM unnest(current_ones) AS c(id)));

	INSERT INTO intake.erased_report (report, erasure, received_at, detected_at, started_at,
		reported_at, contained_at, ended_at, recovered_at, retracted_at, partner_id, revision,
		is_test, is_closed, report_id, taxonomy, category, primary_area, action_areas, warnings,
		sha256)
		SELECT r.id, erasure_id, r.received_at, r.detected_at, r.started_at, r.reported_at,
			r.contained_at, r.ended_at, r.recovered_at, t.retracted_at, r.partner_id, r.revision,
			r.is_test, closes, r.report_id, r.taxonomy, r.category, r.primary_area,
			r.action_areas, r.warnings, r.sha256
		FROM intake.report AS r LEFT JOIN intake.retraction AS t ON t.report = r.id
		WHERE r.id = ANY (doomed);
	DELETE FROM intake.retraction AS t WHERE t.report = ANY (doomed);
	DELETE FROM intake.words AS w WHERE w.report = ANY (doomed);
	DELETE FROM intake.trait AS t WHERE t.report = ANY (doomed);
	DELETE FROM intake.report AS r WHERE r.id = ANY (doomed);
	RETURN intake.remove_parts(doomed);
END
$$;
COMMENT ON FUNCTION intake.remove_revisions IS
	'Puts what proves them in the place of revisions whose keys are locked, takes those that are current out of the daily sums, and returns how many indicators went.';

-- The reports that revisions belong to are locked first: what is read of them afterwards stays.
-- Whoever chose a report by its newest revision chose it before, and a newer one may have been
-- acknowledged meanwhile.
DROP FUNCTION IF EXISTS intake.erase_locked(bigint, uuid[], boolean),
	intake.erase_locked(bigint, uuid[], boolean, boolean);
CREATE OR REPLACE FUNCTION intake.erase_locked(erasure_id bigint, wanted uuid[], closes boolean,
	by_newest boolean, OUT reports bigint, OUT revisions bigint, OUT indicators bigint,
	OUT held bigint, OUT closed bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
	keys intake.report_key[];
	free_keys intake.report_key[];
	doomed uuid[];
BEGIN
	LOCK TABLE intake.legal_hold IN SHARE MODE;
	keys := ARRAY(
		SELECT k::intake.report_key FROM (
			SELECT k.* FROM intake.report_key AS k
				JOIN (SELECT DISTINCT v.report_id, v.partner_id, v.is_test FROM (
					SELECT r.id, r.report_id, r.partner_id, r.is_test FROM intake.report AS r
					WHERE r.id = ANY (wanted)
					UNION ALL
					SELECT e.report, e.report_id, e.partner_id, e.is_test
					FROM intake.erased_report AS e WHERE e.report = ANY (wanted)) AS v) AS w
				ON w.report_id = k.report_id AND w.partner_id = k.partner_id
					AND w.is_test = k.is_test
			ORDER BY k.report_id COLLATE "C", k.partner_id, k.is_test
			FOR NO KEY UPDATE OF k) AS k);
	IF by_newest THEN
		keys := ARRAY(
			SELECT k::intake.report_key FROM unnest(keys) AS k
			WHERE (
				SELECT r.id FROM (
					SELECT k.id, k.revision
					UNION ALL
					SELECT s.id, s.revision FROM intake.superseded_key AS s
					WHERE s.report_id = k.report_id AND s.partner_id = k.partner_id
						AND s.is_test = k.is_test) AS v
					JOIN intake.report AS r ON r.id = v.id
				ORDER BY v.revision DESC LIMIT 1) = ANY (wanted));
	END IF;
	free_keys := ARRAY(SELECT k::intake.report_key FROM unnest(keys) AS k
		WHERE intake.hold_on(k.report_id, k.partner_id, k.is_test) IS NULL);
	held := cardinality(keys) - cardinality(free_keys);

	doomed := ARRAY(
		SELECT r.id FROM unnest(free_keys) AS k
			CROSS JOIN LATERAL (
				SELECT k.id
				UNION ALL
				SELECT s.id FROM intake.superseded_key AS s
				WHERE s.report_id = k.report_id AND s.partner_id = k.partner_id
					AND s.is_test = k.is_test) AS v
			JOIN intake.report AS r ON r.id = v.id
		WHERE closes OR r.id = ANY (wanted));
	revisions := cardinality(doomed);
	reports := (SELECT count(DISTINCT (r.report_id, r.partner_id, r.is_test))
		FROM intake.report AS r WHERE r.id = ANY (doomed));
	indicators := intake.remove_revisions(doomed,
		ARRAY(SELECT k.id FROM unnest(free_keys) AS k
			WHERE k.id = ANY (doomed) AND NOT EXISTS (
				SELECT FROM intake.retraction AS t WHERE t.report = k.id)),
		erasure_id, closes);
	closed := 0;
	IF closes THEN
		-- Of one whose newest revision had been erased before, alone.
		UPDATE intake.erased_report AS e SET is_closed = true
		WHERE e.report IN (SELECT k.id FROM unnest(free_keys) AS k) AND NOT e.is_closed;
		GET DIAGNOSTICS closed = ROW_COUNT;
	END IF;
	UPDATE intake.erasure AS e SET reports = e.reports + erase_locked.reports,
		revisions = e.revisions + erase_locked.revisions,
		indicators = e.indicators + erase_locked.indicators
	WHERE e.id = erasure_id;
END
$$;
COMMENT ON FUNCTION intake.erase_locked IS
	'Erases revisions, or where it closes the reports that they are of, but for those under a hold; held says how many reports were, closed how many were closed whose newest revision had been erased before. By the newest it leaves alone whatever has one left that is not among the revisions.';

DROP FUNCTION IF EXISTS intake.erase(uuid[], boolean, text, text, text, bigint);
CREATE OR REPLACE FUNCTION intake.erase(reports uuid[], is_whole boolean, kind text, asked_by text,
	reason text, INOUT erasure bigint DEFAULT NULL, OUT erased_reports bigint,
	OUT erased_revisions bigint, OUT erased_indicators bigint, OUT held_reports bigint,
	OUT closed_reports bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF kind NOT IN ('report', 'person') OR cardinality(reports) > 1000 THEN
		RAISE EXCEPTION 'at most 1,000 revisions are erased at a time, as report or person'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF erasure IS NULL THEN
		INSERT INTO intake.erasure AS e (kind, asked_by, reason)
		VALUES (erase.kind, erase.asked_by, erase.reason) RETURNING e.id INTO erasure;
	ELSIF NOT EXISTS (SELECT FROM intake.erasure AS e WHERE e.id = erase.erasure
		AND e.kind = erase.kind AND e.done_by = session_user) THEN
		RAISE EXCEPTION 'there is no erasure % to go on with', erasure
			USING ERRCODE = 'no_data_found';
	END IF;
	SELECT l.reports, l.revisions, l.indicators, l.held, l.closed
	INTO erased_reports, erased_revisions, erased_indicators, held_reports, closed_reports
	FROM intake.erase_locked(erasure, reports, is_whole, false) AS l;
END
$$;
COMMENT ON FUNCTION intake.erase IS
	'Erases revisions by their ids, or the whole reports that they are of, after which no revision of those is taken any more; closed_reports are those of them whose newest revision had been erased before. Reports under a legal hold stay. The log says who, when, for whom and why; with the number of an erasure what is erased is added to it.';

DROP FUNCTION IF EXISTS intake.revisions_of(uuid, text, text, boolean);
CREATE OR REPLACE FUNCTION intake.revisions_of(report uuid, partner_name text, report_id text,
	is_test boolean)
RETURNS TABLE (id uuid, partner text, own_id text, revision int, test boolean,
	received_at timestamptz, erased_at timestamptz, hold bigint, leaves_open boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	wanted record;
BEGIN
	IF report IS NOT NULL THEN
		SELECT k.report_id, k.partner_id, k.is_test INTO wanted FROM (
			SELECT r.report_id, r.partner_id, r.is_test FROM intake.report AS r
			WHERE r.id = report
			UNION ALL
			SELECT e.report_id, e.partner_id, e.is_test FROM intake.erased_report AS e
			WHERE e.report = revisions_of.report) AS k;
	ELSE
		SELECT revisions_of.report_id AS report_id, intake.partner_id(partner_name) AS partner_id,
			revisions_of.is_test AS is_test INTO wanted;
	END IF;
	RETURN QUERY
	SELECT k.id, p.name, wanted.report_id, k.revision, wanted.is_test,
		coalesce(r.received_at, e.received_at), e.erased_at,
		intake.hold_on(wanted.report_id, wanted.partner_id, wanted.is_test),
		coalesce(k.is_newest AND NOT e.is_closed, false)
	FROM (
		SELECT n.id, n.revision, true AS is_newest FROM intake.report_key AS n
		WHERE n.report_id = wanted.report_id AND n.partner_id = wanted.partner_id
			AND n.is_test = wanted.is_test
		UNION ALL
		SELECT s.id, s.revision, false FROM intake.superseded_key AS s
		WHERE s.report_id = wanted.report_id AND s.partner_id = wanted.partner_id
			AND s.is_test = wanted.is_test) AS k
		JOIN intake.partner AS p ON p.id = wanted.partner_id
		LEFT JOIN intake.report AS r ON r.id = k.id
		LEFT JOIN intake.erased_report AS e ON e.report = k.id
	ORDER BY k.revision;
END
$$;
COMMENT ON FUNCTION intake.revisions_of IS
	'The keys of all revisions of the report that one id belongs to, or that a partner''s own id names; nothing of their content. One that leaves_open is the newest and erased, but newer ones are taken.';

-- What is looked for, in the form in which it is compared: no difference of case, of composition or
-- of white space. A backslash of the text is two in JSON, and what follows it is none of its escapes.
CREATE OR REPLACE FUNCTION intake.folded(document jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT regexp_replace(replace(lower(normalize(document::text, NFKC)), '\\', '/'),
		'(\\[ntr]|[[:space:]])+', ' ', 'g')
$$;
COMMENT ON FUNCTION intake.folded IS 'JSON as text for comparing.';

-- Text without spaces between its words has no whole words, and more is found rather than less.
CREATE OR REPLACE FUNCTION intake.person_pattern(person text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	quoted CONSTANT text := intake.folded(to_jsonb(btrim(person)));
	spelt CONSTANT text := substr(quoted, 2, length(quoted) - 2);
BEGIN
	IF spelt IS NULL OR (length(spelt) < 3 AND octet_length(spelt) < 6) THEN
		RAISE EXCEPTION 'a person is looked for by at least three characters'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN CASE WHEN spelt ~ '^[a-z0-9]' THEN '(^|[^a-z0-9])' ELSE '' END
		|| regexp_replace(spelt, '([^[:alnum:] ])', '\\\1', 'g')
		|| CASE WHEN spelt ~ '[a-z0-9]$' THEN '($|[^a-z0-9])' ELSE '' END;
END
$$;
COMMENT ON FUNCTION intake.person_pattern IS 'A regular expression for a person''s name or address as whole words of folded JSON.';

CREATE OR REPLACE FUNCTION intake.find_person(person text, asked_by text, reason text)
RETURNS TABLE (id uuid, partner text, own_id text, revision int, test boolean,
	received_at timestamptz, hold bigint, found_in text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	pattern CONSTANT text := intake.person_pattern(person);
	-- What every plain text that holds it holds, to spare most texts the rest.
	word CONSTANT text := coalesce((SELECT m.m[1]
		FROM regexp_matches(lower(person), '[a-z0-9]+', 'g') AS m(m)
		ORDER BY length(m.m[1]) DESC LIMIT 1), '');
	asked inet;
	found_count bigint;
	search bigint;
BEGIN
	BEGIN
		asked := btrim(person)::inet;
	EXCEPTION WHEN invalid_text_representation THEN
		asked := NULL;
	END;
	INSERT INTO intake.erasure AS e (kind, asked_by, reason)
	VALUES ('search', find_person.asked_by, find_person.reason) RETURNING e.id INTO search;

	RETURN QUERY
	WITH hit AS MATERIALIZED (
		SELECT t.id FROM (
			SELECT r.id, r.payload, convert_from(r.payload, 'UTF8') AS raw
			FROM intake.report AS r OFFSET 0) AS t
		WHERE (position('\' IN t.raw) > 0 OR octet_length(t.payload) <> length(t.raw)
				OR position(word IN lower(t.raw)) > 0)
			AND intake.folded(t.raw::jsonb) ~ pattern
		UNION
		SELECT t.report FROM intake.retraction AS t
		WHERE intake.folded(to_jsonb(t.reason)) ~ pattern
		UNION
		SELECT i.report FROM intake.indicator AS i
		WHERE asked IS NOT NULL AND i.address IS NOT NULL AND i.address = asked)
	SELECT r.id, p.name, r.report_id, r.revision, r.is_test, r.received_at,
		intake.hold_on(r.report_id, r.partner_id, r.is_test),
		ARRAY(
			SELECT m.key FROM jsonb_each(intake.document(r.payload)) AS m
			WHERE intake.folded(m.value) ~ pattern
			UNION
			SELECT 'retraction' FROM intake.retraction AS t
			WHERE t.report = r.id AND intake.folded(to_jsonb(t.reason)) ~ pattern
			UNION
			SELECT 'indicators' FROM intake.indicator AS i
			WHERE asked IS NOT NULL AND i.report = r.id AND i.address = asked
			ORDER BY 1)
	FROM hit AS h
		JOIN intake.report AS r ON r.id = h.id
		JOIN intake.partner AS p ON p.id = r.partner_id
	ORDER BY p.name, r.report_id, r.is_test, r.revision;
	GET DIAGNOSTICS found_count = ROW_COUNT;
	UPDATE intake.erasure AS e SET revisions = found_count WHERE e.id = search;
END
$$;
COMMENT ON FUNCTION intake.find_person IS
	'The keys of every revision, of whatever mode or age, in which a name or address stands as whole words: in any text of the report, or in the reason of its retraction. found_in names the members of the report, nothing of what they say. Every payload is read. The log says who searched, and for whom not.';

CREATE OR REPLACE FUNCTION intake.erasures()
RETURNS TABLE (id bigint, began_at timestamptz, kind text, asked_by text, done_by text,
	reports bigint, revisions bigint, indicators bigint, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY
	SELECT e.id, e.began_at, e.kind, e.asked_by, e.done_by::text, e.reports, e.revisions,
		e.indicators, e.reason
	FROM intake.erasure AS e ORDER BY e.id;
END
$$;
COMMENT ON FUNCTION intake.erasures IS 'The log of erasures, for operators.';

CREATE OR REPLACE FUNCTION intake.erased(erasure bigint)
RETURNS TABLE (id uuid, partner text, report_id text, revision int, test boolean,
	received_at timestamptz, erased_at timestamptz, sha256 text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY
	SELECT e.report, p.name, e.report_id, e.revision, e.is_test, e.received_at, e.erased_at,
		encode(e.sha256, 'hex')
	FROM intake.erased_report AS e JOIN intake.partner AS p ON p.id = e.partner_id
	WHERE e.erasure = erased.erasure
	ORDER BY p.name, e.report_id, e.is_test, e.revision;
END
$$;
COMMENT ON FUNCTION intake.erased IS 'Which revisions an entry of the log erased, for operators.';

-- ---- retention

CREATE TABLE IF NOT EXISTS intake.retention_policy (
	tlp smallint CHECK (tlp BETWEEN 0 AND 4),
	category text REFERENCES intake.category,
	keep interval CHECK (keep BETWEEN interval '1 day' AND interval '1000 years'),
	set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	set_by name NOT NULL DEFAULT session_user,
	CONSTRAINT retention_policy_key UNIQUE NULLS NOT DISTINCT (tlp, category)
);
COMMENT ON TABLE intake.retention_policy IS
	'How long reports are kept. Of the rows that fit a report the most specific decides: label and category, then category, then label, then neither. Where none fits it is kept for ever.';
COMMENT ON COLUMN intake.retention_policy.tlp IS 'The report''s own label; NULL: any.';
COMMENT ON COLUMN intake.retention_policy.category IS 'Its primary class; NULL: any.';
COMMENT ON COLUMN intake.retention_policy.keep IS 'From received_at of its newest revision; NULL: for ever.';
COMMENT ON COLUMN intake.retention_policy.set_at IS 'When it was set last.';
COMMENT ON COLUMN intake.retention_policy.set_by IS 'The database user who set it.';
-- Thousands of years reach behind the first time that there is, and then nothing is erased by any
-- policy: a table without the upper limit gets it.
UPDATE intake.retention_policy SET keep = interval '1000 years' WHERE keep > interval '1000 years';
ALTER TABLE intake.retention_policy
	DROP CONSTRAINT IF EXISTS retention_policy_keep_check,
	ADD CONSTRAINT retention_policy_keep_check
		CHECK (keep BETWEEN interval '1 day' AND interval '1000 years');

CREATE OR REPLACE FUNCTION intake.label_number(label text) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	number CONSTANT smallint := intake.tlp_number(label);
BEGIN
	IF label IS NOT NULL AND number IS NULL THEN
		RAISE EXCEPTION 'there is no label "%"; there are TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT and TLP:RED',
			label USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION intake.label_number IS 'The stored number of a label, or an error that lists them.';

CREATE OR REPLACE FUNCTION intake.retention_set(label text, category text, keep interval)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO intake.retention_policy AS p (tlp, category, keep)
	VALUES (intake.label_number(label), retention_set.category, retention_set.keep)
	ON CONFLICT ON CONSTRAINT retention_policy_key DO UPDATE
		SET keep = excluded.keep, set_at = excluded.set_at, set_by = excluded.set_by;
END
$$;
COMMENT ON FUNCTION intake.retention_set IS 'Sets how long reports of a label (NULL: any) and category (NULL: any) are kept; NULL: for ever.';

CREATE OR REPLACE FUNCTION intake.retention_remove(label text, category text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM intake.retention_policy AS p
	WHERE p.tlp IS NOT DISTINCT FROM intake.label_number(label)
		AND p.category IS NOT DISTINCT FROM retention_remove.category;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no policy for exactly this label and category'
			USING ERRCODE = 'no_data_found';
	END IF;
END
$$;
COMMENT ON FUNCTION intake.retention_remove IS 'Takes a policy away.';

CREATE OR REPLACE FUNCTION intake.retention_policies()
RETURNS TABLE (tlp text, category text, keep interval, set_at timestamptz, set_by text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY
	SELECT intake.tlp_label(p.tlp), p.category, p.keep, p.set_at, p.set_by::text
	FROM intake.retention_policy AS p
	ORDER BY p.category NULLS LAST, p.tlp NULLS LAST;
END
$$;
COMMENT ON FUNCTION intake.retention_policies IS 'How long reports are kept, the most specific first, for operators.';

-- A report goes as a whole, when the newest revision that is left of it is old enough.
CREATE OR REPLACE FUNCTION intake.retention_look(after_at timestamptz, after_id uuid, max_rows int)
RETURNS TABLE (id uuid, received_at timestamptz, tlp smallint, category text, report_id text,
	partner_id int, is_test boolean, is_expired boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	newest CONSTANT timestamptz := (SELECT max(now() - p.keep) FROM intake.retention_policy AS p);
BEGIN
	RETURN QUERY
	SELECT r.id, r.received_at, r.tlp, r.category, r.report_id, r.partner_id, r.is_test,
		coalesce(r.received_at < now() - u.keep, false) AND (k.id = r.id
			OR (EXISTS (SELECT FROM intake.erased_report AS e WHERE e.report = k.id)
				AND NOT EXISTS (
					SELECT FROM intake.superseded_key AS s JOIN intake.report AS n ON n.id = s.id
					WHERE s.report_id = r.report_id AND s.partner_id = r.partner_id
						AND s.is_test = r.is_test AND s.revision > r.revision)))
	FROM (
		SELECT s.id, s.received_at, s.tlp, s.category, s.report_id, s.partner_id, s.is_test,
			s.revision
		FROM intake.report AS s
		WHERE s.received_at < newest AND (s.received_at, s.id) > (after_at, after_id)
		ORDER BY s.received_at, s.id LIMIT max_rows) AS r
		LEFT JOIN LATERAL (
			SELECT p.keep FROM intake.retention_policy AS p
			WHERE (p.tlp IS NULL OR p.tlp = r.tlp)
				AND (p.category IS NULL OR p.category = r.category)
			ORDER BY p.category NULLS LAST, p.tlp NULLS LAST LIMIT 1) AS u ON true
		JOIN intake.report_key AS k ON k.report_id = r.report_id
			AND k.partner_id = r.partner_id AND k.is_test = r.is_test
	ORDER BY r.received_at, r.id;
END
$$;
COMMENT ON FUNCTION intake.retention_look IS
	'Revisions in the order of time from a place on, and whether by them their report has expired.';

CREATE OR REPLACE FUNCTION intake.retention_preview()
RETURNS TABLE (tlp text, category text, reports bigint, held bigint, oldest timestamptz,
	newest timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY
	SELECT intake.tlp_label(r.tlp), r.category, count(*) FILTER (WHERE r.hold IS NULL), count(r.hold),
		min(r.received_at), max(r.received_at)
	FROM (
		SELECT l.*, intake.hold_on(l.report_id, l.partner_id, l.is_test) AS hold
		FROM intake.retention_look('-infinity', '00000000-0000-0000-0000-000000000000', NULL) AS l
		WHERE l.is_expired OFFSET 0) AS r
	GROUP BY r.tlp, r.category
	ORDER BY r.tlp, r.category;
END
$$;
COMMENT ON FUNCTION intake.retention_preview IS
	'How many reports a run of the retention would erase now, and how many that have expired a legal hold keeps.';

CREATE OR REPLACE FUNCTION intake.retention_step(max_reports int,
	INOUT erasure bigint DEFAULT NULL, INOUT last_at timestamptz DEFAULT '-infinity',
	INOUT last_id uuid DEFAULT '00000000-0000-0000-0000-000000000000',
	OUT examined bigint, OUT erased_reports bigint, OUT erased_revisions bigint,
	OUT held_reports bigint, OUT is_done boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
	looked record;
	expired uuid[] := '{}';
BEGIN
	IF max_reports IS NULL OR max_reports NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'max_reports is %, expected 1 to 1000', coalesce(max_reports::text, 'NULL')
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF erasure IS NULL THEN
		INSERT INTO intake.erasure AS e (kind, asked_by, reason)
		VALUES ('retention', 'the retention policy', 'older than the retention policy keeps it')
		RETURNING e.id INTO erasure;
	ELSIF NOT EXISTS (SELECT FROM intake.erasure AS e WHERE e.id = retention_step.erasure
		AND e.kind = 'retention' AND e.done_by = session_user) THEN
		RAISE EXCEPTION 'there is no run % of the retention to go on with', erasure
			USING ERRCODE = 'no_data_found';
	END IF;
	examined := 0;
	is_done := true;
	FOR looked IN SELECT * FROM intake.retention_look(last_at, last_id, max_reports * 10) LOOP
		examined := examined + 1;
		last_at := looked.received_at;
		last_id := looked.id;
		IF looked.is_expired THEN
			expired := array_append(expired, looked.id);
		END IF;
		IF examined = max_reports * 10 OR cardinality(expired) = max_reports THEN
			is_done := false;
			EXIT;
		END IF;
	END LOOP;
	SELECT l.reports, l.revisions, l.held INTO erased_reports, erased_revisions, held_reports
	FROM intake.erase_locked(erasure, expired, true, true) AS l;
END
$$;
COMMENT ON FUNCTION intake.retention_step IS
	'Erases up to so many reports that the policy does not keep, the oldest first, in one short transaction. What it returns of where it stands goes into the next call, until it is done.';

GRANT EXECUTE ON FUNCTION intake.hold_add, intake.hold_remove, intake.hold_reports, intake.holds,
	intake.erase, intake.revisions_of, intake.find_person, intake.erasures, intake.erased, intake.retention_set,
	intake.retention_remove, intake.retention_policies, intake.retention_preview,
	intake.retention_step, intake.retention_tidy TO intake_operator;

-- ---- getting it out

-- The policies of the record decide which reports there are; see 0011_clearance.sql.
SET LOCAL ROLE intake_view;
CREATE OR REPLACE FUNCTION analysis.export_payload(id uuid, max_tlp text DEFAULT 'TLP:RED')
RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	limit_tlp CONSTANT smallint := intake.tlp_number(max_tlp);
BEGIN
	IF limit_tlp IS NULL THEN
		RAISE EXCEPTION 'max_tlp is none of TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT and TLP:RED'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN (SELECT r.payload FROM intake.report AS r
		WHERE r.id = export_payload.id
			AND r.tlp_strictest <= least(intake.cleared_tlp(), limit_tlp)
			AND (r.embargo_until IS NULL OR r.embargo_until <= now()));
END
$$;
COMMENT ON FUNCTION analysis.export_payload IS
	'The exact bytes of a report, for giving away: NULL where the strictest label in it is above the reader''s clearance or above max_tlp, and while an embargo lasts.';
REVOKE EXECUTE ON FUNCTION analysis.export_payload FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analysis.export_payload TO intake_analyst;

SET LOCAL ROLE intake_owner;
INSERT INTO intake.migration (version, name) VALUES (15, '0015_keeping')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
