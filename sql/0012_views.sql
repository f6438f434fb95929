-- SPDX-License-Identifier: Apache-2.0
-- The analysts' views. They run with the rights of intake_view, to which the policies of the record
-- apply for the clearance of whoever asks.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

-- Bodies that are parsed here, not when they are called, are bound to no search_path, and are put in
-- place of the call where that changes nothing: a call costs more than what these do. So none is
-- STRICT, and document() is no more IMMUTABLE than what it is made of.
CREATE OR REPLACE FUNCTION intake.document(payload bytea) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
	RETURN convert_from(payload, 'UTF8')::jsonb;
COMMENT ON FUNCTION intake.document IS 'The report that the bytes spell.';
CREATE OR REPLACE FUNCTION intake.tlp_label(tlp smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN ('{TLP:CLEAR,TLP:GREEN,TLP:AMBER,TLP:AMBER+STRICT,TLP:RED}'::text[])[tlp + 1];
CREATE OR REPLACE FUNCTION intake.tlp_number(label text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN (array_position('{TLP:CLEAR,TLP:GREEN,TLP:AMBER,TLP:AMBER+STRICT,TLP:RED}'::text[], label)
		- 1)::smallint;
COMMENT ON FUNCTION intake.tlp_number IS 'The stored number of a label.';
GRANT EXECUTE ON FUNCTION intake.document, intake.tlp_number TO intake_view, intake_analyst;
GRANT SELECT ON intake.report_key TO intake_view;

-- An id begins with the millisecond of receipt, and never with an earlier one.
CREATE OR REPLACE FUNCTION analysis.id_at(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN at IS NOT NULL THEN
		rpad(lpad(to_hex(floor(least(greatest(extract(epoch FROM at) * 1000, 0),
			281474976710655))::bigint), 12, '0'), 32, '0')::uuid END;
COMMENT ON FUNCTION analysis.id_at IS 'Below the id of every report that was received at a time or later.';
GRANT EXECUTE ON FUNCTION analysis.id_at TO intake_analyst;

SET LOCAL ROLE intake_view;
-- Not a security_barrier: see 0011_clearance.sql.
CREATE OR REPLACE VIEW analysis.report WITH (security_barrier = false) AS
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
	CASE WHEN r.tlp_strictest <= (SELECT intake.cleared_tlp())
		THEN intake.document(r.payload) ->> 'narrative' END AS narrative,
	coalesce(r.language, 'en') AS language,
	coalesce(r.countries, '{}') AS countries, coalesce(r.sectors, '{}') AS sectors,
	r.people_affected, r.loss_amount, r.loss_currency, r.actor_kind, r.actor_name,
	coalesce(r.malware, '{}') AS malware,
	r.assistance_requested, r.law_enforcement_notified, r.sharing_law_enforcement,
	coalesce(r.sharing_audience, '{}') AS sharing_audience, r.embargo_until,
	CASE WHEN r.tlp_strictest <= (SELECT intake.cleared_tlp())
		THEN intake.document(r.payload) END AS payload
FROM intake.report AS r
	JOIN intake.partner AS p ON p.id = r.partner_id
	JOIN intake.category AS c ON c.code = r.category
WHERE NOT r.is_test AND NOT r.is_exercise
	AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
	AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id);
COMMENT ON VIEW analysis.report IS
	'The newest revision of every report that is not retracted, without tests and exercises, up to the reader''s clearance.';

CREATE OR REPLACE VIEW analysis.report_history WITH (security_barrier) AS
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
	CASE WHEN r.tlp_strictest <= (SELECT intake.cleared_tlp())
		THEN intake.document(r.payload) ->> 'narrative' END AS narrative,
	coalesce(r.language, 'en') AS language,
	coalesce(r.countries, '{}') AS countries, coalesce(r.sectors, '{}') AS sectors,
	r.people_affected, r.loss_amount, r.loss_currency, r.actor_kind, r.actor_name,
	coalesce(r.malware, '{}') AS malware,
	r.assistance_requested, r.law_enforcement_notified, r.sharing_law_enforcement,
	coalesce(r.sharing_audience, '{}') AS sharing_audience, r.embargo_until,
	CASE WHEN r.tlp_strictest <= (SELECT intake.cleared_tlp())
		THEN intake.document(r.payload) END AS payload,
	s.id IS NULL AND t.report IS NULL AS is_current,
	t.report IS NOT NULL AS is_retracted,
	r.is_test, r.is_exercise,
	t.reason AS retraction_reason
FROM intake.report AS r
	JOIN intake.partner AS p ON p.id = r.partner_id
	JOIN intake.category AS c ON c.code = r.category
	LEFT JOIN intake.superseded_key AS s ON s.id = r.id
	LEFT JOIN intake.retraction AS t ON t.report = r.id;
COMMENT ON VIEW analysis.report_history IS
	'Every revision, retracted ones, tests and exercises included, up to the reader''s clearance.';

-- Either half has an index on the value, which only a query that names the half may use.
CREATE OR REPLACE VIEW analysis.indicator WITH (security_barrier) AS
SELECT i.report, r.received_at, i.type, i.value, i.address, i.role,
	intake.tlp_label(i.tlp) AS tlp, i.first_seen, i.last_seen, i.confidence::int AS confidence
FROM (SELECT * FROM intake.indicator WHERE octet_length(value) <= 512
		UNION ALL SELECT * FROM intake.indicator WHERE octet_length(value) > 512) AS i
	JOIN intake.report AS r ON r.id = i.report
WHERE NOT r.is_test AND NOT r.is_exercise
	AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
	AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id);
COMMENT ON VIEW analysis.indicator IS
	'Indicators of the reports in analysis.report, each under its own label.';

-- The parts below are read from the payload, and are hidden with it. Who asks for those of a time does
-- so by their own received_at, which the index answers; a join with the report would read all payloads.
CREATE OR REPLACE VIEW analysis.victim WITH (security_barrier) AS
SELECT r.id AS report, v.value ->> 'kind' AS kind,
	CASE WHEN v.value -> 'protected' IS DISTINCT FROM 'true' OR (SELECT intake.cleared_tlp()) >= 3
		THEN v.value ->> 'name' END AS name,
	v.value ->> 'sector' AS sector, v.value ->> 'country' AS country,
	(v.value ->> 'count')::bigint AS count,
	coalesce((v.value ->> 'protected')::boolean, false) AS protected,
	v.value ->> 'notified' AS notified, r.received_at
FROM analysis.report AS r CROSS JOIN LATERAL jsonb_array_elements(r.payload -> 'victims') AS v;
COMMENT ON VIEW analysis.victim IS 'Victims of the reports in analysis.report, as far as the payload is shown.';
COMMENT ON COLUMN analysis.victim.report IS 'Which report named it.';
COMMENT ON COLUMN analysis.victim.kind IS 'organisation, individual, group and so on.';
COMMENT ON COLUMN analysis.victim.name IS 'A protected victim''s from TLP:AMBER+STRICT up only.';
COMMENT ON COLUMN analysis.victim.sector IS 'As reported.';
COMMENT ON COLUMN analysis.victim.country IS 'ISO 3166-1 alpha-2.';
COMMENT ON COLUMN analysis.victim.count IS 'How many of the kind.';
COMMENT ON COLUMN analysis.victim.protected IS 'Its name is not for everybody.';
COMMENT ON COLUMN analysis.victim.notified IS 'Whether the victim was told.';
COMMENT ON COLUMN analysis.victim.received_at IS 'When its report arrived.';

CREATE OR REPLACE VIEW analysis.technique WITH (security_barrier) AS
SELECT r.id AS report, t.value AS technique, r.received_at
FROM analysis.report AS r
	CROSS JOIN LATERAL jsonb_array_elements_text(r.payload -> 'techniques') AS t;
COMMENT ON VIEW analysis.technique IS 'ATT&CK techniques of the reports in analysis.report, as far as the payload is shown.';
COMMENT ON COLUMN analysis.technique.report IS 'Which report named it.';
COMMENT ON COLUMN analysis.technique.technique IS 'As MITRE numbers it: T1566.001.';
COMMENT ON COLUMN analysis.technique.received_at IS 'When its report arrived.';

CREATE OR REPLACE VIEW analysis.vulnerability WITH (security_barrier) AS
SELECT r.id AS report, t.value AS vulnerability, r.received_at
FROM analysis.report AS r
	CROSS JOIN LATERAL jsonb_array_elements_text(r.payload -> 'vulnerabilities') AS t;
COMMENT ON VIEW analysis.vulnerability IS 'Vulnerabilities of the reports in analysis.report, as far as the payload is shown.';
COMMENT ON COLUMN analysis.vulnerability.report IS 'Which report named it.';
COMMENT ON COLUMN analysis.vulnerability.vulnerability IS 'CVE or another number, as reported.';
COMMENT ON COLUMN analysis.vulnerability.received_at IS 'When its report arrived.';

CREATE OR REPLACE VIEW analysis.reference WITH (security_barrier) AS
SELECT r.id AS report, t.value ->> 'kind' AS kind, t.value ->> 'value' AS value,
	t.value ->> 'org' AS org, r.received_at
FROM analysis.report AS r
	CROSS JOIN LATERAL jsonb_array_elements(r.payload -> 'references') AS t;
COMMENT ON VIEW analysis.reference IS 'References of the reports in analysis.report, as far as the payload is shown.';
COMMENT ON COLUMN analysis.reference.report IS 'Which report named it.';
COMMENT ON COLUMN analysis.reference.kind IS 'url, case number and so on.';
COMMENT ON COLUMN analysis.reference.value IS 'As reported.';
COMMENT ON COLUMN analysis.reference.org IS 'Whose reference it is.';
COMMENT ON COLUMN analysis.reference.received_at IS 'When its report arrived.';

CREATE OR REPLACE VIEW analysis.related_report WITH (security_barrier) AS
SELECT r.id AS report, t.value ->> 'org' AS org, t.value ->> 'report_id' AS report_id,
	t.value ->> 'relation' AS relation, r.received_at
FROM analysis.report AS r
	CROSS JOIN LATERAL jsonb_array_elements(r.payload -> 'related_reports') AS t;
COMMENT ON VIEW analysis.related_report IS 'Other reports that a report itself names, as far as the payload is shown.';
COMMENT ON COLUMN analysis.related_report.report IS 'Which report names the other.';
COMMENT ON COLUMN analysis.related_report.org IS 'The other''s reporter.';
COMMENT ON COLUMN analysis.related_report.report_id IS 'The other''s own id.';
COMMENT ON COLUMN analysis.related_report.relation IS 'As reported.';
COMMENT ON COLUMN analysis.related_report.received_at IS 'When its report arrived.';

-- Attachments have labels of their own, and are shown by them although the payload is hidden.
CREATE OR REPLACE VIEW analysis.attachment WITH (security_barrier) AS
SELECT r.id AS report, a.value ->> 'name' AS name, a.value ->> 'media_type' AS media_type,
	(a.value ->> 'size')::bigint AS size_bytes, a.value ->> 'sha256' AS sha256,
	a.value ->> 'description' AS description,
	intake.tlp_label(coalesce(intake.tlp_number(a.value ->> 'tlp'), r.tlp)) AS tlp, r.received_at
FROM intake.report AS r
	CROSS JOIN LATERAL jsonb_array_elements(intake.document(r.payload) -> 'attachments') AS a
WHERE NOT r.is_test AND NOT r.is_exercise
	AND coalesce(intake.tlp_number(a.value ->> 'tlp'), r.tlp) <= (SELECT intake.cleared_tlp())
	AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
	AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id);
COMMENT ON VIEW analysis.attachment IS 'Attachments that reports in analysis.report describe, each under its own label.';
COMMENT ON COLUMN analysis.attachment.report IS 'Which report describes it.';
COMMENT ON COLUMN analysis.attachment.name IS 'Of the file.';
COMMENT ON COLUMN analysis.attachment.media_type IS 'As reported.';
COMMENT ON COLUMN analysis.attachment.size_bytes IS 'As reported.';
COMMENT ON COLUMN analysis.attachment.sha256 IS 'Lower-case hex.';
COMMENT ON COLUMN analysis.attachment.description IS 'As reported.';
COMMENT ON COLUMN analysis.attachment.tlp IS 'Its own label, or the report''s.';
COMMENT ON COLUMN analysis.attachment.received_at IS 'When its report arrived.';

CREATE OR REPLACE VIEW analysis.refusal WITH (security_barrier) AS
SELECT f.refused_at, p.name AS partner, f.path, f.status::int AS status, f.problem, f.codes,
	f.pointers, encode(f.sha256, 'hex') AS sha256, f.size_bytes, f.unrecorded
FROM intake.refusal AS f JOIN intake.partner AS p ON p.id = f.partner_id;
COMMENT ON VIEW analysis.refusal IS
	'Refused submissions of enrolled partners, without content; for readers who are not confined to some partners.';

-- Neither the record nor what is derived from it has an index on the reporter's own id: the keys have.
CREATE OR REPLACE FUNCTION analysis.revisions(report_id text) RETURNS SETOF analysis.report_history
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY
	SELECT h.* FROM analysis.report_history AS h
	WHERE h.id = ANY (ARRAY(
		SELECT k.id FROM intake.report_key AS k WHERE k.report_id = revisions.report_id
		UNION ALL
		SELECT s.id FROM intake.superseded_key AS s WHERE s.report_id = revisions.report_id))
	ORDER BY h.partner, h.is_test, h.revision;
END
$$;
COMMENT ON FUNCTION analysis.revisions IS
	'The rows of analysis.report_history with a reporter''s own id, of all partners that have used it.';
REVOKE EXECUTE ON FUNCTION analysis.revisions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analysis.revisions TO intake_analyst;

CREATE OR REPLACE VIEW analysis.clearance WITH (security_barrier) AS
SELECT session_user::text AS user_name, intake.tlp_label(intake.cleared_tlp()) AS max_tlp, c.partners,
	c.areas, intake.is_law_enforcement() AS law_enforcement
FROM (SELECT) AS one LEFT JOIN intake.clearance AS c ON c.user_name = session_user;
COMMENT ON VIEW analysis.clearance IS 'What the reader is cleared for: one row.';
COMMENT ON COLUMN analysis.clearance.user_name IS 'Of the login.';
COMMENT ON COLUMN analysis.clearance.max_tlp IS 'The strictest label that is shown.';
COMMENT ON COLUMN analysis.clearance.partners IS 'The only partners whose reports are shown; NULL: all.';
COMMENT ON COLUMN analysis.clearance.areas IS 'The only primary areas that are shown; NULL: all.';
COMMENT ON COLUMN analysis.clearance.law_enforcement IS 'Whether reports are hidden that are kept from law enforcement.';

DO $$
DECLARE
	col record;
BEGIN
	-- A view's column says what the column of the record says, where the names agree.
	FOR col IN
		SELECT v.relname AS view, a.attname AS name, col_description(t.oid, ta.attnum) AS text
		FROM pg_class AS v
			JOIN pg_attribute AS a ON a.attrelid = v.oid AND a.attnum > 0
			JOIN pg_class AS t ON t.relnamespace = 'intake'::regnamespace AND t.relkind = 'r'
				AND t.relname = CASE v.relname WHEN 'report_history' THEN 'report' ELSE v.relname END
			JOIN pg_attribute AS ta ON ta.attrelid = t.oid AND ta.attname IN (a.attname, 'is_' || a.attname)
		WHERE v.relkind = 'v' AND v.relnamespace = 'analysis'::regnamespace
			AND v.relname IN ('report', 'report_history', 'refusal')
			AND col_description(t.oid, ta.attnum) IS NOT NULL
	LOOP
		EXECUTE format('COMMENT ON COLUMN analysis.%I.%I IS %L', col.view, col.name, col.text);
	END LOOP;
	FOR col IN SELECT unnest('{report,report_history}'::text[]) AS view LOOP
		EXECUTE format('COMMENT ON COLUMN analysis.%I.partner IS %L', col.view, 'Who sent it.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.taxonomy_version IS %L', col.view,
			'Version in force when it was judged.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.category_title IS %L', col.view,
			'The category for people.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.tlp IS %L', col.view,
			'The report''s own label.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.status IS %L', col.view,
			'new where the report says nothing.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.determination IS %L', col.view,
			'suspected where the report says nothing.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.language IS %L', col.view,
			'BCP 47 tag of the narrative; en where the report says nothing.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.assistance_requested IS %L', col.view,
			'NULL where the report says nothing of assistance.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.narrative IS %L', col.view,
			'What happened; NULL above the reader''s clearance, like the payload.');
		EXECUTE format('COMMENT ON COLUMN analysis.%I.payload IS %L', col.view,
			'The report as JSON; NULL where its strictest label is above the reader''s clearance.');
	END LOOP;
END
$$;
COMMENT ON COLUMN analysis.report_history.is_current IS 'It is the newest revision and not retracted.';
COMMENT ON COLUMN analysis.report_history.is_retracted IS 'This revision was taken back.';
COMMENT ON COLUMN analysis.report_history.retraction_reason IS 'As its partner gave it.';
COMMENT ON COLUMN analysis.refusal.partner IS 'Whose submission.';
COMMENT ON COLUMN analysis.refusal.sha256 IS 'Digest of the body in hex, when it was judged.';

GRANT SELECT ON ALL TABLES IN SCHEMA analysis TO intake_analyst;

SET LOCAL ROLE intake_owner;
INSERT INTO intake.migration (version, name) VALUES (12, '0012_views')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
