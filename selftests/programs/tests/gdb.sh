# SPDX-License-Identifier: MIT
#
# gdb is a large C++ program with a Python inside that traces a child whose
# malloc is ours as well: threads, exceptions, new and delete.

prepare() {
	needs gdb gcc
	cat >traced.c <<'C'
#include <stdlib.h>
#include <stdio.h>
struct node { struct node *next; int n; };
static int total(struct node *list)
{
	int sum = 0;

	for (; list; list = list->next)
		sum += list->n;
	return sum;
}
int main(void)
{
	struct node *list = NULL;

	for (int i = 0; i < 100; i++) {
		struct node *one = malloc(sizeof(*one));

		one->next = list;
		one->n = i;
		list = one;
	}
	printf("%d\n", total(list));
	return 0;
}
C
	gcc -g -O0 -o traced traced.c
	timeout 20 gdb -nx -batch -ex 'set startup-with-shell off' -ex run \
		./traced 2>&1 | grep -q 'exited normally' ||
		skip "gdb cannot trace a program here"
}

run() {
	hs gdb -nx -batch -ex 'set startup-with-shell off' \
		-ex 'set debuginfod enabled off' -ex 'set print address off' \
		-ex 'break total' -ex run -ex 'bt' -ex 'print *list' \
		-ex 'print list->next->next->n + 1' -ex 'finish' \
		-ex 'info types node' -ex 'ptype struct node' -ex 'continue' \
		-ex 'python print(sum(len(str(i)) for i in range(100000)))' \
		"$HS_DATA/traced" 2>&1 | grep -v -i 'process [0-9]\|libthread_db'
}
