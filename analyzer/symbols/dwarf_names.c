/* Function names from DIEs. gcc gives no linker name to C++ functions with internal linkage (static, anonymous
 * namespace, lambdas). Where they are inlined nothing else names them in full, so the name is spelled from the
 * declaration, in the demangler's way: scopes, name, parameter types. Types that would need a declarator around the
 * name (pointers to functions and arrays) are left out, and the parameters with them. */
#include "symbols/dwarf_names.h"

#include "symbols/mangled.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HOPS 16  /* abstract_origin and specification in a row */
#define MAX_DEPTH 32 /* of scopes, and of pointers in types */

struct text {
	size_t used;
	bool bad; /* too long, or not to be spelled */
	char bytes[4096];
};

static void text_add(struct text *text, const char *more)
{
	size_t length = strlen(more);

	if (length >= sizeof(text->bytes) - text->used) {
		text->bad = true;
		return;
	}
	memcpy(text->bytes + text->used, more, length + 1);
	text->used += length;
}

void dwarf_names_init(struct dwarf_names *names, struct strpool *pool)
{
	names->pool = pool;
	dwarf_nests_init(&names->nests);
}

void dwarf_names_release(struct dwarf_names *names)
{
	dwarf_nests_release(&names->nests);
}

static bool language_is_cxx(int language)
{
	switch (language) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case 0x2b: /* C++17 and C++20, newer than this <dwarf.h> may be */
	case 0x2c:
	case DW_LANG_ObjC_plus_plus:
		return true;
	default:
		return false;
	}
}

static const char *attribute_text(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	const char *text = dwarf_attr(die, name, &attribute) ? dwarf_formstring(&attribute) : NULL;

	return text && text[0] ? text : NULL;
}

static bool attribute_flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	bool flag = false;

	return dwarf_attr(die, name, &attribute) && !dwarf_formflag(&attribute, &flag) && flag;
}

static bool attribute_die(Dwarf_Die *die, unsigned name, Dwarf_Die *target)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(die, name, &attribute) && dwarf_formref_die(&attribute, target);
}

void dwarf_names_describe(Dwarf_Die *die, struct dwarf_function *function)
{
	Dwarf_Die unit, next;

	memset(function, 0, sizeof(*function));
	function->die = *die;
	for (int i = 0; i < MAX_HOPS; i++) {
		Dwarf_Die *here = &function->die;

		if (!function->linkage)
			function->linkage = attribute_text(here, DW_AT_linkage_name);
		if (!function->linkage)
			function->linkage = attribute_text(here, DW_AT_MIPS_linkage_name);
		if (!function->plain)
			function->plain = attribute_text(here, DW_AT_name);
		function->is_external |= attribute_flag(here, DW_AT_external);
		if (!attribute_die(here, DW_AT_abstract_origin, &next) &&
		    !attribute_die(here, DW_AT_specification, &next))
			break;
		function->die = next;
	}
	/* What dwz moved into a shared unit stands there without a language: the user's counts. */
	if (dwarf_diecu(&function->die, &unit, NULL, NULL))
		function->is_cxx = language_is_cxx(dwarf_srclang(&unit));
	if (!function->is_cxx && dwarf_diecu(die, &unit, NULL, NULL))
		function->is_cxx = language_is_cxx(dwarf_srclang(&unit));
}

static void type_add(struct dwarf_names *names, struct text *text, Dwarf_Die *holder, int depth);

/* Compilers spell out "int"; the demangler does not. */
static const char *base_name(const char *name)
{
	static const char *const pairs[][2] = {
	    {"long int", "long"},
	    {"long unsigned int", "unsigned long"},
	    {"short int", "short"},
	    {"short unsigned int", "unsigned short"},
	    {"long long int", "long long"},
	    {"long long unsigned int", "unsigned long long"},
	    {"__int128 unsigned", "unsigned __int128"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (!strcmp(name, pairs[i][0]))
			return pairs[i][1];
	return name;
}

/* The parameters of a function or method, "(int, char const*) const". */
static void parameters_add(struct dwarf_names *names, struct text *text, Dwarf_Die *function, int depth)
{
	const char *separator = "", *qualifier = "";
	Dwarf_Die child, pointer, object;

	text_add(text, "(");
	if (!dwarf_child(function, &child)) {
		do {
			int tag = dwarf_tag(&child);

			if (tag == DW_TAG_formal_parameter && attribute_flag(&child, DW_AT_artificial)) {
				/* `this`: const when it points to something const; itself it may be const too */
				bool found = attribute_die(&child, DW_AT_type, &pointer);

				if (found && dwarf_tag(&pointer) == DW_TAG_const_type)
					found = attribute_die(&pointer, DW_AT_type, &pointer);
				if (found && attribute_die(&pointer, DW_AT_type, &object) &&
				    dwarf_tag(&object) == DW_TAG_const_type)
					qualifier = " const";
				continue;
			}
			if (tag != DW_TAG_formal_parameter && tag != DW_TAG_unspecified_parameters)
				continue;
			text_add(text, separator);
			separator = ", ";
			if (tag == DW_TAG_unspecified_parameters)
				text_add(text, "...");
			else
				type_add(names, text, &child, depth + 1);
		} while (!text->bad && !dwarf_siblingof(&child, &child));
	}
	text_add(text, ")");
	text_add(text, qualifier);
}

/* As parameters_add, or nothing when they cannot be spelled. */
static void parameters_try(struct dwarf_names *names, struct text *text, Dwarf_Die *function, int depth)
{
	size_t used = text->used;

	parameters_add(names, text, function, depth);
	if (text->bad) {
		text->bad = false;
		text->used = used;
		text->bytes[used] = '\0';
	}
}

static void function_add(
    struct dwarf_names *names, struct text *text, const struct dwarf_function *function, int depth);

/* A lambda is a class without a name that can be called. */
static void class_add(struct dwarf_names *names, struct text *text, Dwarf_Die *class_die, Dwarf_Die *member, int depth)
{
	const char *name = attribute_text(class_die, DW_AT_name);
	const char *member_name = attribute_text(member, DW_AT_name);

	if (name) {
		text_add(text, name);
	} else if (member_name && !strcmp(member_name, "operator()")) {
		text_add(text, "{lambda");
		parameters_try(names, text, member, depth + 1);
		if (text->used > 6 && !strcmp(text->bytes + text->used - 6, " const"))
			text->bytes[text->used -= 6] = '\0';
		text_add(text, "}");
	} else {
		text_add(text, "{unnamed type}");
	}
}

/* "outer::inner::" for what stands around a DIE. A class declared inside a function is named within it; a function
 * nested in a function (GNU C) is not. */
static void scopes_add(struct dwarf_names *names, struct text *text, Dwarf_Die *die, int depth)
{
	int own_tag = dwarf_tag(die), tag;
	Dwarf_Die around;

	if (depth > MAX_DEPTH || !dwarf_nests_around(&names->nests, die, &around))
		return;
	tag = dwarf_tag(&around);
	if (tag == DW_TAG_subprogram) {
		struct dwarf_function function;

		if (own_tag == DW_TAG_subprogram)
			return;
		dwarf_names_describe(&around, &function);
		function_add(names, text, &function, depth + 1);
	} else if (tag == DW_TAG_namespace) {
		const char *name = attribute_text(&around, DW_AT_name);

		scopes_add(names, text, &around, depth + 1);
		text_add(text, name ? name : "(anonymous namespace)");
	} else {
		scopes_add(names, text, &around, depth + 1);
		class_add(names, text, &around, die, depth);
	}
	text_add(text, "::");
}

static void named_type_add(struct dwarf_names *names, struct text *text, Dwarf_Die *type, int depth)
{
	const char *name = attribute_text(type, DW_AT_name);

	if (!name) {
		text->bad = true;
		return;
	}
	scopes_add(names, text, type, depth);
	text_add(text, name);
}

/* What a pointer points to, then its sign. */
static void pointer_add(struct dwarf_names *names, struct text *text, Dwarf_Die *pointer, const char *sign, int depth)
{
	Dwarf_Die target, type = *pointer;

	while (attribute_die(&type, DW_AT_type, &target)) {
		int tag = dwarf_tag(&target);

		if (tag == DW_TAG_subroutine_type || tag == DW_TAG_array_type)
			text->bad = true;
		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type)
			break;
		if (++depth > MAX_DEPTH)
			break;
		type = target;
	}
	type_add(names, text, pointer, depth + 1);
	text_add(text, sign);
}

/* Mangled names see through a typedef, but for the one that gives a structure its only name. */
static void typedef_add(struct dwarf_names *names, struct text *text, Dwarf_Die *type, int depth)
{
	Dwarf_Die target;

	if (attribute_die(type, DW_AT_type, &target) && !attribute_text(&target, DW_AT_name) &&
	    (dwarf_tag(&target) == DW_TAG_structure_type || dwarf_tag(&target) == DW_TAG_union_type ||
	        dwarf_tag(&target) == DW_TAG_enumeration_type || dwarf_tag(&target) == DW_TAG_class_type))
		named_type_add(names, text, type, depth + 1);
	else
		type_add(names, text, type, depth + 1);
}

/* The type that `holder` (a parameter, a pointer...) names in its DW_AT_type. */
static void type_add(struct dwarf_names *names, struct text *text, Dwarf_Die *holder, int depth)
{
	const char *name;
	Dwarf_Die type;

	if (!attribute_die(holder, DW_AT_type, &type)) {
		text_add(text, "void");
		return;
	}
	if (depth > MAX_DEPTH)
		text->bad = true;
	if (text->bad)
		return;
	name = attribute_text(&type, DW_AT_name);
	switch (dwarf_tag(&type)) {
	case DW_TAG_base_type:
	case DW_TAG_unspecified_type:
		text_add(text, name ? base_name(name) : "?");
		break;
	case DW_TAG_typedef:
		typedef_add(names, text, &type, depth);
		break;
	case DW_TAG_const_type:
	case DW_TAG_volatile_type:
		type_add(names, text, &type, depth + 1);
		/* of a parameter's own type the function's type knows nothing */
		if (dwarf_tag(holder) != DW_TAG_formal_parameter)
			text_add(text, dwarf_tag(&type) == DW_TAG_const_type ? " const" : " volatile");
		break;
	case DW_TAG_restrict_type:
		type_add(names, text, &type, depth + 1);
		break;
	case DW_TAG_pointer_type:
		pointer_add(names, text, &type, "*", depth);
		break;
	case DW_TAG_reference_type:
		pointer_add(names, text, &type, "&", depth);
		break;
	case DW_TAG_rvalue_reference_type:
		pointer_add(names, text, &type, "&&", depth);
		break;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
		named_type_add(names, text, &type, depth);
		break;
	default:
		text->bad = true;
	}
}

/* extern "C": no linker name although others can link to it. Neither scopes nor parameters are part of its name. */
static bool function_is_plain(struct dwarf_names *names, const struct dwarf_function *function)
{
	Dwarf_Die die = function->die, around;

	if (!function->is_cxx || function->linkage)
		return true;
	return function->is_external &&
	       (!dwarf_nests_around(&names->nests, &die, &around) || dwarf_tag(&around) == DW_TAG_namespace);
}

/* Instances of function templates carry their return type in their name. */
static void return_type_try(struct dwarf_names *names, struct text *text, Dwarf_Die *function, const char *plain)
{
	size_t length = strlen(plain), used = text->used;
	Dwarf_Die type;

	if (plain[length - 1] != '>' || !strncmp(plain, "operator", 8) || !attribute_die(function, DW_AT_type, &type))
		return;
	type_add(names, text, function, 0);
	text_add(text, " ");
	if (text->bad) {
		text->bad = false;
		text->used = used;
		text->bytes[used] = '\0';
	}
}

static void function_add(struct dwarf_names *names, struct text *text, const struct dwarf_function *function, int depth)
{
	const char *readable = function->linkage ? mangled_read(function->linkage, names->pool) : NULL;
	Dwarf_Die die = function->die;

	if (readable || !function->plain || function_is_plain(names, function)) {
		text_add(text, readable ? readable : function->plain ? function->plain : "{unnamed}");
		return;
	}
	if (!depth)
		return_type_try(names, text, &die, function->plain);
	scopes_add(names, text, &die, depth);
	text_add(text, function->plain);
	parameters_try(names, text, &die, depth);
}

const char *dwarf_names_read(struct dwarf_names *names, const struct dwarf_function *function)
{
	const char *readable = function->linkage ? mangled_read(function->linkage, names->pool) : NULL;
	struct text text;

	if (readable)
		return readable;
	if (!function->plain)
		return function->linkage ? mangled_symbol(function->linkage, names->pool) : NULL;
	if (function_is_plain(names, function))
		return strpool_add(names->pool, function->plain);
	text.used = 0;
	text.bad = false;
	text.bytes[0] = '\0';
	function_add(names, &text, function, 0);
	return strpool_add(names->pool, text.bad ? function->plain : text.bytes);
}
