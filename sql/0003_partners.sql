-- SPDX-License-Identifier: Apache-2.0
-- Who may report: partners, their enrolled keys, and the functions through which operators change
-- them and daemons read them. Every change raises a notice, so that daemons act on it at once.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

CREATE TABLE IF NOT EXISTS intake.partner (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	title text NOT NULL DEFAULT '' CHECK (length(title) <= 200),
	organisations text[] NOT NULL CHECK (cardinality(organisations) BETWEEN 1 AND 1000),
	may_relay boolean NOT NULL DEFAULT false,
	is_live boolean NOT NULL DEFAULT false,
	is_suspended boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now(),
	changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE intake.partner IS 'Organisations that may submit reports.';
COMMENT ON COLUMN intake.partner.id IS 'Stands for the partner in the record.';
COMMENT ON COLUMN intake.partner.name IS 'As certificates name it: urn:intaked:partner:NAME.';
COMMENT ON COLUMN intake.partner.title IS 'For people.';
COMMENT ON COLUMN intake.partner.organisations IS 'Values of reporter.org the partner may use.';
COMMENT ON COLUMN intake.partner.may_relay IS 'May report for any organisation.';
COMMENT ON COLUMN intake.partner.is_live IS 'False: reports are tests, kept out of the analysts'' views.';
COMMENT ON COLUMN intake.partner.is_suspended IS 'True: every request is refused.';
COMMENT ON COLUMN intake.partner.created_at IS 'When it was enrolled.';
COMMENT ON COLUMN intake.partner.changed_at IS 'When anything of it changed last.';

CREATE TABLE IF NOT EXISTS intake.partner_key (
	spki_sha256 bytea PRIMARY KEY CHECK (octet_length(spki_sha256) = 32),
	partner_id int NOT NULL REFERENCES intake.partner,
	note text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
	added_at timestamptz NOT NULL DEFAULT now(),
	revoked_at timestamptz
);
COMMENT ON TABLE intake.partner_key IS
	'Public keys enrolled for partners. A partner with keys is matched only by one of them.';
COMMENT ON COLUMN intake.partner_key.spki_sha256 IS 'SHA-256 of the SubjectPublicKeyInfo, DER.';
COMMENT ON COLUMN intake.partner_key.partner_id IS 'Whose key it is.';
COMMENT ON COLUMN intake.partner_key.note IS 'For people.';
COMMENT ON COLUMN intake.partner_key.added_at IS 'When it was enrolled.';
COMMENT ON COLUMN intake.partner_key.revoked_at IS 'Since when it is refused, whatever else matches.';

-- Whoever may connect can fill the queue, and then what notifies is refused. Daemons look by themselves,
-- too, only later.
CREATE OR REPLACE FUNCTION intake.registry_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF pg_notification_queue_usage() < 0.5 THEN
		PERFORM pg_notify('intake_registry', '');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.registry_changed IS 'Tells listening daemons to read the registry again.';
CREATE OR REPLACE TRIGGER partner_changed AFTER INSERT OR UPDATE OR DELETE ON intake.partner
	FOR EACH STATEMENT EXECUTE FUNCTION intake.registry_changed();
CREATE OR REPLACE TRIGGER partner_key_changed AFTER INSERT OR UPDATE OR DELETE ON intake.partner_key
	FOR EACH STATEMENT EXECUTE FUNCTION intake.registry_changed();

CREATE OR REPLACE FUNCTION intake.registry()
RETURNS TABLE (id int, name text, organisations text, may_relay boolean, is_live boolean,
	is_suspended boolean, keys text, revoked_keys text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT p.id, p.name, array_to_string(p.organisations, ' '), p.may_relay, p.is_live,
		p.is_suspended,
		coalesce(string_agg(encode(k.spki_sha256, 'hex'), ' ' ORDER BY k.spki_sha256)
			FILTER (WHERE k.revoked_at IS NULL), ''),
		coalesce(string_agg(encode(k.spki_sha256, 'hex'), ' ' ORDER BY k.spki_sha256)
			FILTER (WHERE k.revoked_at IS NOT NULL), '')
	FROM intake.partner AS p LEFT JOIN intake.partner_key AS k ON k.partner_id = p.id
	GROUP BY p.id
	ORDER BY p.name
$$;
COMMENT ON FUNCTION intake.registry IS 'All partners and keys, as daemons hold them; lists are separated by spaces.';
GRANT EXECUTE ON FUNCTION intake.registry TO intake_daemon;

CREATE OR REPLACE FUNCTION intake.partner_id(partner_name text) RETURNS int
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_id int;
BEGIN
	SELECT p.id INTO found_id FROM intake.partner AS p WHERE p.name = partner_name;
	IF found_id IS NULL THEN
		RAISE EXCEPTION 'there is no partner "%"', partner_name USING ERRCODE = 'no_data_found';
	END IF;
	RETURN found_id;
END
$$;
COMMENT ON FUNCTION intake.partner_id IS 'The partner''s number, or an error that names it.';

CREATE OR REPLACE FUNCTION intake.partner_add(name text, title text, organisations text[],
	may_relay boolean, is_live boolean) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	new_id int;
	organisation text;
BEGIN
	FOREACH organisation IN ARRAY organisations LOOP
		IF length(organisation) > 253 OR organisation !~
			'^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$' THEN
			RAISE EXCEPTION 'organisation "%" is not a lower-case domain name', organisation
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END LOOP;
	INSERT INTO intake.partner AS p (name, title, organisations, may_relay, is_live)
	VALUES (partner_add.name, partner_add.title, partner_add.organisations,
		partner_add.may_relay, partner_add.is_live)
	RETURNING p.id INTO new_id;
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.partner_add IS 'Enrols a partner.';

CREATE OR REPLACE FUNCTION intake.partner_set_suspended(partner_name text, suspended boolean)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE intake.partner AS p SET is_suspended = suspended, changed_at = now()
	WHERE p.id = intake.partner_id(partner_name);
END
$$;
COMMENT ON FUNCTION intake.partner_set_suspended IS 'Refuses a partner, or takes that back.';

CREATE OR REPLACE FUNCTION intake.partners()
RETURNS TABLE (name text, title text, organisations text[], may_relay boolean, is_live boolean,
	is_suspended boolean, active_keys bigint, created_at timestamptz, changed_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT p.name, p.title, p.organisations, p.may_relay, p.is_live, p.is_suspended,
		(SELECT count(*) FROM intake.partner_key AS k
		 WHERE k.partner_id = p.id AND k.revoked_at IS NULL),
		p.created_at, p.changed_at
	FROM intake.partner AS p ORDER BY p.name
$$;
COMMENT ON FUNCTION intake.partners IS 'Every partner, for operators.';

CREATE OR REPLACE FUNCTION intake.key_add(partner_name text, spki bytea, note text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO intake.partner_key (spki_sha256, partner_id, note)
	VALUES (key_add.spki, intake.partner_id(key_add.partner_name), key_add.note);
END
$$;
COMMENT ON FUNCTION intake.key_add IS 'Enrols a public key for a partner.';

CREATE OR REPLACE FUNCTION intake.key_revoke(spki bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE intake.partner_key AS k SET revoked_at = coalesce(k.revoked_at, now())
	WHERE k.spki_sha256 = spki;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no enrolled key %', encode(spki, 'hex')
			USING ERRCODE = 'no_data_found';
	END IF;
END
$$;
COMMENT ON FUNCTION intake.key_revoke IS 'Refuses a key from now on, whatever else matches.';

CREATE OR REPLACE FUNCTION intake.keys(partner_name text DEFAULT NULL)
RETURNS TABLE (partner text, spki_sha256 bytea, note text, added_at timestamptz,
	revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT p.name, k.spki_sha256, k.note, k.added_at, k.revoked_at
	FROM intake.partner_key AS k JOIN intake.partner AS p ON p.id = k.partner_id
	WHERE partner_name IS NULL OR p.id = intake.partner_id(partner_name)
	ORDER BY p.name, k.added_at
$$;
COMMENT ON FUNCTION intake.keys IS 'Enrolled keys, of one partner or of all.';

GRANT EXECUTE ON FUNCTION intake.partner_add, intake.partner_set_suspended, intake.partners,
	intake.key_add, intake.key_revoke, intake.keys TO intake_operator;

INSERT INTO intake.migration (version, name) VALUES (3, '0003_partners')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
