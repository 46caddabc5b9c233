/* The children of a DIE, in the order of their offsets, in trees that may be forged. threads: any. */
#ifndef DIE_CHILDREN_H
#define DIE_CHILDREN_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#define DIE_MAX_DEPTH 256u /* compilers stay below 40 */

struct die_children {
	Dwarf_Die die; /* the child */
	Dwarf_Off offset;
};

/* Go on to the child that libdw found. returns: false when it lies before the last one: a forged DW_AT_sibling would
 * lead round in circles */
static inline bool die_children_advance(struct die_children *children)
{
	Dwarf_Off last = children->offset;
	children->offset = dwarf_dieoffset(&children->die);
	return children->offset > last;
}

/* depth: of parent below the unit. returns: whether there is a first child; none below DIE_MAX_DEPTH */
static inline bool die_children_first(struct die_children *children, Dwarf_Die *parent, unsigned depth)
{
	children->offset = dwarf_dieoffset(parent);
	return depth <= DIE_MAX_DEPTH && !dwarf_child(parent, &children->die) && die_children_advance(children);
}

static inline bool die_children_next(struct die_children *children)
{
	return !dwarf_siblingof(&children->die, &children->die) && die_children_advance(children);
}

#endif
