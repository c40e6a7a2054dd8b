-- A store of schema 3 with runs in flight: written by the release that had it, by then killed.
PRAGMA user_version = 3;
BEGIN TRANSACTION;
CREATE TABLE artifact (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
  name TEXT NOT NULL, attempt INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  place TEXT NOT NULL, PRIMARY KEY (tenant, run, step, item, name)
) WITHOUT ROWID;
CREATE TABLE attempt (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
  number INTEGER NOT NULL, undo INTEGER NOT NULL, key TEXT NOT NULL, stopping INTEGER NOT NULL,
  queue_number INTEGER NOT NULL, worker TEXT NOT NULL DEFAULT '', fence INTEGER NOT NULL DEFAULT 0,
  until INTEGER, handle TEXT, PRIMARY KEY (tenant, run, step, item, number, undo)
) WITHOUT ROWID;
INSERT INTO "attempt" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc','b',-1,1,0,'9d79fa72-f490-526a-be52-3017871859fc/b',0,0,'23b0505303c946dc89db81600911754e',1,1479786142236624,'{"executor":"shell","name":"1cf5199c0103a32c461979a7d76e0357","data":{}}');
INSERT INTO "attempt" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','each',2,1,0,'c27caca7-fdaa-5b5a-bda1-336fa09eb51b/each/2',0,0,'23b0505303c946dc89db81600911754e',1,1479786142271821,'{"executor":"shell","name":"9baa8ae9a03f1d017b0b26928bf000de","data":{}}');
INSERT INTO "attempt" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','each',3,1,0,'c27caca7-fdaa-5b5a-bda1-336fa09eb51b/each/3',0,0,'23b0505303c946dc89db81600911754e',1,1479786142273961,'{"executor":"shell","name":"e5bb1681dd951d6cd851ddb4fda0f699","data":{}}');
CREATE TABLE consumer (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE history (
  tenant TEXT NOT NULL, run TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
  event TEXT NOT NULL, PRIMARY KEY (tenant, run, number)
) WITHOUT ROWID;
INSERT INTO "history" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a',1,1479786112209497,'{"kind":"Submitted","awaits_upstream":false}');
INSERT INTO "history" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a',2,1479786112211397,'{"kind":"Admitted"}');
INSERT INTO "history" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a',3,1479786112218274,'{"kind":"AttemptStarted","ref":{"step":"a","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a',4,1479786112219434,'{"kind":"AttemptSucceeded","ref":{"step":"a","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a',5,1479786112219434,'{"kind":"AttemptStarted","ref":{"step":"b","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a',6,1479786112222276,'{"kind":"AttemptFailed","ref":{"step":"b","item":-1,"number":1,"undo":false},"failure":{"error":"transient","message":"not now"}}');
INSERT INTO "history" VALUES('t','9c6a69a4-8bca-5596-98b1-8ab1b27ae10d',1,1479786112282762,'{"kind":"Submitted","awaits_upstream":false}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',1,1479786112175884,'{"kind":"Submitted","awaits_upstream":false}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',2,1479786112186687,'{"kind":"Admitted"}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',3,1479786112194222,'{"kind":"AttemptStarted","ref":{"step":"a","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',4,1479786112196916,'{"kind":"AttemptSucceeded","ref":{"step":"a","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',5,1479786112196916,'{"kind":"AttemptStarted","ref":{"step":"b","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',6,1479786112202357,'{"kind":"AttemptSucceeded","ref":{"step":"b","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',7,1479786112202357,'{"kind":"AttemptStarted","ref":{"step":"c","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3',8,1479786112206107,'{"kind":"AttemptSucceeded","ref":{"step":"c","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc',1,1479786112232233,'{"kind":"Submitted","awaits_upstream":false}');
INSERT INTO "history" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc',2,1479786112233811,'{"kind":"Admitted"}');
INSERT INTO "history" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc',3,1479786112235662,'{"kind":"AttemptStarted","ref":{"step":"a","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc',4,1479786112236624,'{"kind":"AttemptSucceeded","ref":{"step":"a","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc',5,1479786112236624,'{"kind":"AttemptStarted","ref":{"step":"b","item":-1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',1,1479786112254507,'{"kind":"Submitted","awaits_upstream":false}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',2,1479786112262427,'{"kind":"Admitted"}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',3,1479786112263926,'{"kind":"Resolved","step":"each","wanted":true,"items":5}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',4,1479786112270156,'{"kind":"AttemptStarted","ref":{"step":"each","item":0,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',5,1479786112271088,'{"kind":"AttemptStarted","ref":{"step":"each","item":1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',6,1479786112271821,'{"kind":"AttemptSucceeded","ref":{"step":"each","item":0,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',7,1479786112271821,'{"kind":"AttemptStarted","ref":{"step":"each","item":2,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',8,1479786112273961,'{"kind":"AttemptSucceeded","ref":{"step":"each","item":1,"number":1,"undo":false}}');
INSERT INTO "history" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b',9,1479786112273961,'{"kind":"AttemptStarted","ref":{"step":"each","item":3,"number":1,"undo":false}}');
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, run TEXT NOT NULL, pipeline TEXT NOT NULL, digest TEXT NOT NULL,
  seq INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE (tenant, run, seq)
);
INSERT INTO "outbox" VALUES(1,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',1,'{"seq":1,"kind":"PIPELINE_QUEUED","at":"2016-11-22T03:41:52.174395Z","state":"QUEUED","step":""}');
INSERT INTO "outbox" VALUES(2,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',2,'{"seq":2,"kind":"PIPELINE_STARTED","at":"2016-11-22T03:41:52.186477Z","state":"RUNNING","step":""}');
INSERT INTO "outbox" VALUES(3,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',3,'{"seq":3,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.186477Z","state":"READY","step":"a"}');
INSERT INTO "outbox" VALUES(4,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',4,'{"seq":4,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.194038Z","state":"RUNNING","step":"a"}');
INSERT INTO "outbox" VALUES(5,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',5,'{"seq":5,"kind":"PIPELINE_STEP_COMPLETED","at":"2016-11-22T03:41:52.196583Z","state":"SUCCEEDED","step":"a"}');
INSERT INTO "outbox" VALUES(6,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',6,'{"seq":6,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.196583Z","state":"READY","step":"b"}');
INSERT INTO "outbox" VALUES(7,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',7,'{"seq":7,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.196814Z","state":"RUNNING","step":"b"}');
INSERT INTO "outbox" VALUES(8,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',8,'{"seq":8,"kind":"PIPELINE_STEP_COMPLETED","at":"2016-11-22T03:41:52.202007Z","state":"SUCCEEDED","step":"b"}');
INSERT INTO "outbox" VALUES(9,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',9,'{"seq":9,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.202007Z","state":"READY","step":"c"}');
INSERT INTO "outbox" VALUES(10,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',10,'{"seq":10,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.202229Z","state":"RUNNING","step":"c"}');
INSERT INTO "outbox" VALUES(11,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',11,'{"seq":11,"kind":"PIPELINE_STEP_COMPLETED","at":"2016-11-22T03:41:52.205939Z","state":"SUCCEEDED","step":"c"}');
INSERT INTO "outbox" VALUES(12,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',12,'{"seq":12,"kind":"PIPELINE_SUCCEEDED","at":"2016-11-22T03:41:52.205939Z","state":"SUCCEEDED","step":""}');
INSERT INTO "outbox" VALUES(13,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',1,'{"seq":1,"kind":"PIPELINE_QUEUED","at":"2016-11-22T03:41:52.209395Z","state":"QUEUED","step":""}');
INSERT INTO "outbox" VALUES(14,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',2,'{"seq":2,"kind":"PIPELINE_STARTED","at":"2016-11-22T03:41:52.211248Z","state":"RUNNING","step":""}');
INSERT INTO "outbox" VALUES(15,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',3,'{"seq":3,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.211248Z","state":"READY","step":"a"}');
INSERT INTO "outbox" VALUES(16,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',4,'{"seq":4,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.218105Z","state":"RUNNING","step":"a"}');
INSERT INTO "outbox" VALUES(17,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',5,'{"seq":5,"kind":"PIPELINE_STEP_COMPLETED","at":"2016-11-22T03:41:52.219204Z","state":"SUCCEEDED","step":"a"}');
INSERT INTO "outbox" VALUES(18,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',6,'{"seq":6,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.219204Z","state":"READY","step":"b"}');
INSERT INTO "outbox" VALUES(19,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',7,'{"seq":7,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.219329Z","state":"RUNNING","step":"b"}');
INSERT INTO "outbox" VALUES(20,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',8,'{"seq":8,"kind":"PIPELINE_STEP_RETRYING","at":"2016-11-22T03:41:52.222077Z","state":"RETRYING","step":"b","data":{"error":"transient","message":"not now","attempt":1}}');
INSERT INTO "outbox" VALUES(21,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',1,'{"seq":1,"kind":"PIPELINE_QUEUED","at":"2016-11-22T03:41:52.232131Z","state":"QUEUED","step":""}');
INSERT INTO "outbox" VALUES(22,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',2,'{"seq":2,"kind":"PIPELINE_STARTED","at":"2016-11-22T03:41:52.233638Z","state":"RUNNING","step":""}');
INSERT INTO "outbox" VALUES(23,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',3,'{"seq":3,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.233638Z","state":"READY","step":"a"}');
INSERT INTO "outbox" VALUES(24,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',4,'{"seq":4,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.235560Z","state":"RUNNING","step":"a"}');
INSERT INTO "outbox" VALUES(25,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',5,'{"seq":5,"kind":"PIPELINE_STEP_COMPLETED","at":"2016-11-22T03:41:52.236416Z","state":"SUCCEEDED","step":"a"}');
INSERT INTO "outbox" VALUES(26,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',6,'{"seq":6,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.236416Z","state":"READY","step":"b"}');
INSERT INTO "outbox" VALUES(27,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94',7,'{"seq":7,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.236538Z","state":"RUNNING","step":"b"}');
INSERT INTO "outbox" VALUES(28,'t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','wide','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e',1,'{"seq":1,"kind":"PIPELINE_QUEUED","at":"2016-11-22T03:41:52.254336Z","state":"QUEUED","step":""}');
INSERT INTO "outbox" VALUES(29,'t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','wide','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e',2,'{"seq":2,"kind":"PIPELINE_STARTED","at":"2016-11-22T03:41:52.262243Z","state":"RUNNING","step":""}');
INSERT INTO "outbox" VALUES(30,'t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','wide','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e',3,'{"seq":3,"kind":"PIPELINE_STEP_READY","at":"2016-11-22T03:41:52.262243Z","state":"READY","step":"each"}');
INSERT INTO "outbox" VALUES(31,'t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','wide','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e',4,'{"seq":4,"kind":"PIPELINE_STEP_STARTED","at":"2016-11-22T03:41:52.269961Z","state":"RUNNING","step":"each"}');
INSERT INTO "outbox" VALUES(32,'t','9c6a69a4-8bca-5596-98b1-8ab1b27ae10d','wide','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e',1,'{"seq":1,"kind":"PIPELINE_QUEUED","at":"2016-11-22T03:41:52.282639Z","state":"QUEUED","step":""}');
CREATE TABLE question (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, asked_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, run, step)
) WITHOUT ROWID;
CREATE TABLE result (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
  value TEXT NOT NULL, PRIMARY KEY (tenant, run, step, item)
) WITHOUT ROWID;
INSERT INTO "result" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a','a',-1,'"a"');
INSERT INTO "result" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3','a',-1,'"a"');
INSERT INTO "result" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3','b',-1,'"b"');
INSERT INTO "result" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3','c',-1,'"c"');
INSERT INTO "result" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc','a',-1,'"a"');
INSERT INTO "result" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','each',0,'0');
INSERT INTO "result" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','each',1,'1');
CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL, run TEXT NOT NULL, pipeline TEXT NOT NULL, digest TEXT NOT NULL,
  run_key TEXT NOT NULL, run_trigger TEXT NOT NULL, lane TEXT NOT NULL, params TEXT NOT NULL,
  max_runs INTEGER, max_steps INTEGER, version INTEGER NOT NULL, state TEXT NOT NULL,
  is_open INTEGER NOT NULL, is_started INTEGER NOT NULL, gives_work INTEGER NOT NULL,
  head TEXT NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  UNIQUE (tenant, run)
);
INSERT INTO "run" VALUES(1,'t','9d669f10-d1f9-5540-a986-71bebc05dfe3','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94','done','manual','','{}',NULL,NULL,8,'SUCCEEDED',0,0,0,'{"run":"9d669f10-d1f9-5540-a986-71bebc05dfe3","state":"SUCCEEDED","submitted":true,"version":8,"seq":12,"now":"2016-11-22T03:41:52.205939Z","open_steps":0,"failure":null,"failed_step":"","ending":"","undo_on_cancel":false,"compensation":"none","remote_unknown":false,"retries":0,"between_steps":true}',1479786112175884,1479786112206107);
INSERT INTO "run" VALUES(2,'t','502115ee-2ff6-594f-b208-1b7db6a0da0a','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94','retrying','manual','','{}',NULL,NULL,6,'RUNNING',1,1,1,'{"run":"502115ee-2ff6-594f-b208-1b7db6a0da0a","state":"RUNNING","submitted":true,"version":6,"seq":8,"now":"2016-11-22T03:41:52.222077Z","open_steps":2,"failure":null,"failed_step":"","ending":"","undo_on_cancel":false,"compensation":"none","remote_unknown":false,"retries":1,"between_steps":false}',1479786112209497,1479786112222276);
INSERT INTO "run" VALUES(3,'t','9d79fa72-f490-526a-be52-3017871859fc','chain','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94','working','manual','','{}',NULL,NULL,5,'RUNNING',1,1,1,'{"run":"9d79fa72-f490-526a-be52-3017871859fc","state":"RUNNING","submitted":true,"version":5,"seq":7,"now":"2016-11-22T03:41:52.236538Z","open_steps":2,"failure":null,"failed_step":"","ending":"","undo_on_cancel":false,"compensation":"none","remote_unknown":false,"retries":0,"between_steps":false}',1479786112232233,1479786112236624);
INSERT INTO "run" VALUES(4,'t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','wide','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e','mapping','manual','','{"days":[1,2,3,4,5]}',1,NULL,9,'RUNNING',1,1,1,'{"run":"c27caca7-fdaa-5b5a-bda1-336fa09eb51b","state":"RUNNING","submitted":true,"version":9,"seq":4,"now":"2016-11-22T03:41:52.273846Z","open_steps":2,"failure":null,"failed_step":"","ending":"","undo_on_cancel":false,"compensation":"none","remote_unknown":false,"retries":0,"between_steps":false}',1479786112254507,1479786112273961);
INSERT INTO "run" VALUES(5,'t','9c6a69a4-8bca-5596-98b1-8ab1b27ae10d','wide','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e','queued','manual','','{"days":[]}',1,NULL,1,'QUEUED',1,0,0,'{"run":"9c6a69a4-8bca-5596-98b1-8ab1b27ae10d","state":"QUEUED","submitted":true,"version":1,"seq":1,"now":"2016-11-22T03:41:52.282639Z","open_steps":2,"failure":null,"failed_step":"","ending":"","undo_on_cancel":false,"compensation":"none","remote_unknown":false,"retries":0,"between_steps":false}',1479786112282762,1479786112282762);
CREATE TABLE step (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, row TEXT NOT NULL,
  PRIMARY KEY (tenant, run, step)
) WITHOUT ROWID;
INSERT INTO "step" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a','a','{"name":"a","state":"SUCCEEDED","total":1,"opened":1,"succeeded":1,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a','b','{"name":"b","state":"RETRYING","units":{"-1":{"number":2,"state":"RETRYING","failures":1,"lost":0,"beat_at":"2016-11-22T03:41:52.219329Z","stopping":null,"alerted":false,"unknown":false}},"total":1,"opened":1,"succeeded":0,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a','c','{"name":"c","state":"PENDING","total":-1,"opened":0,"succeeded":0,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9c6a69a4-8bca-5596-98b1-8ab1b27ae10d','after','{"name":"after","state":"PENDING","total":-1,"opened":0,"succeeded":0,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9c6a69a4-8bca-5596-98b1-8ab1b27ae10d','each','{"name":"each","state":"PENDING","total":-1,"opened":0,"succeeded":0,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3','a','{"name":"a","state":"SUCCEEDED","total":1,"opened":1,"succeeded":1,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3','b','{"name":"b","state":"SUCCEEDED","total":1,"opened":1,"succeeded":1,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9d669f10-d1f9-5540-a986-71bebc05dfe3','c','{"name":"c","state":"SUCCEEDED","total":1,"opened":1,"succeeded":1,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc','a','{"name":"a","state":"SUCCEEDED","total":1,"opened":1,"succeeded":1,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc','b','{"name":"b","state":"RUNNING","units":{"-1":{"number":1,"state":"RUNNING","failures":0,"lost":0,"beat_at":"2016-11-22T03:41:52.236538Z","stopping":null,"alerted":false,"unknown":false}},"total":1,"opened":1,"succeeded":0,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','9d79fa72-f490-526a-be52-3017871859fc','c','{"name":"c","state":"PENDING","total":-1,"opened":0,"succeeded":0,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','after','{"name":"after","state":"PENDING","total":-1,"opened":0,"succeeded":0,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
INSERT INTO "step" VALUES('t','c27caca7-fdaa-5b5a-bda1-336fa09eb51b','each','{"name":"each","state":"RUNNING","units":{"2":{"number":1,"state":"RUNNING","failures":0,"lost":0,"beat_at":"2016-11-22T03:41:52.271726Z","stopping":null,"alerted":false,"unknown":false},"3":{"number":1,"state":"RUNNING","failures":0,"lost":0,"beat_at":"2016-11-22T03:41:52.273846Z","stopping":null,"alerted":false,"unknown":false}},"total":5,"opened":4,"succeeded":2,"failed":[],"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none","undo_unit":null}');
CREATE TABLE timer (
  tenant TEXT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL,
  item INTEGER NOT NULL, number INTEGER NOT NULL, undo INTEGER NOT NULL, due INTEGER NOT NULL,
  PRIMARY KEY (tenant, run, kind, step, item, number, undo)
) WITHOUT ROWID;
INSERT INTO "timer" VALUES('t','502115ee-2ff6-594f-b208-1b7db6a0da0a','retry','b',-1,2,0,1479787983696306);
CREATE TABLE version (
  tenant TEXT NOT NULL, digest TEXT NOT NULL, pipeline TEXT NOT NULL, text TEXT NOT NULL,
  created_at INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'VALIDATED', PRIMARY KEY (tenant, digest)
) WITHOUT ROWID;
INSERT INTO "version" VALUES('t','334da7db9483dade0751a9cb9dfe333dd14376a111ef5e8b325b7dde668c3e94','chain','{"definition": {"metadata": {"name": "chain"}, "spec": {"steps": {"a": {"shell": {"command": "true"}}, "b": {"needs": ["a"], "retry": {"initial_interval": 3600.0, "maximum_attempts": 3, "maximum_interval": 3600.0}, "shell": {"command": "true"}}, "c": {"needs": ["b"], "shell": {"command": "true"}}}}}, "files": {}}',1479786112175884,'VALIDATED');
INSERT INTO "version" VALUES('t','9d94fbfc1fad92adadc66e668f3a81fdc1953ca7dcd1763ccac8d74eaa92d95e','wide','{"definition": {"metadata": {"name": "wide"}, "spec": {"concurrency": {"runs": 1}, "parameters": {"days": {"type": "list"}}, "steps": {"after": {"needs": ["each"], "shell": {"command": "true"}}, "each": {"map": {"as": "day", "over": "${{ params.days }}", "parallel": 2}, "shell": {"command": "true"}}}}}, "files": {}}',1479786112254507,'VALIDATED');
CREATE INDEX version_of ON version (tenant, pipeline, created_at);
CREATE INDEX run_open ON run (tenant, run) WHERE is_open;
CREATE INDEX run_started ON run (tenant, pipeline, lane) WHERE is_started;
CREATE INDEX run_queued ON run (id) WHERE state = 'QUEUED';
CREATE INDEX run_of ON run (tenant, pipeline, id);
CREATE INDEX timer_due ON timer (due);
CREATE INDEX question_age ON question (asked_at);
CREATE INDEX attempt_ready ON attempt (queue_number) WHERE until IS NULL;
CREATE INDEX attempt_leased ON attempt (tenant, run, until) WHERE until IS NOT NULL;
CREATE INDEX attempt_stopping ON attempt (worker) WHERE stopping;
CREATE TRIGGER outbox_end BEFORE DELETE ON outbox WHEN old.position = (SELECT max(position) FROM outbox)
  BEGIN SELECT RAISE(ABORT, 'the last event stays: its position must not be given again'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('run',5);
COMMIT;
