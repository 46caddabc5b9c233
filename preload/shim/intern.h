/* The trie of stacks in shared memory (ring.h: nodes, tables). Enters: frame words, or a hash over them. Leaves: node
 * ids. Called at the end of every walk, on all threads and processes that share the memory; lock-free. The collector
 * reads the nodes directly.
 *
 * A stack is found down the trie, from a frame that is known to be there: a node has a list of its children, and nodes
 * of one stack are made side by side, so this touches little memory. A node with many children has the rest of them in
 * the hash tables; so have the outermost frames, because the hash tells what modules the addresses below belong to
 * (modules_seed). Whole stacks are there, too, if they came from a walk that knew no frame of the trie.
 *
 * A frame word is the frame's address with its TIDEMARK_NODE_* flags in the top byte. The hash of a stack is a
 * polynomial over the mixed words of its frames, root first, starting with modules_seed: so it can be continued at the
 * leaf (a verified outer part keeps its hash) and can as well be summed up from the leaf while walking. */
#ifndef INTERN_H
#define INTERN_H

#include <stdbool.h>
#include <stdint.h>

#define INTERN_FLAGS_SHIFT 56
#define INTERN_BASE 0x9fb21c651e98df25ull /* odd, no structure: mixing constant of rrmxmx */

static inline uint64_t intern_word(uint64_t pc, uint32_t flags)
{
	return (pc & 0x00ffffffffffffffull) | (uint64_t)flags << INTERN_FLAGS_SHIFT;
}

static inline uint64_t intern_mix(uint64_t word)
{
	word *= 0xd6e8feb86659fd93ull;
	return word ^ word >> 32;
}

/* The hash of a stack with one more frame at the leaf. */
static inline uint64_t intern_extend(uint64_t hash, uint64_t word)
{
	return hash * INTERN_BASE + intern_mix(word);
}

/* In the constructor. returns: 0, or -1 when the areas cannot be used */
int intern_init(void);

/* The stack with this hash; 0 when intern_add did not add it (yet). cost: one or two cache misses */
uint32_t intern_find(uint64_t hash);

/* The node for the first of n more frames below parent (0: they are outermost). Where there is none, all n are made, side
 * by side, and is_new is set. hash: of the stack with the first one. words: not read beyond the first where that is there
 * n: set to how many are done; the last one's id is higher by n - 1 returns: 0 when there is no room */
uint32_t intern_next(uint32_t parent, uint64_t hash, const uint64_t *words, uint32_t *n, bool *is_new);

/* The stack of n words, root first, which intern_find did not find, and will from now on. seed: hash of the empty stack.
 * is_new: set when it was not even in the trie. returns: 0 when there is no room */
uint32_t intern_add(const uint64_t *words, uint32_t n, uint64_t seed, bool *is_new);

#endif
