-- SPDX-License-Identifier: Apache-2.0
-- For a logical replica of some reports, see intake-analysis(7): applied there by a superuser, after
-- the migrations and before the subscription. Applied again it changes nothing.
--
-- Reports come filtered. Their parts come with those of other reports, which are dropped here: only
-- the report knows its label. What the daemon's functions do on the primary beside storing, the sums
-- and the search, begins here with the rows that arrive.
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION intake.replica_keep() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT NEW FROM intake.report AS r WHERE r.id = (to_jsonb(NEW) ->> TG_ARGV[0])::uuid);
END
$$;
COMMENT ON FUNCTION intake.replica_keep IS 'Drops a row whose report is not here.';

CREATE OR REPLACE FUNCTION intake.replica_add() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO intake.change (report, sign) VALUES (NEW.id, 1);
	INSERT INTO intake.report_key AS k (report_id, partner_id, is_test, revision, id)
	VALUES (NEW.report_id, NEW.partner_id, NEW.is_test, NEW.revision, NEW.id)
	ON CONFLICT (report_id, partner_id, is_test)
		DO UPDATE SET revision = excluded.revision, id = excluded.id
		WHERE k.revision < excluded.revision;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.replica_add IS 'A report that arrives counts from now on, and is found by its key.';

CREATE TABLE IF NOT EXISTS intake.replica_turn ();
COMMENT ON TABLE intake.replica_turn IS
	'Locked by whoever notes that a revision stops counting; has no rows.';
-- A revision that was retracted and superseded stops counting once, by whichever comes first. The
-- tables are copied side by side, in transactions that do not see each other: the second one waits.
CREATE OR REPLACE FUNCTION intake.replica_stop() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	stopped CONSTANT uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
BEGIN
	LOCK TABLE intake.replica_turn IN EXCLUSIVE MODE;
	INSERT INTO intake.change (report, sign)
		SELECT stopped, -1
		WHERE 1 = (SELECT count(*) FROM (
			SELECT FROM intake.retraction AS t WHERE t.report = stopped
			UNION ALL
			SELECT FROM intake.superseded_key AS s WHERE s.id = stopped) AS reason);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.replica_stop IS
	'A revision that was taken back or is not the newest any more stops counting.';

CREATE OR REPLACE FUNCTION intake.replica_erase() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	changes intake.change[];
BEGIN
	LOCK TABLE intake.turn IN EXCLUSIVE MODE;
	WITH gone AS (
		DELETE FROM intake.change AS c WHERE c.report = OLD.id RETURNING c.report, c.sign)
	SELECT coalesce(array_agg(g::intake.change), '{}') INTO changes FROM gone AS g;
	PERFORM intake.fold(changes
		|| ARRAY(SELECT ROW(OLD.id, -1)::intake.change WHERE intake.is_current(OLD.id)));
	DELETE FROM intake.retraction AS t WHERE t.report = OLD.id;
	DELETE FROM intake.words AS w WHERE w.report = OLD.id;
	DELETE FROM intake.trait AS t WHERE t.report = OLD.id;
	PERFORM intake.remove_parts(ARRAY[OLD.id]);
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION intake.replica_erase IS 'What is erased on the primary leaves nothing here.';

CREATE OR REPLACE TRIGGER replica_keep BEFORE INSERT ON intake.indicator
	FOR EACH ROW EXECUTE FUNCTION intake.replica_keep('report');
CREATE OR REPLACE TRIGGER replica_keep BEFORE INSERT ON intake.retraction
	FOR EACH ROW EXECUTE FUNCTION intake.replica_keep('report');
CREATE OR REPLACE TRIGGER replica_keep BEFORE INSERT ON intake.superseded_key
	FOR EACH ROW EXECUTE FUNCTION intake.replica_keep('id');
CREATE OR REPLACE TRIGGER replica_add AFTER INSERT ON intake.report
	FOR EACH ROW EXECUTE FUNCTION intake.replica_add();
CREATE OR REPLACE TRIGGER replica_stop AFTER INSERT ON intake.superseded_key
	FOR EACH ROW EXECUTE FUNCTION intake.replica_stop('id');
CREATE OR REPLACE TRIGGER replica_stop AFTER INSERT ON intake.retraction
	FOR EACH ROW EXECUTE FUNCTION intake.replica_stop('report');
CREATE OR REPLACE TRIGGER replica_erase BEFORE DELETE ON intake.report
	FOR EACH ROW EXECUTE FUNCTION intake.replica_erase();
-- Triggers do not fire for what a subscription brings, unless they are told to.
ALTER TABLE intake.report ENABLE ALWAYS TRIGGER replica_add, ENABLE ALWAYS TRIGGER replica_erase;
ALTER TABLE intake.superseded_key ENABLE ALWAYS TRIGGER replica_keep,
	ENABLE ALWAYS TRIGGER replica_stop;
ALTER TABLE intake.indicator ENABLE ALWAYS TRIGGER replica_keep;
ALTER TABLE intake.retraction ENABLE ALWAYS TRIGGER replica_keep,
	ENABLE ALWAYS TRIGGER replica_stop, DISABLE TRIGGER counts;

COMMIT;
