# SPDX-License-Identifier: MIT
#
# The compiler takes hundreds of megabytes, frees little, and walks hash tables
# of pointers; an object file that depends on addresses, or on memory that was
# not zero, differs here. cc1, as, collect2 and lto1 all run on the shim.

prepare() {
	needs gcc awk
	awk -v count=$((20 * SCALE)) '
		BEGIN {
			print "#include <stdio.h>"
			print "#include <stdlib.h>"
			print "#include <string.h>"
			print "struct item { long key; char name[24];"
			print "\tstruct item *next; double weight; };"
			for (i = 0; i < count; i++) {
				printf "static long f%d(struct item *p, long n)\n{\n", i
				printf "\tlong sum = %d;\n", i * 7919
				printf "\tfor (long i = 0; i < n; i++, p++) {\n"
				printf "\t\tswitch ((p->key + i) %% %d) {\n", i % 9 + 5
				for (c = 0; c < i % 9 + 5; c++)
					printf "\t\tcase %d: sum += p->weight * %d; break;\n", c, c * i
				printf "\t\t}\n\t\tmemset(p->name, sum, sizeof(p->name));\n"
				printf "\t\tif (sum > %d)\n\t\t\tsnprintf(p->name, sizeof(p->name), \"f%d %%ld\", sum);\n", i, i
				if (i)
					printf "\t\tsum ^= f%d(p, n / 2);\n", int(i / 2)
				printf "\t}\n\treturn sum;\n}\n\n"
			}
			print "long (*table[])(struct item *, long) = {"
			for (i = 0; i < count; i++)
				printf "\tf%d,\n", i
			print "};"
		}' >big.c
	cat >main.c <<'C'
struct item;
extern long (*table[])(struct item *, long);
int main(void) { return table[0] == table[1]; }
C
}

run() {
	cp "$HS_DATA"/*.c .
	hs gcc -O2 -g -pipe -Wall -Wno-format-truncation -c big.c -o pipe.o
	hs gcc -O0 -save-temps -c big.c
	sha256sum pipe.o big.o big.i big.s
	if ((SCALE >= 5)); then
		hs gcc -O2 -flto=2 -frandom-seed=1 big.c main.c -o lto
		sha256sum lto
	fi
	hs gcc -O1 pipe.o main.c -o program
	sha256sum program
	./program
	hs gcc -fsyntax-only -x c - <<<'int f(void) { return g(1; }' 2>&1 ||
		printf 'status %d\n' $?
}
