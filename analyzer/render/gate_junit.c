/* The verdict as JUnit XML: a test case for each check. A check that failed is a failure, one without a verdict an error. */
#include <string.h>

#include "render/gate_out.h"
#include "render/xml.h"

/* Text or an attribute's value. */
static void put(FILE *file, const char *text)
{
	while (*text)
		text += xml_letter(file, text, "?");
}

static void put_stacks(const struct gate_out *out, const struct gate_check *check, FILE *file)
{
	const struct measure *m = out->gate->measure;
	char size[METRIC_TEXT_BYTES];
	for (size_t i = 0; i < check->n_culprits; i++) {
		const struct measure_stack *stack = &m->stacks[check->culprits[i].stack];
		fprintf(file, "\n%s%s by\n", check->grown ? "+" : "",
		    metric_text(size, check->metric_kind, check->culprits[i].value));
		for (uint32_t k = 0; k < stack->n_frames && stack->frames; k++) {
			const struct measure_frame *frame = &m->frames[stack->frames[k]];
			fputs("    ", file);
			put(file, frame->function);
			if (frame->line) {
				fputs("  ", file);
				put(file, gate_path(out, frame->file));
				fprintf(file, ":%u", frame->line);
			}
			fputc('\n', file);
		}
	}
}

/* returns: the element for a verdict, NULL when the test case is empty */
static const char *element(enum verdict verdict)
{
	static const char *const names[] = {
	    [VERDICT_INCONCLUSIVE] = "error", [VERDICT_INCOMPLETE] = "error", [VERDICT_FAIL] = "failure"};
	return names[verdict];
}

static void put_case(const struct gate_out *out, const struct gate_check *check, FILE *file)
{
	const char *name = element(gate_counts_as(out->gate, check->verdict));
	fputs("    <testcase classname=\"tidemark.", file);
	put(file, out->gate->measure->program);
	fputs("\" name=\"", file);
	put(file, check->name);
	fputs("\">\n", file);
	if (name) {
		fprintf(file, "      <%s type=\"%s\" message=\"", name, verdict_name(check->verdict));
		put(file, check->reason);
		fputs("\">", file);
		put(file, check->reason);
		put_stacks(out, check, file);
		fprintf(file, "</%s>\n", name);
	} else {
		fputs("      <system-out>", file);
		put(file, gate_verdict_text(check->verdict));
		fputs(": ", file);
		put(file, check->reason);
		fputs("</system-out>\n", file);
	}
	fputs("    </testcase>\n", file);
}

void gate_junit(const struct gate_out *out, FILE *file)
{
	const struct gate *gate = out->gate;
	size_t failures = 0, errors = 0;
	for (size_t i = 0; i < gate->n_checks; i++) {
		const char *name = element(gate_counts_as(gate, gate->checks[i].verdict));
		failures += name && !strcmp(name, "failure");
		errors += name && !strcmp(name, "error");
	}
	fprintf(file,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<testsuites name=\"tidemark\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n"
	    "  <testsuite name=\"tidemark.",
	    gate->n_checks, failures, errors);
	put(file, gate->measure->program);
	fprintf(file, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\">\n", gate->n_checks, failures,
	    errors);
	for (size_t i = 0; i < gate->n_checks; i++)
		put_case(out, &gate->checks[i], file);
	fputs("  </testsuite>\n</testsuites>\n", file);
}
