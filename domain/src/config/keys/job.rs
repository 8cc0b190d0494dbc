//! The keys of a job.

use super::Effect::AtOnce;
use super::draft::{At, JobDraft};
use super::secrets::read_secrets;
use super::settings::read_mib;
use super::words::{
    BACKOFFS, LOG_LEVELS, MISSED_POLICIES, OVERLAPS, PROTOCOLS, TARGET_TYPES, read_zone,
};
use super::{Key, key};
use crate::job::LaunchWay;
use crate::schedule::Field;

pub(crate) const JOB_KEYS: &[Key<JobDraft>] = &[
    key(
        "sec",
        "int or string",
        "`0`",
        AtOnce,
        "Cron field: second, 0–59.",
        |job, node, reader| {
            job.field(Field::Sec, node, reader);
        },
    ),
    key(
        "min",
        "int or string",
        "required",
        AtOnce,
        "Cron field: minute, 0–59.",
        |job, node, reader| {
            job.field(Field::Min, node, reader);
        },
    ),
    key(
        "hour",
        "int or string",
        "required",
        AtOnce,
        "Cron field: hour, 0–23.",
        |job, node, reader| {
            job.field(Field::Hour, node, reader);
        },
    ),
    key(
        "dom",
        "int or string",
        "required",
        AtOnce,
        "Cron field: day of the month, 1–31; `L` is the last. It **and** `dow` must match.",
        |job, node, reader| {
            job.field(Field::Dom, node, reader);
        },
    ),
    key(
        "mon",
        "int or string",
        "required",
        AtOnce,
        "Cron field: month, 1–12 or `jan`–`dec`.",
        |job, node, reader| {
            job.field(Field::Mon, node, reader);
        },
    ),
    key(
        "dow",
        "int or string",
        "required",
        AtOnce,
        "Cron field: day of the week, 0–7 (0 and 7 are Sunday) or `sun`–`sat`; `L5` or `5L` is the month's last Friday.",
        |job, node, reader| {
            job.field(Field::Dow, node, reader);
        },
    ),
    key(
        "year",
        "int or string",
        "`*`",
        AtOnce,
        "Cron field: year, 1970–2099.",
        |job, node, reader| {
            job.field(Field::Year, node, reader);
        },
    ),
    key(
        "schedule",
        "string",
        "",
        AtOnce,
        "In place of the seven fields: 5 fields (min hour dom mon dow), 6 (sec first), 7 (sec first, year last), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@minutely`. An alias needs quotes.",
        |job, node, reader| {
            job.schedule = At::of(reader.text(node), node);
        },
    ),
    key(
        "utc",
        "bool",
        "`false`",
        AtOnce,
        "Whether the schedule is read in UTC.",
        |job, node, reader| {
            job.utc = At::of(reader.bool(node), node);
        },
    ),
    key(
        "timezone",
        "IANA name",
        "the global `timezone`, else the server's",
        AtOnce,
        "The zone the schedule is read in.",
        |job, node, reader| {
            job.timezone = At::of(read_zone(node, reader), node);
        },
    ),
    key(
        "command",
        "string",
        "required",
        AtOnce,
        "What `/bin/sh -c` runs, 131,071 bytes at most.",
        |job, node, reader| {
            job.read_command(node, reader);
        },
    ),
    key(
        "targets",
        "string or list",
        "required",
        AtOnce,
        "Which machines it is for. A list is one of names (`target_type: list`).",
        |job, node, reader| {
            job.read_targets(node, reader);
        },
    ),
    key(
        "target_type",
        "`glob`, `pcre`, `list`, `grain`, `grain_pcre`, `pillar`, `nodegroup`, `ipcidr`, `compound`",
        "`glob`",
        AtOnce,
        "How `targets` is read, as in Salt.",
        |job, node, reader| {
            job.target_type = reader.choice(node, &TARGET_TYPES);
        },
    ),
    key(
        "number_of_targets",
        "int",
        "`0`: all",
        AtOnce,
        "How many of the matching machines that are up a run takes, chosen at random.",
        |job, node, reader| {
            job.number_of_targets = reader.machines(node);
        },
    ),
    key(
        "batch_size",
        "int",
        "`0`: all at once",
        AtOnce,
        "How many machines run at a time.",
        |job, node, reader| {
            job.batch_size = reader.machines(node);
        },
    ),
    key(
        "max_failures",
        "int, or `N %`",
        "`0`: no limit",
        AtOnce,
        "How many machines, or which part of them, may fail until a run begins no other: those that run then finish, the rest is \
         marked as not attempted, and the run has failed. A machine counts after its last attempt.",
        |job, node, reader| {
            job.read_max_failures(node, reader);
        },
    ),
    key(
        "retries",
        "int, up to 100",
        "`0`",
        AtOnce,
        "How often a machine is tried again on which the command has failed, timed out or could not be started. Each attempt \
         has its own outcome and output.",
        |job, node, reader| {
            job.read_retries(node, reader);
        },
    ),
    key(
        "retry_delay",
        "seconds, at least 1",
        "`10`",
        AtOnce,
        "The pause before a machine is tried again. It keeps its place in the batch meanwhile.",
        |job, node, reader| {
            job.read_retry_delay(node, reader);
        },
    ),
    key(
        "retry_backoff",
        "`fixed`, `exponential`",
        "`fixed`",
        AtOnce,
        "`exponential`: each pause is twice the one before, up to an hour.",
        |job, node, reader| {
            job.retry_backoff = At::of(reader.choice(node, &BACKOFFS), node);
        },
    ),
    key(
        "timeout",
        "seconds",
        "`3600`; `0`: none",
        AtOnce,
        "How long the command may run: then SIGTERM, and SIGKILL after a grace.",
        |job, node, reader| {
            job.timeout = At::of(reader.seconds(node), node);
        },
    ),
    key(
        "hard_timeout",
        "seconds",
        "",
        AtOnce,
        "The old name of `timeout`.",
        |job, node, reader| {
            job.hard_timeout = At::of(reader.seconds(node), node);
        },
    ),
    key(
        "soft_timeout",
        "seconds",
        "",
        AtOnce,
        "When SIGTERM is sent; SIGKILL then comes at `timeout`.",
        |job, node, reader| {
            job.soft_timeout = At::of(reader.seconds(node), node);
        },
    ),
    key(
        "cwd",
        "string",
        "",
        AtOnce,
        "The directory that the command runs in.",
        |job, node, reader| {
            job.cwd = reader.word(node);
        },
    ),
    key(
        "user",
        "string",
        "",
        AtOnce,
        "The user that the command runs as, with its groups, `HOME`, `USER`, `LOGNAME` and `SHELL`. Without it, the wrapper's own.",
        |job, node, reader| {
            job.user = reader.word(node);
        },
    ),
    key(
        "env",
        "mapping",
        "",
        AtOnce,
        "Added to the command's environment. The values are shown nowhere, and masked (`***`) in what the command writes, but for those of less than 4 bytes and `true` and `false`. They stand in this file and with the run in the server's database; what is to be in neither belongs under `secrets`.",
        |job, node, reader| {
            job.read_env(node, reader);
        },
    ),
    key(
        "secrets",
        "mapping of names to `{file: PATH}` or `{env: NAME}`",
        "",
        AtOnce,
        "Added to the command's environment as well, and read by this server each time a machine asks for the command: from a file, without the line ends at its end, or from a variable of the server's own environment. The values go to the machine's wrapper alone, are stored nowhere, and are masked (`***`) in what the command writes. See [SECURITY.md](SECURITY.md#secrets).",
        |job, node, reader| {
            job.secrets = read_secrets(node, reader);
        },
    ),
    key(
        "overlap",
        "`skip`, `queue`, `allow`, `replace`",
        "`skip`",
        AtOnce,
        "What happens when the job is due while an earlier run of it is still going.",
        |job, node, reader| {
            job.overlap = At::of(reader.choice(node, &OVERLAPS), node);
        },
    ),
    key(
        "allow_overlap",
        "`i know what i am doing!`",
        "",
        AtOnce,
        "The old spelling of `overlap: allow`.",
        |job, node, reader| {
            job.read_allow_overlap(node, reader);
        },
    ),
    key(
        "missed",
        "`skip`, `once`, `all`",
        "`skip`",
        AtOnce,
        "What happens to fires that nobody could see to in time, because the server was down or its host asleep: they stay missed, \
         one run makes up for all of them, or each gets its run, one after the other. Each is in the history in any case.",
        |job, node, reader| {
            if let Some(policy) = reader.choice(node, &MISSED_POLICIES) {
                job.missed = policy;
            }
        },
    ),
    key(
        "missed_window",
        "seconds",
        "`86400`",
        AtOnce,
        "How far back `missed` makes up for fires; earlier ones stay missed.",
        |job, node, reader| {
            job.missed_window = reader.seconds(node);
        },
    ),
    key(
        "reconnect_grace",
        "seconds",
        "the global `reconnect_grace`",
        AtOnce,
        "How long a wrapper that was lost may stay away before its machine ends with 253.",
        |job, node, reader| {
            job.reconnect_grace = reader.seconds(node);
        },
    ),
    key(
        "retention_days",
        "days",
        "the global `retention_days`",
        AtOnce,
        "How long this job's ended runs are kept; `0`: for ever.",
        |job, node, reader| {
            job.retention.days = reader.count(node);
        },
    ),
    key(
        "retention_runs",
        "int",
        "the global `retention_runs`",
        AtOnce,
        "How many of this job's ended runs are kept; `0`: all.",
        |job, node, reader| {
            job.retention.runs = reader.count(node);
        },
    ),
    key(
        "retention_output",
        "MiB",
        "none of its own",
        AtOnce,
        "How much output of this job's ended runs is kept, besides the global `retention_output`; `0`: no limit of its own.",
        |job, node, reader| {
            job.retention.bytes = read_mib(node, reader);
        },
    ),
    key(
        "use_wrapper",
        "bool",
        "`true`",
        AtOnce,
        "`false`: Salt runs the command itself, without a wrapper. Its output comes at its end, what it is and its `env` can be read in Salt, and nothing is masked. It has no `secrets`.",
        |job, node, reader| {
            if let Some(wrapped) = reader.bool(node) {
                job.launch = if wrapped {
                    LaunchWay::Wrapper
                } else {
                    LaunchWay::Executor
                };
            }
        },
    ),
    key(
        "wrapper_path",
        "string",
        "`default_wrapper_path`",
        AtOnce,
        "The path of the wrapper on the machines.",
        |job, node, reader| {
            job.wrapper_path = reader.word(node);
        },
    ),
    key(
        "wrapper_protocol",
        "`auto`, `1`, `2`",
        "`auto`",
        AtOnce,
        "Where the wrapper gets the command from. `2`: from this server, once it has shown its token, as this \
         implementation's wrapper does. `1`: from the environment it is started with, as wrappers of the earlier \
         implementation do; command and `env` are then in Salt's job cache and on its event bus, for anyone to read \
         there, nothing is masked, and there are no `secrets`. `auto`: it is started without the command, and again with it when it says that `SP_COMMAND` is \
         missing, which costs another call; a job with `secrets` is never started that second time.",
        |job, node, reader| {
            if let Some(protocol) = reader.choice(node, &PROTOCOLS) {
                job.wrapper_protocol = protocol;
            }
        },
    ),
    key(
        "wrapper_loglevel",
        "`normal`, `debug`, `off`",
        "`default_wrapper_loglevel`",
        AtOnce,
        "What the wrapper logs.",
        |job, node, reader| {
            job.wrapper_loglevel = reader.choice(node, &LOG_LEVELS);
        },
    ),
    key(
        "wrapper_logdir",
        "string",
        "`default_wrapper_logdir`",
        AtOnce,
        "Where the wrapper logs.",
        |job, node, reader| {
            job.wrapper_logdir = reader.word(node);
        },
    ),
    key(
        "lockfile",
        "string",
        "one of the wrapper's choice",
        AtOnce,
        "The wrapper's lock file on the machine.",
        |job, node, reader| {
            job.lockfile = reader.word(node);
        },
    ),
    key(
        "saltpeter_server_host",
        "string",
        "`default_saltpeter_server_host`",
        AtOnce,
        "The host name under which wrappers find this server.",
        |job, node, reader| {
            job.server_host = reader.word(node);
        },
    ),
];
