-- SPDX-License-Identifier: Apache-2.0
-- The record: every accepted revision with its exact bytes, its indicators, and the keys that make
-- sending again safe. Rows are added by intake.store() and never changed, but for report_key, which
-- always names the newest revision.
--
-- Chosen by measuring (2 cores, batches of 32 reports of 1.5 KB with 5 indicators, CPU of PostgreSQL
-- a report): one array of rows as the only parameter 6 us to receive, where 47 parallel arrays cost
-- 11; the report's row 10 us, its key 4, the foreign key to the category 8; five indicator rows 7, and
-- their index 20 to 47 as a b-tree, the more the larger it is. A hash index costs 10, but walks all
-- entries of equal value at each insertion: ten times as much when 50,000 reports have named the same
-- host. As GIN it costs 8, as it only notes new values in a list, which a look-up reads, too, and which
-- housekeeping (0014_search.sql) takes in for another 25. All of them answer value = '...' behind
-- row-level security. None can hold 2,048 bytes but hash, so values above 512 are left to a hash index
-- of their own. The payload is bytea: the exact bytes whatever the encoding, and a quarter cheaper on
-- the way in than jsonb.
--
-- Not cut by time: what is asked for by value, address, id or key is of all times, and what is to be
-- forgotten goes by label, category and hold as well as by age. With a partition a month over three
-- years the look-up of a value took 0.89 ms instead of 0.10, that of an id 0.52 instead of 0.07.
--
-- Room to grow: report_id spreads the key tables, the report's id all others; no foreign key joins
-- two growing tables.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

CREATE TABLE IF NOT EXISTS intake.report (
	id uuid PRIMARY KEY,
	received_at timestamptz NOT NULL,
	partner_id int NOT NULL,
	revision int NOT NULL,
	tlp smallint NOT NULL,
	tlp_strictest smallint NOT NULL,
	severity smallint NOT NULL,
	score smallint,
	confidence smallint,
	is_test boolean NOT NULL,
	is_exercise boolean NOT NULL,
	is_critical boolean NOT NULL,
	assistance_requested boolean,
	detected_at timestamptz NOT NULL,
	started_at timestamptz,
	reported_at timestamptz,
	contained_at timestamptz,
	ended_at timestamptz,
	recovered_at timestamptz,
	embargo_until timestamptz,
	people_affected bigint,
	loss_amount numeric,
	loss_currency text,
	report_id text NOT NULL,
	reporter_org text NOT NULL,
	taxonomy text NOT NULL,
	category text NOT NULL REFERENCES intake.category,
	primary_area text NOT NULL,
	action_areas text[] NOT NULL,
	additional_categories text[],
	rsit text[],
	pap text,
	status text,
	determination text,
	language text,
	sharing_law_enforcement text,
	sharing_audience text[],
	countries text[],
	sectors text[],
	actor_kind text,
	actor_name text,
	malware text[],
	law_enforcement_notified text,
	title text NOT NULL,
	warnings text,
	sha256 bytea NOT NULL,
	payload bytea NOT NULL
);
COMMENT ON TABLE intake.report IS
	'Accepted revisions, one row each, for ever.';
COMMENT ON COLUMN intake.report.id IS 'UUIDv7 made by the daemon; rises with the time of receipt.';
COMMENT ON COLUMN intake.report.received_at IS 'When the last byte of the report had arrived.';
COMMENT ON COLUMN intake.report.partner_id IS 'Who sent it.';
COMMENT ON COLUMN intake.report.revision IS 'Of this report id; 1 when the report names none.';
COMMENT ON COLUMN intake.report.tlp IS 'The report''s own label: 0 CLEAR, 1 GREEN, 2 AMBER, 3 AMBER+STRICT, 4 RED.';
COMMENT ON COLUMN intake.report.tlp_strictest IS 'Strictest label of report, indicators and attachments; at least 3 with a protected victim or a reporter contact. Governs the payload.';
COMMENT ON COLUMN intake.report.severity IS '0 to 5 of the Cyber Incident Severity Schema.';
COMMENT ON COLUMN intake.report.score IS '0 to 100.';
COMMENT ON COLUMN intake.report.confidence IS '0 to 100.';
COMMENT ON COLUMN intake.report.is_test IS 'Sent while the partner was in test mode.';
COMMENT ON COLUMN intake.report.is_exercise IS 'A drill.';
COMMENT ON COLUMN intake.report.is_critical IS 'A category of it is critical.';
COMMENT ON COLUMN intake.report.assistance_requested IS 'NULL when the report says nothing of assistance.';
COMMENT ON COLUMN intake.report.detected_at IS 'times.detected.';
COMMENT ON COLUMN intake.report.started_at IS 'times.started.';
COMMENT ON COLUMN intake.report.reported_at IS 'times.reported.';
COMMENT ON COLUMN intake.report.contained_at IS 'times.contained.';
COMMENT ON COLUMN intake.report.ended_at IS 'times.ended.';
COMMENT ON COLUMN intake.report.recovered_at IS 'times.recovered.';
COMMENT ON COLUMN intake.report.embargo_until IS 'sharing.embargo_until.';
COMMENT ON COLUMN intake.report.people_affected IS 'impact.people_affected.';
COMMENT ON COLUMN intake.report.loss_amount IS 'impact.loss.amount.';
COMMENT ON COLUMN intake.report.loss_currency IS 'impact.loss.currency, ISO 4217.';
COMMENT ON COLUMN intake.report.report_id IS 'The reporter''s own id.';
COMMENT ON COLUMN intake.report.reporter_org IS 'reporter.org.';
COMMENT ON COLUMN intake.report.taxonomy IS 'Id and version of the taxonomy in force when it was judged.';
COMMENT ON COLUMN intake.report.category IS 'Primary class.';
COMMENT ON COLUMN intake.report.primary_area IS 'The category''s area of action.';
COMMENT ON COLUMN intake.report.action_areas IS 'The reporter''s areas, the primary first.';
COMMENT ON COLUMN intake.report.additional_categories IS 'Further classes.';
COMMENT ON COLUMN intake.report.rsit IS
	'Codes of the Reference Security Incident Taxonomy; the category''s first where none was sent.';
COMMENT ON COLUMN intake.report.pap IS 'Permissible Actions Protocol label.';
COMMENT ON COLUMN intake.report.status IS 'NULL when absent; the view shows the default.';
COMMENT ON COLUMN intake.report.determination IS 'NULL when absent; the view shows the default.';
COMMENT ON COLUMN intake.report.language IS 'BCP 47 tag of the narrative; NULL when absent.';
COMMENT ON COLUMN intake.report.sharing_law_enforcement IS 'sharing.law_enforcement.';
COMMENT ON COLUMN intake.report.sharing_audience IS 'sharing.audience.';
COMMENT ON COLUMN intake.report.countries IS 'Of impact and victims, each once.';
COMMENT ON COLUMN intake.report.sectors IS 'Of impact and victims, each once.';
COMMENT ON COLUMN intake.report.actor_kind IS 'actor.kind.';
COMMENT ON COLUMN intake.report.actor_name IS 'actor.name.';
COMMENT ON COLUMN intake.report.malware IS 'Malware names.';
COMMENT ON COLUMN intake.report.law_enforcement_notified IS 'legal.law_enforcement_notified.';
COMMENT ON COLUMN intake.report.title IS 'One line.';
COMMENT ON COLUMN intake.report.warnings IS 'JSON array that the receipt shows; NULL for none.';
COMMENT ON COLUMN intake.report.sha256 IS 'SHA-256 of the payload.';
COMMENT ON COLUMN intake.report.payload IS 'The report exactly as received, UTF-8 JSON.';
ALTER TABLE intake.report ALTER payload SET COMPRESSION lz4;
-- Rows come and stay: they are frozen and counted a twentieth at a time, not a fifth.
ALTER TABLE intake.report SET (autovacuum_vacuum_insert_scale_factor = 0.05,
	autovacuum_vacuum_insert_threshold = 100000, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE IF NOT EXISTS intake.indicator (
	report uuid NOT NULL,
	address inet,
	first_seen timestamptz,
	last_seen timestamptz,
	port int,
	confidence smallint,
	tlp smallint NOT NULL,
	type text NOT NULL,
	role text NOT NULL,
	protocol text,
	value text COLLATE "C" NOT NULL
);
COMMENT ON TABLE intake.indicator IS
	'Indicators of every revision, equal ones of a report once.';
COMMENT ON COLUMN intake.indicator.report IS 'Which revision named it.';
COMMENT ON COLUMN intake.indicator.address IS 'Of ipv4, ipv6 and cidr indicators.';
COMMENT ON COLUMN intake.indicator.first_seen IS 'As reported.';
COMMENT ON COLUMN intake.indicator.last_seen IS 'As reported.';
COMMENT ON COLUMN intake.indicator.port IS 'As reported.';
COMMENT ON COLUMN intake.indicator.confidence IS '0 to 100.';
COMMENT ON COLUMN intake.indicator.tlp IS 'Its own label, or the report''s.';
COMMENT ON COLUMN intake.indicator.type IS 'ipv4, domain, sha256 and so on.';
COMMENT ON COLUMN intake.indicator.role IS 'source, target, intermediary, infrastructure, sensor or artifact.';
COMMENT ON COLUMN intake.indicator.protocol IS 'As reported.';
COMMENT ON COLUMN intake.indicator.value IS 'As reported.';
-- The list has the greatest limit there is: at one that can be reached a report would have to take all
-- of it in, be ended by its statement_timeout, and the next one again. Without housekeeping autovacuum
-- does it.
CREATE INDEX IF NOT EXISTS indicator_value ON intake.indicator
	USING gin (value) WITH (gin_pending_list_limit = 2147483647)
	WHERE octet_length(value) <= 512;
ALTER TABLE intake.indicator SET (autovacuum_vacuum_insert_scale_factor = 0.05,
	autovacuum_vacuum_insert_threshold = 100000, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX IF NOT EXISTS indicator_long_value ON intake.indicator USING hash (value)
	WHERE octet_length(value) > 512;

CREATE TABLE IF NOT EXISTS intake.report_key (
	report_id text NOT NULL COLLATE "C",
	partner_id int NOT NULL,
	is_test boolean NOT NULL,
	revision int NOT NULL,
	id uuid NOT NULL,
	PRIMARY KEY (report_id, partner_id, is_test)
);
COMMENT ON TABLE intake.report_key IS
	'The newest revision of each report. A key is unique over all time: this table is not partitioned.';
COMMENT ON COLUMN intake.report_key.report_id IS 'The reporter''s own id.';
COMMENT ON COLUMN intake.report_key.partner_id IS 'Who sent it.';
COMMENT ON COLUMN intake.report_key.is_test IS 'Test and live are two key spaces.';
COMMENT ON COLUMN intake.report_key.revision IS 'Of this row.';
COMMENT ON COLUMN intake.report_key.id IS 'The row of intake.report.';

CREATE TABLE IF NOT EXISTS intake.superseded_key (
	report_id text NOT NULL COLLATE "C",
	partner_id int NOT NULL,
	is_test boolean NOT NULL,
	revision int NOT NULL,
	id uuid NOT NULL,
	PRIMARY KEY (report_id, partner_id, is_test, revision)
);
COMMENT ON TABLE intake.superseded_key IS
	'Older revisions; a row comes here when a newer revision takes its place in report_key.';
COMMENT ON COLUMN intake.superseded_key.report_id IS 'The reporter''s own id.';
COMMENT ON COLUMN intake.superseded_key.partner_id IS 'Who sent it.';
COMMENT ON COLUMN intake.superseded_key.is_test IS 'Test and live are two key spaces.';
COMMENT ON COLUMN intake.superseded_key.revision IS 'Of this row.';
COMMENT ON COLUMN intake.superseded_key.id IS 'The row of intake.report.';
CREATE INDEX IF NOT EXISTS superseded_id ON intake.superseded_key (id);

CREATE TABLE IF NOT EXISTS intake.refusal (
	refused_at timestamptz NOT NULL,
	partner_id int NOT NULL,
	path text NOT NULL,
	status smallint NOT NULL,
	problem text NOT NULL,
	codes text[],
	pointers text[],
	sha256 bytea,
	size_bytes bigint NOT NULL,
	unrecorded int NOT NULL
);
COMMENT ON TABLE intake.refusal IS
	'Refused submissions of enrolled partners, without content. Kept 90 days.';
COMMENT ON COLUMN intake.refusal.refused_at IS 'When.';
COMMENT ON COLUMN intake.refusal.partner_id IS 'Whose submission.';
COMMENT ON COLUMN intake.refusal.path IS 'Resource.';
COMMENT ON COLUMN intake.refusal.status IS 'HTTP status of the answer.';
COMMENT ON COLUMN intake.refusal.problem IS 'Problem type, its last part.';
COMMENT ON COLUMN intake.refusal.codes IS 'Error codes.';
COMMENT ON COLUMN intake.refusal.pointers IS 'Where, JSON Pointers in the order of the codes.';
COMMENT ON COLUMN intake.refusal.sha256 IS 'Digest of the body, when it was judged.';
COMMENT ON COLUMN intake.refusal.size_bytes IS 'Of the body: what was judged, declared, or came.';
COMMENT ON COLUMN intake.refusal.unrecorded IS 'Further refusals of this partner that were counted and not kept.';
CREATE INDEX IF NOT EXISTS refusal_time ON intake.refusal USING brin (refused_at);

INSERT INTO intake.migration (version, name) VALUES (4, '0004_record')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
