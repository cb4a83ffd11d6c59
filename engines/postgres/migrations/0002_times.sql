-- Lists by time, and by any other columns, go along an index whatever there is. A slot is ten minutes of acceptance: see slots.go.
CREATE TABLE inbox_slots (
	slot  bigint PRIMARY KEY,
	first bigint NOT NULL,
	last  bigint NOT NULL
);
INSERT INTO inbox_slots SELECT floor(extract(epoch FROM accepted_at) / 600)::bigint, min(id), max(id) FROM inbox_deliveries GROUP BY 1;

-- Of -id, so that no list of a type is led by the primary key instead.
CREATE INDEX inbox_deliveries_lane    ON inbox_deliveries (provider, type, status, (-id));
CREATE INDEX inbox_deliveries_running ON inbox_deliveries (id) WHERE status = 'running';
DROP INDEX inbox_deliveries_type;
DROP INDEX inbox_deliveries_status;

-- The latest time that was seen, by which a clock that went back is known: see clock.go.
CREATE TABLE inbox_clock (seen timestamptz NOT NULL);
INSERT INTO inbox_clock VALUES (now());

UPDATE inbox_schema SET version = 2;
