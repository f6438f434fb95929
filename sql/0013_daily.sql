-- SPDX-License-Identifier: Apache-2.0
-- What happens to the record beside it: every revision that becomes current and every one that stops
-- being so leaves a row in intake.change, in the transaction that brought it about. Housekeeping
-- takes those rows, adds them to the daily sums and makes them findable by their words
-- (0014_search.sql); what it has not taken yet is added by the views and functions, so that nothing
-- is ever missing from them.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

CREATE TABLE IF NOT EXISTS intake.change (
	report uuid NOT NULL,
	sign smallint NOT NULL CHECK (sign IN (-1, 1))
);
COMMENT ON TABLE intake.change IS
	'Revisions that became current (1) or stopped being so (-1) and were not yet taken by housekeeping.';
COMMENT ON COLUMN intake.change.report IS 'Which revision.';
COMMENT ON COLUMN intake.change.sign IS '1: it counts from now on; -1: no longer.';
-- Rows come and go by the thousand: the table is read whole, and has to stay small.
ALTER TABLE intake.change SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000);

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
		-- One that was taken back does not count any more.
		INSERT INTO intake.change (report, sign)
			SELECT newest.id, -1
			WHERE NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = newest.id);
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
		INSERT INTO intake.change SELECT unnest(added_ids), 1;
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
	INSERT INTO intake.change SELECT unnest(added_ids), 1;
END
$$;

CREATE OR REPLACE FUNCTION intake.retraction_counts() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO intake.change (report, sign) VALUES (NEW.report, -1);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.retraction_counts IS 'A revision that was taken back stops being current.';
CREATE OR REPLACE TRIGGER counts AFTER INSERT ON intake.retraction
	FOR EACH ROW EXECUTE FUNCTION intake.retraction_counts();

CREATE TABLE IF NOT EXISTS intake.daily_total (
	day date NOT NULL,
	primary_area text NOT NULL,
	tlp smallint NOT NULL,
	partner_id int NOT NULL,
	category text NOT NULL,
	severity smallint NOT NULL,
	loss_currency text NOT NULL,
	reports bigint NOT NULL,
	people_affected numeric NOT NULL,
	loss numeric NOT NULL,
	kept_reports bigint NOT NULL,
	kept_people_affected numeric NOT NULL,
	kept_loss numeric NOT NULL,
	PRIMARY KEY (day, primary_area, tlp, partner_id, category, severity, loss_currency)
);
COMMENT ON TABLE intake.daily_total IS
	'Sums over the current reports that housekeeping has taken; what it has not is in intake.change.';
COMMENT ON COLUMN intake.daily_total.day IS 'UTC, of received_at.';
COMMENT ON COLUMN intake.daily_total.primary_area IS 'The category''s area of action.';
COMMENT ON COLUMN intake.daily_total.tlp IS 'The reports'' own label.';
COMMENT ON COLUMN intake.daily_total.partner_id IS 'Who sent them.';
COMMENT ON COLUMN intake.daily_total.category IS 'Primary class.';
COMMENT ON COLUMN intake.daily_total.severity IS '0 to 5.';
COMMENT ON COLUMN intake.daily_total.loss_currency IS 'ISO 4217; empty where no loss was reported.';
COMMENT ON COLUMN intake.daily_total.reports IS 'How many.';
COMMENT ON COLUMN intake.daily_total.people_affected IS 'Sum of impact.people_affected.';
COMMENT ON COLUMN intake.daily_total.loss IS 'Sum of impact.loss.amount.';
COMMENT ON COLUMN intake.daily_total.kept_reports IS 'Those of them that are kept from law enforcement.';
COMMENT ON COLUMN intake.daily_total.kept_people_affected IS 'Their part of the sum.';
COMMENT ON COLUMN intake.daily_total.kept_loss IS 'Their part of the sum.';

-- At many reports a day the sums above are nearly as many as the reports. These are a few a day.
CREATE TABLE IF NOT EXISTS intake.area_total (
	day date NOT NULL,
	primary_area text NOT NULL,
	tlp smallint NOT NULL,
	reports bigint NOT NULL,
	people_affected numeric NOT NULL,
	kept_reports bigint NOT NULL,
	kept_people_affected numeric NOT NULL,
	PRIMARY KEY (day, primary_area, tlp)
);
COMMENT ON TABLE intake.area_total IS 'The sums of intake.daily_total by day, area and label.';
COMMENT ON COLUMN intake.area_total.day IS 'UTC, of received_at.';
COMMENT ON COLUMN intake.area_total.primary_area IS 'The category''s area of action.';
COMMENT ON COLUMN intake.area_total.tlp IS 'The reports'' own label.';
COMMENT ON COLUMN intake.area_total.reports IS 'How many.';
COMMENT ON COLUMN intake.area_total.people_affected IS 'Sum of impact.people_affected.';
COMMENT ON COLUMN intake.area_total.kept_reports IS 'Those of them that are kept from law enforcement.';
COMMENT ON COLUMN intake.area_total.kept_people_affected IS 'Their part of the sum.';
-- The row of today is written again and again.
ALTER TABLE intake.area_total SET (fillfactor = 50);

CREATE OR REPLACE FUNCTION intake.day_of(received_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN (received_at AT TIME ZONE 'UTC')::date;
COMMENT ON FUNCTION intake.day_of IS 'The UTC day.';
GRANT EXECUTE ON FUNCTION intake.day_of TO intake_view, intake_analyst;

CREATE OR REPLACE FUNCTION intake.fold(changes intake.change[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	WITH counted AS MATERIALIZED (
		SELECT intake.day_of(r.received_at) AS day, r.primary_area, r.tlp, r.partner_id, r.category,
			r.severity, coalesce(r.loss_currency, '') AS loss_currency,
			sum(c.sign) AS reports, sum(c.sign * coalesce(r.people_affected, 0)) AS people_affected,
			sum(c.sign * coalesce(r.loss_amount, 0)) AS loss,
			sum(c.sign * k.kept) AS kept_reports,
			sum(c.sign * k.kept * coalesce(r.people_affected, 0)) AS kept_people_affected,
			sum(c.sign * k.kept * coalesce(r.loss_amount, 0)) AS kept_loss
		FROM unnest(changes) AS c
			JOIN intake.report AS r ON r.id = c.report
			JOIN intake.category AS g ON g.code = r.category
			CROSS JOIN LATERAL (SELECT intake.is_kept_from_law_enforcement(
				r.sharing_law_enforcement)::int AS kept) AS k
		WHERE NOT r.is_test AND NOT r.is_exercise AND g.is_countable
		GROUP BY 1, 2, 3, 4, 5, 6, 7),
	by_area AS (
		INSERT INTO intake.area_total AS a
			SELECT c.day, c.primary_area, c.tlp, sum(c.reports), sum(c.people_affected),
				sum(c.kept_reports), sum(c.kept_people_affected)
			FROM counted AS c GROUP BY 1, 2, 3
		ON CONFLICT (day, primary_area, tlp) DO UPDATE SET reports = a.reports + excluded.reports,
			people_affected = a.people_affected + excluded.people_affected,
			kept_reports = a.kept_reports + excluded.kept_reports,
			kept_people_affected = a.kept_people_affected + excluded.kept_people_affected)
	INSERT INTO intake.daily_total AS d SELECT * FROM counted
	ON CONFLICT (day, primary_area, tlp, partner_id, category, severity, loss_currency)
		DO UPDATE SET reports = d.reports + excluded.reports,
			people_affected = d.people_affected + excluded.people_affected,
			loss = d.loss + excluded.loss,
			kept_reports = d.kept_reports + excluded.kept_reports,
			kept_people_affected = d.kept_people_affected + excluded.kept_people_affected,
			kept_loss = d.kept_loss + excluded.kept_loss;
END
$$;
COMMENT ON FUNCTION intake.fold IS 'Adds changes to the daily sums.';

CREATE OR REPLACE FUNCTION intake.category_counts_for_good() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE EXCEPTION 'category % cannot change whether it is countable, expected %: the daily sums were made with it',
		OLD.code, OLD.is_countable::text USING ERRCODE = 'check_violation';
END
$$;
COMMENT ON FUNCTION intake.category_counts_for_good IS
	'What was once added to the sums could not be taken out again, nor the other way round.';
CREATE OR REPLACE TRIGGER counts_for_good BEFORE UPDATE ON intake.category
	FOR EACH ROW WHEN (OLD.is_countable <> NEW.is_countable)
	EXECUTE FUNCTION intake.category_counts_for_good();

GRANT SELECT ON intake.change, intake.daily_total, intake.area_total TO intake_view;
-- Whom some partners are hidden from, to him these sums say too much.
ALTER TABLE intake.area_total ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS by_clearance ON intake.area_total;
CREATE POLICY by_clearance ON intake.area_total FOR SELECT TO intake_view USING (
	(SELECT intake.cleared_partners()) IS NULL
	AND tlp <= (SELECT intake.cleared_tlp())
	AND ((SELECT intake.cleared_areas()) IS NULL
		OR primary_area = ANY ((SELECT intake.cleared_areas())::text[]))
	AND (NOT (SELECT intake.is_law_enforcement()) OR reports <> kept_reports));
ALTER TABLE intake.daily_total ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS by_clearance ON intake.daily_total;
CREATE POLICY by_clearance ON intake.daily_total FOR SELECT TO intake_view USING (
	tlp <= (SELECT intake.cleared_tlp())
	AND ((SELECT intake.cleared_partners()) IS NULL
		OR partner_id = ANY ((SELECT intake.cleared_partners())::int[]))
	AND ((SELECT intake.cleared_areas()) IS NULL
		OR primary_area = ANY ((SELECT intake.cleared_areas())::text[]))
	-- That there is nothing but what is kept from a reader is not for that reader either.
	AND (NOT (SELECT intake.is_law_enforcement()) OR reports <> kept_reports));

SET LOCAL ROLE intake_view;
-- What is pending is seen by the policy of the reports themselves.
CREATE OR REPLACE VIEW analysis.daily AS
WITH pending AS NOT MATERIALIZED (
	SELECT intake.day_of(r.received_at) AS day, r.primary_area, r.tlp, r.partner_id, r.category,
		r.severity, coalesce(r.loss_currency, '') AS loss_currency,
		sum(c.sign) AS reports, sum(c.sign * coalesce(r.people_affected, 0)) AS people_affected,
		sum(c.sign * coalesce(r.loss_amount, 0)) AS loss
	FROM intake.change AS c
		JOIN intake.report AS r ON r.id = c.report
		JOIN intake.category AS g ON g.code = r.category
	WHERE NOT r.is_test AND NOT r.is_exercise AND g.is_countable
	GROUP BY 1, 2, 3, 4, 5, 6, 7),
folded AS NOT MATERIALIZED (
	SELECT f.day, f.primary_area, f.tlp, f.partner_id, f.category, f.severity, f.loss_currency,
		CASE WHEN u.is_law_enforcement THEN f.reports - f.kept_reports
			ELSE f.reports END AS reports,
		CASE WHEN u.is_law_enforcement THEN f.people_affected - f.kept_people_affected
			ELSE f.people_affected END AS people_affected,
		CASE WHEN u.is_law_enforcement THEN f.loss - f.kept_loss ELSE f.loss END AS loss
	FROM intake.daily_total AS f
		CROSS JOIN (SELECT intake.is_law_enforcement() OFFSET 0) AS u(is_law_enforcement))
SELECT d.day, d.primary_area, d.category, p.name AS partner, d.severity::int AS severity,
	intake.tlp_label(d.tlp) AS tlp, d.reports::bigint AS reports, d.people_affected, d.loss,
	nullif(d.loss_currency, '') AS loss_currency
FROM (
	SELECT f.day, f.primary_area, f.tlp, f.partner_id, f.category, f.severity, f.loss_currency,
		f.reports + coalesce(n.reports, 0) AS reports,
		f.people_affected + coalesce(n.people_affected, 0) AS people_affected,
		f.loss + coalesce(n.loss, 0) AS loss
	FROM folded AS f LEFT JOIN pending AS n ON n.day = f.day
		AND n.primary_area = f.primary_area AND n.tlp = f.tlp AND n.partner_id = f.partner_id
		AND n.category = f.category AND n.severity = f.severity
		AND n.loss_currency = f.loss_currency
	UNION ALL
	SELECT n.* FROM pending AS n WHERE NOT EXISTS (
		SELECT FROM intake.daily_total AS f
		WHERE f.day = n.day AND f.primary_area = n.primary_area AND f.tlp = n.tlp
			AND f.partner_id = n.partner_id AND f.category = n.category
			AND f.severity = n.severity AND f.loss_currency = n.loss_currency)) AS d
	JOIN intake.partner AS p ON p.id = d.partner_id
WHERE d.reports <> 0;
COMMENT ON VIEW analysis.daily IS
	'How much was reported on each day: the newest revisions, without tests, exercises, retracted reports and categories that are not countable.';
COMMENT ON COLUMN analysis.daily.day IS 'UTC, of received_at.';
COMMENT ON COLUMN analysis.daily.primary_area IS 'The category''s area of action.';
COMMENT ON COLUMN analysis.daily.category IS 'Primary class.';
COMMENT ON COLUMN analysis.daily.partner IS 'Who sent them.';
COMMENT ON COLUMN analysis.daily.severity IS '0 to 5 of the Cyber Incident Severity Schema.';
COMMENT ON COLUMN analysis.daily.tlp IS 'The reports'' own label.';
COMMENT ON COLUMN analysis.daily.reports IS 'How many reports.';
COMMENT ON COLUMN analysis.daily.people_affected IS 'Sum of what they report.';
COMMENT ON COLUMN analysis.daily.loss IS 'Sum of what they report, in loss_currency.';
COMMENT ON COLUMN analysis.daily.loss_currency IS 'ISO 4217; NULL where no loss was reported. Sums of different currencies do not add up.';
GRANT SELECT ON analysis.daily TO intake_analyst;

-- Of the three sources one of the first two has rows for a reader.
CREATE OR REPLACE VIEW analysis.daily_area WITH (security_barrier) AS
SELECT d.day, d.primary_area, intake.tlp_label(d.tlp) AS tlp, sum(d.reports)::bigint AS reports,
	sum(d.people_affected) AS people_affected
FROM (
	SELECT a.day, a.primary_area, a.tlp,
		a.reports - CASE WHEN u.is_law_enforcement THEN a.kept_reports ELSE 0 END AS reports,
		a.people_affected - CASE WHEN u.is_law_enforcement THEN a.kept_people_affected ELSE 0 END
			AS people_affected
	FROM intake.area_total AS a
		CROSS JOIN (SELECT intake.is_law_enforcement() OFFSET 0) AS u(is_law_enforcement)
	UNION ALL
	SELECT f.day, f.primary_area, f.tlp,
		f.reports - CASE WHEN u.is_law_enforcement THEN f.kept_reports ELSE 0 END,
		f.people_affected - CASE WHEN u.is_law_enforcement THEN f.kept_people_affected ELSE 0 END
	FROM intake.daily_total AS f
		CROSS JOIN (SELECT intake.is_law_enforcement() OFFSET 0) AS u(is_law_enforcement)
	WHERE (SELECT intake.cleared_partners()) IS NOT NULL
	UNION ALL
	SELECT intake.day_of(r.received_at), r.primary_area, r.tlp, c.sign,
		c.sign * coalesce(r.people_affected, 0)
	FROM intake.change AS c
		JOIN intake.report AS r ON r.id = c.report
		JOIN intake.category AS g ON g.code = r.category
	WHERE NOT r.is_test AND NOT r.is_exercise AND g.is_countable) AS d
GROUP BY d.day, d.primary_area, d.tlp
HAVING sum(d.reports) <> 0;
COMMENT ON VIEW analysis.daily_area IS
	'The sums of analysis.daily by day, area and label: what a year has of them is added up in milliseconds.';
COMMENT ON COLUMN analysis.daily_area.day IS 'UTC, of received_at.';
COMMENT ON COLUMN analysis.daily_area.primary_area IS 'The category''s area of action.';
COMMENT ON COLUMN analysis.daily_area.tlp IS 'The reports'' own label.';
COMMENT ON COLUMN analysis.daily_area.reports IS 'How many reports.';
COMMENT ON COLUMN analysis.daily_area.people_affected IS 'Sum of what they report.';
GRANT SELECT ON analysis.daily_area TO intake_analyst;

SET LOCAL ROLE intake_owner;
-- What was stored before this file counts too; what is not current any more was so once, and what it
-- shares with others is looked for, too.
INSERT INTO intake.change (report, sign)
	SELECT c.report, c.sign
	FROM (
		SELECT r.id, 1 FROM intake.report AS r
		UNION ALL
		(SELECT s.id, -1 FROM intake.superseded_key AS s
			UNION SELECT t.report, -1 FROM intake.retraction AS t)) AS c(report, sign)
	WHERE NOT EXISTS (SELECT FROM intake.migration WHERE version = 13);
INSERT INTO intake.migration (version, name) VALUES (13, '0013_daily')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
