-- SPDX-License-Identifier: Apache-2.0
-- Finding: words, hosts and what reports have in common. What is needed for it is derived from the
-- record after the commit by housekeeping (intake.housekeep), which any number of daemons may call;
-- the functions below derive the same on the spot for what it has not taken yet, so they find a
-- report as soon as it has its receipt.
--
-- Operators that search (@@, <<=) use no index behind row-level security, which they might be made to
-- tell about. So these functions belong to the record's owner, to whom the policies do not apply, and
-- apply the reader's clearance themselves (intake.reader). None has its plan compiled: where many rows
-- are expected and few come, that takes longer than all else. None lets its plans be printed to the
-- reader, who may ask the server for that (debug_print_plan): they hold the ids of reports that are
-- pending, whatever their label. A row says for whom it is: the words of a title and those of a
-- narrative that fewer may read are two rows, and nobody is shown both.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

DO $$
BEGIN
	IF to_regtype('intake.reader') IS NULL THEN
		CREATE TYPE intake.reader AS (
			tlp smallint,
			partners int[],
			areas text[],
			is_law_enforcement boolean
		);
	END IF;
END
$$;
COMMENT ON TYPE intake.reader IS 'A clearance: strictest label, the only partners and areas (NULL: all), law enforcement or not.';
CREATE OR REPLACE FUNCTION intake.reader_now() RETURNS intake.reader
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT ROW(intake.cleared_tlp(), intake.cleared_partners(), intake.cleared_areas(),
		intake.is_law_enforcement())::intake.reader
$$;
COMMENT ON FUNCTION intake.reader_now IS 'The clearance of the session''s user.';
CREATE OR REPLACE FUNCTION intake.may_read(reader intake.reader, tlp smallint, partner_id int,
	primary_area text, sharing_law_enforcement text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN tlp <= (reader).tlp
		AND ((reader).partners IS NULL OR partner_id = ANY ((reader).partners))
		AND ((reader).areas IS NULL OR primary_area = ANY ((reader).areas))
		AND NOT ((reader).is_law_enforcement
			AND intake.is_kept_from_law_enforcement(sharing_law_enforcement));
COMMENT ON FUNCTION intake.may_read IS 'What the policy by_clearance of intake.report says, for functions that it does not apply to.';

-- ---- words

CREATE TABLE IF NOT EXISTS intake.language (
	subtag text PRIMARY KEY,
	config text NOT NULL
);
COMMENT ON TABLE intake.language IS 'How the words of a language are reduced to their stems. Other languages: simple.';
COMMENT ON COLUMN intake.language.subtag IS 'Primary subtag of a BCP 47 tag.';
COMMENT ON COLUMN intake.language.config IS 'Text search configuration, by its name: pg_upgrade(1) takes no other column that names one.';
INSERT INTO intake.language (subtag, config)
	SELECT l.subtag, l.name
	FROM (VALUES ('ar', 'arabic'), ('ca', 'catalan'), ('da', 'danish'), ('de', 'german'),
			('el', 'greek'), ('en', 'english'), ('es', 'spanish'), ('eu', 'basque'),
			('fi', 'finnish'), ('fr', 'french'), ('ga', 'irish'), ('hi', 'hindi'),
			('hu', 'hungarian'), ('hy', 'armenian'), ('id', 'indonesian'), ('it', 'italian'),
			('lt', 'lithuanian'), ('nb', 'norwegian'), ('ne', 'nepali'), ('nl', 'dutch'),
			('nn', 'norwegian'), ('no', 'norwegian'), ('pt', 'portuguese'), ('ro', 'romanian'),
			('ru', 'russian'), ('sr', 'serbian'), ('sv', 'swedish'), ('ta', 'tamil'),
			('tr', 'turkish'), ('yi', 'yiddish')) AS l(subtag, name)
		JOIN pg_ts_config AS c ON c.cfgname = l.name AND c.cfgnamespace = 'pg_catalog'::regnamespace
ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION intake.language_subtag(language text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN lower(split_part(coalesce(language, 'en'), '-', 1));
COMMENT ON FUNCTION intake.language_subtag IS 'What intake.language is asked for, by the language of a report.';

CREATE TABLE IF NOT EXISTS intake.words (
	report uuid NOT NULL,
	min_tlp smallint NOT NULL,
	below_tlp smallint NOT NULL,
	partner_id int NOT NULL,
	is_kept_from_law_enforcement boolean NOT NULL,
	primary_area text NOT NULL,
	config text NOT NULL,
	words tsvector NOT NULL,
	PRIMARY KEY (report, min_tlp)
);
COMMENT ON TABLE intake.words IS
	'The words of current reports: of title and narrative for those who may read both and, where that is stricter than the report''s own label, of the title for the others.';
COMMENT ON COLUMN intake.words.report IS 'Which revision.';
COMMENT ON COLUMN intake.words.min_tlp IS 'Clearance that a reader needs.';
COMMENT ON COLUMN intake.words.below_tlp IS 'Clearance from which on another row is the reader''s; 9: none is.';
COMMENT ON COLUMN intake.words.partner_id IS 'Who sent it.';
COMMENT ON COLUMN intake.words.is_kept_from_law_enforcement IS 'By sharing.law_enforcement.';
COMMENT ON COLUMN intake.words.primary_area IS 'The category''s area of action.';
COMMENT ON COLUMN intake.words.config IS 'Text search configuration of its language.';
COMMENT ON COLUMN intake.words.words IS 'Stems; those of the title weigh A, the others D.';
CREATE INDEX IF NOT EXISTS words_gin ON intake.words USING gin (words);

-- The same letters may be spelt in several ways: macOS writes an accent as a character of its own. To
-- ask whether they are spelt this way is cheaper than to spell them so.
CREATE OR REPLACE FUNCTION intake.spelt_alike(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN octet_length(words) = length(words) OR words IS NFKC NORMALIZED THEN words
		ELSE normalize(words, NFKC) END;
COMMENT ON FUNCTION intake.spelt_alike IS 'A text in normalisation form KC, in which words are compared.';

-- The functions named _in make rows of what was read of one report; they are put in place of their
-- calls. Those named _of read reports.
CREATE OR REPLACE FUNCTION intake.words_in(config regconfig, title text, narrative text, tlp smallint,
	tlp_strictest smallint)
RETURNS TABLE (min_tlp smallint, below_tlp smallint, words tsvector)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT tlp_strictest, 9::smallint,
		setweight(to_tsvector(config, intake.spelt_alike(title)), 'A')
			|| to_tsvector(config, intake.spelt_alike(coalesce(narrative, '')))
	UNION ALL
	SELECT tlp, tlp_strictest, setweight(to_tsvector(config, intake.spelt_alike(title)), 'A')
	WHERE tlp < tlp_strictest;
END;
COMMENT ON FUNCTION intake.words_in IS 'What intake.words holds of a report.';

CREATE OR REPLACE FUNCTION intake.words_of(reports uuid[]) RETURNS SETOF intake.words
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
	RETURN QUERY
	SELECT r.id, w.min_tlp, w.below_tlp, r.partner_id,
		intake.is_kept_from_law_enforcement(r.sharing_law_enforcement), r.primary_area, c.config,
		w.words
	FROM intake.report AS r
		LEFT JOIN intake.language AS l ON l.subtag = intake.language_subtag(r.language)
		CROSS JOIN LATERAL (SELECT coalesce(l.config, 'simple') AS config) AS c
		CROSS JOIN LATERAL intake.words_in(c.config::regconfig, r.title,
			intake.document(r.payload) ->> 'narrative', r.tlp, r.tlp_strictest) AS w
	WHERE r.id = ANY (reports) AND NOT r.is_test AND NOT r.is_exercise;
END
$$;
COMMENT ON FUNCTION intake.words_of IS 'The rows of intake.words for reports; none for tests and exercises.';

-- ---- hosts, and other things that reports share

CREATE OR REPLACE FUNCTION intake.host_of(type text, value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE type
		WHEN 'domain' THEN value
		ELSE nullif(btrim(lower(substring(value FROM CASE type
			WHEN 'email' THEN '@([^@]+)$'
			-- As browsers read it: a backslash is a slash, and what stands before the last @ is a name.
			WHEN 'url' THEN '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#\\]*@)?(\[[^]/]+|[^/?#\\:]+)'
		END)), '[].'), '')
	END;
COMMENT ON FUNCTION intake.host_of IS 'The host that an indicator names, in lower case, without brackets and the dot at its end; NULL where it names none.';

CREATE TABLE IF NOT EXISTS intake.host (
	reversed_host text COLLATE "C" NOT NULL,
	report uuid NOT NULL,
	tlp smallint NOT NULL,
	type text NOT NULL,
	role text NOT NULL,
	value text NOT NULL
);
COMMENT ON TABLE intake.host IS 'Indicators that name a host, by its name read backwards, so that a domain''s hosts stand together.';
COMMENT ON COLUMN intake.host.reversed_host IS 'gro.elpmaxe of example.org.';
COMMENT ON COLUMN intake.host.report IS 'Which revision.';
COMMENT ON COLUMN intake.host.tlp IS 'The indicator''s own label.';
COMMENT ON COLUMN intake.host.type IS 'domain, url or email.';
COMMENT ON COLUMN intake.host.role IS 'As reported.';
COMMENT ON COLUMN intake.host.value IS 'As reported.';
CREATE INDEX IF NOT EXISTS host_reversed ON intake.host (reversed_host);

-- From the payload, which is read for the words anyhow: the rows of intake.indicator lie beside those
-- of other reports, and are found by an index that knows blocks only.
CREATE OR REPLACE FUNCTION intake.hosts_in(report uuid, tlp smallint, indicators jsonb)
RETURNS SETOF intake.host
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT reverse(h.host), report, h.tlp, h.type, h.role, h.value
	FROM (SELECT intake.host_of(e.value ->> 'type', e.value ->> 'value') AS host,
			coalesce(intake.tlp_number(e.value ->> 'tlp'), tlp) AS tlp, e.value ->> 'type' AS type,
			e.value ->> 'role' AS role, e.value ->> 'value' AS value
		FROM jsonb_array_elements(indicators) AS e
		WHERE e.value ->> 'type' IN ('domain', 'email', 'url') OFFSET 0) AS h
	WHERE octet_length(h.host) <= 253;
END;
COMMENT ON FUNCTION intake.hosts_in IS 'What intake.host holds of a report.';
CREATE OR REPLACE FUNCTION intake.hosts_of(reports uuid[]) RETURNS SETOF intake.host
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
	RETURN QUERY
	SELECT h.* FROM intake.report AS r
		CROSS JOIN LATERAL intake.hosts_in(r.id, r.tlp, intake.document(r.payload) -> 'indicators') AS h
	WHERE r.id = ANY (reports) AND NOT r.is_test AND NOT r.is_exercise;
END
$$;
COMMENT ON FUNCTION intake.hosts_of IS 'The rows of intake.host for reports; none for tests and exercises.';

CREATE TABLE IF NOT EXISTS intake.trait (
	kind text NOT NULL,
	value text COLLATE "C" NOT NULL,
	report uuid NOT NULL,
	min_tlp smallint NOT NULL
);
COMMENT ON TABLE intake.trait IS 'Malware, techniques, vulnerabilities and references of reports, as far as they can be looked up: of at most 200 characters, malware in lower case.';
COMMENT ON COLUMN intake.trait.kind IS 'malware, technique, vulnerability or reference.';
COMMENT ON COLUMN intake.trait.value IS 'As reported.';
COMMENT ON COLUMN intake.trait.report IS 'Which revision.';
COMMENT ON COLUMN intake.trait.min_tlp IS 'Clearance that a reader needs.';
CREATE INDEX IF NOT EXISTS trait_value ON intake.trait (kind, value) WHERE length(value) <= 200;
CREATE INDEX IF NOT EXISTS trait_report ON intake.trait (report);

CREATE OR REPLACE FUNCTION intake.traits_in(report uuid, tlp smallint, tlp_strictest smallint,
	malware text[], techniques jsonb, vulnerabilities jsonb, "references" jsonb)
RETURNS SETOF intake.trait
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT 'malware', left(lower(m.m), 200), report, tlp FROM unnest(malware) AS m(m) WHERE m.m <> ''
	UNION ALL
	SELECT 'technique', left(t.t, 200), report, tlp_strictest
	FROM jsonb_array_elements_text(techniques) AS t(t) WHERE t.t <> ''
	UNION ALL
	SELECT 'vulnerability', left(v.v, 200), report, tlp_strictest
	FROM jsonb_array_elements_text(vulnerabilities) AS v(v) WHERE v.v <> ''
	UNION ALL
	SELECT 'reference', left(e.value ->> 'value', 200), report, tlp_strictest
	FROM jsonb_array_elements("references") AS e WHERE e.value ->> 'value' <> '';
END;
COMMENT ON FUNCTION intake.traits_in IS 'What intake.trait holds of a report.';
CREATE OR REPLACE FUNCTION intake.traits_of(reports uuid[]) RETURNS SETOF intake.trait
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
	RETURN QUERY
	SELECT t.*
	FROM (SELECT s.*, intake.document(s.payload) AS document FROM intake.report AS s
			WHERE s.id = ANY (reports) AND NOT s.is_test AND NOT s.is_exercise OFFSET 0) AS r
		CROSS JOIN LATERAL intake.traits_in(r.id, r.tlp, r.tlp_strictest, r.malware,
			r.document -> 'techniques', r.document -> 'vulnerabilities', r.document -> 'references')
			AS t;
END
$$;
COMMENT ON FUNCTION intake.traits_of IS 'The rows of intake.trait for reports; none for tests and exercises.';

-- Which indicators a report has. Reports come in nearly the order of their ids.
CREATE INDEX IF NOT EXISTS indicator_report ON intake.indicator
	USING brin (report) WITH (pages_per_range = 16, autosummarize = on);
-- Addresses within a network, and networks around an address.
CREATE INDEX IF NOT EXISTS indicator_address ON intake.indicator (address)
	WHERE address IS NOT NULL;

-- ---- housekeeping

-- Not an advisory lock: whoever may connect can take one of those, and keep it.
CREATE TABLE IF NOT EXISTS intake.turn ();
COMMENT ON TABLE intake.turn IS
	'Locked by whoever takes changes of the record into the sums and the search; has no rows.';

CREATE OR REPLACE FUNCTION intake.pending_reports() RETURNS uuid[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
	RETURN ARRAY(SELECT c.report FROM intake.change AS c WHERE c.sign = 1);
END
$$;
COMMENT ON FUNCTION intake.pending_reports IS 'Reports that housekeeping has not taken yet.';

CREATE OR REPLACE FUNCTION intake.is_current(report uuid) RETURNS boolean
LANGUAGE sql STABLE
	RETURN NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = report)
		AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = is_current.report);
COMMENT ON FUNCTION intake.is_current IS 'Whether it is the newest revision and not retracted.';

-- However many rows a planner expects, a step reads its few by their ids.
CREATE OR REPLACE FUNCTION intake.housekeep(max_changes int) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
	SET maintenance_work_mem = '1MB' SET lock_timeout = '100ms' AS $$
DECLARE
	taken intake.change[];
	added uuid[];
	-- Of so many at a time, however many have waited.
	max_forgotten CONSTANT int := 10000;
BEGIN
	IF max_changes IS NULL OR max_changes NOT BETWEEN 1 AND 100000 THEN
		RAISE EXCEPTION 'max_changes is %, expected 1 to 100000', coalesce(max_changes::text, 'NULL')
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- One at a time: whoever comes second has nothing to do.
	BEGIN
		LOCK TABLE intake.turn IN EXCLUSIVE MODE NOWAIT;
	EXCEPTION WHEN lock_not_available THEN
		RETURN 0;
	END;
	WITH gone AS (
		DELETE FROM intake.change AS c
		WHERE c.ctid = ANY (ARRAY(SELECT n.ctid FROM intake.change AS n LIMIT max_changes))
		RETURNING c.report, c.sign)
	SELECT array_agg(g::intake.change) INTO taken FROM gone AS g;
	-- Now and then also where reports never cease.
	IF taken IS NULL OR random() < 0.01 THEN
		DELETE FROM intake.refusal AS f
		WHERE f.ctid = ANY (ARRAY(SELECT o.ctid FROM intake.refusal AS o
			WHERE o.refused_at < now() - interval '90 days' LIMIT max_forgotten));
	END IF;
	IF taken IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM intake.fold(taken);
	added := ARRAY(SELECT c.report FROM unnest(taken) AS c WHERE c.sign = 1);
	-- Words are those of current reports, in whichever order changes are taken: what stops being
	-- current after the look below has its change taken later.
	DELETE FROM intake.words AS w
	WHERE w.report = ANY (ARRAY(SELECT c.report FROM unnest(taken) AS c WHERE c.sign = -1));
	-- As words_of(), hosts_of() and traits_of(), but the payload is taken apart once.
	WITH source AS MATERIALIZED (
		SELECT r.id, r.tlp, r.tlp_strictest, r.partner_id, r.primary_area, r.title, r.malware,
			intake.is_kept_from_law_enforcement(r.sharing_law_enforcement) AS is_kept,
			coalesce(l.config, 'simple') AS config,
			r.document ->> 'narrative' AS narrative, r.document -> 'indicators' AS indicators,
			r.document -> 'techniques' AS techniques,
			r.document -> 'vulnerabilities' AS vulnerabilities,
			r.document -> 'references' AS "references"
		FROM (SELECT s.*, intake.document(s.payload) AS document FROM intake.report AS s
				WHERE s.id = ANY (added) AND NOT s.is_test AND NOT s.is_exercise OFFSET 0) AS r
			LEFT JOIN intake.language AS l ON l.subtag = intake.language_subtag(r.language)),
	word AS (
		INSERT INTO intake.words
			SELECT s.id, w.min_tlp, w.below_tlp, s.partner_id, s.is_kept, s.primary_area, s.config,
				w.words
			FROM source AS s CROSS JOIN LATERAL
				intake.words_in(s.config::regconfig, s.title, s.narrative, s.tlp,
					s.tlp_strictest) AS w
			WHERE intake.is_current(s.id)
			ON CONFLICT DO NOTHING),
	host AS (
		INSERT INTO intake.host
			SELECT h.* FROM source AS s
				CROSS JOIN LATERAL intake.hosts_in(s.id, s.tlp, s.indicators) AS h)
	INSERT INTO intake.trait
		SELECT t.* FROM source AS s CROSS JOIN LATERAL intake.traits_in(s.id, s.tlp,
			s.tlp_strictest, s.malware, s.techniques, s.vulnerabilities, s."references") AS t;
	-- In pieces of maintenance_work_mem, each of which stays done: a list that has grown for long is
	-- taken in although statement_timeout ends the step. Autovacuum may be at it.
	BEGIN
		PERFORM gin_clean_pending_list('intake.indicator_value');
	EXCEPTION WHEN lock_not_available THEN
		NULL;
	END;
	RETURN cardinality(taken);
END
$$;
COMMENT ON FUNCTION intake.housekeep IS
	'Takes up to so many changes of the record into the daily sums and the search, and new values into their index, and returns how many; 0 when there is none or another session is at it. Forgets refusals of more than 90 days, with nothing else to do or now and then.';
GRANT EXECUTE ON FUNCTION intake.housekeep TO intake_daemon, intake_operator;

-- ---- functions for analysts

CREATE OR REPLACE FUNCTION intake.check_max_rows(max_rows int) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF max_rows IS NULL OR max_rows NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'max_rows is %, expected 1 to 10000', coalesce(max_rows::text, 'NULL')
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION intake.check_max_rows IS 'Refuses a number of rows that is out of range.';

CREATE OR REPLACE FUNCTION analysis.search(query text, max_rows int DEFAULT 50)
RETURNS TABLE (report uuid, rank real, received_at timestamptz, partner text, report_id text,
	category text, tlp text, severity int, title text, is_complete boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_custom_plan SET work_mem = '32MB' SET jit = off
	SET debug_print_plan = off AS $$
DECLARE
	max_ranked CONSTANT int := 10000;
	reader CONSTANT intake.reader := intake.reader_now();
	asked CONSTANT text := intake.spelt_alike(query);
	configs text[];
	queries tsquery[];
	any_query tsquery;
	each tsquery;
	-- Stopped being current, and housekeeping has not come by yet.
	gone CONSTANT uuid[] := ARRAY(SELECT c.report FROM intake.change AS c WHERE c.sign = -1);
BEGIN
	PERFORM intake.check_max_rows(max_rows);
	-- Everybody's words are looked for as their language spells them.
	SELECT array_agg(c.config ORDER BY c.config),
		array_agg(websearch_to_tsquery(c.config::regconfig, asked) ORDER BY c.config)
	INTO configs, queries
	FROM (SELECT DISTINCT l.config FROM intake.language AS l
		UNION SELECT 'simple') AS c(config);
	FOR each IN SELECT DISTINCT q.q::text::tsquery FROM unnest(queries) AS q(q) LOOP
		IF numnode(each) > 0 THEN
			any_query := CASE WHEN any_query IS NULL THEN each ELSE any_query || each END;
		END IF;
	END LOOP;
	IF any_query IS NULL THEN
		RETURN;
	END IF;

	RETURN QUERY
	WITH candidate AS (
		SELECT w.report, w.config, w.words FROM intake.words AS w
		WHERE w.words @@ any_query
			AND w.min_tlp <= reader.tlp AND reader.tlp < w.below_tlp
			AND (reader.partners IS NULL OR w.partner_id = ANY (reader.partners))
			AND (reader.areas IS NULL OR w.primary_area = ANY (reader.areas))
			AND NOT (reader.is_law_enforcement AND w.is_kept_from_law_enforcement)
			AND w.report <> ALL (gone)
		ORDER BY w.report DESC LIMIT max_ranked + 1),
	pending AS (
		SELECT w.report, w.config, w.words FROM intake.words_of(intake.pending_reports()) AS w
		WHERE w.words @@ any_query
			AND w.min_tlp <= reader.tlp AND reader.tlp < w.below_tlp
			AND (reader.partners IS NULL OR w.partner_id = ANY (reader.partners))
			AND (reader.areas IS NULL OR w.primary_area = ANY (reader.areas))
			AND NOT (reader.is_law_enforcement AND w.is_kept_from_law_enforcement)
			AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = w.report)
			AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = w.report)),
	ranked AS (
		SELECT m.report, ts_rank(m.words, m.query) AS rank
		FROM (SELECT c.*, queries[array_position(configs, c.config)] AS query
			FROM (SELECT * FROM candidate UNION ALL SELECT * FROM pending) AS c) AS m
		WHERE m.words @@ m.query
		ORDER BY 2 DESC, 1 DESC LIMIT max_rows)
	SELECT r.id, k.rank, r.received_at, p.name, r.report_id, r.category, intake.tlp_label(r.tlp),
		r.severity::int, r.title,
		(SELECT count(*) FROM candidate) <= max_ranked
	FROM ranked AS k
		JOIN intake.report AS r ON r.id = k.report
		JOIN intake.partner AS p ON p.id = r.partner_id
	ORDER BY k.rank DESC, r.id DESC;
END
$$;
COMMENT ON FUNCTION analysis.search IS
	'Current reports by words of title and narrative, the best first: words, "phrases", or, -not. Each report is read in its own language. Where is_complete is false more than 10,000 match, of which the newest were ranked.';

CREATE OR REPLACE FUNCTION intake.supernets(address inet) RETURNS inet[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT array_agg(network(set_masklen(address, n))::inet)
	FROM generate_series(0, masklen(address) - 1) AS n
$$;
COMMENT ON FUNCTION intake.supernets IS 'The networks around an address or network.';

-- In the order of inet a network stands before what is in it, and before its addresses.
CREATE OR REPLACE FUNCTION intake.last_address(network inet) RETURNS inet
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN set_masklen(broadcast(network), CASE family(network) WHEN 4 THEN 32 ELSE 128 END);
COMMENT ON FUNCTION intake.last_address IS 'The greatest value of inet that lies within a network.';

-- Of the indicators below those that the reader may see, with their reports.
CREATE OR REPLACE FUNCTION analysis.seen(value text)
RETURNS TABLE (report uuid, received_at timestamptz, partner text, report_id text, category text,
	report_tlp text, severity int, title text, type text, indicator text, role text, tlp text,
	match text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_custom_plan SET jit = off SET debug_print_plan = off AS $$
DECLARE
	reader CONSTANT intake.reader := intake.reader_now();
	given CONSTANT text := btrim(seen.value);
	-- People pass on what is malicious defanged; the daemon takes no host or address that is.
	asked CONSTANT text := regexp_replace(replace(given, '[.]', '.'), '^hxxp', 'http', 'i');
	net inet;
	backwards text := reverse(lower(rtrim(asked, '.')));
BEGIN
	IF asked ~ '^[0-9a-fA-F:.]+(/[0-9]{1,3})?$' AND asked ~ '[.:]' THEN
		BEGIN
			net := asked::inet;
		EXCEPTION WHEN invalid_text_representation THEN
			net := NULL;
		END;
	END IF;
	IF net IS NOT NULL THEN
		-- Of a network NULL: URLs are found by the very address.
		backwards := CASE WHEN net = host(net)::inet THEN reverse(host(net)) END;
	ELSIF backwards !~ '^[a-z0-9_-]+([.][a-z0-9_-]+)+$' THEN
		backwards := NULL;
	END IF;

	RETURN QUERY
	WITH hit AS (
		SELECT i.report, i.type, i.value, i.role, i.tlp, 'exact' AS match
		FROM intake.indicator AS i
		WHERE octet_length(i.value) <= 512
			AND i.value = ANY (ARRAY[given, lower(given), asked, lower(asked)])
		UNION
		SELECT i.report, i.type, i.value, i.role, i.tlp, 'exact'
		FROM intake.indicator AS i
		WHERE octet_length(given) > 512 AND octet_length(i.value) > 512
			AND i.value = ANY (ARRAY[given, asked])
		UNION
		SELECT i.report, i.type, i.value, i.role, i.tlp,
			CASE WHEN i.address = net THEN 'exact' ELSE 'within' END
		FROM intake.indicator AS i
		WHERE net IS NOT NULL AND i.address IS NOT NULL
			AND i.address >= network(net)::inet AND i.address <= intake.last_address(net)
			AND i.address <<= net
		UNION
		SELECT i.report, i.type, i.value, i.role, i.tlp, 'around'
		FROM intake.indicator AS i
		WHERE net IS NOT NULL AND i.address = ANY (intake.supernets(net))
		UNION
		SELECT h.report, h.type, h.value, h.role, h.tlp,
			CASE WHEN h.reversed_host <> backwards THEN 'below'
				WHEN h.type = 'domain' THEN 'exact' ELSE 'host' END
		FROM (
			SELECT * FROM intake.host AS k
			WHERE k.reversed_host = backwards
				OR (k.reversed_host >= backwards || '.' AND k.reversed_host < backwards || '/')
			UNION ALL
			SELECT * FROM intake.hosts_of(intake.pending_reports()) AS k
			WHERE k.reversed_host = backwards
				OR (k.reversed_host COLLATE "C" >= backwards || '.'
					AND k.reversed_host COLLATE "C" < backwards || '/')) AS h
		WHERE backwards IS NOT NULL)
	SELECT r.id, r.received_at, p.name, r.report_id, r.category, intake.tlp_label(r.tlp),
		r.severity::int, r.title, h.type, h.value, h.role, intake.tlp_label(h.tlp), h.match
	FROM hit AS h
		JOIN intake.report AS r ON r.id = h.report
		JOIN intake.partner AS p ON p.id = r.partner_id
	WHERE h.tlp <= reader.tlp AND NOT r.is_test AND NOT r.is_exercise
		AND intake.may_read(reader, r.tlp, r.partner_id, r.primary_area, r.sharing_law_enforcement)
		AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
		AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id)
	ORDER BY r.received_at DESC, r.id, h.type, h.value;
END
$$;
COMMENT ON FUNCTION analysis.seen IS
	'Current reports with an indicator: the very value (exact), an address within the network asked for (within) or a network around the address (around), a URL or e-mail address at that host or address (host) or one below the domain (below). The newest first.';

CREATE OR REPLACE FUNCTION analysis.indicators_in(network cidr)
RETURNS TABLE (report uuid, received_at timestamptz, type text, value text, address inet, role text,
	tlp text, first_seen timestamptz, last_seen timestamptz, confidence int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_custom_plan SET jit = off SET debug_print_plan = off AS $$
DECLARE
	reader CONSTANT intake.reader := intake.reader_now();
	asked CONSTANT inet := indicators_in.network::inet;
BEGIN
	RETURN QUERY
	SELECT i.report, r.received_at, i.type, i.value, i.address, i.role, intake.tlp_label(i.tlp),
		i.first_seen, i.last_seen, i.confidence::int
	FROM intake.indicator AS i JOIN intake.report AS r ON r.id = i.report
	WHERE i.address IS NOT NULL AND i.address >= network(asked)::inet
		AND i.address <= intake.last_address(asked) AND i.address <<= asked
		AND i.tlp <= reader.tlp AND NOT r.is_test AND NOT r.is_exercise
		AND intake.may_read(reader, r.tlp, r.partner_id, r.primary_area, r.sharing_law_enforcement)
		AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
		AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id);
END
$$;
COMMENT ON FUNCTION analysis.indicators_in IS
	'The rows of analysis.indicator whose address lies within a network, by an index.';

CREATE OR REPLACE FUNCTION analysis.related(id uuid, max_rows int DEFAULT 50)
RETURNS TABLE (report uuid, score numeric, shared text[], received_at timestamptz, partner text,
	report_id text, category text, tlp text, severity int, title text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
	SET debug_print_plan = off AS $$
DECLARE
	reader CONSTANT intake.reader := intake.reader_now();
	max_holders CONSTANT int := 1000;
	pending CONSTANT uuid[] := intake.pending_reports();
BEGIN
	PERFORM intake.check_max_rows(max_rows);
	IF NOT EXISTS (SELECT FROM intake.report AS r WHERE r.id = related.id
		AND intake.may_read(reader, r.tlp, r.partner_id, r.primary_area,
			r.sharing_law_enforcement)) THEN
		RETURN;
	END IF;
	RETURN QUERY
	WITH late AS (
		SELECT * FROM intake.traits_of(pending)),
	own AS (
		SELECT DISTINCT 'indicator' AS kind, i.value, 3.0 AS weight FROM intake.indicator AS i
		WHERE i.report = related.id AND i.tlp <= reader.tlp AND octet_length(i.value) <= 512
		UNION ALL
		SELECT t.kind, t.value, CASE t.kind WHEN 'technique' THEN 0.5 ELSE 2.0 END
		FROM (SELECT * FROM intake.trait AS s WHERE s.report = related.id
			UNION SELECT * FROM late AS s WHERE s.report = related.id) AS t
		WHERE t.min_tlp <= reader.tlp),
	-- What the reader may not see is left out before anything is counted or cut.
	visible AS (
		SELECT o.kind, o.value, o.weight, h.report,
			count(*) OVER (PARTITION BY o.kind, o.value) AS n
		FROM own AS o CROSS JOIN LATERAL (
			SELECT a.report FROM (
				SELECT i.report FROM intake.indicator AS i
				WHERE o.kind = 'indicator' AND octet_length(i.value) <= 512 AND i.value = o.value
					AND i.tlp <= reader.tlp
				UNION
				SELECT t.report FROM intake.trait AS t
				WHERE o.kind <> 'indicator' AND length(t.value) <= 200 AND t.kind = o.kind
					AND t.value = o.value AND t.min_tlp <= reader.tlp
				UNION
				SELECT t.report FROM late AS t
				WHERE t.kind = o.kind AND t.value = o.value AND t.min_tlp <= reader.tlp) AS a
				JOIN intake.report AS r ON r.id = a.report
			WHERE NOT r.is_test AND NOT r.is_exercise
				AND intake.may_read(reader, r.tlp, r.partner_id, r.primary_area,
					r.sharing_law_enforcement)
				AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
				AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id)
			LIMIT max_holders + 1) AS h),
	scored AS (
		SELECT v.report, round(sum(v.weight / ln(1.0 + v.n)), 3) AS score,
			array_agg(v.kind || ' ' || v.value ORDER BY v.weight / ln(1.0 + v.n) DESC, v.value) AS shared
		FROM visible AS v
		WHERE v.report <> related.id AND v.n <= max_holders
		GROUP BY v.report ORDER BY 2 DESC, 1 DESC LIMIT max_rows)
	SELECT r.id, k.score, k.shared, r.received_at, p.name, r.report_id, r.category,
		intake.tlp_label(r.tlp), r.severity::int, r.title
	FROM scored AS k
		JOIN intake.report AS r ON r.id = k.report
		JOIN intake.partner AS p ON p.id = r.partner_id
	ORDER BY k.score DESC, r.id DESC;
END
$$;
COMMENT ON FUNCTION analysis.related IS
	'Current reports that share indicators, malware, techniques, vulnerabilities or references with one, the most alike first. What few reports share weighs more; what more than 1,000 share does not count.';

GRANT EXECUTE ON FUNCTION analysis.search, analysis.seen, analysis.indicators_in, analysis.related
	TO intake_analyst;

-- A cluster's reports are found by union and find over their numbers, for which time hardly grows
-- faster than the number of reports. A report's number rises with its id: the oldest is the root.
CREATE OR REPLACE FUNCTION intake.roots(firsts int[], seconds int[], nodes int) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	parents int[] := ARRAY(SELECT generate_series(1, nodes));
	a int;
	b int;
BEGIN
	FOR i IN 1 .. cardinality(firsts) LOOP
		a := firsts[i];
		WHILE parents[a] <> a LOOP
			parents[a] := parents[parents[a]];
			a := parents[a];
		END LOOP;
		b := seconds[i];
		WHILE parents[b] <> b LOOP
			parents[b] := parents[parents[b]];
			b := parents[b];
		END LOOP;
		IF a < b THEN
			parents[b] := a;
		ELSIF b < a THEN
			parents[a] := b;
		END IF;
	END LOOP;
	-- A parent stands before its children.
	FOR i IN 1 .. nodes LOOP
		parents[i] := parents[parents[i]];
	END LOOP;
	RETURN parents;
END
$$;
COMMENT ON FUNCTION intake.roots IS
	'The smallest number of each one''s cluster, for the numbers from 1 to nodes and pairs of them that hang together.';
GRANT EXECUTE ON FUNCTION intake.roots TO intake_view;

SET LOCAL ROLE intake_view;
CREATE OR REPLACE FUNCTION analysis.timeline(starts_at timestamptz, ends_at timestamptz, step interval)
RETURNS TABLE (step_starts_at timestamptz, reports bigint, critical_reports bigint,
	max_severity int, people_affected numeric)
-- In a zone with a clock change its days would not all be as long as the bins'.
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
	SET timezone = 'UTC' AS $$
BEGIN
	IF step <= interval '0' OR extract(epoch FROM ends_at - starts_at) / extract(epoch FROM step) > 10000
	THEN
		RAISE EXCEPTION 'the time from starts_at to ends_at has to be cut into at most 10,000 steps'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN QUERY
	SELECT s.at, coalesce(n.reports, 0), coalesce(n.critical, 0), n.severity, coalesce(n.people, 0)
	FROM generate_series(starts_at, ends_at - interval '1 microsecond', step) AS s(at)
		LEFT JOIN (
			SELECT date_bin(step, r.received_at, starts_at) AS at, count(*) AS reports,
				count(*) FILTER (WHERE r.is_critical) AS critical, max(r.severity)::int AS severity,
				sum(r.people_affected) AS people
			FROM intake.report AS r
			WHERE r.received_at >= starts_at AND r.received_at < ends_at
				AND NOT r.is_test AND NOT r.is_exercise
				AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
				AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id)
			GROUP BY 1) AS n
			ON n.at = s.at
	ORDER BY s.at;
END
$$;
COMMENT ON FUNCTION analysis.timeline IS
	'How many current reports arrived in each step of a time; steps without any are there with 0. A step is of days or less, and a day has 24 hours.';

CREATE OR REPLACE FUNCTION analysis.campaigns_between(starts_at timestamptz, ends_at timestamptz,
	max_holders int DEFAULT 20)
RETURNS TABLE (campaign uuid, reports bigint, partners text[], categories text[],
	first_received_at timestamptz, last_received_at timestamptz, indicators text[], members uuid[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_custom_plan SET work_mem = '64MB' SET jit = off AS $$
DECLARE
	current_ids uuid[];
	ids uuid[];
	rare_values text[];
	holders int[];
	firsts int[];
BEGIN
	current_ids := ARRAY(
		SELECT r.id FROM intake.report AS r
		WHERE r.received_at >= starts_at AND r.received_at < ends_at
			AND NOT r.is_test AND NOT r.is_exercise
			AND NOT EXISTS (SELECT FROM intake.superseded_key AS s WHERE s.id = r.id)
			AND NOT EXISTS (SELECT FROM intake.retraction AS t WHERE t.report = r.id)
		ORDER BY 1);
	WITH held AS MATERIALIZED (
		SELECT DISTINCT i.value, i.report FROM intake.indicator AS i
			JOIN unnest(current_ids) AS c(id) ON c.id = i.report
		-- The ids are in order: what lies between the outermost is found by an index.
		WHERE i.report BETWEEN current_ids[1] AND current_ids[cardinality(current_ids)]
			AND i.role <> 'target' AND octet_length(i.value) <= 512),
	rare AS MATERIALIZED (
		SELECT h.value, h.report, h.first FROM (
			SELECT s.value, s.report, count(*) OVER same AS n,
				first_value(s.report) OVER (same ORDER BY s.report) AS first
			FROM held AS s WINDOW same AS (PARTITION BY s.value)) AS h
		WHERE h.n BETWEEN 2 AND max_holders),
	node AS MATERIALIZED (
		SELECT d.report, row_number() OVER (ORDER BY d.report)::int AS number
		FROM (SELECT DISTINCT r.report FROM rare AS r) AS d)
	SELECT (SELECT array_agg(n.report ORDER BY n.number) FROM node AS n),
		array_agg(r.value), array_agg(n.number), array_agg(f.number)
	INTO ids, rare_values, holders, firsts
	FROM rare AS r JOIN node AS n ON n.report = r.report JOIN node AS f ON f.report = r.first;
	IF ids IS NULL THEN
		RETURN;
	END IF;

	RETURN QUERY
	WITH member AS MATERIALIZED (
		SELECT m.ordinality::int AS number, m.root, ids[m.ordinality] AS report
		FROM unnest(intake.roots(holders, firsts, cardinality(ids))) WITH ORDINALITY AS m(root)),
	shared AS (
		SELECT v.root, array_agg(v.value ORDER BY v.n DESC, v.value) AS indicators
		FROM (SELECT m.root, r.value, count(*) AS n,
				row_number() OVER (PARTITION BY m.root ORDER BY count(*) DESC, r.value) AS place
			FROM unnest(rare_values, holders) AS r(value, holder)
				JOIN member AS m ON m.number = r.holder
			GROUP BY m.root, r.value) AS v
		WHERE v.place <= 10 GROUP BY v.root),
	cluster AS (
		SELECT m.root, count(*) AS reports, array_agg(DISTINCT p.name) AS partners,
			array_agg(DISTINCT r.category) AS categories, min(r.received_at) AS first_at,
			max(r.received_at) AS last_at, array_agg(m.report ORDER BY m.number) AS members
		FROM member AS m
			JOIN intake.report AS r ON r.id = m.report
			JOIN intake.partner AS p ON p.id = r.partner_id
		GROUP BY m.root)
	SELECT ids[c.root], c.reports, c.partners, c.categories, c.first_at, c.last_at, s.indicators,
		c.members
	FROM cluster AS c JOIN shared AS s ON s.root = c.root
	ORDER BY 2 DESC, 1;
END
$$;
COMMENT ON FUNCTION analysis.campaigns_between IS
	'Clusters of current reports of a time that hang together by rare indicators: those that at least two and at most max_holders reports of that time share, without targets and values of more than 512 bytes. campaign is the cluster''s oldest report; of its indicators the ten that most share; members are its reports.';
REVOKE EXECUTE ON FUNCTION analysis.timeline, analysis.campaigns_between FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analysis.timeline, analysis.campaigns_between TO intake_analyst;

CREATE OR REPLACE VIEW analysis.campaigns WITH (security_barrier) AS
SELECT * FROM analysis.campaigns_between(now() - interval '30 days', now() + interval '1 day');
COMMENT ON VIEW analysis.campaigns IS 'Clusters of the current reports of the last 30 days that share rare indicators.';
COMMENT ON COLUMN analysis.campaigns.campaign IS 'Its oldest report.';
COMMENT ON COLUMN analysis.campaigns.reports IS 'How many reports hang together.';
COMMENT ON COLUMN analysis.campaigns.partners IS 'Who sent them.';
COMMENT ON COLUMN analysis.campaigns.categories IS 'Their primary classes.';
COMMENT ON COLUMN analysis.campaigns.first_received_at IS 'Of the oldest.';
COMMENT ON COLUMN analysis.campaigns.last_received_at IS 'Of the newest.';
COMMENT ON COLUMN analysis.campaigns.indicators IS 'Up to ten that most of them share.';
COMMENT ON COLUMN analysis.campaigns.members IS 'The reports, the oldest first.';
GRANT SELECT ON analysis.campaigns TO intake_analyst;

SET LOCAL ROLE intake_owner;
INSERT INTO intake.migration (version, name) VALUES (14, '0014_search')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
