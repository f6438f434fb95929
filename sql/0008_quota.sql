-- SPDX-License-Identifier: Apache-2.0
-- What operators change of a partner: its mode, what it may report, and quotas of its own. Functions
-- of 0003 keep their names and columns; quotas are read beside them.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

ALTER TABLE intake.partner
	ADD COLUMN IF NOT EXISTS quota_connections bigint CHECK (quota_connections >= 0),
	ADD COLUMN IF NOT EXISTS quota_reports_in_flight bigint CHECK (quota_reports_in_flight >= 0),
	ADD COLUMN IF NOT EXISTS quota_reports_per_s bigint CHECK (quota_reports_per_s >= 0),
	ADD COLUMN IF NOT EXISTS quota_reports_burst bigint CHECK (quota_reports_burst >= 0),
	ADD COLUMN IF NOT EXISTS quota_bytes_per_s bigint CHECK (quota_bytes_per_s >= 0),
	ADD COLUMN IF NOT EXISTS quota_bytes_burst bigint CHECK (quota_bytes_burst >= 0);
COMMENT ON COLUMN intake.partner.quota_connections IS 'Connections at a time. For this and the other quotas: NULL takes the configuration''s, 0 sets no limit.';
COMMENT ON COLUMN intake.partner.quota_reports_in_flight IS 'Reports without an answer at a time.';
COMMENT ON COLUMN intake.partner.quota_reports_per_s IS 'Reports a second, in the long run.';
COMMENT ON COLUMN intake.partner.quota_reports_burst IS 'Reports that may come at once.';
COMMENT ON COLUMN intake.partner.quota_bytes_per_s IS 'Bytes of reports a second, in the long run.';
COMMENT ON COLUMN intake.partner.quota_bytes_burst IS 'Bytes of reports that may come at once.';

CREATE OR REPLACE FUNCTION intake.partner_quotas()
RETURNS TABLE (name text, connections bigint, reports_in_flight bigint, reports_per_s bigint,
	reports_burst bigint, bytes_per_s bigint, bytes_burst bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT p.name, p.quota_connections, p.quota_reports_in_flight, p.quota_reports_per_s,
		p.quota_reports_burst, p.quota_bytes_per_s, p.quota_bytes_burst
	FROM intake.partner AS p ORDER BY p.name
$$;
COMMENT ON FUNCTION intake.partner_quotas IS 'Every partner''s own quotas, for daemons and operators.';
GRANT EXECUTE ON FUNCTION intake.partner_quotas TO intake_daemon, intake_operator;

CREATE OR REPLACE FUNCTION intake.check_organisations(organisations text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	organisation text;
BEGIN
	FOREACH organisation IN ARRAY organisations LOOP
		IF length(organisation) > 253 OR organisation !~
			'^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$' THEN
			RAISE EXCEPTION 'organisation "%" is not a lower-case domain name', organisation
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION intake.check_organisations IS 'An error that names the first that is no domain name.';

CREATE OR REPLACE FUNCTION intake.partner_add(name text, title text, organisations text[],
	may_relay boolean, is_live boolean) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	new_id int;
BEGIN
	PERFORM intake.check_organisations(organisations);
	INSERT INTO intake.partner AS p (name, title, organisations, may_relay, is_live)
	VALUES (partner_add.name, partner_add.title, partner_add.organisations,
		partner_add.may_relay, partner_add.is_live)
	RETURNING p.id INTO new_id;
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.partner_add IS 'Enrols a partner.';

CREATE OR REPLACE FUNCTION intake.partner_set(partner_name text, title text, organisations text[],
	may_relay boolean, is_live boolean, quotas jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	target_id int := intake.partner_id(partner_name);
	known text[];
	unknown text;
BEGIN
	IF organisations IS NOT NULL THEN
		PERFORM intake.check_organisations(organisations);
	END IF;
	SELECT array_agg(substr(a.attname, 7) ORDER BY a.attnum) INTO known
	FROM pg_attribute AS a
	WHERE a.attrelid = 'intake.partner'::regclass AND a.attname LIKE 'quota\_%';
	SELECT k INTO unknown FROM jsonb_object_keys(quotas) AS k WHERE k <> ALL (known) LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'there is no quota "%"; there are %', unknown,
			array_to_string(known, ', ') USING ERRCODE = 'invalid_parameter_value';
	END IF;

	UPDATE intake.partner AS p SET
		title = coalesce(partner_set.title, p.title),
		organisations = coalesce(partner_set.organisations, p.organisations),
		may_relay = coalesce(partner_set.may_relay, p.may_relay),
		is_live = coalesce(partner_set.is_live, p.is_live),
		quota_connections = CASE WHEN quotas ? 'connections'
			THEN (quotas ->> 'connections')::bigint ELSE p.quota_connections END,
		quota_reports_in_flight = CASE WHEN quotas ? 'reports_in_flight'
			THEN (quotas ->> 'reports_in_flight')::bigint ELSE p.quota_reports_in_flight END,
		quota_reports_per_s = CASE WHEN quotas ? 'reports_per_s'
			THEN (quotas ->> 'reports_per_s')::bigint ELSE p.quota_reports_per_s END,
		quota_reports_burst = CASE WHEN quotas ? 'reports_burst'
			THEN (quotas ->> 'reports_burst')::bigint ELSE p.quota_reports_burst END,
		quota_bytes_per_s = CASE WHEN quotas ? 'bytes_per_s'
			THEN (quotas ->> 'bytes_per_s')::bigint ELSE p.quota_bytes_per_s END,
		quota_bytes_burst = CASE WHEN quotas ? 'bytes_burst'
			THEN (quotas ->> 'bytes_burst')::bigint ELSE p.quota_bytes_burst END,
		changed_at = now()
	WHERE p.id = target_id;
END
$$;
COMMENT ON FUNCTION intake.partner_set IS
	'Changes of a partner what is not NULL; of its quotas the members that the object has, where null takes the configuration''s and 0 sets no limit.';
GRANT EXECUTE ON FUNCTION intake.partner_set TO intake_operator;

INSERT INTO intake.migration (version, name) VALUES (8, '0008_quota')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
