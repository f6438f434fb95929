-- SPDX-License-Identifier: Apache-2.0
-- Who may read what, enforced by row-level security on the record itself: the policies hold for
-- intake_view, which owns every view and function that analysts use, and go by the clearance of
-- session_user. What a policy asks of a clearance is asked once a statement (a scalar subquery).
--
-- A view over tables with policies needs no security_barrier where all that it hides beside them
-- (tests, drills, older revisions) is open to the same reader in analysis.report_history: policies
-- are barriers already, and without a second one the newest rows of an area come from an index in
-- their order. analysis.indicator and the views of a report's parts are barriers: what they hide is
-- decided by the row of the report.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

ALTER TABLE intake.clearance
	ADD COLUMN IF NOT EXISTS partners text[],
	ADD COLUMN IF NOT EXISTS areas text[],
	ADD COLUMN IF NOT EXISTS is_law_enforcement boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN intake.clearance.partners IS 'Names of the only partners whose reports the user sees; NULL: all.';
COMMENT ON COLUMN intake.clearance.areas IS 'Codes of the only primary areas the user sees; NULL: all.';
COMMENT ON COLUMN intake.clearance.is_law_enforcement IS 'True: reports whose sharing.law_enforcement is no or ask-first are hidden.';

-- Estimates come from samples of all rows, hidden ones included, and EXPLAIN shows them: whoever
-- compares a column with this and that finds out its largest values. Of columns that no plan depends
-- on there is no sample.
ALTER TABLE intake.report
	ALTER people_affected SET STATISTICS 0, ALTER loss_amount SET STATISTICS 0,
	ALTER loss_currency SET STATISTICS 0, ALTER report_id SET STATISTICS 0,
	ALTER reporter_org SET STATISTICS 0, ALTER actor_name SET STATISTICS 0,
	ALTER title SET STATISTICS 0, ALTER warnings SET STATISTICS 0, ALTER sha256 SET STATISTICS 0,
	ALTER payload SET STATISTICS 0;
ALTER TABLE intake.indicator
	ALTER first_seen SET STATISTICS 0, ALTER last_seen SET STATISTICS 0,
	ALTER port SET STATISTICS 0, ALTER protocol SET STATISTICS 0;
ALTER TABLE intake.retraction ALTER reason SET STATISTICS 0;
ALTER TABLE intake.refusal ALTER pointers SET STATISTICS 0;

CREATE OR REPLACE FUNCTION intake.cleared_partners() RETURNS int[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT ARRAY(SELECT p.id FROM intake.partner AS p WHERE p.name = ANY (c.partners))
	FROM intake.clearance AS c WHERE c.user_name = session_user AND c.partners IS NOT NULL
$$;
COMMENT ON FUNCTION intake.cleared_partners IS 'The only partners whose reports the session''s user sees; NULL: all.';
CREATE OR REPLACE FUNCTION intake.cleared_areas() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT c.areas FROM intake.clearance AS c WHERE c.user_name = session_user
$$;
COMMENT ON FUNCTION intake.cleared_areas IS 'The only primary areas the session''s user sees; NULL: all.';
CREATE OR REPLACE FUNCTION intake.is_law_enforcement() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce((SELECT c.is_law_enforcement FROM intake.clearance AS c
		WHERE c.user_name = session_user), false)
$$;
COMMENT ON FUNCTION intake.is_law_enforcement IS 'Whether the session''s user belongs to law enforcement.';
-- Bodies that are parsed here, not when they are called, are bound to no search_path, and may be
-- inlined.
CREATE OR REPLACE FUNCTION intake.is_kept_from_law_enforcement(sharing text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN coalesce(sharing IN ('no', 'ask-first'), false);
COMMENT ON FUNCTION intake.is_kept_from_law_enforcement IS 'By sharing.law_enforcement of a report.';
-- Whoever reads a view calls the functions in it and in the policies beneath. They tell the caller of
-- nobody but itself.
GRANT EXECUTE ON FUNCTION intake.cleared_partners, intake.cleared_areas, intake.is_law_enforcement,
	intake.is_kept_from_law_enforcement TO intake_view, intake_analyst;

-- cleared_for(TLP, PARTNER, AREA, SHARING) spelt out: as a function it would be asked for each row.
ALTER TABLE intake.report ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS by_clearance ON intake.report;
CREATE POLICY by_clearance ON intake.report FOR SELECT TO intake_view USING (
	tlp <= (SELECT intake.cleared_tlp())
	AND ((SELECT intake.cleared_partners()) IS NULL
		OR partner_id = ANY ((SELECT intake.cleared_partners())::int[]))
	AND ((SELECT intake.cleared_areas()) IS NULL
		OR primary_area = ANY ((SELECT intake.cleared_areas())::text[]))
	AND (NOT (SELECT intake.is_law_enforcement())
		OR NOT intake.is_kept_from_law_enforcement(sharing_law_enforcement)));
ALTER TABLE intake.indicator ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS by_clearance ON intake.indicator;
CREATE POLICY by_clearance ON intake.indicator FOR SELECT TO intake_view USING (
	tlp <= (SELECT intake.cleared_tlp()));
ALTER TABLE intake.retraction ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS by_clearance ON intake.retraction;
CREATE POLICY by_clearance ON intake.retraction FOR SELECT TO intake_view USING (true);
ALTER TABLE intake.refusal ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS by_clearance ON intake.refusal;
CREATE POLICY by_clearance ON intake.refusal FOR SELECT TO intake_view USING (
	(SELECT intake.cleared_partners()) IS NULL);
GRANT SELECT ON intake.refusal TO intake_view;

-- The newest of an area.
CREATE INDEX IF NOT EXISTS report_area_time ON intake.report (primary_area, received_at);
-- The newest of all, and of a time.
CREATE INDEX IF NOT EXISTS report_time ON intake.report (received_at);

INSERT INTO intake.migration (version, name) VALUES (11, '0011_clearance')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
