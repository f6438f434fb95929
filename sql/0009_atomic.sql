-- SPDX-License-Identifier: Apache-2.0
-- Batches that are stored whole or not at all.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL ROLE intake_owner;

-- What was stored is undone by leaving a block with an exception; what it learned of its rows stays
-- in variables. A report that was stored before, by whomever, is no reason to undo.
CREATE OR REPLACE FUNCTION intake.store_atomic(
	reports intake.report[], indicators intake.indicator[]) RETURNS SETOF intake.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	answer intake.receipt;
	answers intake.receipt[] := '{}';
	places int[] := '{}';
	is_refused boolean := false;
	refused CONSTANT text := 'IA001';
BEGIN
	BEGIN
		FOR answer IN SELECT * FROM intake.store(reports, indicators) LOOP
			answers := array_append(answers, answer);
			places := array_append(places, answer.place);
			is_refused := is_refused OR answer.outcome NOT IN ('stored', 'duplicate');
		END LOOP;
		IF is_refused THEN
			RAISE EXCEPTION 'a report of an atomic batch was refused' USING ERRCODE = refused;
		END IF;
	EXCEPTION WHEN SQLSTATE 'IA001' THEN
		NULL;
	END;

	FOREACH answer IN ARRAY answers LOOP
		RETURN NEXT answer;
	END LOOP;
	IF is_refused THEN
		FOR place IN 1 .. cardinality(reports) LOOP
			IF place <> ALL (places) THEN
				answer := NULL;
				answer.place := place;
				answer.outcome := 'rolled-back';
				RETURN NEXT answer;
			END IF;
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION intake.store_atomic IS
	'Stores a batch, or nothing of it when a report of it is in conflict or superseded. Returns what intake.store() does; where nothing was stored, a row with the outcome rolled-back for each report that could have been.';
GRANT EXECUTE ON FUNCTION intake.store_atomic TO intake_daemon;

INSERT INTO intake.migration (version, name) VALUES (9, '0009_atomic') ON CONFLICT DO NOTHING;
COMMIT;
