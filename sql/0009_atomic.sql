-- SPDX-License-Identifier: Apache-2.0
-- Batches that are stored whole or not at all.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

-- Which reports of a refused batch the database refuses by themselves: it is halved until they stand
-- alone, as the daemon does with others. Each attempt is undone by leaving its block.
CREATE OR REPLACE FUNCTION intake.unstorable(reports intake.report[], indicators intake.indicator[],
	first_place int) RETURNS SETOF intake.receipt
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	half CONSTANT int := cardinality(reports) / 2;
	first_ids uuid[];
	answer intake.receipt;
BEGIN
	BEGIN
		PERFORM intake.store(reports, indicators);
		RAISE EXCEPTION 'they can be stored' USING ERRCODE = 'IA001';
	EXCEPTION
		WHEN SQLSTATE 'IA001' THEN
			RETURN;
		WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded
			OR raise_exception THEN
			answer.reason := SQLSTATE;
	END;
	IF half = 0 THEN
		answer.place := first_place;
		answer.outcome := 'unstorable';
		RETURN NEXT answer;
		RETURN;
	END IF;
	first_ids := ARRAY(SELECT s.id FROM unnest(reports[:half]) AS s);
	RETURN QUERY SELECT * FROM intake.unstorable(reports[:half],
		ARRAY(SELECT s::intake.indicator FROM unnest(indicators) AS s
			WHERE s.report = ANY (first_ids)), first_place);
	RETURN QUERY SELECT * FROM intake.unstorable(reports[half + 1:],
		ARRAY(SELECT s::intake.indicator FROM unnest(indicators) AS s
			WHERE s.report <> ALL (first_ids)), first_place + half);
END
$$;
COMMENT ON FUNCTION intake.unstorable IS
	'Those of the reports that cannot be stored: their places, the first one given, and the SQLSTATE as reason. Stores nothing.';

-- What was stored is undone by leaving a block with an exception; what it learned of its rows stays
-- in variables. A report that was stored before, by whomever, is no reason to undo. Of what is undone
-- nobody may get a receipt: not for a repeat within the batch, and none with a conflict within it.
CREATE OR REPLACE FUNCTION intake.store_atomic(
	reports intake.report[], indicators intake.indicator[]) RETURNS SETOF intake.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	ids CONSTANT uuid[] := ARRAY(SELECT s.id FROM unnest(reports) AS s);
	answer intake.receipt;
	is_repeat boolean := false;
	stored intake.receipt[] := '{}'; -- by their places, as the others
	refused intake.receipt[] := '{}';
	outcome text;
BEGIN
	BEGIN
		FOR answer IN SELECT * FROM intake.store(reports, indicators) LOOP
			IF answer.outcome IN ('stored', 'duplicate') THEN
				stored[answer.place] := answer;
				is_repeat := is_repeat OR answer.outcome = 'stored';
			ELSE
				refused[answer.place] := answer;
			END IF;
		END LOOP;
		IF cardinality(refused) > 0 THEN
			RAISE EXCEPTION 'a report of an atomic batch was refused' USING ERRCODE = 'IA001';
		END IF;
	EXCEPTION
		WHEN SQLSTATE 'IA001' THEN
			NULL;
		WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded
			OR raise_exception THEN
			FOR answer IN SELECT * FROM intake.unstorable(reports, indicators, 1) LOOP
				refused[answer.place] := answer;
			END LOOP;
			IF cardinality(refused) = 0 THEN
				RAISE;
			END IF;
	END;

	FOR place IN 1 .. cardinality(reports) LOOP
		answer := refused[place];
		IF cardinality(refused) = 0 OR is_repeat AND answer.outcome IS NULL THEN
			-- An earlier sending of this very batch was committed, if it is_repeat: what it brought
			-- about is told as it is. Now and then a line of it is refused since: what it had
			-- repeated in other words may be erased.
			answer := stored[place];
		ELSIF NOT is_repeat AND (answer.outcome IS NULL OR answer.id = ANY (ids)
				OR answer.outcome = 'superseded' AND NOT EXISTS (
					SELECT FROM intake.report_key AS k
					WHERE k.report_id = (reports[place]).report_id
						AND k.partner_id = (reports[place]).partner_id
						AND k.is_test = (reports[place]).is_test
						AND k.revision > (reports[place]).revision)) THEN
			outcome := CASE WHEN answer.outcome IS NULL THEN 'rolled-back' ELSE 'conflict' END;
			answer := NULL;
			answer.place := place;
			answer.outcome := outcome;
		END IF;
		IF answer.outcome IS NULL AND cardinality(refused) > 0 THEN
			answer.place := place;
			answer.outcome := 'rolled-back';
		END IF;
		IF answer.outcome IS NOT NULL THEN
			RETURN NEXT answer;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION intake.store_atomic IS
	'Stores a batch, or nothing of it when a report of it is in conflict, superseded, erased or unstorable. Returns what intake.store() does; where nothing was stored, a row for each report: why it was refused, with a receipt only of what is stored, or rolled-back.';
GRANT EXECUTE ON FUNCTION intake.store_atomic TO intake_daemon;

INSERT INTO intake.migration (version, name) VALUES (9, '0009_atomic')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
