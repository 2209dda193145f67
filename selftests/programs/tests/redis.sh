# SPDX-License-Identifier: MIT
#
# Redis forks to write a snapshot while the parent goes on changing the data:
# a heap that is shared where it should be copied shows as a snapshot, or a
# dataset, with a digest that no run without us has. Debian's redis-server is
# linked with jemalloc, which the shim must take the place of altogether.

# Longer than the writes take, so that they meet a child that still reads.
SNAPSHOT_US=3000000

prepare() {
	needs redis-server redis-cli redis-check-rdb
	# The protocol's own form, for redis-cli --pipe.
	random_lines $((800 * SCALE)) 4711 | awk '
		function command(n, a, b, c, d, e, f,    i, arg) {
			arg[1] = a; arg[2] = b; arg[3] = c
			arg[4] = d; arg[5] = e; arg[6] = f
			printf "*%d\r\n", n
			for (i = 1; i <= n; i++)
				printf "$%d\r\n%s\r\n", length(arg[i]), arg[i]
		}
		{
			long = $1
			while (length(long) < $2 % 900)
				long = long $3
			command(3, "SET", "string:" $1, long)
			command(6, "HSET", "hash:" $2 % 3000, $1, $3, "n", $2)
			command(3, "RPUSH", "list:" $2 % 50, $1 $3)
			command(3, "SADD", "set:" $2 % 200, $3)
			command(4, "ZADD", "zset:" $2 % 20, $2, $3)
			command(4, "SETRANGE", "string:" $1, $2 % 2000, "grown")
			if ($2 % 5 == 0)
				command(2, "DEL", "hash:" $2 % 2999)
		}' >load.resp
	# What is written while the snapshot is being taken.
	random_lines $((200 * SCALE)) 815 | awk '
		{
			printf "*3\r\n$6\r\nAPPEND\r\n$%d\r\nstring:%s\r\n",
			       length($1) + 7, $1
			printf "$%d\r\n%s\r\n", length($3), $3
			printf "*2\r\n$4\r\nLPOP\r\n$%d\r\nlist:%d\r\n",
			       length($2 % 50) + 5, $2 % 50
		}' >more.resp
}

redis() {
	timeout 60 redis-cli -s "$PWD/redis.sock" "$@"
}

# Its own log goes to a file: it has times and process ids in it.
serve() {
	start redis-server --port 0 --unixsocket "$PWD/redis.sock" \
		--dir "$PWD" --save '' --enable-debug-command yes \
		--logfile redis.log "$@"
	until_true 30 redis ping
	if [[ $HS_VARIANT == hugespan ]]; then
		grep -q libhugespan-malloc "/proc/$started/maps"
	fi
}

# Ends the server; what it said of its memory must fit its heap being ours.
stop() {
	redis shutdown nosave || true
	until_true 30 gone "$started"
	wait "$started"
}

snapshot_ended() {
	redis info persistence | grep -q 'rdb_bgsave_in_progress:0'
}

rewrite_ended() {
	redis info persistence | grep -q 'aof_rewrite_in_progress:0'
}

loaded() {
	redis --pipe <"$1" | grep errors
}

figure() {
	redis info "$1" | tr -d '\r' | sed -n "s/^$2:/$2 /p"
}

run() {
	serve
	loaded "$HS_DATA/load.resp"
	printf 'loaded %s, %s keys\n' "$(redis debug digest)" "$(redis dbsize)"

	# A snapshot that takes its time, with writes after its fork; then the
	# log, and a snapshot of all.
	redis config set rdb-key-save-delay \
		$((SNAPSHOT_US / $(redis dbsize)))
	redis bgsave
	loaded "$HS_DATA/more.resp"
	until_true 60 snapshot_ended
	redis config set rdb-key-save-delay 0
	figure persistence rdb_last_bgsave_status
	mv dump.rdb early.rdb
	printf 'written %s, %s keys\n' "$(redis debug digest)" "$(redis dbsize)"
	redis config set appendonly yes
	until_true 60 rewrite_ended
	figure persistence aof_last_bgrewrite_status
	redis save
	redis-check-rdb dump.rdb | grep -c 'RDB looks OK'
	stop

	# What it wrote, read again: the snapshot is of the moment of the fork.
	serve --appendonly yes
	printf 'from the log %s, %s keys\n' "$(redis debug digest)" \
		"$(redis dbsize)"
	redis flushall
	printf 'empty %s\n' "$(redis debug digest)"
	stop
	mv early.rdb dump.rdb
	serve
	printf 'from the snapshot %s, %s keys\n' "$(redis debug digest)" \
		"$(redis dbsize)"
	stop
}
