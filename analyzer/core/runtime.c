/* The C runtime's own blocks: see runtime.h.
 *
 * The innermost frames that lie in libc or the loader say what was going on: the outermost of them is the function that
 * the program called. strdup() gives its block away, setlocale() keeps it. A few inner functions decide by themselves,
 * whatever was called: a stdio buffer is libc's even if getline() caused it. In doubt a block is the program's: a leak
 * shown that is none costs a look, a leak hidden costs more. */
#include "core/runtime.h"

#include <string.h>

#include "core/suppress.h"
#include "tidemark/ring.h"

#define NAME_BYTES 128

/* --- modules --- */

/* Patterns are those of suppressions: anywhere in the name, '^' and '$' hold them to its ends. */
static bool matches_any(const char *const *patterns, const char *name)
{
	for (; *patterns; patterns++)
		if (suppress_matches(*patterns, name))
			return true;
	return false;
}

static bool is_loader(const struct frame_view *view)
{
	static const char *const names[] = {"^ld-linux*.so", "^ld64.so", "^ld.so", "^ld-2", NULL};
	return matches_any(names, frame_basename(view->module));
}

/* libc, the libraries split off from it, and what it loads by itself. */
static bool is_libc(const struct frame_view *view)
{
	static const char *const names[] = {"^libc.so", "^libc-2", "^libpthread.so", "^libpthread-2", "^libdl.so",
	    "^libdl-2", "^librt.so", "^librt-2", "^libresolv.so", "^libresolv-2", "^libanl.so", "^libanl-2",
	    "^libnss_*.so", NULL};
	return matches_any(names, frame_basename(view->module)) || strstr(view->module, "/gconv/");
}

static bool is_runtime(const struct frame_view *view)
{
	return view->module[0] && (is_libc(view) || is_loader(view));
}

static bool is_cxx_runtime(const struct frame_view *view)
{
	static const char *const names[] = {"^libstdc++.so", "^libc++abi.so", "^libc++.so", NULL};
	return view->module[0] && matches_any(names, frame_basename(view->module));
}

/* --- names --- */

/* Functions whose result, or what they put into the caller's object, the caller is to free: without decorations, from
 * the manual of glibc 2.36. fclose and fflush write the final buffer of open_memstream. */
static const char *const hand_over[] = {"alloc_dir", "argz_add", "argz_add_sep", "argz_append", "argz_create",
    "argz_create_sep", "argz_delete", "argz_insert", "argz_replace", "asprintf", "backtrace_symbols",
    "canonicalize_file_name", "catopen", "duplocale", "envz_add", "envz_merge", "fclose", "fdopen", "fdopendir",
    "fflush", "fmemopen", "fopen", "fopencookie", "freopen", "fscanf", "fts_build", "fts_children", "fts_open",
    "fts_read", "fwscanf", "get_current_dir_name", "getaddrinfo", "getcwd", "getdelim", "getifaddrs", "getline", "glob",
    "glob_in_dir", "hcreate", "hcreate_r", "iconv_open", "if_nameindex", "isoc23_fscanf", "isoc23_scanf",
    "isoc23_sscanf", "isoc23_vfscanf", "isoc23_vscanf", "isoc23_vsscanf", "isoc99_fscanf", "isoc99_fwscanf",
    "isoc99_scanf", "isoc99_sscanf", "isoc99_swscanf", "isoc99_vfscanf", "isoc99_vfwscanf", "isoc99_vscanf",
    "isoc99_vsscanf", "isoc99_vswscanf", "isoc99_vwscanf", "isoc99_wscanf", "newlocale", "obstack_printf",
    "obstack_vprintf", "open_memstream", "open_wmemstream", "opendir", "popen", "posix_spawn_file_actions_addchdir_np",
    "posix_spawn_file_actions_addclose", "posix_spawn_file_actions_addclosefrom_np", "posix_spawn_file_actions_adddup2",
    "posix_spawn_file_actions_addfchdir_np", "posix_spawn_file_actions_addopen",
    "posix_spawn_file_actions_addtcsetpgrp_np", "posix_spawn_file_actions_init", "posix_spawn_file_actions_realloc",
    "pthread_attr_extension", "pthread_attr_init", "pthread_attr_setaffinity", "pthread_attr_setaffinity_np",
    "pthread_attr_setsigmask_np", "pthread_getattr_np", "re_compile_fastmap", "re_compile_pattern", "re_match",
    "re_match_2", "re_search", "re_search_2", "realpath", "realpath_stk", "regcomp", "res_nclose", "res_ninit",
    "scandir", "scandirat", "scanf", "sem_open", "setmntent", "sscanf", "strdup", "strndup", "swscanf", "tempnam",
    "timer_create", "tmpfile", "tsearch", "vasprintf", "vfscanf", "vfwscanf", "vscanf", "vsscanf", "vswscanf",
    "vwscanf", "w_addchar", "w_addmem", "w_addstr", "w_addword", "wcsdup", "wordexp", "wscanf", NULL};

static bool cut_suffix(char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);
	if (n <= m || strcmp(name + n - m, suffix))
		return false;
	name[n - m] = 0;
	return true;
}

static const char *skip_prefix(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(name, prefix, n) ? name : name + n;
}

/* The public name behind one of libc's internal ones: "__GI___fopen_internal" -> "fopen". */
static void public_name(const char *function, char name[NAME_BYTES])
{
	function = skip_prefix(function, "__GI_");
	function += strspn(function, "_");
	function = skip_prefix(function, "IO_");
	function = skip_prefix(function, "new_");
	function = skip_prefix(function, "old_");
	size_t length = strcspn(function, ".@( ");
	if (length >= NAME_BYTES)
		length = NAME_BYTES - 1;
	memcpy(name, function, length);
	name[length] = 0;
	static const char *const suffixes[] = {"_internal", "_chk", "_tail", "_impl", "64", NULL};
	for (const char *const *suffix = suffixes; *suffix; suffix++)
		cut_suffix(name, *suffix);
}

bool runtime_hands_over(const char *function)
{
	char name[NAME_BYTES];
	public_name(function, name);
	for (const char *const *known = hand_over; *known; known++)
		if (!strcmp(*known, name))
			return true;
	return false;
}

/* Inner functions that work on a block which the program is to free, whichever function was called: the buffer of
 * open_memstream grows in fprintf(). */
static bool keeps_for_program(const char *function)
{
	static const char *const patterns[] = {
	    "^_IO_str_overflow", "^_IO_wstr_overflow", "^enlarge_userbuf", "^_IO_mem_", "^_IO_wmem_", NULL};
	return matches_any(patterns, skip_prefix(function, "__GI_"));
}

/* Functions that keep what they allocate for libc itself, whichever function was called. */
static bool keeps_for_libc(const char *function)
{
	static const char *const patterns[] = {"^_IO_*doallocate", "^_IO_*doallocbuf",
	    "^_IO_default_pbackfail",                                      /* stdio buffers */
	    "^__gconv_", "^gconv_", "^find_derivation", "^read_conf_file", /* conversion modules and their cache */
	    "mbrtowc", "wcrtomb", "btowc", "mbsrtowcs", "mbsnrtowcs", "wcsrtombs", "mbrlen",
	    "^_nl_", /* locale data, message catalogues */
	    "^__nss_", "^nss_", "^_nss_", "^__res_", "^__resolv_", "^context_alloc", /* name service */
	    "^__tz", "^tzset",                                                       /* time zones */
	    "^_dl_", "^__libc_dlopen", "^__libc_dlsym", "^dlopen_doit",              /* loader */
	    "^__new_exitfn", "^__check_pf", "^__wcsmbs_load_conv", "^__cxa_thread_atexit", "^__libc_register_dl", NULL};
	return matches_any(patterns, skip_prefix(function, "__GI_"));
}

/* Functions that call back into the program and allocate nothing themselves. As the innermost frame, one stands for a
 * function of the program that jumped to malloc instead of calling it. */
static bool calls_back(const char *function)
{
	static const char *const patterns[] = {"^start_thread", "^clone$", "^clone3$", "^__clone", "^__libc_start_",
	    "^call_init", "^_dl_init$", "^_dl_fini$", "^__run_exit_handlers", "^__cxa_finalize", "^__call_tls_dtors",
	    "^__nptl_deallocate_tsd", "^__pthread_once", "^pthread_once", "^bsearch$", "^msort_with_tmp", "^_quicksort",
	    "^twalk", "^__twalk", "^trecurse", "^tdestroy", "^__start_context", "^__run_*fork_handlers",
	    "dl_iterate_phdr", "^_IO_cookie_", "^_obstack_", NULL};
	return matches_any(patterns, skip_prefix(function, "__GI_"));
}

/* --- rules --- */

/* libstdc++ sets memory aside for exceptions thrown when there is none: allocated by its own initialiser, which the
 * loader calls; linked statically, it is known by name. */
static bool is_emergency_pool(const struct frame_view *const *frames, size_t n)
{
	size_t inner = 0;
	while (inner < n && is_cxx_runtime(frames[inner]))
		inner++;
	if (inner && inner < n && is_loader(frames[inner]) && inner <= 4)
		return true;
	for (size_t i = 0; i < n && i < 4; i++)
		if (strstr(frames[i]->function, "(anonymous namespace)::pool::pool") ||
		    strstr(frames[i]->function, "GLOBAL__sub_I_eh_alloc"))
			return true;
	return false;
}

/* A conversion handle is allocated by __gconv_open itself; what it calls fills caches. */
static bool kept_inside(const struct frame_view *const *frames, size_t n_inner)
{
	for (size_t i = 0; i < n_inner; i++)
		if (keeps_for_libc(frames[i]->function) && (i || strcmp(frames[i]->function, "__gconv_open") != 0))
			return true;
	return false;
}

/* getaddrinfo fills caches on its way (configuration files, address scopes). In a libc without names they are told by their
 * depth: what it gives away, it and gaih_inet allocate themselves. */
static bool is_nameless_cache(const struct frame_view *const *frames, size_t n_inner)
{
	size_t n_nameless = 0;
	while (n_nameless < n_inner && !frames[n_nameless]->function[0])
		n_nameless++;
	return n_nameless >= 3 && n_nameless == n_inner - 1 && !strcmp(frames[n_inner - 1]->function, "getaddrinfo");
}

bool runtime_owns(const struct frame_view *const *frames, size_t n_frames, runtime_callee *callee, void *callee_arg)
{
	if (!n_frames)
		return false;
	/* The shim starts before every other library: what came earlier was the loader. */
	if (frames[0]->flags & TIDEMARK_NODE_EARLY)
		return true;
	if (is_emergency_pool(frames, n_frames))
		return true;
	size_t n_inner = 0;
	while (n_inner < n_frames && is_runtime(frames[n_inner]))
		n_inner++;
	if (!n_inner || calls_back(frames[0]->function) || keeps_for_program(frames[0]->function))
		return false;
	if (is_loader(frames[0]) || kept_inside(frames, n_inner) || is_nameless_cache(frames, n_inner))
		return true;
	const char *entry = frames[n_inner - 1]->function;
	if (!entry[0] && n_inner < n_frames && callee)
		entry = callee(callee_arg, frames[n_inner]);
	return entry && entry[0] && !runtime_hands_over(entry);
}
