-- SPDX-License-Identifier: Apache-2.0
-- What stands where: the contract of the schema analysis, whose views have at least these columns,
-- and the keys and indexes of the record that promises and speed rest on.
BEGIN;
SELECT * FROM no_plan();

SELECT schema_owner_is(s, 'intake_owner') FROM unnest('{intake,analysis}'::name[]) AS s;
SELECT has_extension('btree_gin');

-- ---- views, by the contract

CREATE TEMP TABLE expected (view name, columns text);
INSERT INTO expected VALUES
	('report', 'id uuid, partner text, reporter_org text, report_id text, revision integer,
		taxonomy_version text, received_at timestamptz, detected_at timestamptz,
		started_at timestamptz, reported_at timestamptz, contained_at timestamptz,
		ended_at timestamptz, recovered_at timestamptz, category text, category_title text,
		additional_categories text[], primary_area text, action_areas text[], rsit text[],
		tlp text, pap text, severity integer, score integer, confidence integer, status text,
		determination text, critical boolean, title text, narrative text, language text,
		countries text[], sectors text[], people_affected bigint, loss_amount numeric,
		loss_currency text, actor_kind text, actor_name text, malware text[],
		assistance_requested boolean, law_enforcement_notified text,
		sharing_law_enforcement text, sharing_audience text[], embargo_until timestamptz,
		payload jsonb'),
	('indicator', 'report uuid, received_at timestamptz, type text, value text, address inet,
		role text, tlp text, first_seen timestamptz, last_seen timestamptz, confidence integer'),
	('victim', 'report uuid, kind text, name text, sector text, country text, count bigint,
		protected boolean, notified text, received_at timestamptz'),
	('technique', 'report uuid, technique text, received_at timestamptz'),
	('vulnerability', 'report uuid, vulnerability text, received_at timestamptz'),
	('reference', 'report uuid, kind text, value text, org text, received_at timestamptz'),
	('attachment', 'report uuid, name text, media_type text, size_bytes bigint, sha256 text,
		description text, tlp text, received_at timestamptz'),
	('related_report', 'report uuid, org text, report_id text, relation text,
		received_at timestamptz'),
	('action_area', 'code text, title text'),
	('category', 'code text, title text, primary_area text, min_tlp text, critical boolean,
		countable boolean'),
	('partner', 'name text, title text, organisations text[], live boolean, suspended boolean'),
	('daily', 'day date, primary_area text, category text, partner text, severity integer,
		tlp text, reports bigint, people_affected numeric, loss numeric, loss_currency text'),
	('daily_area', 'day date, primary_area text, tlp text, reports bigint,
		people_affected numeric'),
	('campaigns', 'campaign uuid, reports bigint, partners text[], categories text[],
		first_received_at timestamptz, last_received_at timestamptz, indicators text[],
		members uuid[]'),
	('refusal', 'refused_at timestamptz, partner text, path text, status integer, problem text,
		codes text[], pointers text[], sha256 text, size_bytes bigint, unrecorded integer'),
	('clearance', 'user_name text, max_tlp text, partners text[], areas text[],
		law_enforcement boolean');
INSERT INTO expected
	SELECT 'report_history', columns || ', is_current boolean, is_retracted boolean,
		is_test boolean, is_exercise boolean, retraction_reason text'
	FROM expected WHERE view = 'report';

SELECT views_are('analysis', ARRAY(SELECT view FROM expected));
SELECT col_type_is('analysis', e.view, split_part(c.pair, ' ', 1)::name,
	format_type(to_regtype(split_part(c.pair, ' ', 2)), NULL),
	format('analysis.%s: %s', e.view, c.pair))
FROM expected AS e CROSS JOIN LATERAL regexp_split_to_table(e.columns, ',\s+') AS c(pair);

-- ---- keys of the record

SELECT col_is_pk('intake', k.table_name, k.columns, 'key of ' || k.table_name)
FROM (VALUES
	('report'::name, '{id}'::name[]),
	('report_key', '{report_id,partner_id,is_test}'),
	('superseded_key', '{report_id,partner_id,is_test,revision}'),
	('retraction', '{report}'),
	('erased_report', '{report}'),
	('erasure', '{id}'),
	('legal_hold', '{id}'),
	('partner', '{id}'),
	('partner_key', '{spki_sha256}'),
	('category', '{code}'),
	('action_area', '{code}'),
	('clearance', '{user_name}'),
	('daily_total', '{day,primary_area,tlp,partner_id,category,severity,loss_currency}'),
	('area_total', '{day,primary_area,tlp}'),
	('words', '{report,min_tlp}'),
	('language', '{subtag}'),
	('emptied_range', '{of_table,first_block}'),
	('migration', '{version}')) AS k(table_name, columns);
SELECT col_is_unique('intake'::name, 'partner'::name, 'name'::name, 'names are unique');
SELECT fk_ok('intake', 'report', 'category', 'intake', 'category', 'code');
-- Room to grow: growing tables refer to nothing that grows.
SELECT is_empty($$
	SELECT conname FROM pg_constraint
	WHERE contype = 'f' AND connamespace = 'intake'::regnamespace
		AND confrelid::regclass::text NOT IN
			('intake.category', 'intake.action_area', 'intake.partner')
	$$, 'foreign keys are to the taxonomy and to partners only');

SELECT col_type_is('intake', c.table_name, c.column_name, c.type, c.table_name || '.' || c.column_name)
FROM (VALUES
	('report'::name, 'payload'::name, 'bytea'),
	('report', 'sha256', 'bytea'),
	('report', 'received_at', 'timestamp with time zone'),
	('report', 'loss_amount', 'numeric'),
	('indicator', 'address', 'inet'),
	('indicator', 'value', 'text'),
	('erased_report', 'sha256', 'bytea'),
	('refusal', 'sha256', 'bytea'),
	('words', 'words', 'tsvector')) AS c(table_name, column_name, type);
SELECT hasnt_column('intake', t, 'payload', t || ' holds no bytes of a report')
FROM unnest('{refusal,erased_report,retraction,change,erasure}'::name[]) AS t;
SELECT col_not_null('intake', 'report', c)
FROM unnest('{payload,sha256,received_at,tlp,tlp_strictest,is_test,is_exercise}'::name[]) AS c;
SELECT col_has_check('intake'::name, 'change'::name, 'sign'::name, 'a change adds or takes away');
SELECT is(
	(SELECT attcompression::text FROM pg_attribute
	WHERE attrelid = 'intake.report'::regclass AND attname = 'payload'),
	'l', 'payloads are compressed with lz4');

-- A dump that is restored gives tables other numbers; pg_upgrade refuses most of the types that stand
-- for what such a number names.
SELECT is_empty($$
	SELECT attrelid::regclass, attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
	WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
		AND (a.atttypid = 'oid'::regtype
			OR a.atttypid::regtype::text LIKE 'reg%' AND a.atttypid <> 'regclass'::regtype)
	$$, 'no table names anything by its number in the catalogue');

-- ---- indexes

SELECT indexes_are('intake', i.table_name, i.indexes, 'indexes of ' || i.table_name)
FROM (VALUES
	('report'::name, '{report_pkey,report_time,report_area_time}'::name[]),
	('indicator', '{indicator_value,indicator_long_value,indicator_report,indicator_address}'),
	('report_key', '{report_key_pkey}'),
	('superseded_key', '{superseded_key_pkey,superseded_id}'),
	('retraction', '{retraction_pkey}'),
	('change', '{}'),
	('refusal', '{refusal_time}'),
	('words', '{words_pkey,words_gin}'),
	('host', '{host_reversed,host_report}'),
	('trait', '{trait_value,trait_report}'),
	('erased_report', '{erased_report_pkey,erased_report_erasure}')) AS i(table_name, indexes);
SELECT index_is_type('intake', i.table_name, i.index_name, i.type)
FROM (VALUES
	('report'::name, 'report_time'::name, 'btree'::name),
	('indicator', 'indicator_value', 'gin'),
	('indicator', 'indicator_long_value', 'hash'),
	('indicator', 'indicator_report', 'brin'),
	('indicator', 'indicator_address', 'btree'),
	('host', 'host_report', 'brin'),
	('refusal', 'refusal_time', 'brin'),
	('words', 'words_gin', 'gin')) AS i(table_name, index_name, type);
-- A b-tree's entry holds a third of a page: what partners write goes in where it is short.
SELECT is_empty($$
	SELECT x.indexrelid::regclass
	FROM pg_index AS x
		JOIN pg_class AS c ON c.oid = x.indexrelid AND c.relkind = 'i'
		JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
		JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
	WHERE x.indpred IS NULL AND x.indrelid IN ('intake.indicator'::regclass, 'intake.trait'::regclass)
		AND a.atttypid = 'text'::regtype
	$$, 'no b-tree holds indicators or traits of any length');

SELECT triggers_are('intake'::name, 'retraction'::name, '{counts}'::name[]);
SELECT triggers_are('intake'::name, 'partner'::name, '{partner_changed}'::name[]);
SELECT triggers_are('intake'::name, 'partner_key'::name, '{partner_key_changed}'::name[]);
SELECT triggers_are('intake'::name, 'report'::name, '{}'::name[]);

SELECT * FROM finish();
ROLLBACK;
