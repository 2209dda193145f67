# SPDX-License-Identifier: MIT
#
# Part of Python's own tests, each object straight from malloc: they know the
# odd corners of its types better than we do. A test whose result changes with
# the shim shows in the list of verdicts that is compared.

prepare() {
	[[ -e /usr/lib/python3.11/test/test_dict.py ]] ||
		skip "libpython3.11-testsuite is not installed"
}

run() {
	local modules=(test_dict)
	if ((SCALE >= 5)); then
		modules+=(test_array test_ctypes test_list
			test_memoryview test_mmap test_ordered_dict test_struct)
	fi
	export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PYTHONMALLOC=malloc
	hs /usr/bin/python3 -W ignore -m unittest -b -v \
		"${modules[@]/#/test.}" 2>&1 | sed -E 's/ in [0-9.]+s$//'
}
