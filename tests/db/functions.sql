-- SPDX-License-Identifier: Apache-2.0
-- The functions that others call: their signatures, with whose rights they run, whether they change
-- anything, and who may call each one of all that there are.
BEGIN;
SELECT * FROM no_plan();

CREATE TEMP TABLE callable (function text, result text, is_definer boolean, volatility text, roles name[]);
INSERT INTO callable VALUES
	-- ---- the daemon
	('intake.store(intake.report[],intake.indicator[])', 'setof intake.receipt', true, 'volatile',
		'{intake_daemon}'),
	('intake.store_atomic(intake.report[],intake.indicator[])', 'setof intake.receipt', true,
		'volatile', '{intake_daemon}'),
	('intake.retract(uuid,timestamptz,int,boolean,text,int,text)', 'intake.receipt', true, 'volatile',
		'{intake_daemon}'),
	-- Where there is a standby the commits of these two wait for that.
	('intake.registry()', 'setof record', true, 'volatile', '{intake_daemon}'),
	('intake.find(int[],boolean[],text[],int[],bytea[])', 'setof intake.receipt', true, 'volatile',
		'{intake_daemon}'),
	('intake.note_refusals(intake.refusal[])', 'void', true, 'volatile', '{intake_daemon}'),
	('intake.missing_categories(text[])', 'text[]', true, 'stable', '{intake_daemon}'),
	('intake.schema_version()', 'integer', true, 'stable', '{intake_daemon,intake_operator}'),
	('intake.partner_quotas()', 'setof record', true, 'stable', '{intake_daemon,intake_operator}'),
	('intake.housekeep(int)', 'integer', true, 'volatile', '{intake_daemon,intake_operator}'),
	-- ---- operators
	('intake.partners()', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.partner_add(text,text,text[],boolean,boolean)', 'integer', true, 'volatile',
		'{intake_operator}'),
	('intake.partner_set(text,text,text[],boolean,boolean,jsonb)', 'void', true, 'volatile',
		'{intake_operator}'),
	('intake.partner_set_suspended(text,boolean)', 'void', true, 'volatile', '{intake_operator}'),
	('intake.keys(text)', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.key_add(text,bytea,text)', 'void', true, 'volatile', '{intake_operator}'),
	('intake.key_enrol(text,bytea,text,timestamptz)', 'boolean', true, 'volatile',
		'{intake_operator}'),
	('intake.key_revoke(bytea)', 'void', true, 'volatile', '{intake_operator}'),
	('intake.key_expiries()', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.hold_add(text,text,text,timestamptz,timestamptz,timestamptz,text)', 'bigint', true,
		'volatile', '{intake_operator}'),
	('intake.hold_remove(bigint)', 'void', true, 'volatile', '{intake_operator}'),
	('intake.hold_reports(bigint)', 'bigint', true, 'stable', '{intake_operator}'),
	('intake.holds()', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.erase(uuid[],boolean,text,text,text,bigint)', 'record', true, 'volatile',
		'{intake_operator}'),
	('intake.erasures()', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.erased(bigint)', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.revisions_of(uuid,text,text,boolean)', 'setof record', true, 'stable',
		'{intake_operator}'),
	-- It notes who searched.
	('intake.find_person(text,text,text)', 'setof record', true, 'volatile', '{intake_operator}'),
	('intake.retention_set(text,text,interval)', 'void', true, 'volatile', '{intake_operator}'),
	('intake.retention_remove(text,text)', 'void', true, 'volatile', '{intake_operator}'),
	('intake.retention_policies()', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.retention_preview()', 'setof record', true, 'stable', '{intake_operator}'),
	('intake.retention_step(int,bigint,timestamptz,uuid)', 'record', true, 'volatile',
		'{intake_operator}'),
	('intake.retention_tidy(int)', 'integer', true, 'volatile', '{intake_operator}'),
	-- ---- analysts
	('analysis.search(text,int)', 'setof record', true, 'stable', '{intake_analyst}'),
	('analysis.seen(text)', 'setof record', true, 'stable', '{intake_analyst}'),
	('analysis.indicators_in(cidr)', 'setof record', true, 'stable', '{intake_analyst}'),
	('analysis.related(uuid,int)', 'setof record', true, 'stable', '{intake_analyst}'),
	('analysis.id_at(timestamptz)', 'uuid', false, 'immutable', '{intake_analyst}'),
	('analysis.revisions(text)', 'setof analysis.report_history', true, 'stable',
		'{intake_view,intake_analyst}'),
	('analysis.timeline(timestamptz,timestamptz,interval)', 'setof record', true, 'stable',
		'{intake_view,intake_analyst}'),
	('analysis.campaigns_between(timestamptz,timestamptz,int)', 'setof record', true, 'stable',
		'{intake_view,intake_analyst}'),
	('analysis.export_payload(uuid,text)', 'bytea', true, 'stable', '{intake_view,intake_analyst}'),
	-- ---- what views and policies call, with the rights of whoever reads
	('intake.cleared_tlp()', 'smallint', true, 'stable', '{intake_view,intake_analyst}'),
	('intake.cleared_partners()', 'integer[]', true, 'stable', '{intake_view,intake_analyst}'),
	('intake.cleared_areas()', 'text[]', true, 'stable', '{intake_view,intake_analyst}'),
	('intake.is_law_enforcement()', 'boolean', true, 'stable', '{intake_view,intake_analyst}'),
	('intake.is_kept_from_law_enforcement(text)', 'boolean', false, 'immutable',
		'{intake_view,intake_analyst}'),
	('intake.day_of(timestamptz)', 'date', false, 'immutable', '{intake_view,intake_analyst}'),
	('intake.document(bytea)', 'jsonb', false, 'stable', '{intake_view,intake_analyst}'),
	('intake.tlp_label(smallint)', 'text', false, 'immutable', '{intake_view,intake_analyst}'),
	('intake.tlp_number(text)', 'smallint', false, 'immutable', '{intake_view,intake_analyst}'),
	('intake.roots(int[],int[],int)', 'integer[]', false, 'immutable', '{intake_view}');

SELECT ok(to_regprocedure(function) IS NOT NULL, 'there is ' || function) FROM callable;

CREATE TEMP TABLE there AS
	SELECT p.oid, p.pronamespace::regnamespace::name AS schema, p.proname AS name,
		ARRAY(SELECT format_type(t.type, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS t(type, place)
			ORDER BY t.place)::name[] AS arguments
	FROM pg_proc AS p
	WHERE p.pronamespace IN ('intake'::regnamespace, 'analysis'::regnamespace);

SELECT function_returns(t.schema, t.name, t.arguments, c.result)
FROM callable AS c JOIN there AS t ON t.oid = to_regprocedure(c.function);
SELECT CASE WHEN c.is_definer THEN is_definer(t.schema, t.name, t.arguments)
	ELSE isnt_definer(t.schema, t.name, t.arguments) END
FROM callable AS c JOIN there AS t ON t.oid = to_regprocedure(c.function);
SELECT volatility_is(t.schema, t.name, t.arguments, c.volatility)
FROM callable AS c JOIN there AS t ON t.oid = to_regprocedure(c.function);
-- With parameters and growing tables: PL/pgSQL, which a distributed database can plan.
SELECT function_lang_is(t.schema, t.name, t.arguments, 'plpgsql')
FROM there AS t WHERE t.schema = 'analysis' AND t.name <> 'id_at'
	OR t.name IN ('store', 'store_atomic', 'store_again', 'retract', 'find', 'housekeep', 'fold', 'erase',
		'erase_locked', 'remove_revisions', 'remove_parts', 'find_person', 'retention_step',
		'retention_look', 'words_of', 'hosts_of', 'traits_of', 'receipt_of');
SELECT is_empty($$
	SELECT name FROM there GROUP BY schema, name HAVING count(*) > 1
	$$, 'no function has two signatures');

-- Whatever stands in no line above is called by nobody but its owner.
SELECT function_privs_are(t.schema, t.name, t.arguments, r,
	CASE WHEN r = ANY (c.roles) THEN '{EXECUTE}' ELSE '{}' END::name[])
FROM there AS t LEFT JOIN callable AS c ON to_regprocedure(c.function) = t.oid
	CROSS JOIN unnest('{intake_daemon,intake_operator,intake_view,intake_analyst}'::name[]) AS r;

SELECT * FROM finish();
ROLLBACK;
