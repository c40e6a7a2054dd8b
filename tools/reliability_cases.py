"""What must be shown: the cases where the best known program of this kind failed, and what it does well.

A test names what it shows with `@pytest.mark.case(id)`; `tools.reliability` joins the two.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """A situation, and what was measured in it elsewhere."""

    id: str
    situation: str
    elsewhere: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Something to keep, as it is kept here."""

    id: str
    text: str


CASES = (
    Case(
        "0",
        "no fault at all; output files roll while they are committed",
        "5 of 8 runs lost 10 to 48 % of the rows in the table: files are committed in the order of names given when "
        "they were opened, so one that is finished late is passed over for good",
    ),
    Case(
        "i-a",
        "SIGKILL half-way, progress kept in memory",
        "everything is read again: 2,104,000 rows for 1,200,000; a clean restart doubles as well",
    ),
    Case(
        "i-b",
        "SIGKILL half-way, progress kept in a checkpoint",
        "200,000 of 1,200,000 rows lost, 2 of 2 runs: a file counts as done when its rows are in memory",
    ),
    Case(
        "i-c",
        "SIGTERM half-way",
        "4 of 4 runs lost up to 78,000 rows or doubled up to 8,000, with exit code 0",
    ),
    Case(
        "ii-a",
        "a truncated gzip file",
        "16,384 of its rows are written, and again at every poll: 80,536 rows for 28,384 after four",
    ),
    Case(
        "ii-b",
        "a gzip file with a wrong checksum",
        "24,576 of 30,000 rows are written, and again at every poll",
    ),
    Case(
        "ii-c",
        "a byte flipped inside a gzip file",
        "8,192 rows are written, and again at every poll; good files of the same poll are read again too",
    ),
    Case(
        "ii-d",
        "a file that is not gzip, among good ones",
        "by timing, tried at every poll for ever, or marked as done after one try",
    ),
    Case(
        "ii-e",
        "two gzip members in one file",
        "the second is dropped in silence: 15,000 of 30,000 rows, marked as done",
    ),
    Case(
        "iii",
        "a malformed line",
        "the rest of its file is lost, the rows before it are written at every poll: 83,536 for 28,384 after four; "
        "no line number",
    ),
    Case("iv", "a value of the wrong type", "the same as for a malformed line"),
    Case(
        "iv-b",
        "a value that could be bent to fit",
        "bent in silence: `2.7` becomes 2, an epoch in seconds a moment in January 1970, the last of two equal keys wins",
    ),
    Case(
        "iv-c",
        "an overflow, a missing value, invalid UTF-8, a byte order mark, a number for text",
        "the whole file is refused",
    ),
    Case("v", "a field that no column takes", "dropped without a count"),
    Case("vi", "a line of 100 MB", "read well; there is no limit"),
    Case(
        "vii", "a file of nothing, a gzip file of nothing", "the first is an error, the second well"
    ),
    Case(
        "viii",
        "new content under a name that was read",
        "never seen, or seen after a restart together with everything else again",
    ),
    Case("viii-b", "a new file that sorts below those that were read", "never read, no warning"),
    Case(
        "ix",
        "a full disk",
        "843,616 and 891,808 of 1,200,000 rows lost for good: their sources are marked as done",
    ),
    Case(
        "x",
        "two committers on one table",
        "rows right in 5 of 5 rounds; twice the same files were added twice, once one of the two ended with exit code 0 "
        "because it had lost",
    ),
    Case(
        "xi",
        "one commit that fails",
        "its files are never committed, 2 of 2 runs: 4,000 of 6,000 rows, also after a restart",
    ),
    Case("xii", "zstd, plain files, other endings", "never listed"),
    Case(
        "answer",
        "a commit that landed while its answer was lost",
        "not tried; a writer that repeats it blindly doubled its batch in 1 of 5 runs",
    ),
    Case("exit", "a pipeline that fails", "the program ends with exit code 0"),
    Case("once", "a run with an end", "there is none: it polls for ever"),
    Case(
        "dlq",
        "what is known of a failure",
        "the path is `unknown`, the stage is `upload` whatever it was; no content",
    ),
    Case("dlq-all", "several failures", "the file is written anew at each flush: 1 of 4 was left"),
    Case(
        "busy",
        "the last files are in work",
        "a thread asks a closed channel without a pause: 0.6 s of a processor for nothing in a run of 0.8 s",
    ),
)

BOARDS = (
    Case(
        "b01",
        "two workers want one token",
        "the check whether somebody else has it makes an error and does not raise it: both work on the token",
    ),
    Case(
        "b02",
        "a token that is just being written, or damaged",
        "tokens are written under their final names: a reader meets half of one, and that ends the filter",
    ),
    Case(
        "b03",
        "a worker dies while it hands a token on",
        "written there, then removed here: the token is in two buckets, and is worked on twice",
    ),
    Case(
        "b04",
        "a second worker starts, or one is stopped for a while",
        "a start brings back every claim in the bucket, those of living workers too",
    ),
    Case("b05", "ids with dots in them", "cut at the last dot: `a.1` and `a.2` become one file"),
    Case(
        "b06",
        "urgent tokens, old ones, and a provider that fails for an hour",
        "no order, priority, count of attempts, pause or time limit",
    ),
    Case("b07", "tokens that fail, one after the other", "each costs the pause of an idle filter"),
    Case(
        "b08",
        "a filter dies, the board is stopped, its configuration changes",
        "dead filters stay dead; a stop kills after five seconds; a reload drops what it has loaded",
    ),
    Case(
        "b09",
        "two programs write the ledger",
        "each has a copy and the last one wins; the file is written in place",
    ),
    Case(
        "b10",
        "the store lacks some of what was done",
        "a loop within the wrong loop queues it again several times, or not at all",
    ),
    Case(
        "b11",
        "a limit of the rate, and a disk that fills up",
        "the limit stands at a method that nobody calls; the margin is a fiftieth of the file",
    ),
    Case(
        "b12", "a passphrase", "on the command line of gpg, and as plain text in the configuration"
    ),
    Case("b13", "a token that is done", "the ledger learns of it when an operator says so"),
)

KEPT = (
    Behaviour(
        "k01",
        "Defaults are filled in; unknown keys are refused; all problems are told together.",
    ),
    Behaviour(
        "k02",
        "`${NAME}` and `${NAME:-default}` are replaced; what is missing is named; `$$` is `$`.",
    ),
    Behaviour(
        "k03",
        "Files and directories of configuration merge; one key, one source or one table twice is a problem.",
    ),
    Behaviour("k04", "Each declared type is one Arrow type; nullable unless said otherwise."),
    Behaviour(
        "k05",
        "An output ends at its size or with its plan, a plan at its size or age; no row is lost at the seam.",
    ),
    Behaviour(
        "k06", "A finished output is readable and holds exactly its rows; each codec is applied."
    ),
    Behaviour(
        "k07",
        "Recent partitions can be read alone; a partitioned table is refused, with what to do instead.",
    ),
    Behaviour(
        "k08",
        "The first rows are there before a file is read to its end; a slow consumer stops the reader.",
    ),
    Behaviour(
        "k09", "The narrowest channels and limits do not deadlock; all uploads end before the seal."
    ),
    Behaviour("k10", "Progress moves over plans without a gap, never past an unfinished one."),
    Behaviour(
        "k11",
        "What was read is left out, from several sources too; a file that vanished is skipped.",
    ),
    Behaviour(
        "k12",
        "Listings are recursive, sorted and without internal names; a missing folder is an empty one.",
    ),
    Behaviour(
        "k13",
        "Folders and sources progress on their own; a folder never seen before is read in full.",
    ),
    Behaviour(
        "k14", "Progress survives a restart, also on another machine; without any it starts fresh."
    ),
    Behaviour("k15", "A record of progress is whole or not there; one of an older form is read."),
    Behaviour("k16", "Files and progress are one version of the table."),
    Behaviour(
        "k17",
        "A table with rows of others is begun from the first file; one that lost its progress stops the pipeline.",
    ),
    Behaviour("k18", "Many committers at once lose nothing."),
    Behaviour(
        "k19",
        "A table is made from the declared schema; one that is missing is told apart from one that cannot be read.",
    ),
    Behaviour(
        "k20", "A column that the table has and the schema has not may stay, if it may be null."
    ),
    Behaviour(
        "k21",
        "A table with other columns is refused with every difference; there is no other mode yet.",
    ),
    Behaviour(
        "k22",
        "A required column that is new, and a type that is wider or narrower, are refused, inside lists and structs too.",
    ),
    Behaviour(
        "k23",
        "Times are microseconds in UTC, whatever their offset; finer digits are refused, never rounded in silence.",
    ),
    Behaviour("k24", "Inferring a schema is refused, with what to write instead."),
    Behaviour("k25", "A `json` column takes any value as text; no other column bends one."),
    Behaviour("k26", "gzip, zstd and plain bytes give equal rows, however the stream is cut."),
    Behaviour(
        "k27",
        "Each failure is one valid record whatever its bytes; after as many as are allowed it stops.",
    ),
    Behaviour("k28", "A shared limit holds across pipelines, and every permit comes back."),
    Behaviour("k29", "One signal reaches every pipeline, working or waiting, and no other run."),
    Behaviour("k30", "Jitter lies within its bounds and 0 disables it; one bucket has one client."),
    Behaviour("k31", "Metrics and health answer while it runs; utilization is smoothed."),
)
