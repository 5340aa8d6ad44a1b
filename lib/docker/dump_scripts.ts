/**
 * What `sh` runs in a container to dump a database, and to take a dump back. Credentials come from the
 * container's own environment and are handed on in variables and files, never as arguments: those can
 * be seen by everybody who may list processes.
 */
import type { DumpKind } from "./labels.ts";

/**
 * `secret NAME...` prints the first of these variables that is set, or what the file NAME_FILE names
 * holds (as the official images read them). All of it is built into the shell: no process sees it.
 */
const SECRET = `secret() {
  for n in "$@"; do
    eval "v=\\\${$n-} f=\\\${\${n}_FILE-}"
    if [ -z "$v" ] && [ -n "$f" ]; then v=$(cat "$f"); fi
    if [ -n "$v" ]; then printf %s "$v"; return; fi
  done
}
need() {
  for n in "$@"; do if command -v "$n" >/dev/null; then printf %s "$n"; return; fi; done
  echo "this container has no $*" >&2
  exit 127
}
`;

const POSTGRES = `need psql >/dev/null || exit
user=$(secret POSTGRES_USER POSTGRESQL_USERNAME); user=\${user:-postgres}
PGPASSWORD=$(secret POSTGRES_PASSWORD POSTGRESQL_POSTGRES_PASSWORD POSTGRESQL_PASSWORD PGPASSWORD)
if [ -n "$PGPASSWORD" ]; then export PGPASSWORD; else unset PGPASSWORD; fi
`;

const MYSQL = `user=root
MYSQL_PWD=$(secret MYSQL_ROOT_PASSWORD MARIADB_ROOT_PASSWORD)
empty=\${MYSQL_ALLOW_EMPTY_PASSWORD-}\${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD-}\${ALLOW_EMPTY_PASSWORD-}
if [ -z "$MYSQL_PWD$empty" ]; then
  other=$(secret MYSQL_USER MARIADB_USER); user=\${other:-root}
  MYSQL_PWD=$(secret MYSQL_PASSWORD MARIADB_PASSWORD)
fi
if [ -n "$MYSQL_PWD" ]; then export MYSQL_PWD; else unset MYSQL_PWD; fi
`;

/** YAML in single quotes: a quote in the password is written twice. Read from descriptor 4. */
const MONGO = `user=$(secret MONGO_INITDB_ROOT_USERNAME MONGODB_ROOT_USER)
password=$(secret MONGO_INITDB_ROOT_PASSWORD MONGODB_ROOT_PASSWORD)
if [ -n "$password" ]; then
  user=\${user:-root} quoted= rest=$password
  while :; do
    case $rest in
      *"'"*) quoted="$quoted\${rest%%"'"*}''"; rest=\${rest#*"'"} ;;
      *) quoted=$quoted$rest; break ;;
    esac
  done
  set -- --config=/dev/fd/4 "--username=$user" --authenticationDatabase=admin "$@"
fi
`;
const MONGO_CONFIG = ` 4<<END
password: '\${quoted-}'
END
`;

/**
 * The official image knows no variable for it: it stands in the server's arguments (which the caller
 * gives as REDISCLI_AUTH) or in its configuration.
 */
const REDIS = `cli=$(need redis-cli valkey-cli keydb-cli) || exit
REDISCLI_AUTH=$(secret REDISCLI_AUTH REDIS_PASSWORD VALKEY_PASSWORD)
for file in /usr/local/etc/redis/redis.conf /etc/redis/redis.conf /etc/redis.conf /data/redis.conf; do
  if [ -n "$REDISCLI_AUTH" ] || [ ! -r "$file" ]; then continue; fi
  while read -r key value _; do
    if [ "$key" = requirepass ]; then value=\${value#\\"}; REDISCLI_AUTH=\${value%\\"}; fi
  done <"$file"
done
if [ -n "$REDISCLI_AUTH" ]; then VALKEYCLI_AUTH=$REDISCLI_AUTH; export REDISCLI_AUTH VALKEYCLI_AUTH
else unset REDISCLI_AUTH; fi
`;

/** A directory of its own for a copy, gone at the end however the end comes. */
const SQLITE = `need sqlite3 >/dev/null || exit
[ -f "$1" ] || { echo "$1 is no file in this container" >&2; exit 1; }
umask 077
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
trap 'exit 143' TERM INT HUP
`;

const DUMP: Record<DumpKind, string> = {
  // -w: never asks for a password.
  postgres: POSTGRES + `need pg_dumpall >/dev/null || exit
exec pg_dumpall -w -U "$user" --clean --if-exists
`,
  mysql: MYSQL + `dump=$(need mariadb-dump mysqldump) || exit
set -- --single-transaction --quick --all-databases --routines --events --triggers --hex-blob
case $("$dump" --version) in *MariaDB*) ;; *) set -- "$@" --set-gtid-purged=OFF ;; esac
exec "$dump" "--user=$user" "$@"
`,
  mariadb: "",
  mongodb: `need mongodump >/dev/null || exit
` + MONGO + `exec mongodump --archive --quiet "$@"` + MONGO_CONFIG,
  // Releases before 6.2 do not know "-".
  redis: REDIS + `case $("$cli" --version) in
  "redis-cli "[345].*|"redis-cli 6."[01].*) exec "$cli" --rdb /dev/stdout ;;
esac
exec "$cli" --rdb -
`,
  sqlite: SQLITE +
    `sqlite3 -bail -cmd '.timeout 60000' "$1" ".backup '$dir/copy'" && cat "$dir/copy"
`,
};
DUMP.mariadb = DUMP.mysql;

/**
 * PostgreSQL: who is connected is sent away, and kept out of databases that the dump is about to drop;
 * those that it does not know are opened again afterwards, told by a setting.
 */
const RESTORE: Record<Exclude<DumpKind, "redis">, string> = {
  postgres: POSTGRES + `export PGOPTIONS='-c lc_messages=C'
psql() { command psql -X -w -q -U "$user" -d postgres -o /dev/null "$@"; }
psql -v ON_ERROR_STOP=1 -f /dev/fd/4 4<<'END' || exit
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres'
  LOOP
    EXECUTE format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS false', name);
    EXECUTE format('ALTER DATABASE %I SET duckback.restoring = 1', name);
  END LOOP;
END $$;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND datname IS NOT NULL;
END
psql
code=$?
psql -v ON_ERROR_STOP=1 -f /dev/fd/4 4<<'END' || exit
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT datname FROM pg_database
    JOIN pg_db_role_setting ON setdatabase = pg_database.oid AND setrole = 0
    WHERE 'duckback.restoring=1' = ANY (setconfig)
  LOOP
    EXECUTE format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS true', name);
    EXECUTE format('ALTER DATABASE %I RESET duckback.restoring', name);
  END LOOP;
END $$;
END
exit "$code"
`,
  mysql: MYSQL + `client=$(need mariadb mysql) || exit
"$client" "--user=$user" && "$client" "--user=$user" -e 'FLUSH PRIVILEGES'
`,
  mariadb: "",
  mongodb: `need mongorestore >/dev/null || exit
` + MONGO + `exec mongorestore --archive --drop --quiet --stopOnError "$@"` + MONGO_CONFIG,
  sqlite: SQLITE +
    `cat >"$dir/copy" && sqlite3 -bail -cmd '.timeout 60000' "$1" ".restore '$dir/copy'"
`,
};
RESTORE.mariadb = RESTORE.mysql;

/** Asks a Redis server where its file lies: prints directory, file name, and how it appends. */
const REDIS_PLACE = REDIS + `for key in dir dbfilename appendonly appenddirname appendfilename; do
  "$cli" --raw CONFIG GET "$key" || exit
  echo --
done
`;

/**
 * What the scripts need besides the container's own environment, given the container's command: the
 * password in `--requirepass`. It is set for the exec alone, where only its user and root can see it.
 */
export function dumpEnv(kind: DumpKind, command: string[]): Record<string, string> {
  if (kind !== "redis") return {};
  const at = command.indexOf("--requirepass");
  const password = at >= 0 ? command[at + 1] : inShell(command);
  // A variable in a shell's words is in the environment too, where the script looks.
  return password && !password.includes("$") ? { REDISCLI_AUTH: password } : {};
}

/** `sh -c "redis-server --requirepass secret"` */
function inShell(command: string[]): string | undefined {
  const found = /--requirepass[ =]+(?:"([^"]*)"|'([^']*)'|(\S+))/.exec(command.join(" "));
  return found?.[1] ?? found?.[2] ?? found?.[3];
}

/** The dump goes to standard output. `$1`: the database file (sqlite). */
export function dumpScript(kind: DumpKind): string {
  return SECRET + DUMP[kind];
}

/** The dump comes from standard input. Redis takes none while it runs. */
export function restoreScript(kind: Exclude<DumpKind, "redis">): string {
  return SECRET + RESTORE[kind];
}

export function redisPlaceScript(): string {
  return SECRET + REDIS_PLACE;
}
