-- SPDX-License-Identifier: Apache-2.0
-- The taxonomy's codes, so that a report's category has something to refer to. Rows are added by
-- later versions and never removed: a stored report keeps its category for ever.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE intake_owner;

CREATE TABLE IF NOT EXISTS intake.action_area (
	code text PRIMARY KEY,
	title text NOT NULL
);
COMMENT ON TABLE intake.action_area IS
	'The four areas of action of the 2024 U.S. International Cyberspace and Digital Policy Strategy.';
COMMENT ON COLUMN intake.action_area.code IS 'AA1 to AA4.';
COMMENT ON COLUMN intake.action_area.title IS 'Wording of the launch announcement.';

CREATE TABLE IF NOT EXISTS intake.category (
	code text PRIMARY KEY,
	title text NOT NULL,
	primary_area text NOT NULL REFERENCES intake.action_area,
	min_tlp smallint NOT NULL CHECK (min_tlp BETWEEN 0 AND 4),
	is_critical boolean NOT NULL,
	is_countable boolean NOT NULL,
	protects_victim boolean NOT NULL
);
COMMENT ON TABLE intake.category IS
	'Incident categories. They are this project''s own construction on the strategy''s areas; the strategy itself holds no incident taxonomy.';
COMMENT ON COLUMN intake.category.code IS 'As reports carry it; never reused or renamed.';
COMMENT ON COLUMN intake.category.title IS 'For people.';
COMMENT ON COLUMN intake.category.primary_area IS 'The area a report of this category counts under.';
COMMENT ON COLUMN intake.category.min_tlp IS 'Least strict label allowed: 0 CLEAR, 1 GREEN, 2 AMBER, 3 AMBER+STRICT, 4 RED.';
COMMENT ON COLUMN intake.category.is_critical IS 'The duty officer is alerted whatever the severity.';
COMMENT ON COLUMN intake.category.is_countable IS 'False: left out of statistics.';
COMMENT ON COLUMN intake.category.protects_victim IS 'Persons among the victims carry no name.';

INSERT INTO intake.action_area (code, title) VALUES
	('AA1', 'Promote, build, and maintain an open, inclusive, secure, and resilient digital ecosystem'),
	('AA2', 'Align rights-respecting approaches to digital and data governance with international partners'),
	('AA3', 'Advance responsible state behavior in cyberspace, and counter threats to cyberspace and critical infrastructure by building coalitions and engaging partners'),
	('AA4', 'Strengthen and build international partner digital and cyber capacity, including capacity to combat cybercrime')
ON CONFLICT DO NOTHING;

INSERT INTO intake.category
	(code, title, primary_area, min_tlp, is_critical, is_countable, protects_victim) VALUES
	('network-outage', 'Non-malicious outage or misconfiguration', 'AA1', 0, false, true, false),
	('cable-damage', 'Undersea or long-haul cable damage', 'AA1', 0, true, true, false),
	('satellite-disruption', 'Satellite or positioning-service disruption', 'AA1', 0, true, true, false),
	('routing-dns-attack', 'Routing, naming or trust-infrastructure attack', 'AA1', 0, true, true, false),
	('denial-of-service', 'Denial of service', 'AA1', 0, false, true, false),
	('telecom-signalling-attack', 'Telecom signalling or radio-access attack', 'AA1', 1, true, true, false),
	('supply-chain-compromise', 'Supply-chain or service-provider compromise', 'AA1', 1, true, true, false),
	('vulnerable-system', 'Vulnerable or exposed system', 'AA1', 0, false, true, false),
	('infected-system', 'Malware infection or botnet membership', 'AA1', 0, false, true, false),
	('spam', 'Spam or bulk messaging abuse', 'AA1', 0, false, true, false),
	('physical-attack', 'Physical intrusion, theft or damage', 'AA1', 0, false, true, false),
	('resource-abuse', 'Unauthorised use of computing or telecom resources', 'AA1', 0, false, true, false),
	('personal-data-breach', 'Personal-data breach', 'AA2', 2, false, true, true),
	('unlawful-disclosure', 'Unlawful disclosure, leak or doxxing', 'AA2', 2, false, true, true),
	('data-theft', 'Theft of confidential or proprietary data', 'AA2', 1, false, true, false),
	('data-interference', 'Unauthorised modification or deletion of data', 'AA2', 0, false, true, false),
	('data-loss', 'Accidental data loss', 'AA2', 0, false, true, false),
	('surveillance-misuse', 'Surveillance or interception misuse', 'AA2', 2, false, true, true),
	('internet-shutdown', 'Internet shutdown, throttling or blocking', 'AA2', 0, true, true, false),
	('information-manipulation', 'Disinformation or malign influence operation', 'AA2', 0, false, true, false),
	('transnational-repression', 'Digital transnational repression', 'AA2', 3, true, true, true),
	('harassment', 'Online harassment, threats or violent content', 'AA2', 2, false, true, true),
	('copyright-infringement', 'Copyright or counterfeit offence', 'AA2', 0, false, true, false),
	('state-linked-intrusion', 'State-linked intrusion', 'AA3', 2, true, true, false),
	('critical-infrastructure-disruption', 'Critical-infrastructure disruption', 'AA3', 1, true, true, false),
	('destructive-attack', 'Destructive or wiper attack', 'AA3', 1, true, true, false),
	('ransomware', 'Ransomware', 'AA3', 1, true, true, false),
	('cyber-extortion', 'Cyber extortion without encryption', 'AA3', 1, false, true, true),
	('malware-infrastructure', 'Malware delivery or control infrastructure', 'AA3', 0, false, true, false),
	('commercial-spyware', 'Commercial spyware targeting', 'AA3', 3, true, true, true),
	('election-interference', 'Election-process interference', 'AA3', 1, true, true, false),
	('illegal-access', 'Account, application or system compromise', 'AA3', 0, false, true, false),
	('intrusion-attempt', 'Scanning or intrusion attempt', 'AA3', 0, false, true, false),
	('phishing', 'Phishing or social engineering', 'AA4', 0, false, true, false),
	('business-email-compromise', 'Business e-mail compromise', 'AA4', 1, false, true, false),
	('investment-fraud', 'Investment fraud', 'AA4', 1, false, true, true),
	('online-scam', 'Other online scam', 'AA4', 0, false, true, true),
	('payment-fraud', 'Payment-card or payment-system fraud', 'AA4', 1, false, true, false),
	('identity-theft', 'Identity theft or impersonation', 'AA4', 2, false, true, true),
	('digital-forgery', 'Computer-related forgery', 'AA4', 0, false, true, false),
	('illicit-finance', 'Virtual-asset theft or laundering of proceeds', 'AA4', 2, false, true, false),
	('illegal-interception', 'Illegal interception', 'AA4', 1, false, true, true),
	('misuse-of-devices', 'Crimeware, access or credential trade', 'AA4', 1, false, true, false),
	('child-sexual-exploitation', 'Child sexual abuse material or grooming', 'AA4', 3, true, true, true),
	('intimate-image-abuse', 'Non-consensual intimate images', 'AA4', 3, false, true, true),
	('evidence-preservation-request', 'Urgent evidence-preservation request', 'AA4', 2, true, true, false),
	('assistance-request', 'Request for response, forensic or capacity help', 'AA4', 0, false, true, false),
	('test-report', 'Test or exercise report', 'AA4', 0, false, false, false),
	('uncategorised', 'Uncategorised or undetermined', 'AA4', 0, false, true, false)
ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION intake.missing_categories(codes text[]) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce(array_agg(code ORDER BY code), '{}')
	FROM unnest(codes) AS wanted(code)
	WHERE NOT EXISTS (SELECT FROM intake.category AS known WHERE known.code = wanted.code)
$$;
COMMENT ON FUNCTION intake.missing_categories IS
	'Which of these codes the database does not know: a daemon with such a taxonomy must not serve.';
GRANT EXECUTE ON FUNCTION intake.missing_categories TO intake_daemon;

INSERT INTO intake.migration (version, name) VALUES (2, '0002_taxonomy')
	ON CONFLICT (version) DO UPDATE SET sha256 = NULL;
COMMIT;
