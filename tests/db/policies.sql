-- SPDX-License-Identifier: Apache-2.0
-- Who is let to which rows: policies, the roles that they are for, and what stands beside them.
BEGIN;
SELECT * FROM no_plan();

-- ---- policies

CREATE TEMP TABLE guarded (name name);
INSERT INTO guarded VALUES
	('report'), ('indicator'), ('retraction'), ('refusal'), ('area_total'), ('daily_total');
SELECT policies_are('intake', name, '{by_clearance}'::name[]) FROM guarded;
SELECT policy_roles_are('intake', name, 'by_clearance'::name, '{intake_view}'::name[]) FROM guarded;
SELECT policy_cmd_is('intake', name, 'by_clearance'::name, 'SELECT') FROM guarded;
SELECT is(c.relrowsecurity, true, format('policies of intake.%s are in force', g.name))
FROM guarded AS g JOIN pg_class AS c ON c.relname = g.name
	AND c.relnamespace = 'intake'::regnamespace;
-- A policy holds for whoever is not the owner: nobody else but intake_view may read these tables.
SELECT table_owner_is('intake'::name, name, 'intake_owner'::name) FROM guarded;
SELECT is_empty($$
	SELECT c.relname, r.rolname
	FROM pg_class AS c JOIN guarded AS g ON g.name = c.relname
		CROSS JOIN pg_roles AS r
	WHERE c.relnamespace = 'intake'::regnamespace
		AND NOT r.rolsuper AND r.rolname !~ '^pg_' AND r.rolname NOT IN ('intake_owner', 'intake_view')
		AND NOT pg_has_role(r.oid, 'intake_owner', 'USAGE')
		AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
	$$, 'nobody but the views reads what policies guard');
-- Whatever else the views read holds nothing of a report but its number.
SELECT set_eq($$
	SELECT relname FROM pg_class
	WHERE relnamespace = 'intake'::regnamespace AND relkind = 'r' AND NOT relrowsecurity
		AND has_any_column_privilege('intake_view', oid, 'SELECT')
	$$, '{action_area,category,change,clearance,partner,report_key,superseded_key}'::name[],
	'tables without policies that the views read');

SELECT ok(pg_get_expr(p.polqual, p.polrelid) ~ f, format('policy of %s asks %s', p.polrelid::regclass, f))
FROM pg_policy AS p
	CROSS JOIN unnest('{cleared_tlp,cleared_partners,cleared_areas,is_law_enforcement}'::text[]) AS f
WHERE p.polrelid IN ('intake.report'::regclass, 'intake.daily_total'::regclass,
	'intake.area_total'::regclass);

-- ---- roles

SELECT isnt_superuser(r) FROM unnest('{intake_owner,intake_daemon,intake_operator,intake_view,
	intake_analyst}'::name[]) AS r;
SELECT is_member_of('intake_view', 'intake_owner');
SELECT isnt_member_of(a, b)
FROM unnest('{intake_owner,intake_daemon,intake_operator,intake_view,intake_analyst}'::name[]) AS a
	CROSS JOIN unnest('{intake_daemon,intake_operator,intake_view,intake_analyst}'::name[]) AS b
WHERE a <> b;
SELECT sequence_privs_are('intake', s, r, '{}')
FROM unnest('{partner_id_seq,erasure_id_seq,legal_hold_id_seq}'::name[]) AS s
	CROSS JOIN unnest('{intake_daemon,intake_operator,intake_view,intake_analyst}'::name[]) AS r;
SELECT ok(NOT has_database_privilege(r, current_database(), 'CREATE'), r || ' makes no schema')
FROM unnest('{intake_daemon,intake_operator,intake_view,intake_analyst}'::name[]) AS r;

-- ---- rights on tables and views

CREATE TEMP TABLE may (role name, name text, rights text[]);
INSERT INTO may
	SELECT 'intake_view', 'intake.' || t, '{SELECT}'::text[]
	FROM unnest('{clearance,report,report_key,indicator,superseded_key,retraction,partner,category,
		action_area,area_total,change,daily_total,refusal}'::text[]) AS t
	UNION ALL
	SELECT 'intake_analyst', 'analysis.' || v, '{SELECT}'::text[]
	FROM unnest('{report,report_history,indicator,victim,technique,vulnerability,reference,attachment,
		related_report,action_area,category,partner,daily,daily_area,refusal,campaigns,
		clearance}'::text[]) AS v
	UNION ALL VALUES
		('intake_operator', 'intake.migration', '{SELECT}'::text[]),
		('intake_operator', 'intake.clearance', '{SELECT,INSERT,UPDATE,DELETE}'::text[]);
CREATE TEMP TABLE relation AS
	SELECT c.relnamespace::regnamespace::name AS schema, c.relname AS name, c.oid, r.role
	FROM pg_class AS c
		CROSS JOIN unnest('{intake_daemon,intake_operator,intake_view,intake_analyst}'::name[])
			AS r(role)
	WHERE c.relnamespace IN ('intake'::regnamespace, 'analysis'::regnamespace)
		AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND c.relowner <> r.role::regrole;
SELECT table_privs_are(t.schema, t.name, t.role, coalesce(m.rights, '{}')::name[])
FROM relation AS t LEFT JOIN may AS m ON m.role = t.role AND m.name = t.schema || '.' || t.name;
-- No column is open where its table is not.
SELECT is_empty($$
	SELECT t.schema, t.name, t.role, p FROM relation AS t
		CROSS JOIN unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p
	WHERE has_any_column_privilege(t.role, t.oid, p) AND NOT has_table_privilege(t.role, t.oid, p)
	$$, 'rights are of whole tables');
SELECT is_empty(
	'SELECT name FROM may WHERE to_regclass(name) IS NULL', 'every table named here is there');

SELECT * FROM finish();
ROLLBACK;
