# SPDX-License-Identifier: MIT
#
# The shim stands before dlopen to take RTLD_DEEPBIND out. glibc looks where
# the *caller* says (its RUNPATH), and knows the caller by the return address:
# were the shim to call on instead of jumping, plugins beside a library would
# no longer be found. And memory must pass between a plugin that was opened
# with RTLD_DEEPBIND and its program, both ways.

prepare() {
	needs gcc
	mkdir plugins
	cat >inner.c <<'C'
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
char *inner_text(void) { return strdup("made in the plugin"); }
void inner_free(char *text) { free(text); }
size_t inner_usable(char *text) { return malloc_usable_size(text) >= 5; }
C
	cat >outer.c <<'C'
#include <dlfcn.h>
void *outer_open(int mode);
/* Found only by this library's own RUNPATH. */
void *outer_open(int mode) { return dlopen("libinner.so", mode); }
C
	cat >main.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern void *outer_open(int mode);
static int use(const char *how, void *handle)
{
	char *(*text)(void);
	void (*give)(char *);
	size_t (*usable)(char *);

	if (!handle) {
		printf("%s: %s\n", how, dlerror());
		return 1;
	}
	text = dlsym(handle, "inner_text");
	give = dlsym(handle, "inner_free");
	usable = dlsym(handle, "inner_usable");
	for (int i = 0; i < 1000; i++) {
		char *made = text();
		char *ours = strdup("made in the program");

		if (strcmp(made, "made in the plugin") || !usable(ours))
			return 1;
		free(made);
		give(ours);
	}
	printf("%s: fine\n", how);
	return dlclose(handle);
}
int main(void)
{
	int bad = 0;

	bad |= use("lazy", outer_open(RTLD_LAZY));
	bad |= use("deep", outer_open(RTLD_NOW | RTLD_DEEPBIND));
	bad |= use("deep, global",
		   outer_open(RTLD_LAZY | RTLD_GLOBAL | RTLD_DEEPBIND));
	printf("not from here: %d\n", !dlopen("libinner.so", RTLD_LAZY));
	printf("a bad mode: %d\n", !dlopen("libouter.so", 0x40000000));
	printf("no such file: %d, %s\n", !dlopen("/nowhere.so", RTLD_NOW),
	       dlerror() ? "with a reason" : "without");
	printf("the program itself: %d\n", dlopen(NULL, RTLD_NOW) != NULL);
	return bad;
}
C
	gcc -O1 -shared -fPIC -o plugins/libinner.so inner.c
	gcc -O1 -shared -fPIC -o libouter.so outer.c \
		-Wl,--enable-new-dtags,-rpath,'$ORIGIN/plugins'
	gcc -O1 -o main main.c -L. -louter \
		-Wl,--enable-new-dtags,-rpath,'$ORIGIN'
}

run() {
	hs "$HS_DATA/main"
}
