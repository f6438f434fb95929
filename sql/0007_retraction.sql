-- SPDX-License-Identifier: Apache-2.0
-- Retraction: a row of its own beside the revision it takes back, never a change of it. A report is
-- retracted while its newest revision is; a newer one makes it current again by being the newest.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

CREATE TABLE IF NOT EXISTS intake.retraction (
	report uuid PRIMARY KEY,
	id uuid NOT NULL,
	retracted_at timestamptz NOT NULL,
	reason text NOT NULL
);
COMMENT ON TABLE intake.retraction IS
	'Revisions that were taken back, one row each, for ever.';
COMMENT ON COLUMN intake.retraction.report IS 'Which revision.';
COMMENT ON COLUMN intake.retraction.id IS 'Made by the daemon for this request: one that is sent again after a lost connection finds itself by it.';
COMMENT ON COLUMN intake.retraction.retracted_at IS 'When the last byte of the request had arrived.';
COMMENT ON COLUMN intake.retraction.reason IS 'As sent.';

DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_attribute AS a
		WHERE a.attrelid = 'intake.receipt'::regclass AND a.attname = 'retracted_at') THEN
		ALTER TYPE intake.receipt ADD ATTRIBUTE retracted_at timestamptz, ADD ATTRIBUTE reason text;
	END IF;
END
$$;
COMMENT ON TYPE intake.receipt IS
	'What is known of one submission: its place in the call from 1, what became of it (stored, duplicate, conflict, superseded, retracted, not found) and, where there is one, the receipt of the stored report, with its retraction if that revision was taken back. Areas are separated by spaces.';

CREATE OR REPLACE FUNCTION intake.receipt_of(place int, outcome text, report_uuid uuid)
RETURNS intake.receipt
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	receipt intake.receipt;
BEGIN
	SELECT receipt_of.place, receipt_of.outcome, r.id, r.received_at, r.report_id, r.revision,
		r.is_test, r.sha256, r.taxonomy, r.category, r.primary_area,
		array_to_string(r.action_areas, ' '), r.warnings, t.retracted_at, t.reason
	INTO STRICT receipt
	FROM intake.report AS r LEFT JOIN intake.retraction AS t ON t.report = r.id
	WHERE r.id = report_uuid;
	RETURN receipt;
END
$$;
COMMENT ON FUNCTION intake.receipt_of IS 'The receipt of a stored report.';

-- Without the receipt of a report: built by name, so that the type may grow.
CREATE OR REPLACE FUNCTION intake.outcome_only(place int, outcome text) RETURNS intake.receipt
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	receipt intake.receipt;
BEGIN
	receipt.place := outcome_only.place;
	receipt.outcome := outcome_only.outcome;
	RETURN receipt;
END
$$;
COMMENT ON FUNCTION intake.outcome_only IS 'What became of a submission that has no receipt to show.';

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
			RETURN intake.outcome_only(place, 'superseded');
		END IF;
	END IF;

	IF same_id = submitted.id THEN
		-- This very submission was committed, and the news of it lost with the connection.
		RETURN intake.outcome_only(place, 'stored');
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

-- The key's row is locked as in store_again(), so that a retraction and a new revision that arrive
-- together end as if one had been sent after the other. As with reports the key comes first: a
-- revision that was retracted answers a repeat by its receipt whatever revision is newest. The lock
-- also makes a repeat's commit wait for a synchronous standby, behind the commit it speaks of.
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
		RETURN intake.outcome_only(1, 'not found');
	END IF;

	IF retract.revision = newest.revision THEN
		retracted_id := newest.id;
		INSERT INTO intake.retraction (report, id, retracted_at, reason)
		VALUES (retracted_id, retract.retraction_id, retract.retracted_at, retract.reason)
		ON CONFLICT DO NOTHING;
	ELSE
		SELECT k.id INTO retracted_id FROM intake.superseded_key AS k
		WHERE k.report_id = retract.report_id AND k.partner_id = retract.partner_id
			AND k.is_test = retract.is_test AND k.revision = retract.revision;
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
	'Takes a report''s newest revision back: retracted (now, or by an earlier sending of this very request), duplicate (for the same reason before), conflict (for another reason), superseded (it is not the newest) or not found.';
GRANT EXECUTE ON FUNCTION intake.retract TO intake_daemon;

GRANT SELECT ON intake.retraction TO intake_view;
SET LOCAL ROLE intake_view;
CREATE OR REPLACE VIEW analysis.report WITH (security_barrier) AS
SELECT r.id, p.name AS partner, r.reporter_org, r.report_id, r.revision,
	split_part(r.taxonomy, '/', 2) AS taxonomy_version,
	r.received_at, r.detected_at, r.started_at, r.reported_at, r.contained_at, r.ended_at,
	r.recovered_at,
	r.category, c.title AS category_title, coalesce(r.additional_categories, '{}') AS additional_categories,
	r.primary_area, r.action_areas, coalesce(r.rsit, '{}') AS rsit,
	intake.tlp_label(r.tlp) AS tlp, r.pap,
	r.severity::int AS severity, r.score::int AS score, r.confidence::int AS confidence,
	coalesce(r.status, 'new') AS status, coalesce(r.determination, 'suspected') AS determination,
	r.is_critical AS critical,
	r.title,
	CASE WHEN r.tlp_strictest <= cleared.tlp
		THEN convert_from(r.payload, 'UTF8')::jsonb ->> 'narrative' END AS narrative,
	coalesce(r.language, 'en') AS language,
	coalesce(r.countries, '{}') AS countries, coalesce(r.sectors, '{}') AS sectors,
	r.people_affected, r.loss_amount, r.loss_currency, r.actor_kind, r.actor_name,
	coalesce(r.malware, '{}') AS malware,
	r.assistance_requested, r.law_enforcement_notified, r.sharing_law_enforcement,
	coalesce(r.sharing_audience, '{}') AS sharing_audience, r.embargo_until,
	CASE WHEN r.tlp_strictest <= cleared.tlp
		THEN convert_from(r.payload, 'UTF8')::jsonb END AS payload
FROM intake.report AS r
	JOIN intake.partner AS p ON p.id = r.partner_id
	JOIN intake.category AS c ON c.code = r.category
	CROSS JOIN (SELECT intake.cleared_tlp() AS tlp OFFSET 0) AS cleared
WHERE r.tlp <= cleared.tlp AND NOT r.is_test AND NOT r.is_exercise
	AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
	AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id);
COMMENT ON VIEW analysis.report IS
	'The newest revision of every report that is not retracted, without tests and exercises, up to the reader''s clearance.';

-- Either half has an index on the value, which only a query that names the half may use.
CREATE OR REPLACE VIEW analysis.indicator WITH (security_barrier) AS
SELECT i.report, r.received_at, i.type, i.value, i.address, i.role,
	intake.tlp_label(i.tlp) AS tlp, i.first_seen, i.last_seen, i.confidence::int AS confidence
FROM (SELECT * FROM intake.indicator WHERE octet_length(value) <= 512
		UNION ALL SELECT * FROM intake.indicator WHERE octet_length(value) > 512) AS i
	JOIN intake.report AS r ON r.id = i.report
	CROSS JOIN (SELECT intake.cleared_tlp() AS tlp OFFSET 0) AS cleared
WHERE i.tlp <= cleared.tlp AND r.tlp <= cleared.tlp AND NOT r.is_test AND NOT r.is_exercise
	AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
	AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id);
COMMENT ON VIEW analysis.indicator IS
	'Indicators of the reports in analysis.report, each under its own label.';

SET LOCAL ROLE intake_owner;
INSERT INTO intake.migration (version, name) VALUES (7, '0007_retraction')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
