-- SPDX-License-Identifier: Apache-2.0
-- What analysts see. A clearance for each database user decides which rows; whoever has none sees
-- up to TLP:GREEN. Views belong to intake_view and run with its rights.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

CREATE TABLE IF NOT EXISTS intake.clearance (
	user_name name PRIMARY KEY,
	max_tlp smallint NOT NULL CHECK (max_tlp BETWEEN 0 AND 4)
);
COMMENT ON TABLE intake.clearance IS 'How much each database user may see; nobody listed here: TLP:GREEN.';
COMMENT ON COLUMN intake.clearance.user_name IS 'The login role, as session_user names it.';
COMMENT ON COLUMN intake.clearance.max_tlp IS 'Strictest label: 0 CLEAR, 1 GREEN, 2 AMBER, 3 AMBER+STRICT, 4 RED.';
GRANT SELECT, INSERT, UPDATE, DELETE ON intake.clearance TO intake_operator;
GRANT SELECT ON intake.clearance, intake.report, intake.indicator, intake.superseded_key,
	intake.partner, intake.category, intake.action_area TO intake_view;

CREATE OR REPLACE FUNCTION intake.cleared_tlp() RETURNS smallint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce((SELECT c.max_tlp FROM intake.clearance AS c
		WHERE c.user_name = session_user), 1::smallint)
$$;
COMMENT ON FUNCTION intake.cleared_tlp IS 'Strictest label the session''s user may see.';
CREATE OR REPLACE FUNCTION intake.tlp_label(tlp smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT ('{TLP:CLEAR,TLP:GREEN,TLP:AMBER,TLP:AMBER+STRICT,TLP:RED}'::text[])[tlp + 1]
$$;
COMMENT ON FUNCTION intake.tlp_label IS 'The label of a stored number.';
GRANT EXECUTE ON FUNCTION intake.cleared_tlp, intake.tlp_label TO intake_view, intake_analyst;

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
	AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id);
COMMENT ON VIEW analysis.report IS
	'The newest revision of every report, without tests and exercises, up to the reader''s clearance.';

-- Either half has an index on the value, which only a query that names the half may use.
CREATE OR REPLACE VIEW analysis.indicator WITH (security_barrier) AS
SELECT i.report, r.received_at, i.type, i.value, i.address, i.role,
	intake.tlp_label(i.tlp) AS tlp, i.first_seen, i.last_seen, i.confidence::int AS confidence
FROM (SELECT * FROM intake.indicator WHERE octet_length(value) <= 512
		UNION ALL SELECT * FROM intake.indicator WHERE octet_length(value) > 512) AS i
	JOIN intake.report AS r ON r.id = i.report
	CROSS JOIN (SELECT intake.cleared_tlp() AS tlp OFFSET 0) AS cleared
WHERE i.tlp <= cleared.tlp AND r.tlp <= cleared.tlp AND NOT r.is_test AND NOT r.is_exercise
	AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id);
COMMENT ON VIEW analysis.indicator IS
	'Indicators of the reports in analysis.report, each under its own label.';

CREATE OR REPLACE VIEW analysis.category WITH (security_barrier) AS
SELECT code, title, primary_area, intake.tlp_label(min_tlp) AS min_tlp, is_critical AS critical,
	is_countable AS countable
FROM intake.category;
COMMENT ON VIEW analysis.category IS 'The categories of reports, this project''s own construction.';

CREATE OR REPLACE VIEW analysis.action_area WITH (security_barrier) AS
SELECT code, title FROM intake.action_area;
COMMENT ON VIEW analysis.action_area IS 'The strategy''s four areas of action.';

CREATE OR REPLACE VIEW analysis.partner WITH (security_barrier) AS
SELECT name, title, organisations, is_live AS live, is_suspended AS suspended FROM intake.partner;
COMMENT ON VIEW analysis.partner IS 'Who reports.';

DO $$
DECLARE
	col record;
BEGIN
	-- A view's column says what the column of the record says, where the names agree.
	FOR col IN
		SELECT v.relname AS view, a.attname AS name,
			coalesce(col_description(t.oid, ta.attnum), '') AS text
		FROM pg_class AS v
			JOIN pg_namespace AS n ON n.oid = v.relnamespace AND n.nspname = 'analysis'
			JOIN pg_attribute AS a ON a.attrelid = v.oid AND a.attnum > 0
			JOIN pg_class AS t ON t.relname = v.relname
				AND t.relnamespace = 'intake'::regnamespace AND t.relkind = 'r'
			LEFT JOIN pg_attribute AS ta ON ta.attrelid = t.oid
				AND ta.attname IN (a.attname, 'is_' || a.attname)
		WHERE v.relkind = 'v'
	LOOP
		IF col.text <> '' THEN
			EXECUTE format('COMMENT ON COLUMN analysis.%I.%I IS %L', col.view, col.name, col.text);
		END IF;
	END LOOP;
END
$$;
COMMENT ON COLUMN analysis.report.partner IS 'Who sent it.';
COMMENT ON COLUMN analysis.report.taxonomy_version IS 'Version in force when it was judged.';
COMMENT ON COLUMN analysis.report.category_title IS 'The category for people.';
COMMENT ON COLUMN analysis.report.tlp IS 'The report''s own label.';
COMMENT ON COLUMN analysis.report.narrative IS 'What happened; NULL above the reader''s clearance, like the payload.';
COMMENT ON COLUMN analysis.report.payload IS 'The report as JSON; NULL where its strictest label is above the reader''s clearance.';
COMMENT ON COLUMN analysis.indicator.received_at IS 'When its report arrived.';
COMMENT ON COLUMN analysis.indicator.tlp IS 'Its own label, or the report''s.';
COMMENT ON COLUMN analysis.category.min_tlp IS 'Least strict label allowed.';

GRANT SELECT ON ALL TABLES IN SCHEMA analysis TO intake_analyst;

SET LOCAL ROLE intake_owner;
INSERT INTO intake.migration (version, name) VALUES (6, '0006_analysis')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
