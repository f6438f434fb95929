-- SPDX-License-Identifier: Apache-2.0
-- When the certificates over partners' keys expire, so that operators learn of it before partners
-- do. Functions of 0003 keep their names and columns; expiries are read beside them.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

ALTER TABLE intake.partner_key
	ADD COLUMN IF NOT EXISTS expires_at timestamptz CHECK (isfinite(expires_at));
COMMENT ON COLUMN intake.partner_key.expires_at IS
	'When the last certificate over the key that is known here expires; NULL when none is. For people: certificates are judged in the handshake.';

CREATE OR REPLACE FUNCTION intake.key_enrol(partner_name text, spki bytea, note text,
	expires_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	owner_id int := intake.partner_id(partner_name);
BEGIN
	UPDATE intake.partner_key AS k SET
		expires_at = greatest(k.expires_at, key_enrol.expires_at)
	WHERE k.spki_sha256 = key_enrol.spki AND k.partner_id = owner_id AND k.revoked_at IS NULL
		AND key_enrol.expires_at IS NOT NULL;
	IF FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO intake.partner_key (spki_sha256, partner_id, note, expires_at)
	VALUES (key_enrol.spki, owner_id, key_enrol.note, key_enrol.expires_at);
	RETURN true;
END
$$;
COMMENT ON FUNCTION intake.key_enrol IS
	'Enrols a public key for a partner, true; or notes of one that is enrolled for it how long its new certificate lasts, false.';

CREATE OR REPLACE FUNCTION intake.key_expiries()
RETURNS TABLE (spki_sha256 bytea, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT k.spki_sha256, k.expires_at FROM intake.partner_key AS k
$$;
COMMENT ON FUNCTION intake.key_expiries IS 'Of every enrolled key, for operators.';

GRANT EXECUTE ON FUNCTION intake.key_enrol, intake.key_expiries TO intake_operator;

INSERT INTO intake.migration (version, name) VALUES (10, '0010_key_expiry')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
