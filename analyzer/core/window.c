/* Finds windows: see window.h. A seeker per end of the window looks at every block as it passes: at its marks, at the
 * first event of the wanted tick. Percents need the number of events and so a second pass. */
#include "core/window.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "core/block.h"

#define TICKS_PER_SECOND 10000.0

struct place {
	uint64_t event, tick;
	bool found;
};

struct seeker {
	const char *text;
	size_t name_bytes;     /* of NAME in NAME#k */
	uint64_t wanted, seen; /* k, and how many of them passed */
	struct instant instant;
	struct place whole_name, counted_name, by_tick, by_event;
	uint64_t event; /* PERCENT, second pass */
};

/* A plain decimal number; strtod would take the locale's point, "inf" and hexadecimals. returns: its end, or text */
static const char *decimal(const char *text, double *value)
{
	const char *c = text;
	double place = 1;
	*value = 0;
	for (; isdigit((unsigned char)*c); c++)
		*value = *value * 10 + (*c - '0');
	if (c == text)
		return text;
	if (*c == '.')
		for (c++; isdigit((unsigned char)*c); c++)
			*value += (*c - '0') * (place /= 10);
	return c;
}

struct instant instant_parse(const char *text)
{
	double value;
	const char *unit = decimal(text, &value);
	if (!strcmp(text, "start"))
		return (struct instant){.kind = INSTANT_START};
	if (!strcmp(text, "end"))
		return (struct instant){.kind = INSTANT_END};
	if (unit == text)
		return (struct instant){.kind = INSTANT_NAME};
	if (!strcmp(unit, "%") && value <= 100)
		return (struct instant){.kind = INSTANT_PERCENT, .percent = value};
	double ticks = value * TICKS_PER_SECOND;
	if (!strcmp(unit, "ms"))
		ticks /= 1000;
	else if (*unit && strcmp(unit, "s") != 0)
		return (struct instant){.kind = INSTANT_NAME};
	if (!(ticks < (double)TIDEMARK_MAX_TICK))
		ticks = (double)TIDEMARK_MAX_TICK;
	return (struct instant){.kind = INSTANT_TICK, .tick = (uint64_t)llround(ticks)};
}

static void seeker_init(struct seeker *seeker, const char *text)
{
	*seeker = (struct seeker){.text = text, .instant = instant_parse(text), .event = UINT64_MAX};
	const char *hash = strrchr(text, '#');
	if (hash && hash > text && count_parse(hash + 1, UINT32_MAX, &seeker->wanted) && seeker->wanted)
		seeker->name_bytes = (size_t)(hash - text);
	else
		seeker->wanted = 0;
}

static void set_place(struct place *place, uint64_t event, uint64_t tick)
{
	if (!place->found)
		*place = (struct place){.event = event, .tick = tick, .found = true};
}

static void look_at_mark(struct seeker *seeker, const char *name, uint64_t event, uint64_t tick)
{
	if (!strcmp(name, seeker->text))
		set_place(&seeker->whole_name, event, tick);
	if (seeker->wanted && strlen(name) == seeker->name_bytes && !memcmp(name, seeker->text, seeker->name_bytes) &&
	    ++seeker->seen == seeker->wanted)
		set_place(&seeker->counted_name, event, tick);
}

/* The event's tick: that of the last step at or before it. */
static uint64_t tick_of(const struct trace_block *block, uint32_t position)
{
	uint32_t i = 0;
	while (i + 1 < block->n_steps && block->steps[i + 1].position <= position)
		i++;
	return block->steps[i].tick;
}

static void look_at_block(struct seeker *seeker, const struct trace *trace, const struct trace_block *block)
{
	for (uint32_t i = 0; i < block->n_rares; i++) {
		const struct trace_rare *rare = &block->rares[i];
		if (rare->kind == TIDEMARK_RARE_MARK)
			look_at_mark(
			    seeker, trace->strings[rare->values[1]], block->first_event + rare->position, rare->tick);
	}
	if (seeker->instant.kind == INSTANT_TICK && !seeker->by_tick.found)
		for (uint32_t i = 0; i < block->n_steps; i++)
			if (block->steps[i].tick >= seeker->instant.tick)
				set_place(&seeker->by_tick, block->first_event + block->steps[i].position,
				    seeker->instant.tick);
	if (seeker->event >= block->first_event && seeker->event - block->first_event < block->n_events)
		set_place(
		    &seeker->by_event, seeker->event, tick_of(block, (uint32_t)(seeker->event - block->first_event)));
}

static int pass(struct trace *trace, struct seeker seekers[2], struct err *err)
{
	const struct trace_block *block;
	int result = trace_rewind(trace, true, err);
	while (result >= 0 && (result = trace_next(trace, &block, err)) == 1)
		for (unsigned i = 0; i < 2; i++)
			look_at_block(&seekers[i], trace, block);
	return result;
}

static int settle(const struct trace *trace, const struct seeker *seeker, struct place *place, struct err *err)
{
	const struct place end = {.event = UINT64_MAX, .tick = trace->end_tick, .found = true};
	*place = seeker->whole_name.found ? seeker->whole_name : seeker->counted_name;
	if (place->found)
		return 0;
	if (seeker->seen)
		return err_set(err, TIDEMARK_ERR_NOT_FOUND, "the mark '%.*s' stands only %llu time%s in '%s'",
		    (int)seeker->name_bytes, seeker->text, (unsigned long long)seeker->seen, plural(seeker->seen),
		    trace->path);
	switch (seeker->instant.kind) {
	case INSTANT_START:
		*place = (struct place){.found = true};
		return 0;
	case INSTANT_TICK:
		*place = seeker->by_tick.found ? seeker->by_tick : end;
		if (seeker->instant.tick < trace->end_tick)
			place->tick = seeker->instant.tick;
		return 0;
	case INSTANT_PERCENT:
		*place = seeker->by_event.found ? seeker->by_event : end;
		return 0;
	case INSTANT_END:
		*place = end;
		return 0;
	case INSTANT_NAME:
		break;
	}
	return err_set(err, TIDEMARK_ERR_NOT_FOUND,
	    "there is no mark '%s' in '%s'; try a time (1.5s), a share (50%%), start or end", seeker->text,
	    trace->path);
}

/* Turn percents into events. returns: true when a pass is needed to find their ticks */
static bool place_percents(struct seeker seekers[2], uint64_t n_events)
{
	bool any = false;
	for (unsigned i = 0; i < 2; i++) {
		seekers[i].seen = 0;
		if (seekers[i].instant.kind != INSTANT_PERCENT || seekers[i].whole_name.found)
			continue;
		seekers[i].event = (uint64_t)((double)n_events * seekers[i].instant.percent / 100);
		seekers[i].by_event.found = false;
		any = true;
	}
	return any;
}

int window_find(struct trace *trace, const char *from, const char *to, struct window *window, struct err *err)
{
	struct seeker seekers[2];
	struct place places[2];
	seeker_init(&seekers[0], from ? from : "start");
	seeker_init(&seekers[1], to ? to : "end");
	int result = pass(trace, seekers, err);
	if (result < 0)
		return result;
	uint64_t seen[2] = {seekers[0].seen, seekers[1].seen};
	if (place_percents(seekers, trace->n_events) && (result = pass(trace, seekers, err)) < 0)
		return result;
	for (unsigned i = 0; i < 2; i++) {
		seekers[i].seen = seen[i];
		/* Left out is not the same as named: a mark "start" is no reason to begin there. */
		if (!(i ? to : from))
			seekers[i].whole_name.found = false;
		if ((result = settle(trace, &seekers[i], &places[i], err)) < 0)
			return result;
	}
	*window = (struct window){places[0].event, places[1].event, places[0].tick, places[1].tick};
	if (from && places[0].event == UINT64_MAX && seekers[0].instant.kind == INSTANT_TICK &&
	    seekers[0].instant.tick > trace->end_tick) {
		char end[SIZE_TEXT_BYTES];
		return err_set(err, TIDEMARK_ERR_NOT_FOUND, "'%s' lies after the end of '%s', which is at %s", from,
		    trace->path, time_text(end, trace->end_tick * TIDEMARK_TICK_NS));
	}
	if (window->from_event == UINT64_MAX)
		window->from_event = trace->n_events;
	bool empty = window->from_event == window->to_event;
	if (window->from_event > window->to_event || (empty && window->from_tick > window->to_tick))
		return err_set(err, TIDEMARK_ERR_USAGE, "'%s' comes after '%s' in '%s'", from ? from : "start",
		    to ? to : "end", trace->path);
	/* A mark's tick may lag behind the events around it. */
	if (window->to_tick < window->from_tick)
		window->to_tick = window->from_tick;
	return 0;
}
